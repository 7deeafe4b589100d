"""Every number of a run that has a course: of its evaluations, and of what was watched inside the loop."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lib.base.files import WATCH
from lib.report.run import RunResults

if TYPE_CHECKING:
    import pandas

Course = tuple[np.ndarray, np.ndarray]  # own steps, and values: nan where one is missing


def courses(runs: Iterable[RunResults]) -> tuple[list[dict[str, Course]], list[str]]:
    """Those of every run by name, and in words what could not be read.

    A name is a key of the evaluations, `val_loss`, or a watched column and its group, `update_rank of head`.
    """
    found, unread = [], []
    for run in runs:
        known = _evaluated(run)
        try:
            known |= _watched(run)
        except (OSError, LookupError, TypeError, ValueError) as error:  # what pyarrow raises is one of the last
            unread.append(f"{run.name}: {WATCH} cannot be read ({type(error).__name__})")
        found.append(known)
    return found, unread


def _evaluated(run: RunResults) -> dict[str, Course]:
    keys = dict.fromkeys(key for row in run.evaluations for key in row if key != "step")
    steps = np.array([row["step"] for row in run.evaluations], dtype=float)
    return _known({key: (steps, run.evaluated(key)) for key in keys})


def _watched(run: RunResults) -> dict[str, Course]:
    table = run.watched()
    groups = list(table.groupby("group", sort=False)) if len(table) else []
    return _known(
        {
            f"{column} of {group}": (_numbers(rows["step"]), _numbers(rows[column]))
            for group, rows in groups
            for column in rows.columns
            if column not in ("step", "group")
        }
    )


def _numbers(column: "pandas.Series") -> np.ndarray:
    return column.to_numpy(float, na_value=np.nan)


def _known(found: dict[str, Course]) -> dict[str, Course]:
    """Without the columns that have no number at all: another group's."""
    return {name: (steps, values) for name, (steps, values) in found.items() if np.isfinite(values).any()}


def error_of(name: str) -> str:
    """The name of the course that has the standard errors of another: `trace_se of model`."""
    column, of, group = name.partition(" of ")
    return f"{column}_se{of}{group}"


def thinned(steps: np.ndarray, values: np.ndarray, most: int) -> Course:
    """About `most` points of a longer course: its ends, the extremes of every stretch, where gaps begin."""
    if len(values) <= most:
        return steps, values
    kept = {0, len(values) - 1}
    for stretch in np.array_split(np.arange(len(values)), max(1, most // 2)):
        known = stretch[np.isfinite(values[stretch])]
        if len(known):
            kept |= {int(known[np.argmin(values[known])]), int(known[np.argmax(values[known])])}
    lost = ~np.isfinite(values)
    kept |= set(np.flatnonzero(lost & ~np.concatenate([[False], lost[:-1]])).tolist())
    at = np.array(sorted(kept))
    return steps[at], values[at]
