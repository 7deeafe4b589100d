"""`make all` and its kin: let make run what is stale, make the paper, and show what came of it."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lib.base.errors import BadInput
from lib.base.locks import hold
from lib.params.arguments import keep_arguments
from lib.params.study import Run, Study, load_study
from lib.params.study_file import main_study
from lib.workflow.done import KEPT
from lib.workflow.finish import Step, finish, no_paper, steps
from lib.workflow.launch import asked_of_make, job_count, launch_command, run_rules
from lib.workflow.plan import Pending, Target, pending, targets
from lib.workflow.processes import refuse_limits
from lib.workflow.rules import discard, jobs, refuse_place, write_rules
from lib.workflow.sweep import chosen

RUNS_ONLY = Path(KEPT) / "runs-only"  # in a study's folder: nobody asked for a paper of it


@dataclass(frozen=True)
class Asked:
    """A study as the command line named it: resolved, where its results are, and everything that it runs."""

    study: Study
    folder: Path
    arguments: dict[str, str]  # study, profile and overrides as given
    every: list[Target]
    runs: list[Run]  # those that are meant; all of the study's, unless somebody wants some of them alone

    @property
    def alone(self) -> bool:
        return len(self.runs) < len(self.study.runs)

    def pending(self) -> list[Pending]:
        return pending(self.every)

    def steps(self, waiting: list[Pending]) -> list[Step]:
        """What is made once for the study; nothing where nobody asked for more than the runs, or for some alone."""
        if self.alone or (self.folder / RUNS_ONLY).exists():
            return []
        return steps(self.study, self.folder, self.every, waiting, self.arguments)


def asked(
    arguments: dict[str, str], outputs: Path, folder_name: str = "", only: str = "", since: str = ""
) -> Asked:
    """
    Args:
        only, since: of `lib.workflow.sweep.chosen`.
    """
    arguments = arguments | {"study": arguments["study"] or main_study()}
    study = load_study(**arguments)
    folder = outputs / (folder_name or study.folder_name)
    runs = chosen(study, only, since)
    every = [target for target in targets(study, folder) if target.run in runs]
    return Asked(study, folder, arguments, every, runs)


def make(a: Asked, runs_only: bool) -> int:
    """Bring every stage up to date; returns the exit code."""
    from lib.workflow.status import runs_table

    dry = asked_of_make()
    if dry:
        return rehearse(a, runs_only, dry)
    refuse_place(a.folder)
    refuse_limits()
    launch = launch_command()
    with held(a.folder) as lock:
        rules = write_rules(a.study.folder_name, a.folder, a.every)
        keep_arguments(a.folder, a.arguments)
        if not a.alone:
            (a.folder / RUNS_ONLY).touch() if runs_only else (a.folder / RUNS_ONLY).unlink(missing_ok=True)
        for name, what in a.study.altered.items():
            print(f"{a.study.folder_name}: the axis {name} {what}")
        waiting, code = a.pending(), 0
        count, given = job_count(len(a.study.runs), launch)
        if waiting:
            for p in waiting:
                discard(p.target)
            todo = f"{len(waiting)} of {len(a.every)} stages to run, {count} at a time"
            print(f"{a.study.folder_name}: {todo}", flush=True)
            code = run_rules(rules, launch, None if given else count, lock)
            waiting = a.pending()
        else:
            print(f"{a.study.folder_name}: all {len(a.every)} stages are up to date")
        failed = [f"{p.target.run.name} {p.target.name}" for p in waiting]
        failed += finish(a.steps(waiting))
        if a.alone:
            print(f"{a.study.folder_name}: {len(a.runs)} of {len(a.study.runs)} runs were asked for, and no paper")
        elif not runs_only and (missing := no_paper(a.study)):
            print(missing)
    print(runs_table(a.study, a.folder))
    for name in failed:
        print(f"not done: {name}", file=sys.stderr)
    return 1 if code or failed else 0


def rehearse(a: Asked, runs_only: bool, how: str) -> int:
    """`make -n`: say what would run; `make -q`: say by the exit code whether anything would. Nothing is changed."""
    waiting = a.pending()
    todo = (
        []
        if runs_only or a.alone
        else [s for s in steps(a.study, a.folder, a.every, waiting, a.arguments) if s.reasons()]
    )
    if how == "q":
        return 1 if waiting or todo else 0
    stale = {p.target.done for p in waiting}
    by_run: dict[Path, list[Target]] = {}
    for target in a.every:
        by_run.setdefault(target.folder, []).append(target)
    for folder, stages in by_run.items():
        for job in jobs(stages):
            names = [target.name for target in job if target.done in stale]
            if names:
                print(shlex.join([sys.executable, "-m", "lib", "execute", *names, str(folder)]))
    for step in todo:
        print(f"# {a.study.folder_name}: {step.name} would be made")
    if not waiting and not todo:
        print(f"# {a.study.folder_name}: nothing would run")
    return 0


def remake(a: Asked, wanted: tuple[str, ...]) -> list[str]:
    """The study's own stages and one thing that is made from them, from what the runs left; no stage of a run.

    Returns the names of what could not be made.
    """
    if not a.folder.is_dir():
        raise BadInput(f"{a.folder}: this study has no results yet; make all makes them")
    if asked_of_make():
        return []
    own = tuple(stage.name for stage in a.study.stages if stage.of_study)
    found = steps(a.study, a.folder, a.every, a.pending(), a.arguments)
    if "paper" in wanted and (missing := no_paper(a.study)):
        raise BadInput(missing)
    with held(a.folder):
        keep_arguments(a.folder, a.arguments)
        return finish([s for s in found if s.name in own + wanted])


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """A study's folder, for this process and those it starts alone."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder / ".lock", folder, patience=1.0)
    try:
        yield lock
    finally:
        os.close(lock)
