"""What panels over the runs of a study share: curves over the band of their nulls, diverged runs, legends.

Steps are published steps: results are compared with published ones, and studies of several lengths with each other.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.geometry.presets import preset_steps
from lib.report.axis import Level, are_numbers, level_mark
from lib.report.quantities import BEYOND, Estimate
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import BLUE, GREEN, MARKERS, NULL, ORANGE, RED, label, missing, null_band, ordered_palette

Curve = tuple[np.ndarray, np.ndarray]
LETTERS = 120  # of a legend in one line, a mark and its gap as eight
NOTHING: Curve = np.empty(0), np.empty(0)


def curve(run: RunResults, side: str, preset: str, quantity: str) -> Curve:
    """Published steps and values of an array of a preset; empty where there is none."""
    values = run.array(side, f"{preset}.{quantity}")
    steps = preset_steps(preset, run.backbone.get("steps") or [], run.length) if len(values) else values
    return (steps * run.time_scale, values) if len(steps) == len(values) else NOTHING


def beyond(seen: Curve, null: Curve) -> Curve:
    """Observed minus null, at the steps that both have."""
    shared, here, there = np.intersect1d(seen[0], null[0], return_indices=True)
    return shared, seen[1][here] - null[1][there]


def evaluated(run: RunResults, name: str) -> Curve:
    """A number of every evaluation against the published step."""
    return run.evaluated("step") * run.time_scale, run.evaluated(name)


def gathered(curves: Sequence[Curve]) -> dict[float, list[float]]:
    """The finite values at every x, over curves that need not share their x."""
    at: dict[float, list[float]] = {}
    for x, y in curves:
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            if np.isfinite(b):
                at.setdefault(a, []).append(b)
    return dict(sorted(at.items()))


def envelope(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, smallest and largest finite value."""
    at = gathered(curves)
    return np.array(list(at)), *(np.array([f(values) for values in at.values()]) for f in (min, max))


