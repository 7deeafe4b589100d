"""What the figures and the report read of a finished study: plain data, a part of which may be missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.files import read_json
from lib.params.run import Params
from lib.params.study import Study
from lib.train.records import read_evaluations, read_record


@dataclass(frozen=True)
class RunData:
    """One run as it lies on disk.

    record       run.json; empty when there is none
    evaluations  pilot_metrics.json
    analysis     the content of analysis/*.json by name
    """

    name: str
    folder: Path
    params: Params
    point: dict[str, Any]
    record: dict[str, Any]
    evaluations: list[dict[str, Any]]
    analysis: dict[str, Any]

    @property
    def beta2(self) -> float:
        return self.params.optim.beta2

    @property
    def diverged(self) -> bool:
        return self.record.get("state") == "diverged"

    @cached_property
    def backbone(self) -> dict[str, Any]:
        found = self.analysis.get("backbone")
        return found if isinstance(found, dict) else {}

    def value(self, side: str, name: str) -> float:
        """A scalar of backbone.json; `side` is observed, null, excess or simulated. nan where there is none."""
        value = self._of(side).get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    def array(self, side: str, name: str) -> np.ndarray:
        return numbers(self._of(side).get(name))

    def _of(self, side: str) -> dict[str, Any]:
        found = self.backbone.get(side)
        return found if isinstance(found, dict) else {}

    def entries(self, name: str, key: str = "") -> list[dict[str, Any]]:
        """The entries of an analysis file that is a list, or that has one under `key`."""
        found = self.analysis.get(name)
        if key:
            found = found.get(key) if isinstance(found, dict) else None
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def evaluated(self, name: str) -> np.ndarray:
        """One quantity over the evaluations."""
        return numbers([evaluation.get(name) for evaluation in self.evaluations])


def numbers(values: Any) -> np.ndarray:
    """A list of JSON numbers as an array; null is nan, and what is no such list is empty."""
    try:
        return np.array(values, dtype=float) if isinstance(values, list) else np.empty(0)
    except (TypeError, ValueError):
        return np.empty(0)


def load_analysis(folder: Path) -> dict[str, Any]:
    """Every readable analysis/*.json of a run, by name."""
    found = {path.stem: read_json(path) for path in sorted((folder / "analysis").glob("*.json"))}
    return {name: data for name, data in found.items() if data is not None}


def load_runs(study: Study, folder: Path) -> list[RunData]:
    """The runs of a study that there is anything of, in the study's order."""
    runs = []
    for run in study.runs:
        at = folder / run.name
        if at.is_dir():
            record, evaluations = read_record(at) or {}, read_evaluations(at)
            runs.append(RunData(run.name, at, run.params, run.point, record, evaluations, load_analysis(at)))
    return runs


def groups(runs: Iterable[RunData]) -> dict[str, list[RunData]]:
    """Runs that differ in nothing but the seed, by what a legend calls them; large beta2 first."""
    found: dict[str, list[RunData]] = {}
    for run in sorted(runs, key=lambda run: (-run.beta2, run.name)):
        found.setdefault(label(run), []).append(run)
    return found


def label(run: RunData, *, seed: bool = False) -> str:
    """A run by its place in the grid."""
    named = {"β₂" if name == "optim.beta2" else name: value for name, value in run.point.items()}
    if not seed:
        named.pop("seed", None)
    return ", ".join(f"{name} = {_text(value)}" for name, value in named.items()) or run.name


def source(study: Study, runs: Iterable[RunData]) -> str:
    """Which runs of which commits a figure shows, for its metadata."""
    made = [f"{run.name} at {str(run.record.get('commit') or 'unknown commit')[:12]}" for run in runs]
    return f"{study.folder_name}: {'; '.join(made) or 'no runs'}"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
