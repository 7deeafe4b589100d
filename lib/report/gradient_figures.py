"""Figures of what gradients measure, of all runs of a study side by side: curvature, interference."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.axis import are_numbers, level_mark
from lib.report.panels import ascending, coloured, diverged_handles, legend, level_ticks, over_runs
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import DIRECTIONS, MARKERS, NAMES, NULL, PAGE, label, missing, null_band, ordered_palette

# ---------------------------------------------------------------------------------------------------- curvature


def fisher(results: StudyResults) -> Figure:
    """Anisotropy (q over that of a random direction) by definition of the Fisher.

    Above: every direction, in the measured run nearest to the baseline. Below: v_b, at every level.
    """
    measured = [run for run in results.present if run.entries("fisher", "points") and not run.diverged]
    columns = _definitions(measured) or [""]
    size = {"figsize": (PAGE, 4.2), "sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = plt.subplots(2, len(columns), **size)
    if not measured:
        for ax in axes.flat:
            missing(ax)
        return figure
    chosen = _nearest(measured, results)
    for (above, below), definition in zip(axes.T, columns, strict=True):
        for (direction, colour), marker in zip(DIRECTIONS.items(), MARKERS, strict=False):
            x, y, error, _ = _anisotropy(chosen, definition, direction)
            _errorbar(above, x, y, error, colour, marker, NAMES.get(direction, direction))
        for colour, marker, name, members in coloured(results):
            every = [_anisotropy(run, definition, "v_b")[:3] for run in members if run in measured]
            points = over_runs([row for columns in every for row in zip(*columns, strict=True)])
            _errorbar(below, *points, colour, marker, label(name))
        for ax, members in ((above, [chosen]), (below, measured)):
            ax.set_yscale("log")
            _baseline(ax, members, definition)
        above.set_title(definition.split(":")[0])
        below.set_xlabel("step")
    where = label(f"{results.axis.symbol} = {level_mark(chosen.level)}")
    told: set[str] = set()
    for row, text, ended in zip(
        axes,
        (f"every direction, {where}", "along $v_b$, every level"),
        ({}, {name.replace(": ", ":\n"): line for name, line in diverged_handles(results).items()}),
        strict=True,
    ):
        row[0].set_ylabel(text)
        handles = {}
        for ax in row:
            handles |= {
                name: h for h, name in zip(*ax.get_legend_handles_labels(), strict=True) if name not in told
            }
        handles |= ended
        told |= set(handles)
        row[-1].legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _nearest(measured: Sequence[RunResults], results: StudyResults) -> RunResults:
    """The run at the baseline, or the one whose level is nearest to it; the first where levels are words."""
    baseline = results.axis.baseline
    if baseline is None or not are_numbers([baseline, *(run.level for run in measured)]):
        return next((run for run in measured if run.level == baseline), measured[0])
    return min(measured, key=lambda run: (abs(run.level - baseline), run.name))


def _definitions(runs: Sequence[RunResults]) -> list[str]:
    """The definitions of the Fisher that were measured, in the order they were."""
    named = [
        q["definition"] for run in runs for point in run.entries("fisher", "points") for q in point["quotients"]
    ]
    return list(dict.fromkeys(named))


def _anisotropy(
    run: RunResults, definition: str, direction: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps, anisotropy, its error, and what v's share in each tensor alone would give."""
    rows = []
    for point in run.entries("fisher", "points"):
        for q in point["quotients"]:
            if q["definition"] == definition and direction in q["labels"]:
                at = q["labels"].index(direction)
                columns = (numbers(q[k])[at] for k in ("anisotropy", "anisotropy_se", "structured", "isotropic"))
                value, error, structured, isotropic = columns
                step = point["step"] * run.time_scale
                rows.append((step, value, error, structured / isotropic if isotropic else np.nan))
    return tuple(np.array(rows, dtype=float).T) if rows else (np.empty(0),) * 4


def _errorbar(
    ax: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, colour: str, marker: str, name: str
) -> None:
    """Error bars that a logarithmic axis can show: the lower end stays above zero."""
    keep = np.isfinite(y) & (y > 0)
    if not keep.any():
        return
    x, y, error = x[keep], y[keep], np.nan_to_num(error[keep])
    below = np.minimum(error, 0.8 * y)
    style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "capsize": 1.5, "elinewidth": 0.7}
    ax.errorbar(x, y, yerr=[below, error], label=name, **style)


def _baseline(ax: Axes, runs: Sequence[RunResults], definition: str) -> None:
    """The exact expectation of random directions: 1 for isotropic ones, and v_b's with its norm in each tensor."""
    at: dict[float, list[float]] = {}
    for run in runs:
        x, _, _, structured = _anisotropy(run, definition, "v_b")
        for step, value in zip(x.tolist(), structured.tolist(), strict=True):
            if np.isfinite(value):
                at.setdefault(step, [1.0]).append(value)
    x = np.array(sorted(at))
    low, high = (np.array([f(at[step]) for step in x]) for f in (min, max))
    ax.axhline(1, color=NULL, lw=1.2, zorder=0.5)
    if len(x):
        null_band(ax, x, low, high, "random, exact:\nisotropic to\nper tensor")


# ------------------------------------------------------------------------------------------------- interference


def interference(results: StudyResults) -> Figure:
    """Signed cosine of the gradients of the two objectives by level and step, with errors over batches."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.3))
    steady = [run for run in results.present if not run.diverged]
    points = [(run, point) for run in steady for point in run.entries("interference_metrics")]
    steps = sorted({point["step"] for _, point in points})
    levels = ascending(results)
    panels = {
        "mean": "gradients of a batch",
        "of_means": "averaged gradients",
        "across": "pairs of different batches",
    }
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        shown = False
        for colour, marker, step in zip(
            ordered_palette(len(steps), "step"), MARKERS * len(steps), steps, strict=False
        ):
            at = 0.18 * (steps.index(step) - (len(steps) - 1) / 2)
            found = [
                (levels.index(run.level) + at, *_cosine(point, name))
                for run, point in points
                if point["step"] == step
            ]
            x, y, error = over_runs(found)
            if len(x):
                style = {"color": colour, "marker": marker, "ms": 3.5, "ls": "none", "capsize": 2}
                ax.errorbar(x, y, yerr=error, label=f"step {step * results.time_scale:g}", **style)
                shown = True
        if not shown:
            missing(ax)
        floors = [(p.get("alignment") or {}).get("noise_floor") or 0.0 for _, p in points]
        ends = np.array([-0.5, max(len(levels), 1) - 0.5])
        floor = np.full(2, max(floors, default=0.0))
        null_band(ax, ends, -floor, floor, "null: random gradients")
        level_ticks(ax, results, levels)
        ax.set(title=title, xlim=ends)
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -1.05), min(high, 1.05))  # an error can reach beyond what a cosine can be
    axes[0].set_ylabel(r"$\cos(g_{\mathrm{LM}}, g_{\mathrm{probe}})$")
    legend(figure)
    return figure


def _cosine(point: dict[str, Any], name: str) -> tuple[float, float]:
    detail = point.get("detail") or {}
    value, error = numbers([detail.get(name), detail.get(f"{name}_se")])
    return float(value), float(error)
