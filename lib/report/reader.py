"""A study's folder as one value: all of its runs, by level and by name, and what its paper brings along."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.geometry.ladder import RUNGS
from lib.params.arguments import kept_arguments
from lib.params.run import load_params
from lib.params.study import Study, load_study
from lib.params.study_file import DEFAULT_PROFILE, PARAMS_FOLDER
from lib.report.axis import Axis, Level, default_axis, level_mark
from lib.report.claims_file import Claim, levels_of, load_claims
from lib.report.paper_folder import PaperFolder, paper_folder
from lib.report.published import Published, load_published
from lib.report.quantities import Estimate, Quantity, Table, lookup
from lib.report.run import RunResults, read_run

if TYPE_CHECKING:
    import pandas


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
        """Over the runs at one level: with several seeds the mean, and its error from their spread.

        That of a null stays the spread from draw to draw: its seeds share all but the drift that it is fitted to.
        """
        if self.mixed:
            return Estimate(None, count=0, why=f"the runs differ in more than {self.axis.name} and the seed")
        runs = [run for run in self.runs if run.level == level]
        found = [run.quantity(name, part) for run in runs]
        known = [e for e in found if e.value is not None]
        lost = [e for e in found if e.value is None]
        if not known or (lost and self.lookup(name).complete):
            return Estimate(None, count=0, why=lost[0].why or "no data" if lost else "not in the grid")
        if len(known) == 1:
            return known[0]
        values = np.array([e.value for e in known])
        error = float(values.std(ddof=1) / math.sqrt(len(values)))
        if part in ("null", *RUNGS):
            of_draws = [e.error for e in known if e.error is not None]
            error = float(np.mean(of_draws)) if of_draws else None
            return Estimate(float(values.mean()), error)
        seeds = {r.params.seed: e.value for r, e in zip(runs, found, strict=True) if e.value is not None}
        return Estimate(float(values.mean()), error, len(values), by_seed=seeds)

    def by_seed(self, level: Level | None, name: str, part: str = "observed") -> dict[int, Estimate]:
        """The estimates at one level of the seeds that have one; runs of one seed share weights, data and order."""
        found = {r.params.seed: r.quantity(name, part) for r in self.runs if r.level == level and not self.mixed}
        known = {seed: e for seed, e in found.items() if e.value is not None}
        return {} if len(known) < len(found) and self.lookup(name).complete else known

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
        """A run by its place in the grid; at a level that has words, they are enough."""
        told = []
        for name, value in run.point.items():
            if name == self.axis.parameter and str(value) in self.axis.words:
                told.append(self.axis.mark(value))
            elif name != "seed" or seed:
                symbol = self.axis.symbol if name == self.axis.parameter else name
                told.append(f"{symbol} = {level_mark(value)}")
        return ", ".join(told) or run.name

    @property
    def source(self) -> str:
        """Which runs of which commits a figure shows, for its metadata."""
        made = [f"{r.name} at {(r.record.commit or 'unknown commit')[:12]}" for r in self.present]
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
                `G0.pc1` for what is observed, `G0.pc1 null`, `G0.pc1 excess`, `G0.pc1 memory`.
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
    read = [(run, read_run(folder / run.name, run.params)) for run in study.runs]
    runs = [
        replace(found, point=run.point, level=axis.level(run.params, run.point), own=own) for run, found in read
    ]
    there = {run.level for run in runs}
    claims = tuple(claim for claim in claims if not claim.optional or levels_of(claim.test) <= there)
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
    return collect(_study_of(Path(study)), Path(study))


def _study_of(folder: Path) -> Study:
    """The study that a folder has the results of."""
    arguments = kept_arguments(folder)
    why = "its name is not <study>-<profile>"
    try:
        if arguments:
            return load_study(**arguments)
    except BadInput as error:
        why = str(error)
    raise BadInput(
        f"{folder}: this folder does not say which study it is of ({why}); name the study as well: "
        f"open_study('my.yaml', 'laptop', folder='{folder}')"
    )


def open_run(folder: str | Path) -> RunResults:
    """A run's results by its folder, as a part of its study; alone where the study does not know it.

    Alone (a branch, a run of `make explore`, one of somebody else's) it has the quantities that every run has.

    Raises: BadInput when there is no run.
    """
    place = Path(folder).resolve()
    if not (place / "params.yaml").is_file():
        raise BadInput(f"{place}: this is no run's folder, it has no params.yaml")
    params = load_params(place / "params.yaml")
    try:
        study = _study_of(place.parent)
    except BadInput:
        return read_run(place, params)
    known = [run for run in collect(study, place.parent).runs if (run.name, run.params) == (place.name, params)]
    return known[0] if known else read_run(place, params)
