"""What the panels of the paper's figures share: curves over the band of their nulls, diverged runs, legends."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.geometry.presets import preset_steps
from lib.report.figures import MARKERS, RED, missing, null_band, ordered_palette
from lib.report.rundata import RunData, groups, numbers

Curve = tuple[np.ndarray, np.ndarray]


def curve(run: RunData, side: str, preset: str, quantity: str, scale: Fraction) -> Curve:
    """Steps and values of an array of a preset; empty where there is none."""
    values = run.array(side, f"{preset}.{quantity}")
    steps = preset_steps(preset, run.backbone.get("steps") or [], scale) if len(values) else values
    if len(steps) != len(values):
        return np.empty(0), np.empty(0)
    return steps, values


def envelope(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, smallest and largest finite value over curves that need not share their x."""
    at: dict[float, list[float]] = {}
    for x, y in curves:
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            if np.isfinite(b):
                at.setdefault(a, []).append(b)
    x = np.array(sorted(at))
    return x, np.array([min(at[a]) for a in x]), np.array([max(at[a]) for a in x])


def draw(
    ax: Axes,
    runs: Sequence[RunData],
    observed: Callable[[RunData], Curve],
    null: Callable[[RunData], Curve] | None = None,
    low: float | None = None,
) -> None:
    """One line a run over the band of their nulls. A diverged run does not set the scale; it is written out."""
    named = groups(runs)
    steady = [run for run in runs if not run.diverged] or list(runs)
    shown: list[np.ndarray] = []
    if null is not None:
        x, least, most = envelope([null(run) for run in steady])
        if len(x):
            null_band(ax, x, least, most)
            shown += [least, most]
    for colour, marker, (label, members) in zip(
        ordered_palette(len(named)), MARKERS * len(named), named.items(), strict=False
    ):
        for run in members:
            x, y = observed(run)
            if not np.isfinite(y).any():
                continue
            line = {"color": colour, "marker": marker, "ms": 2.4, "lw": 1.1, "label": label}
            ax.plot(x, y, **line, ls="--" if run.diverged else "-")
            if run in steady:
                shown.append(y[np.isfinite(y)])
    if not shown:
        missing(ax)
        return
    values = np.concatenate(shown)
    margin = 0.06 * (np.ptp(values) or 1.0)
    if ax.get_yscale() == "linear":
        ax.set_ylim(values.min() - margin if low is None else low, values.max() + margin)


def legend(figure: Figure, runs: Sequence[RunData] = (), rows: int = 1) -> None:
    """One legend above all panels, each name once; a run that diverged is named in words, drawn or not."""
    found: dict[str, Artist] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    named = diverged_handles(runs)
    found = {label: handle for label, handle in found.items() if label not in named} | {
        f"{label} {text}": handle for label, (text, handle) in named.items()
    }
    if found:
        columns = -(-len(found) // rows)
        figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=columns, columnspacing=1.2)


def diverged_handles(runs: Sequence[RunData]) -> dict[str, tuple[str, Artist]]:
    """What a legend says of the runs that diverged, and its line, by their label."""
    named = groups(runs)
    return {
        label: (diverged_text(run), Line2D([], [], color=colour, ls="--", marker="x", ms=4))
        for colour, (label, members) in zip(ordered_palette(len(named)), named.items(), strict=True)
        for run in members
        if run.diverged
    }


def diverged_text(run: RunData) -> str:
    """When a run diverged, and how far it had gone by its last finite snapshot."""
    end = (run.record.get("diverged") or {}).get("step", run.record.get("step"))
    drift = numbers((run.backbone.get("drift") or {}).get("observed"))
    drift = drift[np.isfinite(drift)]
    far = f", ‖Δ‖ = {drift[-1]:,.3g}" if len(drift) > 1 else ""
    return f"diverged at step {end}{far}"


def mark_diverged(ax: Axes, runs: Sequence[RunData], levels: list[float]) -> None:
    """A run without a value because it diverged is a cross on the axis, not a gap that reads as an oversight."""
    for place in {levels.index(run.beta2) for run in runs if run.diverged}:
        at = {"transform": ax.get_xaxis_transform(), "clip_on": False, "ls": "none"}
        ax.plot([place], [0.04], marker="x", ms=5, mew=1.3, color=RED, label="diverged", **at)
