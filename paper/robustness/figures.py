"""The figures of the study of robustness."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from lib.report.figures import Drawing
from lib.report.panels import legend
from lib.report.quantities import BEYOND, Estimate
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import BLUE, GREEN, GREY, NULL, ORANGE, PAGE, RED, missing
from paper.robustness.arms import BASE, LENGTHS, TRUNKS, length, named, one_of, there, weights

PC1 = "G0.pc1"
SHOWN = {"schedule": (BLUE, "o"), "lengths": (GREEN, "s"), "memory": (ORANGE, "D"), "shuffled": (RED, "^")}
PARTS = {rung: part for part, rung in BEYOND.items()}


def robustness(results: StudyResults) -> Figure:
    """PC1 of every arm over its nulls, what is left of it on four rungs, and the memory."""
    tall = 0.7 + 0.27 * len(results.levels)
    figure, axes = plt.subplots(1, 4, figsize=(PAGE, tall), sharey=True, width_ratios=(3, 4, 2, 2))
    pc1, left, time, size = axes
    places = {arm: place for place, arm in enumerate(reversed(results.levels))}
    for arm in results.trained():
        y = places[arm]
        nulls = [results.at(arm, PC1, part).value for part in ("null", "memory")]
        if None not in nulls:
            pc1.plot(nulls, [y, y], color=NULL, lw=5, solid_capstyle="butt", label="nulls, schedule to memory")
        _point(pc1, results.at(arm, PC1), y, BLUE, "o")
        for n, (rung, (colour, marker)) in enumerate(SHOWN.items()):
            _point(left, results.at(arm, PC1, PARTS[rung]), y + 0.18 * (1.5 - n), colour, marker, f"beyond {rung}")
        _point(time, results.at(arm, "M.time"), y, BLUE, "o")
        _point(size, results.at(arm, "M.size"), y, BLUE, "o")
    left.axvline(0, color=NULL, lw=2, zorder=0.5)
    titles = ("PC1 (%)", "PC1 beyond a null (points)", "memory (steps)", "dimensions")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.grid(axis="y", color=NULL, lw=0.3)
    for ax, name in ((pc1, PC1), (time, "M.time"), (size, "M.size")):
        base = results.at(BASE, name).value
        if base is not None:
            ax.axvline(base, color=GREY, lw=0.6, ls=":")
    for ax in (time, size):
        ax.xaxis.set_major_locator(MaxNLocator(3))
    pc1.set_yticks(list(places.values()), [named(arm).replace("lambda", "λ") for arm in places])
    if not results.trained():
        for ax in axes:
            missing(ax)
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
        for rung, (colour, marker) in SHOWN.items():
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


def _point(ax: Axes, found: Estimate, y: float, colour: str, marker: str, label: str | None = None) -> None:
    """A mean with its 95 % interval over seeds; of one seed the value alone."""
    if found.value is not None:
        style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "ls": "none", "label": label}
        ax.errorbar([found.value], [y], xerr=found.interval, **style)


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