def over_runs(found: Sequence[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, value, its error) of several runs: x, means, and their standard errors over the runs.

    A value that is alone at its x keeps its own error; 0 where it has none.
    """
    at: dict[float, list[tuple[float, float]]] = {}
    for x, y, error in found:
        if np.isfinite(y):
            at.setdefault(x, []).append((y, error))
    rows = []
    for x, pairs in sorted(at.items()):
        values, errors = np.array(pairs, dtype=float).T
        several = len(values) > 1
        rows.append((x, values.mean(), values.std(ddof=1) / np.sqrt(len(values)) if several else errors[0]))
    x, y, error = np.array(rows, dtype=float).reshape(-1, 3).T
    return x, y, np.nan_to_num(error)


def draw(
    ax: Axes,
    results: StudyResults,
    observed: Callable[[RunResults], Curve],
    null: Callable[[RunResults], Curve] | None = None,
) -> None:
    """One line a level, the mean over its seeds in the band that they span, over the band of all nulls.

    A diverged run is a broken line as far as it is finite, without points, and does not set the scale.
    """
    runs = results.present
    steady = [run for run in runs if not run.diverged]
    shown: list[np.ndarray] = []
    if null is not None:
        x, least, most = envelope([null(run) for run in steady])
        if len(x):
            null_band(ax, x, least, most)
            shown += [least, most]
    for colour, marker, name, members in coloured(results):
        found = gathered([observed(run) for run in members if not run.diverged])
        if found:
            x, means = np.array(list(found)), np.array([np.mean(values) for values in found.values()])
            ax.plot(x, means, color=colour, marker=marker, ms=2.2, lw=1.0, label=label(name))
            least, most = (np.array([f(values) for values in found.values()]) for f in (min, max))
            if len(members) > 1:
                ax.fill_between(x, least, most, color=colour, alpha=0.18, lw=0)
            shown += [least, most]
        for run in (run for run in members if run.diverged):
            ax.plot(*observed(run), color=colour, lw=0.9, ls="--")
    if not shown:
        missing(ax)
        return
    values = np.concatenate(shown)
    margin = 0.06 * (np.ptp(values) or 1.0)
    if ax.get_yscale() == "linear":
        ax.set_ylim(values.min() - margin, values.max() + margin)


def draw_beyond(
    ax: Axes,
    results: StudyResults,
    observed: Callable[[RunResults], Curve],
    null: Callable[[RunResults], Curve],
) -> None:
    """The same minus every run's own null: what is left where curves lie on one another, or on the null.

    The null of a diverged run is fitted to its explosion; nothing is drawn of it.
    """
    draw(ax, results, lambda run: NOTHING if run.diverged else beyond(observed(run), null(run)))
    ax.axhline(0, color=NULL, lw=2, zorder=0.5)


def coloured(results: StudyResults) -> Iterator[tuple[str, str, str, list[RunResults]]]:
    """Colour, marker, name and runs of every group of runs that differ in the seed alone."""
    named = results.groups()
    colours = ordered_palette(len(named))
    for colour, marker, (name, members) in zip(colours, MARKERS * len(named), named.items(), strict=False):
        yield colour, marker, name, members


def ascending(results: StudyResults) -> list[Level]:
    """The levels that there are runs of, as an axis of a figure has them: numbers from small to large."""
    levels = [level for level in results.levels if any(run.level == level for run in results.present)]
    return sorted(levels) if are_numbers(levels) else levels


def legend(figure: Figure, results: StudyResults | None = None, columns: int = 0) -> None:
    """One legend above all panels, each name once; a run that diverged is named in words, drawn or not."""
    found: dict[str, Artist] = {}
    for ax in figure.axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    found |= diverged_handles(results) if results else {}
    if found:
        letters = sum(8 + len(re.sub(r"\\\w+|[${}^_]", "", name)) for name in found)
        columns = math.ceil(len(found) / math.ceil(letters / LETTERS))
        figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=columns, columnspacing=1.2)


def diverged_handles(results: StudyResults) -> dict[str, Artist]:
    """The line of every group of which a run diverged, by what a legend says of it."""
    found = {}
    for colour, _, name, members in coloured(results):
        text = diverged_text(members)
        if text:
            found[f"{label(name)}: {text}"] = Line2D([], [], color=colour, lw=0.9, ls="--")
    return found


def diverged_text(runs: Sequence[RunResults]) -> str:
    """At which published steps runs of a group diverged; empty where none did."""
    ends = [r.record.diverged.step * r.time_scale for r in runs if r.diverged]
    if not ends:
        return ""
    where = f"step {min(ends):g}" if min(ends) == max(ends) else f"steps {min(ends):g} to {max(ends):g}"
    of = "" if len(ends) == len(runs) else f"{len(ends)} of {len(runs)} "
    return f"{of}diverged at {where}"


def level_ticks(ax: Axes, results: StudyResults, levels: list[Level]) -> None:
    """The levels along the axis of a panel; one at which a run diverged is marked beneath it, off the panel."""
    diverged = {run.level for run in results.present if run.diverged}
    marks = [label(level_mark(level)) for level in levels]
    ax.set_xticks(range(len(levels)))
    ax.set_xticklabels([f"{m}\n$\\times$" if x in diverged else m for x, m in zip(levels, marks, strict=True)])
    for tick, level in zip(ax.get_xticklabels(), levels, strict=False):  # none in a panel without data
        tick.set_color(RED if level in diverged else "black")
    ax.set_xlabel(label(results.axis.symbol))
    if diverged:
        ax.plot([], [], ls="none", marker="x", ms=4, color=RED, label="diverged, off the panels")


# ------------------------------------------------------------------- levels that are words, one below another

RUNG_MARKS = {"schedule": (BLUE, "o"), "lengths": (GREEN, "s"), "memory": (ORANGE, "D"), "shuffled": (RED, "^")}
PARTS = {rung: part for part, rung in BEYOND.items()}


def point(ax: Axes, found: Estimate, y: float, colour: str, marker: str, label: str | None = None) -> None:
    """A mean with its 95 % interval over seeds; of one seed the value alone."""
    if found.value is not None:
        style = {"color": colour, "marker": marker, "ms": 3, "lw": 0.9, "ls": "none", "label": label}
        ax.errorbar([found.value], [y], xerr=found.interval, **style)


def over_nulls(ax: Axes, results: StudyResults, name: str, places: Mapping[Level, float]) -> None:
    """A quantity at every level, over the span from the null of the schedule to the one with memory."""
    for level in results.trained():
        nulls = [results.at(level, name, part).value for part in ("null", "memory")]
        if None not in nulls:
            span = {"color": NULL, "lw": 5, "solid_capstyle": "butt", "label": "nulls, schedule to memory"}
            ax.plot(nulls, [places[level]] * 2, **span)
        point(ax, results.at(level, name), places[level], BLUE, "o")


def beyond_rungs(ax: Axes, results: StudyResults, name: str, places: Mapping[Level, float]) -> None:
    """What is left of a quantity on four rungs of the ladder, side by side at every level."""
    for level in results.trained():
        for n, (rung, (colour, marker)) in enumerate(RUNG_MARKS.items()):
            y = places[level] + 0.18 * (1.5 - n)
            point(ax, results.at(level, name, PARTS[rung]), y, colour, marker, f"beyond {rung}")
    ax.axvline(0, color=NULL, lw=2, zorder=0.5)


def name_levels(axes: Sequence[Axes], results: StudyResults, names: Callable[[Level], str]) -> dict[Level, float]:
    """The levels as rows of panels that share them, the first on top; returns where each is."""
    places = {level: float(place) for place, level in enumerate(reversed(results.levels))}
    axes[0].set_yticks(list(places.values()), [names(level) for level in places])
    for ax in axes:
        ax.grid(axis="y", color=NULL, lw=0.3)
        if not results.trained():
            missing(ax)
    return places
