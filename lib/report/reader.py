"""A study's folder as one value: what every run did, its analyses, and every quantity by name.

What is on disk may be incomplete or damaged; what cannot be read is missing, and whoever asks for it is told why.
A run that diverged before its last step has no geometry: two snapshots of an explosion are no trajectory.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import ROOT, read_json
from lib.base.snapshots import Snapshots
from lib.geometry.gram import Digest
from lib.params.arguments import kept_arguments
from lib.params.run import Params, load_params
from lib.params.study import DEFAULT_PROFILE, PARAMS_FOLDER, Study, load_study
from lib.report.axis import Axis, Level, default_axis, level_mark
from lib.report.claims_file import Claim, load_claims
from lib.report.paper_folder import PaperFolder, paper_folder
from lib.report.published import Published, load_published
from lib.report.quantities import PARTS, Estimate, Quantity, Table, lookup
from lib.train.records import read_evaluations, read_record

if TYPE_CHECKING:
    import pandas

# ---------------------------------------------------------------------------------------------------------- a run


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
    record: dict[str, Any] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict)
    own: Table = field(default_factory=dict)

    @property
    def time_scale(self) -> float:
        """Published steps per step of this run."""
        return float(Fraction(self.params.time_scale))

    @property
    def state(self) -> str:
        return self.record.get("state", "missing")

    @property
    def diverged(self) -> bool:
        return self.state == "diverged"

    @property
    def stopped(self) -> bool:
        """Diverged before its last step: what there is of it is no whole run."""
        return self.diverged and self.record.get("step", 0) < self.params.schedule.steps

    @property
    def said(self) -> str:
        """The state in words, with the step of a divergence in this run's own steps."""
        if self.diverged:
            return f"diverged at step {self.record['diverged']['step']}"
        if self.state in ("training", "failed"):
            return f"{self.state}, at step {self.record.get('step', 0)}"
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


# -------------------------------------------------------------------------------------------------------- a study


@dataclass(frozen=True)
class StudyResults:
    """Every run of a study's grid, with what the study's paper brings along."""

    study: Study
    folder: Path
    runs: tuple[RunResults, ...]
    axis: Axis
    paper: PaperFolder
    claims: tuple[Claim, ...]
    published: Published

    @cached_property
    def present(self) -> list[RunResults]:
        """The runs that there is anything of."""
        return [run for run in self.runs if run.folder.is_dir()]

    @cached_property
    def levels(self) -> list[Level]:
        """The levels of the axis in the grid, in the order in which they are told."""
        return self.axis.ordered(run.level for run in self.runs)

    @property
    def seeds(self) -> list[int]:
        return sorted({run.params.seed for run in self.runs})

    @property
    def time_scale(self) -> float:
        """Published steps per step of these runs."""
        return float(self.study.time_scale)

    @property
    def length(self) -> Fraction:
        """The length of these runs over that of the published ones, as the geometry's presets take it."""
        return 1 / Fraction(self.study.time_scale)

    @cached_property
    def mixed(self) -> bool:
        """Whether a parameter besides the axis and the seed makes an average over runs meaningless."""
        return bool(set(self.study.axes) - {self.axis.parameter, "seed"})

    @property
    def baseline(self) -> RunResults:
        """The run that the others are said to differ from: that at the axis' baseline, or the first."""
        return next((run for run in self.runs if run.level == self.axis.baseline), self.runs[0])

    def run_at(self, level: Level | None) -> RunResults | None:
        return next((run for run in self.runs if run.level == level), None)

    def at(self, level: Level | None, name: str, part: str = "observed") -> Estimate:
        """Over the runs at one level: with several seeds the mean and its error from their spread."""
        if self.mixed:
            return Estimate(None, count=0, why=f"the runs differ in more than {self.axis.name} and the seed")
        found = [run.quantity(name, part) for run in self.runs if run.level == level]
        known = [e for e in found if e.value is not None]
        if not known:
            return Estimate(None, count=0, why=found[0].why or "no data" if found else "not in the grid")
        if len(known) == 1:
            return known[0]
        values = np.array([e.value for e in known])
        error = float(values.std(ddof=1) / math.sqrt(len(values)))
        return Estimate(float(values.mean()), error, len(values))

    def lookup(self, name: str) -> Quantity:
        return lookup(name, self.own)[0]

    @cached_property
    def own(self) -> Table:
        """The study's own quantities, by name."""
        return self.paper.find("quantities", "QUANTITIES", {})

    def trained(self) -> list[Level]:
        """The levels at which no run diverged, in order; a run may yet be missing."""
        return [level for level in self.levels if level not in self.diverged()]

    def diverged(self) -> list[Level]:
        return [level for level in self.levels if any(run.diverged for run in self.runs if run.level == level)]

    def groups(self, runs: Iterable[RunResults] | None = None) -> dict[str, list[RunResults]]:
        """Runs that differ in nothing but the seed, by what a legend calls them, in the order of the levels."""
        found: dict[str, list[RunResults]] = {}
        runs = self.present if runs is None else runs
        for run in sorted(runs, key=lambda run: (self.levels.index(run.level), run.name)):
            found.setdefault(self.label(run), []).append(run)
        return found

    def label(self, run: RunResults, *, seed: bool = False) -> str:
        """A run by its place in the grid."""
        named = {self.axis.symbol if name == self.axis.parameter else name: v for name, v in run.point.items()}
        if not seed:
            named.pop("seed", None)
        return ", ".join(f"{name} = {level_mark(value)}" for name, value in named.items()) or run.name

    @property
    def source(self) -> str:
        """Which runs of which commits a figure shows, for its metadata."""
        made = [f"{r.name} at {str(r.record.get('commit') or 'unknown commit')[:12]}" for r in self.present]
        return f"{self.study.folder_name}: {'; '.join(made) or 'no runs'}"

    def frame(
        self,
        quantities: Sequence[str] = (),
        parts: Sequence[str] = ("observed",),
        parameters: Sequence[str] | str = "differing",
    ) -> "pandas.DataFrame":
        """One row a run: its parameters, what became of it, its scores, and the quantities that are asked for.

        Args:
            quantities: by name, `G0.pc1`; each gives a column for each of `parts`, and those are named
                `G0.pc1` for what is observed, `G0.pc1 null`, `G0.pc1 excess`, `G0.pc1 simulated`.
            parameters: "differing" for those that differ between the runs, "all", or dotted names.
        """
        from lib.report.frame import frame

        return frame(self, quantities, parts, parameters)


