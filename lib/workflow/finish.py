"""What is made once for a study, from whatever its runs left: the figures and summary, the paper, the report.

These run even when a stage failed: they show what there is and say what is missing. Each is stale by content,
like a stage, and none of them trains or measures anything.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.base.clock import clock, now_text
from lib.base.code import EVERYTHING, reached
from lib.base.errors import BadInput
from lib.base.files import ROOT, content_hash, fingerprint, json_text, write_atomically
from lib.params.stages import Stage
from lib.params.study import Study
from lib.report.paper_folder import PAPERS, SHARED, paper_folder, section_place
from lib.workflow.done import lost_outputs, read_done
from lib.workflow.plan import Pending, Target, notebook_hash
from lib.workflow.runner import StageFailed, execute_notebook

REPORT = ROOT / "lib" / "report"


@dataclass(frozen=True)
class Step:
    """One thing made for the whole study."""

    name: str
    folder: Path  # the study's
    inputs: dict[str, Any]
    make: Callable[[], list[Path]]  # makes it; returns its files

    @property
    def done(self) -> Path:
        return self.folder / f"{self.name}.done"

    def reasons(self) -> list[str]:
        done = read_done(self.done)
        if done is None:
            return ["it has not been made yet"]
        lost = lost_outputs(self.folder, done)
        if lost:
            return lost[:1]
        changed = [key for key in self.inputs if done["inputs"].get(key) != self.inputs[key]]
        return [f"its {key} changed" for key in changed]


def steps(
    study: Study, folder: Path, every: list[Target], waiting: list[Pending], arguments: dict[str, str]
) -> list[Step]:
    """The study's own stages, its paper where it has one, and its report, each after what it needs.

    Args:
        waiting: the stages of runs that are stale.
        arguments: study, profile and overrides as given on the command line, for the notebook.
    """
    # What is on disk now: a stage that failed or is stale counts as missing, and its return is a change.
    stale = {p.target.done for p in waiting}
    current = {f"{t.run.name}/{t.name}": None if t.done in stale else t.inputs for t in every}
    own = paper_folder(study)
    modules = [path for path in own.files() if path.suffix == ".py"]
    found = []
    for stage in (s for s in study.stages if s.of_study):
        inputs = {
            "runs": content_hash(current),
            "notebook": notebook_hash(stage.notebook),
            "code": _code(stage.notebook, *modules),
            "claims and published numbers": _texts(path for path in own.files() if path.suffix == ".yaml"),
        }
        found.append(Step(stage.name, folder, inputs, _notebook_maker(stage, folder, arguments)))
    figures = content_hash([step.inputs for step in found])
    paper = {
        "figures": figures,
        "code": _code(REPORT / "paper.py", *modules),
        "text": _texts([*(path for path in own.files() if path.suffix in (".tex", ".bib")), *SHARED]),
        # The profiles of a study share one build folder: another one's paper there is not this one's.
        "build folder": own.built_for,
    }
    if own.sections:
        places = [section_place(folder, study, name) for name in own.sections]
        paper["sections"] = content_hash([_section(place) for place in places])
    report = {
        "figures": figures,
        "code": _code(REPORT / "site.py", *modules),
        "templates": _texts(sorted(path for path in REPORT.glob("*.*") if path.suffix in (".html", ".css", ".js"))),
    }

    def make_paper() -> list[Path]:
        from lib.report.paper import build_paper
        from lib.report.reader import collect

        pdf = build_paper(collect(study, folder), own.build, own.pdf)
        write_atomically(own.build / "built_for", str(folder.resolve()))
        return [pdf]

    def make_report() -> list[Path]:
        from lib.report.reader import collect
        from lib.report.site import build_report

        index = build_report(collect(study, folder))
        return sorted(path for path in index.parent.rglob("*") if path.is_file())

    if own.has_text:
        found.append(Step("paper", folder, paper, make_paper))
    return [*found, Step("report", folder, report, make_report)]


def _section(place: Path) -> dict[str, Any]:
    """What another study's part of a paper is made from: its runs, as its own stages saw them, and its text."""
    made = {path.name: (read_done(path) or {}).get("inputs") for path in sorted(place.glob("[0-9]*.done"))}
    text = PAPERS / place.name.rpartition("-")[0]
    return {"made": made, "text": _texts(path for path in sorted(text.glob("*")) if path.is_file())}


def _notebook_maker(stage: Stage, folder: Path, arguments: dict[str, str]) -> Callable[[], list[Path]]:
    def make() -> list[Path]:
        shutil.rmtree(folder / "summary", ignore_errors=True)  # a failure leaves nothing old for the paper
        execute_notebook(stage.name, stage.notebook, folder, {"folder": str(folder), **arguments})
        return [folder / "notebooks" / f"{stage.name}.ipynb", *sorted((folder / "summary").rglob("*.*"))]

    return make


def no_paper(study: Study) -> str:
    """The sentence for a study that has figures and a report, and no paper; else nothing."""
    own = paper_folder(study)
    if own.has_text:
        return ""
    text = os.path.relpath(own.folder / "paper.tex")
    return f"{study.folder_name}: no paper, since there is no {text}; figures and report are all that is made"


def _texts(paths: Iterable[Path]) -> str:
    return content_hash([path.read_text(encoding="utf-8") for path in paths])


def _code(*modules: Path) -> str:
    return content_hash(reached([(path, EVERYTHING) for path in modules]))


def finish(todo: list[Step]) -> list[str]:
    """Make what is stale; returns the names of what could not be made, each already explained."""
    failed = []
    for step in todo:
        if not step.reasons():
            continue
        # Whatever shows the figures shows these, and whether they failed.
        for name in {step.name, *(later.name for later in todo[todo.index(step) :])}:
            (step.folder / f"{name}.done").unlink(missing_ok=True)
        started = time.monotonic()
        try:
            outputs = step.make()
        except (BadInput, StageFailed) as error:
            print(error if isinstance(error, StageFailed) else f"error: {error}", file=sys.stderr)
            failed.append(step.name)
            continue
        inputs = step.inputs | ({"build folder": str(step.folder.resolve())} if step.name == "paper" else {})
        made = {_relative(path, step.folder): fingerprint(path) for path in outputs}
        write_atomically(step.done, json_text({"inputs": inputs, "outputs": made, "finished": now_text()}))
        print(f"{step.folder.name}: {step.name} made in {clock(time.monotonic() - started)}", flush=True)
    return failed


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
