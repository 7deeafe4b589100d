"""Figures of what the runs do: probe, curvature, reheating, interference. Each takes runs and gives a Figure."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.figures import (
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    NULL,
    ORANGE,
    PAGE,
    RED,
    missing,
    note,
    null_band,
    ordered_palette,
)
from lib.report.panels import Curve, diverged_handles, draw, legend, mark_diverged
from lib.report.rundata import RunData, groups, numbers

DIRECTIONS = {"v_b": BLUE, "PC2": GREEN, "update": RED, "-theta_0": ORANGE, "random": GREY}
NAMES = {"v_b": "$v_b$", "PC2": "PC2", "update": "update", "-theta_0": "−θ₀", "random": "random"}


def probe(runs: Sequence[RunData]) -> Figure:
    """p_ood, p_in and the language-modelling loss against the step."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2))
    panels = {
        "probe_ood_acc": "p_ood, longer gaps",
        "probe_in_acc": "p_in, gaps of training",
        "val_loss": "LM loss",
    }
    for ax, (name, title) in zip(axes, panels.items(), strict=True):

        def series(run: RunData, name: str = name) -> Curve:
            return run.evaluated("step"), run.evaluated(name)

        draw(ax, runs, series)
        ax.set(title=title, xlabel="step")
    axes[2].set_ylabel("nats per token")
    for ax in axes[:2]:
        ax.set_ylim(-0.03, 1.03)
        if runs:
            ax.axhline(1 / runs[0].params.task.probe.codewords, color=NULL, lw=2, zorder=0.5, label="chance")
    legend(figure, runs)
    return figure


# ---------------------------------------------------------------------------------------------------- curvature


def fisher(runs: Sequence[RunData], beta2: float = 0.95) -> Figure:
    """Anisotropy (q over that of a random direction) by definition of the Fisher.

    Above: every direction, in the measured run nearest to `beta2`. Below: v_b, in every run.
    """
    measured = [run for run in runs if run.entries("fisher", "points")]
    columns = _definitions(measured) or [""]
    size = {"figsize": (PAGE, 4.2), "sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = plt.subplots(2, len(columns), **size)
    if not measured:
        for ax in axes.flat:
            missing(ax)
        return figure
    chosen = min(measured, key=lambda run: (abs(run.beta2 - beta2), run.name))
    named = groups(runs)
    for (above, below), definition in zip(axes.T, columns, strict=True):
        for direction, marker in zip(DIRECTIONS, MARKERS, strict=False):
            x, y, error, _ = _anisotropy(chosen, definition, direction)
            _errorbar(above, x, y, error, DIRECTIONS[direction], marker, NAMES[direction])
        for colour, marker, (label, members) in zip(
            ordered_palette(len(named)), MARKERS * len(named), named.items(), strict=False
        ):
            for run in members:
                x, y, error, _ = _anisotropy(run, definition, "v_b")
                _errorbar(below, x, y, error, colour, marker, label)
        for ax, members in ((above, [chosen]), (below, measured)):
            ax.set_yscale("log")
            _baseline(ax, members, definition)
        above.set_title(definition.split(":")[0])
        below.set_xlabel("step")
    texts = (f"anisotropy, β₂ = {chosen.beta2:g}", "anisotropy along $v_b$")
    for row, text, shown in zip(axes, texts, ([], runs), strict=True):
        row[0].set_ylabel(text)
        handles = {}
        for ax in row:
            handles |= {label: h for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        for label, (ended, handle) in diverged_handles(shown).items():
            handles[f"{label}\n" + ended.replace(", ", "\n")] = handle
        row[-1].legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5)
    return figure


def _definitions(runs: Sequence[RunData]) -> list[str]:
    """The definitions of the Fisher that were measured, in the order they were."""
    named = [
        q["definition"] for run in runs for point in run.entries("fisher", "points") for q in point["quotients"]
    ]
    return list(dict.fromkeys(named))


def _anisotropy(
    run: RunData, definition: str, direction: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps, anisotropy, its error, and what v's share in each tensor alone would give."""
    rows = []
    for point in run.entries("fisher", "points"):
        for q in point["quotients"]:
            if q["definition"] == definition and direction in q["labels"]:
                at = q["labels"].index(direction)
                columns = (numbers(q[k])[at] for k in ("anisotropy", "anisotropy_se", "structured", "isotropic"))
                value, error, structured, isotropic = columns
                rows.append((point["step"], value, error, structured / isotropic if isotropic else np.nan))
    return tuple(np.array(rows, dtype=float).T) if rows else (np.empty(0),) * 4


def _errorbar(
    ax: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, colour: str, marker: str, label: str
) -> None:
    """Error bars that a logarithmic axis can show: the lower end stays above zero."""
    keep = np.isfinite(y) & (y > 0)
    if not keep.any():
        return
    x, y, error = x[keep], y[keep], np.nan_to_num(error[keep])
    below = np.minimum(error, 0.8 * y)
    style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "capsize": 1.5, "elinewidth": 0.7}
    ax.errorbar(x, y, yerr=[below, error], label=label, **style)


def _baseline(ax: Axes, runs: Sequence[RunData], definition: str) -> None:
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


# ---------------------------------------------------------------------------------------------------- reheating


def reheat(runs: Sequence[RunData]) -> Figure:
    """p_ood of every reheat from its start; its gain; its displacement along and across the parent's v_b."""
    conditions = [c for run in runs for c in run.entries("reheat")]
    conditions.sort(key=lambda c: (-c["beta2"], c["ckpt_step"], -c["lr"]))
    starts = list(dict.fromkeys((c["beta2"], c["ckpt_step"]) for c in conditions))
    rates = sorted({c["lr"] for c in conditions}, reverse=True)
    colour = dict(zip(rates, ordered_palette(len(rates)), strict=True))
    figure = plt.figure(figsize=(PAGE, 4.0))
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.05))
    curves = above.subplots(1, max(len(starts), 1), sharey=True, squeeze=False)[0]
    panels = below.subplots(1, 3)
    titles = ("gain G = max p_ood − start", "displacement along $v_b$", "displacement across $v_b$")
    if not conditions:
        for ax, title in zip((*curves, *panels), ("p_ood from the start of a reheat", *titles), strict=True):
            ax.set_title(title)
            missing(ax)
        return figure
    for ax, (beta2, step) in zip(curves, starts, strict=True):
        for c in (c for c in conditions if (c["beta2"], c["ckpt_step"]) == (beta2, step)):
            style = {"color": colour[c["lr"]], "marker": MARKERS[rates.index(c["lr"])], "ms": 2.5, "lw": 1.1}
            ax.plot(numbers(c["steps"]), numbers(c["p_ood"]), label=f"lr = {c['lr']:g}", **style)
            if c.get("state") == "diverged":
                note(ax, "diverged", RED, (0.8, 0.1))
        ax.set(title=f"β₂ = {beta2:g}, step {step}", xlabel="step of the reheat", ylim=(-0.03, 1.03))
    curves[0].set_ylabel("p_ood")
    curves[-1].legend(loc="upper right", fontsize=6.5)
    quantities = (("gain", None), ("along", "null_along"), ("across", "null_across"))
    for ax, title, (name, null) in zip(panels, titles, quantities, strict=True):
        _conditions(ax, conditions, starts, colour, name, null)
        ax.set_title(title)
    return figure


