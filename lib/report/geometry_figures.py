"""Figures of the trajectory's geometry, of all runs of a study side by side.

The null of every run is part of its data and drawn as a grey band from the smallest to the largest over the runs.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.axis import Level, at_level, level_mark
from lib.report.panels import (
    Curve,
    ascending,
    coloured,
    curve,
    draw,
    draw_beyond,
    envelope,
    legend,
    level_ticks,
    over_runs,
)
from lib.report.published import comparable
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import BLUE, GREY, NULL, PAGE, label, missing, note, null_band, published_points


def backbone(results: StudyResults, preset: str = "G0") -> Figure:
    """a(t), ||r||(t) and the backbone fraction: observed over null, and what is left without it."""
    panels = {
        "along the backbone, $a(t)$": (preset, "a"),
        r"across it, $\|r(t)\|$": (preset, "r"),
        "backbone fraction": (preset, "fraction"),
    }
    return against_null(results, panels, "step")


def against_null(results: StudyResults, panels: Mapping[str, tuple[str, str]], x: str) -> Figure:
    """Arrays against the step: above, observed over the band of the null; below, observed minus null.

    Args:
        panels: title -> (preset, quantity).
        x: the label of the steps.
    """
    figure, axes = plt.subplots(2, len(panels), figsize=(PAGE, 3.5), sharex="col", squeeze=False)
    for (above, below), (title, (preset, quantity)) in zip(axes.T, panels.items(), strict=True):

        def array(run: RunResults, side: str, preset: str = preset, quantity: str = quantity) -> Curve:
            return curve(run, side, preset, quantity)

        both = (lambda run, f=array: f(run, "observed"), lambda run, f=array: f(run, "null"))
        draw(above, results, *both)
        draw_beyond(below, results, *both)
        above.set_title(title)
        below.set_xlabel(x)
    for row, text in zip(axes, ("observed", "observed $-$ null"), strict=True):
        row[0].set_ylabel(text)
    legend(figure, results)
    return figure


def spectrum(results: StudyResults, preset: str = "G0", leading: int = 12) -> Figure:
    """Shares of the leading directions, their running sum, and what of the sum the null leaves."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2))

    def shares(run: RunResults, side: str) -> Curve:
        values = 100 * numbers(((run.backbone.get("spectrum") or {}).get(preset) or {}).get(side))
        values = values[:leading] if len(values) > 1 else values[:0]  # one direction alone is 100 % of itself
        return np.arange(1, len(values) + 1), values

    def running(run: RunResults, side: str) -> Curve:
        k, values = shares(run, side)
        return k, np.cumsum(values)

    axes[0].set_yscale("log")
    draw(axes[0], results, lambda run: shares(run, "observed"), lambda run: shares(run, "null"))
    draw(axes[1], results, lambda run: running(run, "observed"), lambda run: running(run, "null"))
    draw_beyond(axes[2], results, lambda run: running(run, "observed"), lambda run: running(run, "null"))
    axes[1].axhline(95, color=GREY, lw=0.6, ls=":")
    axes[1].annotate("95 %", (leading, 95), xytext=(0, -8), ha="right", textcoords="offset points", color=GREY)
    axes[0].set_title("share of direction $k$ (%)")
    axes[1].set_title("first $k$ together (%)")
    axes[2].set_title("the same $-$ null (points)")
    for ax in axes:
        ax.set(xlabel="$k$", xticks=range(1, leading + 1, 2))
    legend(figure, results)
    return figure


def against_levels(
    results: StudyResults, quantities: Mapping[str, tuple[str, str]], rows: tuple[str, str, str]
) -> Figure:
    """Quantities against the levels of the axis: as published, by the default definition, and what the null leaves.

    Args:
        quantities: title -> (the default definition, the published one).
        rows: what the three rows of panels are called.
    """
    figure, axes = plt.subplots(3, len(quantities), figsize=(PAGE, 4.7), sharex=True, squeeze=False)
    levels = ascending(results)
    steady = [run for run in results.present if not run.diverged]
    published = comparable(results.published, results.study.profile)
    for column, (title, (default, reference)) in zip(axes.T, quantities.items(), strict=True):
        for ax, name in ((column[0], reference), (column[1], default)):
            _over_null(ax, steady, levels, name)
        _published(column[0], levels, published.get(reference, {}))
        for name, marker, style in ((default, "o", "-"), (reference, "s", "--")):
            points, means = _points(
                steady, levels, lambda run, n=name: run.value("observed", n) - run.value("null", n)
            )
            text = f"excess, {'default' if name == default else 'as published'}"
            column[2].plot(means[0], means[1], color=GREY, lw=0.8, ls=style, marker="none")
            face = BLUE if name == default else "white"
            column[2].plot(*points, ls="none", marker=marker, ms=3.5, mfc=face, color=BLUE, label=text)
        column[2].axhline(0, color=NULL, lw=2.5, zorder=0.5)
        if not any(np.isfinite(run.value("excess", name)) for run in steady for name in (default, reference)):
            missing(column[2])
        elif default.endswith(".drift"):  # at the end of the run, where the null is fitted
            note(column[2], "default: 0 by construction", at=(0.55, 0.7))
        column[0].set_title(title)
        level_ticks(column[2], results, levels)
        for ax in column:
            ax.set_xlim(-0.4, len(levels) - 0.6)
            ax.margins(y=0.14)
    for row, text in zip(axes, rows, strict=True):
        row[0].set_ylabel(text)
    legend(figure)
    return figure


