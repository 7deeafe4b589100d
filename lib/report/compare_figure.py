"""Courses of runs in one figure: a panel a number, published steps across, seeds as a band."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.compare import Entry
from lib.report.series import Course
from lib.report.style import MARKERS, PAGE, RED, label, missing, ordered_palette, plt

HEIGHT = 2.3  # inches of a panel
MOST_NAMED = 14  # groups in the legend
LETTERS = 24  # that a panel's height has room for


def compare_figure(found: Sequence[Entry], known: Sequence[dict[str, Course]], metrics: Sequence[str]) -> Figure:
    """One line a run, or the mean of runs alike but for the seed in the band that they span."""
    figure, axes = plt.subplots(len(metrics), 1, figsize=(PAGE, HEIGHT * len(metrics)), sharex=True, squeeze=False)
    groups: dict[str, list[int]] = {}
    for n, entry in enumerate(found):
        groups.setdefault(entry.group, []).append(n)
    looks = dict(zip(groups, zip(ordered_palette(len(groups)), MARKERS * len(groups), strict=False), strict=False))
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        drawn = [_group(ax, looks[group], group, [(found[n], known[n].get(metric)) for n in members])
                 for group, members in groups.items()]  # fmt: skip
        ax.set_ylabel(label(metric), fontsize=8 if len(metric) < LETTERS else 6)
        if not any(drawn):
            missing(ax)
    axes[-1, 0].set_xlabel("step")
    _legend(figure, len(groups))
    return figure


def _group(ax: Axes, look: tuple[str, str], name: str, members: list[tuple[Entry, Course | None]]) -> bool:
    """Draw runs that differ in the seed alone; those that diverged as thin lines that end in a cross."""
    colour, marker = look
    curves = [(e, c[0] * e.run.time_scale, c[1]) for e, c in members if c is not None]
    steady = [(x, y) for e, x, y in curves if not e.run.diverged]
    for x, y in ((x, y) for e, x, y in curves if e.run.diverged and len(x)):
        ax.plot(x, y, color=colour, lw=0.7)
        ax.plot(x[-1:], y[-1:], ls="none", marker="x", ms=4, color=RED, label="diverged")
    if not steady:
        return bool(curves)
    same = all(np.array_equal(x, steady[0][0]) for x, _ in steady)
    if len(steady) > 1 and same:
        rows = np.array([y for _, y in steady])
        ax.fill_between(steady[0][0], rows.min(0), rows.max(0), color=colour, alpha=0.18, lw=0)
        steady = [(steady[0][0], rows.mean(0))]
        name = f"{name} (mean of {len(rows)})"
    for n, (x, y) in enumerate(steady):
        every = max(1, len(x) // 8)
        ax.plot(x, y, color=colour, marker=marker, ms=2.5, markevery=every, lw=1.0, label="" if n else label(name))
    return True


def _legend(figure: Figure, count: int) -> None:
    """Every name once, above the panels; of many groups the first, and how many more there are."""
    found = {}
    for ax in figure.axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if count > MOST_NAMED:
        kept = dict(list(found.items())[:MOST_NAMED])
        found = {**kept, f"and {len(found) - len(kept)} more": plt.Line2D([], [], ls="none")}
    if found:
        columns = max(1, min(len(found), 110 // max(12 + len(name) for name in found)))
        figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=columns, columnspacing=1.2)
