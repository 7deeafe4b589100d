"""From a study to make's rules: one target a stage of a run, stale by content.

For every stage a small file of everything that goes in (parameters, code, notebook, corpus) is written only
when it changed, so make's clock means content: a `touch`, a checkout or a comment rebuilds nothing. The rules
run one command a run, and one for each stage that wants its own, behind LAUNCH, so make is the scheduler and a
cluster is one word.
"""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.base import provenance
from lib.base.errors import BadInput
from lib.base.files import content_hash, json_text, write_atomically
from lib.params.run import differences, dump_params, identity
from lib.params.study import Run, Study
from lib.tasks.stories.corpus import corpus_key
from lib.workflow.runner import NEEDS, RESULTS, TRAINING, lost_outputs, notebook_path, read_done


@dataclass(frozen=True)
class Stage:
    """A notebook that every run is executed with, once what it needs is done."""

    name: str
    needs: tuple[str, ...]
    # The notebook's parameters for a run of a study; None where the stage does not apply to it.
    parameters: Callable[[Study, Run], dict[str, Any] | None]
    # A command of its own, which make may run beside other runs': for a stage as long as a training.
    own_job: bool = False


def _reheat_parameters(study: Study, run: Run) -> dict[str, Any] | None:
    if study.reheat is None or run.params.optim.beta2 not in study.reheat.beta2:
        return None
    return {"time_scale": str(study.time_scale), "protocol": study.reheat.model_dump(mode="json")}


STAGES = (
    Stage(TRAINING, (), lambda s, r: {}),
    Stage("02_pca", (TRAINING,), lambda s, r: {"time_scale": str(s.time_scale)}),
    Stage(
        "03_fisher",
        ("02_pca",),
        lambda s, r: {
            "time_scale": str(s.time_scale),
            "steps": s.analysis.fisher_steps,
            "batches": s.analysis.fisher_batches,
        },
    ),
    Stage("04_reheat", ("02_pca",), _reheat_parameters, own_job=True),
    Stage(
        "05_interference",
        ("02_pca",),
        lambda s, r: {
            "time_scale": str(s.time_scale),
            "steps": s.analysis.interference_steps,
            "batches": s.analysis.interference_batches,
        },
    ),
)


@dataclass(frozen=True)
class Target:
    """One stage of one run."""

    stage: str
    needs: tuple[str, ...]
    own_job: bool
    run: Run
    folder: Path  # the run's
    inputs: dict[str, Any]  # everything that goes in

    @property
    def done(self) -> Path:
        return self.folder / f"{self.stage}.done"

    @property
    def kept(self) -> Path:
        """Where make's own files of this run live, beside the results."""
        return self.folder.parent / ".make" / self.folder.name

    @property
    def inputs_file(self) -> Path:
        return self.kept / f"{self.stage}.inputs"


def targets(study: Study, folder: Path) -> list[Target]:
    found = []
    for run in study.runs:
        of_run = run_inputs(run)
        for stage in STAGES:
            parameters = stage.parameters(study, run)
            if parameters is not None:
                inputs = of_run | stage_inputs(stage.name, parameters)
                found.append(Target(stage.name, stage.needs, stage.own_job, run, folder / run.name, inputs))
    return found


def run_inputs(run: Run) -> dict[str, Any]:
    """What goes into every stage of a run."""
    try:
        corpus = corpus_key(run.params)
    except BadInput as error:
        corpus = f"unreadable: {error}"  # the stage itself says so, and the other runs go on
    return {"params": identity(run.params), "corpus": corpus}