# ------------------------------------------------------------------------------------------------- opening a folder


def collect(study: Study, folder: Path) -> StudyResults:
    """Everything that is on disk of a study, in the study's order."""
    paper = paper_folder(study)
    claimed, published = paper.file("claims.yaml"), paper.file("published.yaml")
    axis, claims = load_claims(claimed) if claimed else (default_axis(study), ())
    own = paper.find("quantities", "QUANTITIES", {})
    runs = []
    for run in study.runs:
        place = folder / run.name
        found = (read_record(place) or {}, read_evaluations(place), load_analysis(place))
        runs.append(RunResults(run.name, place, run.params, run.point, axis.level(run.params), *found, own))
    known = load_published(published) if published else Published()
    return StudyResults(study, folder, tuple(runs), axis, paper, claims, known)


def open_study(study: str | Path, profile: str = "", overrides: str = "", folder: str | Path = "") -> StudyResults:
    """A study's results: `open_study("outputs/width-laptop")`, or `open_study("width", "laptop")`.

    Args:
        study: the folder of its results, a name in params/, or a params file.
        profile, overrides: as make takes them (PROFILE=, SET=); a folder knows its own.
        folder: where the results of a named study lie; empty: in outputs/.

    Raises: BadInput when there is no such study, or a folder does not say which it is of.
    """
    named = str(study).endswith((".yaml", ".yml")) or (PARAMS_FOLDER / f"{study}.yaml").is_file()
    if named or not Path(study).is_dir():
        loaded = load_study(str(study), profile or DEFAULT_PROFILE, overrides)
        return collect(loaded, Path(folder) if folder else ROOT / "outputs" / loaded.folder_name)
    arguments = kept_arguments(Path(study))
    try:
        loaded = load_study(**arguments) if arguments else None
    except BadInput:
        loaded = None
    if loaded is None:
        raise BadInput(
            f"{study}: this folder does not say which study it is of; name the study as well: "
            f"open_study('my.yaml', 'laptop', folder='{study}')"
        )
    return collect(loaded, Path(study))


def open_run(folder: str | Path) -> RunResults:
    """A run's results by its folder, as a part of its study; alone where the study does not know it.

    Alone (a branch, a run of `make explore`, one of somebody else's) it has the quantities that every run has.

    Raises: BadInput when there is no run.
    """
    place = Path(folder)
    if not (place / "params.yaml").is_file():
        raise BadInput(f"{place}: this is no run's folder, it has no params.yaml")
    params = load_params(place / "params.yaml")
    try:
        study = open_study(place.resolve().parent)
    except BadInput:
        study = None
    known = next((run for run in study.runs if run.name == place.resolve().name), None) if study else None
    if known is not None and known.params == params:
        return known
    found = (read_record(place) or {}, read_evaluations(place), load_analysis(place))
    return RunResults(place.resolve().name, place, params, {}, None, *found)
