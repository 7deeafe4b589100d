"""From a study to make's rules: one target a stage of a run, stale by content.

For every stage a small file of everything that goes in (parameters, code, notebook, corpus) is written only
when it changed, so make's clock means content: a `touch`, a checkout or a comment rebuilds nothing. The rules
run one command a stage, behind LAUNCH, so make is the scheduler and a cluster is one word.
"""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.base import provenance
from lib.base.errors import BadInput, shown
from lib.base.files import content_hash, json_text, write_atomically
from lib.params.run import differences, dump_params, identity
from lib.params.study import Run, Study
from lib.tasks.stories.corpus import corpus_key
from lib.workflow.runner import RESULTS, TRAINING, lost_outputs, notebook_path, read_done


@dataclass(frozen=True)
class Stage:
    """A notebook that every run is executed with, once what it needs is done."""

    name: str
    needs: tuple[str, ...]
    # The notebook's parameters for a run of a study; None where the stage does not apply to it.
    parameters: Callable[[Study, Run], dict[str, Any] | None]


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
    Stage("04_reheat", ("02_pca",), _reheat_parameters),
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
                found.append(Target(stage.name, stage.needs, run, folder / run.name, inputs))
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
    lines = [
        f"# The grid of {study.folder_name} as make rules; written anew by every make.",
        "equals := =",
        ".PHONY: all",
        f"all: {' '.join(make_word(t.done) for t in every)}",
    ]
    for target in every:
        words = [sys.executable, "-m", "lib", "execute", target.stage, str(target.folder)]
        needed = [target.inputs_file, *(target.folder / f"{name}.done" for name in target.needs)]
        lines += [
            f"{make_word(target.done)}: {' '.join(map(make_word, needed))}",
            f"\t@$(LAUNCH) {shlex.join(words).replace('$', '$$')}",
        ]
    path = folder / ".make" / "rules.mk"
    write_if_changed(path, "\n".join(lines) + "\n")
    return path


def discard(target: Target) -> None:
    """Take a stale stage's measurements off the table: a failure must not leave old numbers in the paper.

    Trained runs stay: training sets them aside itself when it has to begin anew.
    """
    for name in RESULTS[target.stage]:
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
            f"{shown(str(folder))}: make cannot have {found[0]!r} {where} a path; "
            "name another place for the results with OUTPUTS="
        )


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