def stage_inputs(stage: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """What goes into one stage besides."""
    notebook = notebook_path(stage)
    return {
        "parameters": parameters,
        "code": provenance.code_hashes(notebook),
        "notebook": content_hash(notebook.read_text(encoding="utf-8")),
    }


def write_rules(study: Study, folder: Path, every: list[Target]) -> Path:
    """Write what changed of the inputs and the rules; returns the rules file."""
    for target in every:
        before = read_done(target.done)
        if before and lost_outputs(target.folder, before):
            target.done.unlink()
        write_if_changed(target.inputs_file, json_text(target.inputs))
        write_if_changed(target.kept / "params.yaml", dump_params(target.run.params))
    runs: dict[Path, list[Target]] = {}
    for target in every:
        runs.setdefault(target.kept, []).append(target)
    for kept, stages in runs.items():
        write_if_changed(kept / NEEDS, json_text({t.stage: list(t.needs) for t in stages}))
    dones = [make_word(target.done) for target in every]
    lines = [
        f"# The grid of {study.folder_name} as make rules; written anew by every make.",
        ".PHONY: all",
        f"all: {' '.join(dones)}",
        f".PRECIOUS: {' '.join(dones)}",  # written last, whole: an interrupt of a later stage deletes none
    ]
    for stages in runs.values():
        for job in jobs(stages):
            lines += job_rule(job, stages)
    path = folder / ".make" / "rules.mk"
    write_if_changed(path, "\n".join(lines) + "\n")
    return path


def jobs(stages: list[Target]) -> list[list[Target]]:
    """The stages of a run by the command that executes them: each that wants its own alone, the others together."""
    together = [target for target in stages if not target.own_job]
    return [job for job in (together, *([target] for target in stages if target.own_job)) if job]


def job_rule(job: list[Target], stages: list[Target]) -> list[str]:
    """The lines of the rule for some of the stages of a run.

    What another command has to make first is waited for and not compared by age: whether a stage is stale is a
    question of its inputs. A job that fails has failed for make where nothing of it is needed elsewhere;
    otherwise the markers that are needed say whether the others may go on.
    """
    own = {target.stage for target in job}
    needed = {name for target in job for name in target.needs} - own
    awaited = {name for target in stages if target.stage not in own for name in target.needs} & own
    for target in reversed(job):
        awaited |= set(target.needs) & own if target.stage in awaited else set()
    folder = job[0].folder
    before = [make_word(folder / f"{name}.done") for name in sorted(needed)]
    words = [sys.executable, "-m", "lib", "execute", *(target.stage for target in job), str(folder)]
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
    for name in RESULTS[target.stage]:
        (target.folder / name).unlink(missing_ok=True)
    target.done.unlink(missing_ok=True)


def make_word(path: Path) -> str:
    """A path as make reads it in a rule."""
    return re.sub(r"([ #:\\])", r"\\\1", str(path)).replace("$", "$$")


def write_if_changed(path: Path, text: str) -> None:
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_atomically(path, text)


def reasons(target: Target) -> list[str]:
    """Why this stage will run; empty when its result is current."""
    done = read_done(target.done)
    if done is None:
        return ["it has not run yet"] if not target.done.exists() else ["its done marker is damaged"]
    lost = lost_outputs(target.folder, done)
    found = [lost[0] + (f" (and {len(lost) - 1} more)" if lost[1:] else "")] if lost else []
    was, now = done["inputs"], target.inputs
    for name in differences(was.get("params", {}), now["params"]):
        found.append(f"{name} was {_value(was.get('params'), name)}, now {_value(now['params'], name)}")
    for name in differences(was.get("parameters", {}), now["parameters"]):
        values = _value(was.get("parameters"), name), _value(now["parameters"], name)
        found.append(f"{name} was {values[0]}, now {values[1]}")
    if was.get("corpus") != now["corpus"]:
        found.append("the corpus changed")
    codes = [code if isinstance(code, dict) else {} for code in (was.get("code"), now["code"])]
    found += [
        f"{name} changed"
        for name in sorted(set(codes[0]) | set(codes[1]))
        if codes[0].get(name) != codes[1].get(name)
    ]
    if was.get("notebook") != now["notebook"] and not any(f.startswith("notebooks/") for f in found):
        found.append(f"the text of notebooks/{target.stage}.py changed")
    return found


def _value(data: Any, name: str) -> Any:
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data
