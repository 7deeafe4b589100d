"""The figures of the study of robustness."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from lib.report.figures import Drawing
from lib.report.panels import PARTS, RUNG_MARKS, beyond_rungs, legend, name_levels, over_nulls, point
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import BLUE, GREY, NULL, PAGE
from paper.robustness.arms import BASE, LENGTHS, TRUNKS, length, named, one_of, there, weights

PC1 = "G0.pc1"


def robustness(results: StudyResults) -> Figure:
    """PC1 of every arm over its nulls, what is left of it on four rungs, and the memory."""
    tall = 0.7 + 0.27 * len(results.levels)
    figure, axes = plt.subplots(1, 4, figsize=(PAGE, tall), sharey=True, width_ratios=(3, 4, 2, 2))
    pc1, left, time, size = axes
    places = name_levels(axes, results, lambda arm: named(arm).replace("lambda", "λ"))
    over_nulls(pc1, results, PC1, places)
    beyond_rungs(left, results, PC1, places)
    for ax, name in ((time, "M.time"), (size, "M.size")):
        for arm in results.trained():
            point(ax, results.at(arm, name), places[arm], BLUE, "o")
        ax.xaxis.set_major_locator(MaxNLocator(3))
    titles = ("PC1 (%)", "PC1 beyond a null (points)", "memory (steps)", "dimensions")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    for ax, name in ((pc1, PC1), (time, "M.time"), (size, "M.size")):
        base = results.at(BASE, name).value
        if base is not None:
            ax.axvline(base, color=GREY, lw=0.6, ls=":")
    legend(figure)
    return figure


def scaling(results: StudyResults) -> Figure:
    """PC1 and its nulls, what is left of it, the memory and the dimensions, against trunk and steps."""
    figure, axes = plt.subplots(2, 4, figsize=(PAGE, 3.6), sharey="col")
    rows: tuple[tuple[str, tuple[str, ...], Callable[[RunResults], float]], ...] = (
        ("weights of the trunk", TRUNKS, weights),
        ("steps of the run", LENGTHS, length),
    )
    for row, (title, arms, size) in zip(axes, rows, strict=True):
        levels = there(results, arms)
        x = [size(one_of(results, arm)) for arm in levels]
        _line(row[0], x, [results.at(arm, PC1) for arm in levels], BLUE, "o", "observed")
        _line(row[0], x, [results.at(arm, PC1, "null") for arm in levels], NULL, "s", "null of the schedule")
        _line(row[0], x, [results.at(arm, PC1, "memory") for arm in levels], GREY, "D", "null with memory")
        for rung, (colour, marker) in RUNG_MARKS.items():
            found = [results.at(arm, PC1, PARTS[rung]) for arm in levels]
            _line(row[1], x, found, colour, marker, f"beyond {rung}")
        for ax, name in ((row[2], "M.time"), (row[3], "M.size")):
            _line(ax, x, [results.at(arm, name) for arm in levels], BLUE, "o", "observed")
        row[1].axhline(0, color=NULL, lw=2, zorder=0.5)
        for ax in row:
            ax.set(xscale="log", xlabel=title)
            ax.set_xticks(x, [f"{value:g}" if value < 1e4 else f"{value / 1e6:.2g} M" for value in x])
            ax.xaxis.set_minor_locator(NullLocator())
    titles = ("PC1 (%)", "PC1 beyond (points)", "memory (steps)", "dimensions")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    for ax in axes[0, 2:]:
        ax.set_ylim(bottom=0)
    legend(figure)
    return figure


def _line(ax: Axes, x: Sequence[float], found: Sequence[Estimate], colour: str, marker: str, label: str) -> None:
    known = [(a, e) for a, e in zip(x, found, strict=True) if e.value is not None]
    if known:
        half = [e.interval or 0.0 for _, e in known]
        style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "label": label}
        ax.errorbar([a for a, _ in known], [e.value for _, e in known], half, **style)


FIGURES = [
    Drawing(
        "robustness",
        robustness,
        "One thing changed at a time. PC1 over the band from the null of the schedule to the one with memory; what "
        "is left of it on four rungs of the ladder; the time constant of the memory, in published steps, and the "
        "dimensions of the rest. Bars are 95 % intervals over seeds, dotted lines the base.",
        headline=True,
    ),
    Drawing(
        "scaling",
        scaling,
        "The same against the size of the trunk, and against the number of steps with as much decay in all.",
    ),
]
