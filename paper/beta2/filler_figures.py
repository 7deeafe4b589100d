"""The probe by filler: of all runs at their last whole snapshot, and of one run over its snapshots."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.panels import coloured, legend
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import BLUE, GREEN, GREY, NULL, ORANGE, OWN_STEP, PAGE, RED, label, missing, nothing
from lib.tasks.stories.params import FILLERS

CELLS = {"in": "short gap", "ood": label("long gap, p_ood"), "prefix": "short gap, long prefix"}
COLOURS = dict(zip(FILLERS, (RED, ORANGE, GREEN, GREY, BLUE), strict=True))


def by_filler(results: StudyResults) -> Figure:
    """The share answered right at the end, by filler and cell, and how much of each filler was never read."""
    figure, axes = plt.subplots(1, 4, figsize=(PAGE, 2.5), width_ratios=(1, 1, 1, 0.7))
    for ax, (cell, title) in zip(axes, CELLS.items(), strict=False):
        _cell(ax, results, cell)
        ax.set(title=title, ylim=(-0.03, 1.03))
    doses = [_over_seeds(results.present, f"F.{filler}.dose")[0] for filler in FILLERS]
    axes[3].bar(range(len(FILLERS)), 100 * np.array(doses), color=GREY, width=0.6)
    axes[3].set(title="never read (%)", ylim=(0, None))
    for ax in axes:
        ax.set_xticks(range(len(FILLERS)), FILLERS, rotation=35, ha="right")
    if not np.isfinite(doses).any():
        missing(axes[3])
    legend(figure, results)
    return figure


def _cell(ax: Axes, results: StudyResults, cell: str) -> None:
    """One broken line a group of runs, with two standard errors: over its seeds, or else over the questions."""
    groups = list(coloured(results))
    drawn = False
    for n, (colour, marker, name, runs) in enumerate(groups):
        steady = [run for run in runs if not run.diverged]
        found = np.array([_over_seeds(steady, f"F.{filler}.{cell}") for filler in FILLERS])
        if np.isfinite(found[:, 0]).any():
            x = np.arange(len(FILLERS)) + 0.5 * (n - (len(groups) - 1) / 2) / len(groups)
            ax.errorbar(
                x, found[:, 0], 2 * found[:, 1], color=colour, marker=marker, ms=3, lw=0.8, label=label(name)
            )
            drawn = True
    if drawn:
        ax.axhline(1 / results.present[0].params.task.probe.codewords, color=NULL, lw=2, zorder=0.5, label="chance")
    else:
        missing(ax)


def _over_seeds(runs: Sequence[RunResults], name: str) -> tuple[float, float]:
    """Mean and standard error over runs, that of the questions where there is one run; nan where there is none."""
    found = [run.quantity(name) for run in runs]
    known = [e for e in found if e.value is not None]
    if len(known) < 2:
        value, error = (known[0].value, known[0].error) if known else (np.nan, np.nan)
        return value, np.nan if error is None else error
    values = np.array([e.value for e in known])
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def over_snapshots(points: list[dict[str, Any]]) -> Figure:
    """The share answered right at every whole snapshot of a run, by cell and filler, with two standard errors."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.3), sharey=True)
    for ax, (cell, title) in zip(axes, CELLS.items(), strict=True):
        if not points:
            nothing(ax, "no whole snapshot")
            continue
        for filler, colour in COLOURS.items():
            steps, values, errors = (
                [point[name] for point in points] for name in ("step", f"{cell}_{filler}", f"{cell}_{filler}_se")
            )
            unread = round(100 * points[0][f"dose_{filler}"])
            text = f"{filler}, {unread} % never read" if unread else filler
            line = {"color": colour, "marker": "o", "ms": 2.5, "lw": 1.1, "label": text}
            ax.errorbar(steps, values, 2 * np.array(errors), **line)
        ax.set(title=title, xlabel=OWN_STEP, ylim=(-0.03, 1.03))
    legend(figure)
    return figure
