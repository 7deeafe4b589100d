"""The figures of the study of optimizers."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from lib.report.figures import Drawing
from lib.report.panels import beyond_rungs, legend, name_levels, over_nulls, point
from lib.report.reader import StudyResults
from lib.report.style import BLUE, GREY, NULL, ORANGE, PAGE, RED, missing
from paper.optimizers.arms import DOSES, named
from paper.optimizers.losses import LINE, Difference, difference

PC1 = "G0.pc1"
STEPS = {"steps.memory_rank": "memory's rank", "steps.memory_cosine": "cosine with it"}


def arms(results: StudyResults) -> Figure:
    """Every arm's loss against the baseline's of the same seed, and what its steps do to matrices."""
    figure, axes = plt.subplots(1, 4, figsize=(PAGE, _tall(results)), sharey=True, width_ratios=(4, 3, 3, 3))
    places = name_levels(axes, results, named)
    for arm in results.trained():
        _spread(axes[0], difference(results, arm), places[arm])
        _spread(axes[1], difference(results, arm, "loss.early"), places[arm])
        for ax, name in zip(axes[2:], STEPS, strict=True):
            point(ax, results.at(arm, name), places[arm], BLUE, "o")
    titles = ("loss, % above Muon's", "early loss, %", *STEPS.values())
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    for ax in axes[:2]:
        ax.axvspan(-LINE, LINE, color=NULL, alpha=0.4, lw=0)
        if np.abs(ax.dataLim.intervalx).max() > 2 * LINE:  # all of it linear, it would have ticks at its ends alone
            ax.set_xscale("symlog", linthresh=2 * LINE)
            ax.xaxis.set_major_formatter(ScalarFormatter())
    return figure


def _spread(ax: Axes, found: Difference | None, y: float) -> None:
    """Seeds as small dots, their mean, and the bootstrap's interval."""
    if found is None:
        return
    ax.plot(found.each, [y] * len(found.each), ".", color=GREY, ms=2.5)
    ax.plot([found.mean], [y], "o", color=BLUE, ms=3)
    if found.low is not None:
        ax.plot([found.low, found.high], [y, y], color=BLUE, lw=0.9)


def dose(results: StudyResults) -> Figure:
    """Loss against Muon's, and how far steps turn, by the amplitude of the noise, orthonormal and Gaussian."""
    figure, (loss, turn) = plt.subplots(1, 2, figsize=(PAGE, 2.1))
    for (kind, doses), (colour, marker) in zip(DOSES.items(), ((RED, "o"), (ORANGE, "s")), strict=True):
        there = {alpha: arm for alpha, arm in doses.items() if arm in results.trained()}
        found = {alpha: difference(results, arm) for alpha, arm in there.items()}
        known = {alpha: d for alpha, d in found.items() if d is not None}
        style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "label": kind}
        if known:
            means = np.array([d.mean for d in known.values()])
            ends = np.array(
                [[d.mean if d.low is None else d.low, d.mean if d.high is None else d.high] for d in known.values()]
            )
            loss.errorbar(list(known), means, np.abs(ends.T - means), **style)
        turned = {alpha: results.at(arm, "steps.memory_cosine") for alpha, arm in there.items()}
        points = {alpha: e for alpha, e in turned.items() if e.value is not None}
        if points:
            turn.errorbar(
                list(points),
                [e.value for e in points.values()],
                [e.interval or 0 for e in points.values()],
                **style,
            )
    loss.axhspan(-LINE, LINE, color=NULL, alpha=0.4, lw=0, label="within 1 %")
    loss.set(ylabel="loss, % above Muon's")
    turn.set(ylabel="cosine of step and memory")
    for ax in (loss, turn):
        ax.set(xscale="log", xlabel="amplitude of the noise")
        if not ax.lines and not ax.containers:
            missing(ax)
    legend(figure)
    return figure


def path(results: StudyResults) -> Figure:
    """The whole path's first direction, and how early updates lie to it."""
    return _shape(results, PC1, "U0.early_mean", "early updates")


def matched(results: StudyResults) -> Figure:
    """The same of the path up to one loss."""
    return _shape(results, "matched.pc1", "matched.align", "all updates")


def _shape(results: StudyResults, pc1: str, alignment: str, updates: str) -> Figure:
    """PC1 of every arm over its nulls, what is left of it on four rungs, and alignment beyond the null."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, _tall(results)), sharey=True, width_ratios=(4, 4, 3))
    places = name_levels(axes, results, named)
    over_nulls(axes[0], results, pc1, places)
    axes[0].set_xlim(right=min(101, axes[0].get_xlim()[1]))  # an interval may reach beyond all that there is
    beyond_rungs(axes[1], results, pc1, places)
    for arm in results.trained():
        point(axes[2], results.at(arm, alignment, "excess"), places[arm], BLUE, "o")
    axes[2].axvline(0, color=NULL, lw=2, zorder=0.5)
    titles = ("PC1 (%)", "PC1 beyond a null (points)", updates)
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    legend(figure)
    return figure


def _tall(results: StudyResults) -> float:
    return 0.7 + 0.24 * len(results.levels)


FIGURES = [
    Drawing(
        "arms",
        arms,
        "Final and early validation loss, in percent above that of Muon with the same seed: seeds, their mean and "
        "a bootstrap interval, the plan's 1 % shaded, linear up to 2 % and logarithmic beyond. Then the effective "
        "rank of the memory, as a share of a Gaussian matrix's, and the cosine of steps with where it leads.",
        headline=True,
    ),
    Drawing(
        "dose",
        dose,
        "By the amplitude of the noise, of orthonormal noise and of Gaussian noise of the same norm: the loss, and "
        "how far noise turns the steps. Where the two lie on one another it is the amount, where they part the "
        "kind as well.",
        headline=True,
    ),
    Drawing(
        "path",
        path,
        "The first direction of the path under every optimizer: PC1 over the span of its nulls, and what is left "
        "of it on four rungs of the ladder; how much more early updates align with the backbone of the rest, in "
        "which they have no part, than in the null of the schedule. Bars are 95 % intervals over seeds.",
    ),
    Drawing(
        "matched",
        matched,
        "The path up to one validation loss, at which all have learnt as much: as in the figure before it, of all "
        "of its updates.",
    ),
]