def _conditions(
    ax: Axes,
    conditions: list[dict[str, Any]],
    starts: list[tuple[float, int]],
    colour: dict[float, str],
    name: str,
    null: str | None,
) -> None:
    """One column a start, one point a learning rate, each beside a grey bar for its null."""
    rates, drawn = list(colour), False
    for c in conditions:
        shift = 0.22 * (rates.index(c["lr"]) - (len(rates) - 1) / 2)
        x = starts.index((c["beta2"], c["ckpt_step"])) + shift
        if null and c.get(null) is not None:
            label = "" if drawn else "null"
            ax.plot([x - 0.09, x + 0.09], [c[null]] * 2, color=NULL, lw=3.2, solid_capstyle="butt", label=label)
            drawn = True
        if c.get(name) is not None:
            ax.plot([x], [c[name]], ls="none", marker=MARKERS[rates.index(c["lr"])], ms=4, color=colour[c["lr"]])
    ax.axhline(0, color=NULL if null is None else GREY, lw=2 if null is None else 0.5, zorder=0.4)
    ax.set(xticks=range(len(starts)), xlim=(-0.6, len(starts) - 0.4))
    ax.set_xticklabels([f"{beta2:g}\n{step}" for beta2, step in starts], fontsize=6.5)
    ax.set_xlabel("β₂, and the step it starts from")
    if drawn:
        ax.legend(fontsize=6.5)


# ------------------------------------------------------------------------------------------------- interference


def interference(runs: Sequence[RunData]) -> Figure:
    """Signed cosine of the LM and the probe gradient by beta2 and step, with jackknife errors over batches."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.3))
    points = [(run, point) for run in runs for point in run.entries("interference_metrics")]
    steps = sorted({point["step"] for _, point in points})
    levels = sorted({run.beta2 for run in runs})
    panels = {
        "mean": "gradients of a batch",
        "of_means": "averaged gradients",
        "across": "pairs of different batches",
    }
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        shown = False
        for colour, marker, step in zip(ordered_palette(len(steps)), MARKERS * len(steps), steps, strict=False):
            at = 0.18 * (steps.index(step) - (len(steps) - 1) / 2)
            found = [
                (levels.index(run.beta2) + at, *_cosine(point, name))
                for run, point in points
                if point["step"] == step
            ]
            found = [row for row in found if np.isfinite(row[1])]
            if found:
                x, y, error = np.array(found).T
                style = {"color": colour, "marker": marker, "ms": 3.5, "ls": "none", "capsize": 2}
                ax.errorbar(x, y, yerr=np.nan_to_num(error), label=f"step {step}", **style)
                shown = True
        if not shown:
            missing(ax)
        floors = [(p.get("alignment") or {}).get("noise_floor") or 0.0 for _, p in points]
        ends = np.array([-0.5, max(len(levels), 1) - 0.5])
        floor = np.full(2, max(floors, default=0.0))
        null_band(ax, ends, -floor, floor, "null: random gradients")
        mark_diverged(ax, runs, levels)
        ax.set(title=title, xlabel="β₂", xticks=range(len(levels)), xlim=ends)
        ax.set_xticklabels([f"{x:g}" for x in levels])
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -1.05), min(high, 1.05))  # an error can reach beyond what a cosine can be
    axes[0].set_ylabel("cos($g_{LM}$, $g_{probe}$)")
    legend(figure)
    return figure


def _cosine(point: dict[str, Any], name: str) -> tuple[float, float]:
    detail = point.get("detail") or {}
    value, error = numbers([detail.get(name), detail.get(f"{name}_se")])
    return float(value), float(error)
