"""What a run's steps do to its matrices over time, and what comes of its branches, for its notebooks."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.params.run import Params
from lib.report.run import numbers
from lib.report.style import OWN_STEP, PAGE, label, missing
from paper.optimizers.arms import named

PANELS = {
    "gradient_rank": "rank of the gradient",
    "memory_rank": "rank of the memory",
    "update_rank": "rank of the step",
    "memory_cosine": "cosine with the memory",
}


def steps(rows: list[dict[str, Any]], p: Params) -> Figure:
    """Ranks and the cosine with the memory, a line a group of matrices; the warm-up ends at the dotted line."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(PAGE, 2.0), sharex=True)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    colours = plt.colormaps["viridis"](np.linspace(0.1, 0.85, max(1, len(groups))))
    for ax, (column, title) in zip(axes, PANELS.items(), strict=True):
        for group, colour in zip(groups, colours, strict=True):
            known = [(row["step"], row[column]) for row in rows if row["group"] == group and column in row]
            if known:
                ax.plot(
                    *zip(*known, strict=True), color=colour, lw=0.9, label=label(group.replace("blocks.*.", ""))
                )
        if not ax.lines:
            missing(ax)
        ax.axvline(p.schedule.warmup, color="0.6", lw=0.6, ls=":")
        ax.set(title=title, xlabel=OWN_STEP)
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def losses_of(branches: dict[str, dict[str, Any]]) -> Figure:
    """Validation losses of branches by their own steps, each with its name."""
    figure, ax = plt.subplots(figsize=(0.6 * PAGE, 2.2))
    for n, (name, found) in enumerate(branches.items()):
        ax.plot(found["steps"], numbers(found["losses"]), "o-", ms=2.5, lw=0.9, color=f"C{n}", label=named(name))
    if not ax.lines:
        missing(ax)
    ax.set(xlabel=f"{OWN_STEP} since the snapshot", ylabel="validation loss")
    if ax.lines:
        figure.legend(loc="outside lower center", ncols=4)
    return figure
