"""Courses of runs in one figure: a panel a number, published steps across, seeds as a band."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.report.compare import Entry
from lib.report.run import RunResults
from lib.report.series import Course, error_of
from lib.report.style import MARKERS, PAGE, RED, label, missing, ordered_palette, plt

HEIGHT = 2.3  # inches of a panel
MOST_NAMED = 14  # groups in the legend
POWERS = 1e3  # from the smallest to the largest, from which on a scale is logarithmic
LETTERS = 24  # that a panel's height has room for


def compare_figure(found: Sequence[Entry], known: Sequence[dict[str, Course]], metrics: Sequence[str]) -> Figure:
    """One line a run, or the mean of runs alike but for the seed in the band that they span."""
    figure, axes = plt.subplots(len(metrics), 1, figsize=(PAGE, HEIGHT * len(metrics)), sharex=True, squeeze=False)
    groups: dict[str, list[int]] = {}
    for n, entry in enumerate(found):
        groups.setdefault(entry.group, []).append(n)
    looks = dict(zip(groups, zip(ordered_palette(len(groups)), MARKERS * len(groups), strict=False), strict=False))
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        there = [(e.run, one[metric][1]) for e, one in zip(found, known, strict=True) if metric in one]
        steady = [values for run, values in there if not run.diverged]
        for group, members in groups.items():
            _group(ax, looks[group], group, [(found[n].run, known[n], metric) for n in members], not steady)
        if steady and _wide(steady):
            ax.set_yscale("log")
        ax.set_ylabel(label(metric), fontsize=8 if len(metric) < LETTERS else 6)
        if not there:
            missing(ax)
    axes[-1, 0].set_xlabel("step")
    _legend(figure, len(groups))
    return figure


def _wide(courses: Sequence[np.ndarray]) -> bool:
    """Whether numbers, all positive, go over so many powers of ten that a linear scale shows the largest alone."""
    values = np.concatenate(courses)
    values = values[np.isfinite(values)]
    return len(values) > 0 and 0 < values.min() < values.max() / POWERS


def _group(
    ax: Axes, look: tuple[str, str], name: str, members: list[tuple[RunResults, dict, str]], alone: bool
) -> None:
    """Draw runs that differ in the seed alone; one that diverged as a thin line with a cross.

    Args:
        alone: only those that diverged are there, and set the scale.
    """
    colour, marker = look
    curves = [(run, *_course(run, known, metric)) for run, known, metric in members if metric in known]
    steady = [curve[1:] for curve in curves if not curve[0].diverged]
    for _, x, y, _ in (curve for curve in curves if curve[0].diverged):
        line = Line2D(x, y, color=colour, lw=0.7)
        end = Line2D(x[-1:], y[-1:], ls="none", marker="x", ms=4, color=RED, label="diverged")
        for artist in (line, end):
            ax.add_line(artist) if alone else ax.add_artist(artist)
        ax.autoscale_view()
    if len(steady) > 1 and all(np.array_equal(x, steady[0][0]) for x, _, _ in steady):
        rows = np.array([y for _, y, _ in steady])
        ax.fill_between(steady[0][0], rows.min(0), rows.max(0), color=colour, alpha=0.18, lw=0)
        steady = [(steady[0][0], rows.mean(0), None)]
        name = f"{name} (mean of {len(rows)})"
    for n, (x, y, error) in enumerate(steady):
        every = max(1, len(x) // 8)
        ax.plot(x, y, color=colour, marker=marker, ms=2.5, markevery=every, lw=1.0, label="" if n else label(name))
        if error is not None:
            ax.fill_between(x, y - error, y + error, color=colour, alpha=0.18, lw=0)


def _course(
    run: RunResults, known: dict[str, Course], metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Published steps, values, and their standard errors where these were measured."""
    steps, values = known[metric]
    error = known.get(error_of(metric))
    same = error is not None and len(error[0]) == len(steps)
    return steps * run.time_scale, values, error[1] if same else None


def _legend(figure: Figure, count: int) -> None:
    """Every name once, above the panels; of many groups the first, and how many more there are."""
    found = {}
    for ax in figure.axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if count > MOST_NAMED:
        kept = dict(list(found.items())[:MOST_NAMED])
        found = {**kept, f"and {len(found) - len(kept)} more": Line2D([], [], ls="none")}
    if found:
        columns = max(1, min(len(found), 110 // max(12 + len(name) for name in found)))
        figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=columns, columnspacing=1.2)
