"""The figure of the ladder: what of a quantity is left when noise is given more and more of the run."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.geometry.intervals import t_975
from lib.geometry.ladder import RUNGS
from lib.report.panels import coloured, legend
from lib.report.quantities import BEYOND
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import NULL, PAGE, label, missing

QUANTITIES = {  # of the presets that have an error on every rung
    "PC1 (points)": "G0.pc1",
    "$k_{95}$": "G0.k95",
    r"rotation, mean $|\cos|$": "R0.mean",
    "early updates, held out": "U0.early_mean",
    "early and late backbone": "P0.cosine",
}


def ladder(results: StudyResults) -> Figure:
    """Observed minus every rung, one panel a quantity; the sixth panel is left to what a study sets beside it."""
    figure, axes = plt.subplots(2, 3, figsize=(PAGE, 3.9), sharex=True)
    for ax, (title, name) in zip(axes.flat, QUANTITIES.items(), strict=False):
        _climbed(ax, results, name)
        ax.set_title(title)
    axes.flat[-1].set_axis_off()
    for ax in (*axes[1], axes[0, 2]):
        ax.set_xticks(range(len(RUNGS)), RUNGS, rotation=35, ha="right")
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("observed $-$ null")
    legend(figure, results)
    return figure


def _climbed(ax: Axes, results: StudyResults, name: str) -> None:
    """One broken line a group of runs, with 95 % intervals: over its seeds, or else two errors of the null."""
    ax.axhline(0, color=NULL, lw=2, zorder=0.5)
    found = []
    for colour, marker, group, runs in coloured(results):
        left = np.array([beyond(run, name) for run in runs if not run.diverged])  # (seeds, rungs, value and error)
        left = left[np.isfinite(left[:, :, 0]).any(axis=1)] if len(left) else left
        if len(left):
            found.append((colour, marker, label(group), left[:, :, 0], left[:, :, 1]))
    if not found:
        missing(ax)
    for n, (colour, marker, group, values, own) in enumerate(found):
        shift = 0.5 * (n - (len(found) - 1) / 2) / len(found)
        half = 2 * own[0]
        if len(values) > 1:
            half = t_975(len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        x = np.arange(len(RUNGS)) + shift
        ax.errorbar(x, values.mean(axis=0), half, color=colour, marker=marker, ms=3, lw=0.8, label=group)


def beyond(run: RunResults, name: str) -> list[tuple[float, float]]:
    """(observed minus the rung, the error of the rung) for every rung."""
    found = [run.quantity(name, part) for part in BEYOND]
    return [tuple(np.nan if x is None else x for x in (e.value, e.error)) for e in found]
