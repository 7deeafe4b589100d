"""From a study's plan to make's rules: one command a run, and one for each stage that wants its own.

The commands run behind LAUNCH, so make is the scheduler and a cluster is one word.
"""

import re
import shlex
import sys
from pathlib import Path

from lib.base.errors import BadInput, shown
from lib.base.files import json_text, write_atomically
from lib.params.run import dump_params
from lib.workflow.done import KEPT, lost_outputs, read_done, table_path
from lib.workflow.plan import Target


def write_rules(title: str, folder: Path, every: list[Target]) -> Path:
    """Write what changed of the inputs and the rules; returns the rules file."""
    for target in every:
        before = read_done(target.done)
        if before and lost_outputs(target.folder, before):
            target.done.unlink()
        write_if_changed(target.inputs_file, json_text(target.inputs))
        write_if_changed(target.kept / "params.yaml", dump_params(target.run.params))
    tables = {target.inputs["code"]: target.code for target in every}
    tables |= {target.inputs["drawing"]: target.drawing for target in every}
    for digest, code in tables.items():
        write_if_changed(table_path(folder, digest), json_text(code))
    dones = [make_word(target.done) for target in every]
    lines = [
        f"# The grid of {title} as make rules; written anew by every make.",
        "equals := =",
        ".PHONY: all",
        f"all: {' '.join(dones)}",
        f".PRECIOUS: {' '.join(dones)}",  # written last, whole: an interrupt of a later stage deletes none
    ]
    runs: dict[Path, list[Target]] = {}
    for target in every:
        runs.setdefault(target.kept, []).append(target)
    for stages in runs.values():
        for job in jobs(stages):
            lines += job_rule(job, stages)
    path = folder / KEPT / "rules.mk"
    write_if_changed(path, "\n".join(lines) + "\n")
    return path


def jobs(stages: list[Target]) -> list[list[Target]]:
    """The stages of a run by the command that executes them: each that wants its own alone, the others together."""
    together = [target for target in stages if not target.stage.alone]
    return [job for job in (together, *([target] for target in stages if target.stage.alone)) if job]


def job_rule(job: list[Target], stages: list[Target]) -> list[str]:
    """The lines of the rule for some of the stages of a run.

    What another command has to make first is waited for and not compared by age: whether a stage is stale is a
    question of its inputs. A job that fails has failed for make where nothing of it is needed elsewhere;
    otherwise the markers that are needed say whether the others may go on.
    """
    own = {target.name for target in job}
    needed = {name for target in job for name in target.stage.needs} - own
    awaited = {name for target in stages if target.name not in own for name in target.stage.needs} & own
    for target in reversed(job):
        awaited |= set(target.stage.needs) & own if target.name in awaited else set()
    folder = job[0].folder
    before = [make_word(folder / f"{name}.done") for name in sorted(needed)]
    words = [sys.executable, "-m", "lib", "execute", *(target.name for target in job), str(folder)]
    lines = [
        f"{' '.join(make_word(t.done) for t in job)} &: {' '.join(make_word(t.inputs_file) for t in job)}"
        + (f" | {' '.join(before)}" if before else ""),
        f"\t{'-' if awaited else ''}@$(LAUNCH) {shlex.join(words).replace('$', '$$')}",
    ]
    for name in sorted(awaited):
        lines.append(f"\t@test -f {shlex.quote(str(folder / f'{name}.done')).replace('$', '$$')}")
    return lines


def discard(target: Target) -> None:
    """Take a stale stage's measurements off the table: a failure must not leave old numbers in the paper.

    Trained runs stay: training sets them aside itself when it has to begin anew.
    """
    for name in target.stage.makes:
        (target.folder / name).unlink(missing_ok=True)
    target.done.unlink(missing_ok=True)


def make_word(path: Path) -> str:
    """A path as make reads it in a rule."""
    # An equals sign as it stands would make an assignment of the rule.
    return re.sub(r"([ #:])", r"\\\1", str(path)).replace("$", "$$").replace("=", "$(equals)")


def refuse_place(folder: Path) -> None:
    """Raise BadInput for a folder that no rule of make can name."""
    found = re.search(r"^~|[;|\\]|[^ -~\u00a1-\ud7ff\ue000-\U0010ffff]", str(folder))
    if found:
        where = "at the beginning of" if found[0] == "~" else "in"
        raise BadInput(
            f"{shown(str(folder))}: make cannot have {found[0]!r} {where} a path; name another place for the "
            "results with OUTPUTS="
        )


def write_if_changed(path: Path, text: str) -> None:
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_atomically(path, text)
