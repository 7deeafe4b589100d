"""What panels over the runs of a study share: curves over the band of their nulls, diverged runs, legends."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.geometry.presets import preset_steps
from lib.report.axis import Level, are_numbers
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import MARKERS, RED, missing, null_band, ordered_palette

Curve = tuple[np.ndarray, np.ndarray]


def curve(run: RunResults, side: str, preset: str, quantity: str) -> Curve:
    """Steps and values of an array of a preset; empty where there is none."""
    values = run.array(side, f"{preset}.{quantity}")
    steps = preset_steps(preset, run.backbone.get("steps") or [], run.length) if len(values) else values
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
    results: StudyResults,
    observed: Callable[[RunResults], Curve],
    null: Callable[[RunResults], Curve] | None = None,
) -> None:
    """One line a run over the band of their nulls. A diverged run does not set the scale; it is written out."""
    runs = results.present
    steady = [run for run in runs if not run.diverged] or list(runs)
    shown: list[np.ndarray] = []
    if null is not None:
        x, least, most = envelope([null(run) for run in steady])
        if len(x):
            null_band(ax, x, least, most)
            shown += [least, most]
    for colour, marker, label, members in coloured(results):
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
        ax.set_ylim(values.min() - margin, values.max() + margin)


def coloured(results: StudyResults) -> Iterator[tuple[str, str, str, list[RunResults]]]:
    """Colour, marker, name and runs of every group of runs that differ in the seed alone."""
    named = results.groups()
    colours = ordered_palette(len(named))
    for colour, marker, (label, members) in zip(colours, MARKERS * len(named), named.items(), strict=False):
        yield colour, marker, label, members


def ascending(results: StudyResults) -> list[Level]:
    """The levels that there are runs of, as an axis of a figure has them: numbers from small to large."""
    levels = [level for level in results.levels if any(run.level == level for run in results.present)]
    return sorted(levels) if are_numbers(levels) else levels


def legend(figure: Figure, results: StudyResults | None = None, columns: int = 0) -> None:
    """One legend above all panels, each name once; a run that diverged is named in words, drawn or not."""
    found: dict[str, Artist] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    named = diverged_handles(results) if results else {}
    found = {label: handle for label, handle in found.items() if label not in named} | {
        f"{label} {text}": handle for label, (text, handle) in named.items()
    }
    if found:
        place = {"loc": "outside upper center", "ncols": columns or len(found), "columnspacing": 1.2}
        figure.legend(found.values(), found.keys(), **place)


def diverged_handles(results: StudyResults) -> dict[str, tuple[str, Artist]]:
    """What a legend says of the runs that diverged, and its line, by their label."""
    return {
        label: (diverged_text(run), Line2D([], [], color=colour, ls="--", marker="x", ms=4))
        for colour, _, label, members in coloured(results)
        for run in members
        if run.diverged
    }


def diverged_text(run: RunResults) -> str:
    """When a run diverged, and how far it had gone by its last finite snapshot."""
    end = (run.record.get("diverged") or {}).get("step", run.record.get("step"))
    drift = numbers((run.backbone.get("drift") or {}).get("observed"))
    drift = drift[np.isfinite(drift)]
    far = f", ‖Δ‖ = {drift[-1]:,.3g}" if len(drift) > 1 else ""
    return f"diverged at step {end}{far}"


def mark_diverged(ax: Axes, results: StudyResults, levels: list[Level]) -> None:
    """A run without a value because it diverged is a cross on the axis, not a gap that reads as an oversight."""
    for place in {levels.index(run.level) for run in results.present if run.diverged}:
        at = {"transform": ax.get_xaxis_transform(), "clip_on": False, "ls": "none"}
        ax.plot([place], [0.04], marker="x", ms=5, mew=1.3, color=RED, label="diverged", **at)
