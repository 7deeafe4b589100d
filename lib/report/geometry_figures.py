"""Figures of the trajectory's geometry, of all runs of a study side by side.

The null of every run is part of its data and drawn as a grey band from the smallest to the largest over the runs.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.axis import Level, at_level, level_mark
from lib.report.panels import Curve, ascending, coloured, curve, draw, envelope, legend, mark_diverged
from lib.report.published import comparable
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import BLUE, GREY, NULL, PAGE, missing, note, null_band, published_points


def backbone(results: StudyResults, preset: str = "G0") -> Figure:
    """a(t), ||r||(t) and the backbone fraction, observed against null."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.15))
    titles = {"a": "along the backbone, a(t)", "r": "across it, ‖r(t)‖", "fraction": "backbone fraction"}
    for ax, (quantity, title) in zip(axes, titles.items(), strict=True):
        draw(
            ax,
            results,
            lambda run, q=quantity: curve(run, "observed", preset, q),
            lambda run, q=quantity: curve(run, "null", preset, q),
        )
        ax.set(title=title, xlabel="step")
    axes[2].set_ylim(-0.03, 1.03)
    legend(figure, results)
    return figure


def spectrum(results: StudyResults, preset: str = "G0", leading: int = 12) -> Figure:
    """Shares of the leading directions and their running sum, observed against null."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.3))

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
    axes[1].axhline(95, color=GREY, lw=0.6, ls=":")
    axes[1].annotate("95 %", (1, 95), xytext=(0, 2), textcoords="offset points", fontsize=6, color=GREY)
    axes[0].set(title=f"share of direction k ({preset})", xlabel="k", ylabel="%")
    axes[1].set(title="first k directions together", xlabel="k", ylabel="%")
    for ax in axes:
        ax.set_xticks(range(1, leading + 1))
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
    figure, axes = plt.subplots(3, len(quantities), figsize=(PAGE, 4.6), sharex=True, squeeze=False)
    runs, levels = results.present, ascending(results)
    published = comparable(results.published, results.study.profile)
    for column, (title, (default, reference)) in zip(axes.T, quantities.items(), strict=True):
        for ax, name in ((column[0], reference), (column[1], default)):
            _over_null(ax, runs, levels, name)
        _published(column[0], levels, published.get(reference, {}))
        for name, marker, style in ((default, "o", "-"), (reference, "s", "--")):
            points, means = _points(
                runs, levels, lambda run, n=name: run.value("observed", n) - run.value("null", n)
            )
            label = f"excess, {'default' if name == default else 'as published'}"
            column[2].plot(means[0], means[1], color=GREY, lw=0.8, ls=style, marker="none")
            column[2].plot(*points, ls="none", marker=marker, ms=4, color=BLUE, label=label)
            column[2].lines[-1].set_markerfacecolor(BLUE if name == default else "#7FB8D8")
        column[2].axhline(0, color=NULL, lw=2.5, zorder=0.5)
        if not any(np.isfinite(run.value("excess", name)) for run in runs for name in (default, reference)):
            missing(column[2])
        elif default.endswith(".drift"):  # at the end of the run, where the null is fitted
            note(column[2], "default: 0 by construction", at=(0.55, 0.7))
        column[0].set_title(title)
        column[2].set(xlabel=results.axis.symbol, xticks=range(len(levels)), xlim=(-0.4, len(levels) - 0.6))
        column[2].set_xticklabels([level_mark(x) for x in levels], fontsize=6.5)
        for ax in column:
            ax.margins(y=0.14)
            mark_diverged(ax, results, levels)
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
    steady = [run for run in runs if not run.diverged]
    nulls = [_points(steady, levels, lambda run, s=side: run.value(s, name))[0] for side in ("null", "memory")]
    x, least, most = envelope(nulls)
    if len(x):
        null_band(ax, x, least, most, "null: schedule to memory")
    points, (places, means) = _points(steady, levels, lambda run: run.value("observed", name))
    if not len(places):
        missing(ax)
        return
    ax.plot(places, means, color=GREY, lw=0.8)
    ax.plot(*points, ls="none", marker="o", ms=4, color=BLUE, label="observed")


def alignment(results: StudyResults) -> Figure:
    """Do updates point along v_b, and do gradients? In-sample, held out, and the gradient of the loss."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.3), sharex=True, sharey=True)
    titles = {"U0in": "updates, in sample", "U0": "updates, held out"}
    for ax, (preset, title) in zip(axes, titles.items(), strict=False):
        ax.set_yscale("log")

        def absolute(run: RunResults, side: str, preset: str = preset) -> Curve:
            x, y = curve(run, side, preset, "cosines")
            return x, np.abs(y)

        draw(ax, results, lambda run, f=absolute: f(run, "observed"), lambda run, f=absolute: f(run, "null"))
        ax.set(title=title, xlabel="step")
    axes[0].set_ylabel("|cos with $v_b$|")
    _gradients_along(axes[2], results)
    axes[2].set(title="gradient of the loss", xlabel="step")
    for ax in axes:
        ax.set_ylim(1e-4, 1.3)
    legend(figure, results)
    return figure


def _gradients_along(ax: Axes, results: StudyResults) -> None:
    """|cos| of the averaged gradient with v_b at the whole snapshots, and what a random vector has."""
    ax.set_yscale("log")
    floors = []
    for colour, marker, label, members in coloured(results):
        for run in members:
            found = []
            for point in run.entries("interference_metrics"):
                aligned = point.get("alignment") or {}
                labels, objectives = aligned.get("labels") or [], aligned.get("objectives") or []
                if "v_b" not in labels or "combined" not in objectives:
                    continue
                row, at = objectives.index("combined"), labels.index("v_b")
                cosine, error = (numbers(aligned[key][row])[at] for key in ("of_means", "of_means_se"))
                found.append((point["step"], abs(cosine), error))
                floors.append(aligned["noise_floor"])
            if found:
                x, y, error = np.array(found).T
                style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.8, "capsize": 1.5}
                ax.errorbar(x, y, yerr=np.nan_to_num(error), label=label, **style)
    if not floors:
        missing(ax)
        return
    ax.axhline(np.mean(floors), color=NULL, lw=2.5, zorder=0.5)
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("random vector", (1, np.mean(floors)), xytext=(0, -8), ha="right", fontsize=6, color=GREY, **place)


def phases(results: StudyResults) -> Figure:
    """Alignment of a rolling window with the early and the late backbone, and how fast the window turns."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.15))
    panels = (
        ("P0", "A_E", "A_E: with the early backbone", "|cos|"),
        ("P0", "A_L", "A_L: with the late backbone", "|cos|"),
        ("R0", "cosines", "rotation: adjacent windows", "|cos|"),
    )
    for ax, (preset, quantity, title, label) in zip(axes, panels, strict=True):
        draw(
            ax,
            results,
            lambda run, p=preset, q=quantity: curve(run, "observed", p, q),
            lambda run, p=preset, q=quantity: curve(run, "null", p, q),
        )
        ax.set(title=title, xlabel="step (middle of the window)", ylabel=label)
    for ax in axes[:2]:
        ax.set_ylim(-0.03, 1.03)
    legend(figure, results)
    return figure
