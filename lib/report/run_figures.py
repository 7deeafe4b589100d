"""The figures of one run's notebooks: what `lib.measure` wrote in, Figure out."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.geometry.backbone import Window, decompose, pca
from lib.geometry.gram import Digest
from lib.report.style import BLUE, COLUMN, DIRECTIONS, GREY, NAMES, OWN_STEP, PAGE, RED, nothing

DOTS = {"marker": "o", "ms": 3, "ls": "none"}


def decomposition(result: dict[str, Any]) -> Figure:
    """a(t), ||r||(t) and the backbone fraction of the default preset, with the null."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.0))
    steps = np.asarray(result["steps"])
    for ax, key, title in zip(
        axes, ("a", "r", "fraction"), ("along, $a(t)$", r"across, $\|r(t)\|$", "backbone fraction"), strict=True
    ):
        ax.set(title=title, xlabel=OWN_STEP)
        seen, null = (np.asarray(result[part][f"G2.{key}"], float) for part in ("observed", "null"))
        if len(seen) < 2:
            nothing(ax, "too few snapshots")
            continue
        at = steps[-len(seen) :]
        ax.plot(at, null, color=GREY, lw=1, label="null")
        ax.plot(at, seen, color=BLUE, label="observed")
    axes[0].legend()
    return figure


def spectrum(result: dict[str, Any], components: int = 10) -> Figure:
    """Leading shares of the window and of the whole run, with the null."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.0), sharey=True)
    for ax, name, title in zip(axes, ("G1", "G2"), ("window (G1)", "whole run (G2)"), strict=True):
        ax.set(title=title, xlabel="component", yscale="log")
        shares = result["spectrum"][name]
        if not len(shares["observed"]):
            nothing(ax, "too few snapshots")
            continue
        for part, colour, marker in (("null", GREY, "s"), ("observed", BLUE, "o")):
            values = 100 * np.asarray(shares[part], float)[:components]
            ax.plot(range(1, len(values) + 1), values, marker=marker, ms=3, color=colour, label=part)
        ax.legend()
    axes[0].set_ylabel("share, %")
    return figure


def anisotropy(result: dict[str, Any]) -> Figure:
    """Curvature over that of a random direction, against the step, one panel a definition."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2), sharey=True)
    points = result["points"]
    for n, ax in enumerate(axes):
        if not points:
            nothing(ax, "no whole snapshot")
            continue
        found = [(point["step"], point["quotients"][n]) for point in points]
        ax.set(title=found[0][1].definition.split(":")[0], xlabel=OWN_STEP, yscale="log")
        ax.axhline(1, color=GREY, lw=0.6, ls=":")
        for label in dict.fromkeys(name for _, q in found for name in q.labels):
            there = [(step, q, q.labels.index(label)) for step, q in found if label in q.labels]
            rows = [(step, q.anisotropy[k], q.anisotropy_se[k]) for step, q, k in there]
            at, value, error = np.array(rows, float).T
            low = np.minimum(error, 0.9 * value)  # the axis is logarithmic
            style = {"color": DIRECTIONS[label], "marker": "o", "ms": 2.5, "lw": 1}
            ax.errorbar(at, value, [low, error], label=NAMES.get(label, label), **style)
    if points:
        axes[0].set_ylabel("$q$ over that of a random direction")
        axes[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def interference(points: list[dict[str, Any]]) -> Figure:
    """The three cosines of the objectives, and both gradients against the directions."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.2), width_ratios=(1, 1.6))
    if not points:
        for ax in axes:
            nothing(ax, "no whole snapshot")
        return figure
    steps = np.array([point["step"] for point in points])
    width = 0.02 * max(steps)
    kinds = (
        ("mean", "mean of batches", GREY),
        ("of_means", "of the means", BLUE),
        ("across", "across batches", RED),
    )
    for k, (key, name, colour) in enumerate(kinds):
        values = [getattr(point["detail"], key) for point in points]
        errors = [getattr(point["detail"], f"{key}_se") for point in points]
        axes[0].errorbar(
            steps + (k - 1) * width, values, errors, color=colour, marker="o", ms=3, ls="none", label=name
        )
    axes[0].axhline(0, color=GREY, lw=0.6)
    axes[0].set(title=r"$\cos(g_{\mathrm{LM}}, g_{\mathrm{probe}})$", xlabel=OWN_STEP)
    axes[0].legend()
    last = points[-1]["alignment"]
    x = np.arange(len(last.labels))
    for row, (objective, colour) in enumerate(zip(last.objectives, (GREY, RED, BLUE), strict=True)):
        values, errors = last.of_means[row], last.of_means_se[row]
        axes[1].errorbar(x + 0.15 * (row - 1), values, errors, label=objective, color=colour, **DOTS)
    axes[1].axhspan(-last.noise_floor, last.noise_floor, color=GREY, alpha=0.2, lw=0)
    axes[1].axhline(0, color=GREY, lw=0.6)
    axes[1].set(title=f"averaged gradient against directions, step {steps[-1]}", xticks=x)
    axes[1].set_xticklabels([NAMES.get(label, label) for label in last.labels])
    axes[1].legend()
    return figure


def window_fraction(digests: dict[str, Digest], window: Window) -> Figure:
    """The backbone fraction over a window of one's own."""
    figure, ax = plt.subplots(figsize=(COLUMN, 2.0))
    for (name, source), colour in zip(digests.items(), (BLUE, GREY), strict=True):
        found = pca(source, window)
        if len(found.steps) > 1:
            parts = decompose(source, found.backbone, window)
            ax.plot(parts.steps, parts.fraction, color=colour, label=name)
    ax.set(title="backbone fraction", xlabel=OWN_STEP)
    if ax.lines:
        ax.legend()
    else:
        nothing(ax, "too few snapshots")
    plt.close(figure)
    return figure