def _published(ax: Axes, levels: list[Level], given: Mapping[str, float]) -> None:
    """Published values as open markers; one that is far off the others is written, not drawn."""
    known = {level: value for level in levels if (value := at_level(given, level)) is not None}
    limit = 5 * float(np.median(list(known.values()))) if known else 0.0
    near = {level: value for level, value in known.items() if value <= limit}
    if near:
        published_points(ax, [levels.index(level) for level in near], list(near.values()))
    for level in known.keys() - near.keys():
        note(ax, f"published at {level_mark(level)}: {known[level]:,.3g}", at=(0.5, 0.93))


def _points(
    runs: Sequence[RunResults], levels: list[Level], value: Callable[[RunResults], float]
) -> tuple[Curve, Curve]:
    """Every run's value at the place of its level, and the means there."""
    pairs = [(levels.index(run.level), value(run)) for run in runs]
    pairs = [(x, y) for x, y in pairs if np.isfinite(y)]
    x = np.array([x for x, _ in pairs])
    y = np.array([y for _, y in pairs])
    places = np.unique(x)
    return (x, y), (places, np.array([y[x == place].mean() for place in places]))


def _over_null(ax: Axes, runs: Sequence[RunResults], levels: list[Level], name: str) -> None:
    """Observed values over the band from the null of the schedule to the one with memory."""
    nulls = [_points(runs, levels, lambda run, s=side: run.value(s, name))[0] for side in ("null", "memory")]
    x, least, most = envelope(nulls)
    if len(x):
        null_band(ax, x, least, most, "null: schedule to memory")
    points, (places, means) = _points(runs, levels, lambda run: run.value("observed", name))
    if not len(places):
        missing(ax)
        return
    ax.plot(places, means, color=GREY, lw=0.8)
    ax.plot(*points, ls="none", marker="o", ms=3.5, color=BLUE, label="observed")


def alignment(results: StudyResults) -> Figure:
    """Do updates point along v_b, and do gradients? In-sample, held out, and the gradient of the loss."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2), sharex=True)
    titles = {"U0in": "updates, in sample", "U0": "updates, held out"}
    for ax, (preset, title) in zip(axes, titles.items(), strict=False):
        draw(
            ax,
            results,
            lambda run, p=preset: curve(run, "observed", p, "cosines"),
            lambda run, p=preset: curve(run, "null", p, "cosines"),
        )
        ax.axhline(0, color=GREY, lw=0.5, zorder=0.4)
        ax.set(title=title, xlabel="step")
    axes[0].set_ylabel("cosine with $v_b$")
    _gradients_along(axes[2], results)
    axes[2].set(title="gradient of the loss", xlabel="step")
    legend(figure, results)
    return figure


def _gradients_along(ax: Axes, results: StudyResults) -> None:
    """Cosine of the averaged gradient with v_b at the whole snapshots, and twice what a random vector has."""
    floors = []
    for colour, marker, name, members in coloured(results):
        found = []
        for run in (run for run in members if not run.diverged):
            for point in run.entries("interference_metrics"):
                aligned = point.get("alignment") or {}
                labels, objectives = aligned.get("labels") or [], aligned.get("objectives") or []
                if "v_b" not in labels or "combined" not in objectives:
                    continue
                row, at = objectives.index("combined"), labels.index("v_b")
                cosine, error = (numbers(aligned[key][row])[at] for key in ("of_means", "of_means_se"))
                found.append((point["step"] * run.time_scale, cosine, error))
                floors.append(aligned["noise_floor"])
        if found:
            x, y, error = over_runs(found)
            style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.8, "capsize": 1.5}
            ax.errorbar(x, y, yerr=error, label=label(name), **style)
    if not floors:
        missing(ax)
        return
    ax.axhspan(-2 * np.mean(floors), 2 * np.mean(floors), color=NULL, alpha=0.55, lw=0, zorder=0.5)


def phases(results: StudyResults) -> Figure:
    """|cosine| of a rolling window with the early and the late backbone, and with the window before it."""
    panels = {
        "with the early backbone, $A_E$": ("P0", "A_E"),
        "with the late backbone, $A_L$": ("P0", "A_L"),
        "with the window before": ("R0", "cosines"),
    }
    return against_null(results, panels, "step (middle of the window)")
