"""What is made once for a study, from whatever its runs left: the figures and summary, the paper, the report.

These run even when a stage failed: they show what there is and say what is missing. Each is stale by content,
like a stage, and none of them trains or measures anything.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.base import provenance
from lib.base.clock import clock, now_text
from lib.base.errors import BadInput
from lib.base.files import content_hash, fingerprint, json_text, write_atomically
from lib.params.study import Study
from lib.workflow.rules import Target
from lib.workflow.runner import StageFailed, execute_notebook, lost_outputs, notebook_path, read_done

FIGURES = "06_figures"
BUILD = provenance.ROOT / "paper" / "build"
FOUNDATION = [provenance.ROOT / "params" / name for name in ("published.yaml", "claims.yaml")]


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
    study: Study, folder: Path, every: list[Target], why: list[list[str]], arguments: dict[str, str]
) -> list[Step]:
    """The figures, the paper and the report, in the order in which they need each other.

    Args:
        why: of each target, the reasons for which it is stale.
        arguments: study, profile and overrides as given on the command line, for the notebook.
    """
    # What is on disk now: a stage that failed or is stale counts as missing, and its return is a change.
    current = {f"{t.run.name}/{t.stage}": None if w else t.inputs for t, w in zip(every, why, strict=True)}
    notebook = notebook_path(FIGURES)
    figures = {
        "runs": content_hash(current),
        "notebook": content_hash(notebook.read_text(encoding="utf-8")),
        "code": content_hash(provenance.code_hashes(notebook, presentation=True)),
        "claims and published numbers": content_hash([path.read_text(encoding="utf-8") for path in FOUNDATION]),
    }
    sources = sorted(path for path in BUILD.parent.iterdir() if path.is_file())
    paper = {
        "figures": content_hash(figures),
        "code": content_hash(
            provenance.code_hashes(provenance.ROOT / "lib" / "report" / "paper.py", presentation=True)
        ),
        "text": content_hash([path.read_text(encoding="utf-8") for path in sources]),
        # Studies and profiles share one build folder: another one's paper there is not this one's.
        "build folder": _built_for(),
    }
    report = {
        "figures": content_hash(figures),
        "code": content_hash(
            provenance.code_hashes(provenance.ROOT / "lib" / "report" / "site.py", presentation=True)
        ),
    }

    def make_figures() -> list[Path]:
        shutil.rmtree(folder / "summary", ignore_errors=True)  # a failure leaves nothing old for the paper
        execute_notebook(FIGURES, folder, {"folder": str(folder), **arguments})
        return [folder / "notebooks" / f"{FIGURES}.ipynb", *sorted((folder / "summary").rglob("*.*"))]

    def make_paper() -> list[Path]:
        from lib.report.paper import build_paper

        pdf = build_paper(study, folder, BUILD)
        write_atomically(BUILD / "built_for", folder.name)
        return [pdf]

    def make_report() -> list[Path]:
        from lib.report.site import build_report

        index = build_report(study, folder)
        return sorted(path for path in index.parent.rglob("*") if path.is_file())

    return [
        Step(FIGURES, folder, figures, make_figures),
        Step("paper", folder, paper, make_paper),
        Step("report", folder, report, make_report),
    ]


def _built_for() -> str:
    path = BUILD / "built_for"
    return path.read_text(errors="replace") if path.is_file() else ""


def finish(todo: list[Step]) -> list[str]:
    """Make what is stale; returns the names of what could not be made, each already explained."""
    failed = []
    for step in todo:
        if not step.reasons():
            continue
        # Whatever shows the figures shows these, and whether they failed.
        for name in (step.name, *(("paper", "report") if step.name == FIGURES else ())):
            (step.folder / f"{name}.done").unlink(missing_ok=True)
        started = time.monotonic()
        try:
            outputs = step.make()
        except (BadInput, StageFailed) as error:
            print(error if isinstance(error, StageFailed) else f"error: {error}", file=sys.stderr)
            failed.append(step.name)
            continue
        inputs = step.inputs | ({"build folder": step.folder.name} if step.name == "paper" else {})
        made = {_relative(path, step.folder): fingerprint(path) for path in outputs}
        write_atomically(step.done, json_text({"inputs": inputs, "outputs": made, "finished": now_text()}))
        print(f"{step.folder.name}: {step.name} made in {clock(time.monotonic() - started)}", flush=True)
    return failed


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
