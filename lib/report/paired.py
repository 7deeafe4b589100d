"""Comparisons of levels that are made seed by seed: a difference, and a slope over several levels.

Runs of one seed share data and initial weights. What they share drops out of each seed's own difference or slope,
and the spread of those over seeds is the error.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lib.report.axis import Level
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.run import RunResults


def difference(
    results: StudyResults, level: Level, other: Level | None, name: str, part: str = "observed"
) -> Estimate:
    """The value at `level` minus that at `other`, over the seeds that both have."""
    here, there = (results.by_seed(at, name, part) for at in (level, other))
    return _over_seeds({seed: here[seed].value - there[seed].value for seed in here if seed in there})


def slope(
    results: StudyResults,
    levels: Sequence[Level],
    size: Callable[[RunResults], float],
    name: str,
    part: str = "observed",
    *,
    powers: bool = False,
) -> Estimate:
    """Least squares of a quantity on log10 of a size: its change for ten times the size.

    Args:
        size: of a run, as its number of weights.
        powers: of the quantity's own log10, so that the slope is an exponent. A value that is not above zero then
            leaves its seed out.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for level in levels:
        for run in (run for run in results.present if run.level == level):
            value = run.quantity(name, part).value
            if value is not None and (value > 0 or not powers):
                point = (math.log10(size(run)), math.log10(value) if powers else value)
                found.setdefault(run.params.seed, []).append(point)
    whole = {seed: points for seed, points in found.items() if len(points) == len(levels) > 1}
    return _over_seeds({seed: _slope(points) for seed, points in whole.items()})


def _slope(points: Iterable[tuple[float, float]]) -> float:
    x, y = np.array(list(points)).T
    x = x - x.mean()
    return float(x @ y / (x @ x))


def _over_seeds(values: dict[int, float]) -> Estimate:
    """Mean and standard error; of one seed alone there is no error."""
    if not values:
        return Estimate(None, count=0, why="no seed has all of the runs")
    found = np.array(list(values.values()))
    error = float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else None
    return Estimate(float(found.mean()), error, len(found), by_seed=values)
