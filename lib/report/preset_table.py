"""The presets of the geometry that a paper quotes, each defined in words."""

from collections.abc import Iterable

from lib.geometry.backbone import Window
from lib.geometry.presets import (
    PRESETS,
    Alignment,
    Backbone,
    Correlations,
    Fits,
    Phases,
    Preset,
    Rolling,
)
from lib.report.tex import long_table, tex


def presets(names: Iterable[str]) -> str:
    """A row a preset, in published steps."""
    rows = [[rf"\preset{{{name}}}", tex(words(PRESETS[name]))] for name in names]
    caption = (
        "The definitions behind the letters; steps in published units. A 0 marks those that this paper prefers, "
        "the others reproduce published ones."
    )
    columns = r"@{}l>{\raggedright\arraybackslash}p{.86\linewidth}@{}"
    return long_table(columns, "name & definition", rows, caption, "tab:presets")


def words(preset: Preset) -> str:
    match preset:
        case Backbone():
            rows = "rows of unit length" if preset.normalise else "rows as they are"
            return f"Backbone: uncentred PCA of the drifts {window_words(preset.window)}, {rows}."
        case Rolling():
            anchor = "its own first snapshot" if preset.moving else "the window's anchor"
            return (
                f"Rotation: |cos| between the first directions of neighbouring windows of {preset.size} drifts "
                f"from {anchor}, {window_words(preset.window)}."
            )
        case Alignment():
            what = f"updates over {preset.lag} steps" if preset.lag else "updates between neighbouring snapshots"
            where = f"from steps {', '.join(map(str, preset.at))}" if preset.at else window_words(preset.window)
            held = "; the backbone is fitted to snapshots that do not contain the update" if preset.held_out else ""
            return f"Alignment: cosine of {what}, {where}, with the backbone {preset.backbone}{held}."
        case Phases():
            return (
                f"Phases: cosine of the backbones before and after step {preset.split}, "
                f"{window_words(preset.window)}, and of the windows of {preset.rotation} with both."
            )
        case Fits():
            return (
                f"Exponents of a(t) and of the norm of r(t) of {preset.backbone} by least squares of logarithms, "
                f"over {_regimes(preset.regimes)}."
            )
        case Correlations():
            kept = "with" if preset.keep_origin else "without"
            return (
                f"Correlation of p_ood with the norm of r(t) of {preset.backbone}, over "
                f"{_regimes(preset.regimes)}, {kept} the point of the anchor."
            )


def window_words(window: Window) -> str:
    start = "from the initial weights" if window.lo == 0 else f"from step {window.lo}"
    end = "" if window.hi is None else f" to {window.hi}"
    grid = f"every {window.stride} steps" if window.stride else "all snapshots"
    return f"{start}{end}, {grid}"


def _regimes(regimes: Iterable[tuple[int, int | None]]) -> str:
    return ", ".join(f"{lo} to {'the end' if hi is None else hi}" for lo, hi in regimes)
