"""A run's folder as one value: what it did, its analyses, and every quantity by name.

What is on disk may be incomplete or damaged; what cannot be read is missing, and whoever asks for it is told why.
A run that diverged before its last step has no geometry: two snapshots of an explosion are no trajectory.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import WATCH, read_json
from lib.base.snapshots import Snapshots
from lib.geometry.gram import Digest
from lib.geometry.ladder import RUNGS
from lib.params.run import Params
from lib.report.axis import Level
from lib.report.quantities import PARTS, Estimate, Table, lookup
from lib.train.records import read_evaluations
from lib.train.run_record import RunRecord, run_record

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class RunResults:
    """One run as it lies on disk.

    point        its place in the grid, by parameter
    level        of the study's axis
    record       run.json; empty when there is none
    evaluations  pilot_metrics.json
    analysis     the content of every readable analysis/*.json, by name
    own          the study's own quantities
    """

    name: str
    folder: Path
    params: Params
    point: dict[str, Any] = field(default_factory=dict)
    level: Level | None = None
    record: RunRecord = field(default_factory=RunRecord)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict)
    own: Table = field(default_factory=dict)

    @property
    def time_scale(self) -> float:
        """Published steps per step of this run."""
        return float(Fraction(self.params.time_scale))

    @property
    def length(self) -> Fraction:
        """The length of this run over that of the published one, as the geometry's presets take it."""
        return 1 / Fraction(self.params.time_scale)

    @property
    def state(self) -> str:
        return self.record.state or "missing"

    @property
    def diverged(self) -> bool:
        return self.state == "diverged"

    @property
    def stopped(self) -> bool:
        """Diverged before its last step: what there is of it is no whole run."""
        return self.diverged and (self.record.step or 0) < self.params.schedule.steps

    @property
    def said(self) -> str:
        """The state in words, its step a published one."""
        if self.diverged:
            return f"diverged at step {self.record.diverged.step * self.time_scale:g}"
        if self.state in ("training", "failed"):
            return f"{self.state}, at step {(self.record.step or 0) * self.time_scale:g}"
        return self.state

    def quantity(self, name: str, part: str = "observed") -> Estimate:
        """A quantity by name, in published steps; without a value it says why.

        Raises: BadInput for a name or a part that there is not.
        """
        found, rest = lookup(name, self.own)
        if part not in PARTS:
            raise BadInput(f"unknown part {part} of {name}; there are {', '.join(PARTS)}")
        if part != "observed" and not found.null:
            return Estimate(None, why="no null is defined")
        if self.state not in ("done", "diverged") or (self.stopped and not found.early):
            return Estimate(None, why=self.said)
        try:
            return found.measure(self, part, *rest)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # A file that is JSON, and not what this code writes: whoever changed it, there is no number in it.
            return Estimate(None, why=f"its files cannot be understood ({type(error).__name__}: {error})")

    def metrics(self) -> "pandas.DataFrame":
        """The evaluations, one row each, by step."""
        import pandas

        rows = pandas.DataFrame(self.evaluations)
        return rows.set_index("step") if len(rows) else rows

    def watched(self) -> "pandas.DataFrame":
        """What was measured of steps inside the loop, a row a step and a group; empty where nobody asked for it."""
        import pandas

        path = self.folder / WATCH
        return pandas.read_parquet(path) if path.exists() else pandas.DataFrame()

    @cached_property
    def digest(self) -> Digest:
        """The Gram matrices of the snapshots, from disk when they are current."""
        from lib.measure.trajectory import run_digest

        return run_digest(self.folder)

    @property
    def snapshots(self) -> Snapshots:
        """The trunk's weights at every snapshot, read when they are asked for."""
        from lib.measure.trajectory import run_snapshots

        return run_snapshots(self.folder)

    # ------------------------------------------------------------------------------- as a figure takes them: arrays

    @cached_property
    def backbone(self) -> dict[str, Any]:
        found = self.analysis.get("backbone")
        return found if isinstance(found, dict) else {}

    def value(self, side: str, name: str) -> float:
        """A scalar of backbone.json as it stands there; nan where there is none."""
        value = self._of(side).get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    def array(self, side: str, name: str) -> np.ndarray:
        return numbers(self._of(side).get(name))

    def _of(self, side: str) -> dict[str, Any]:
        found = self.backbone.get(side)
        if side in RUNGS:
            found = (self.backbone.get("rungs") or {}).get(side, {}).get("values")
        return found if isinstance(found, dict) else {}

    def entries(self, name: str, key: str = "") -> list[dict[str, Any]]:
        """The entries of an analysis file that is a list, or that has one under `key`."""
        found = self.analysis.get(name)
        if key:
            found = found.get(key) if isinstance(found, dict) else None
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def evaluated(self, name: str) -> np.ndarray:
        """One number of every evaluation."""
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


def read_run(place: Path, p: Params) -> RunResults:
    """A run by itself, with no place in a study."""
    name, evaluations = place.resolve().name, read_evaluations(place)
    return RunResults(name, place, p, {}, None, run_record(place), evaluations, load_analysis(place))
