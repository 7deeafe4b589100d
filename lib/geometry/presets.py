"""The named variants of every geometric quantity, in one table, and their measurement from a digest.

The reference code computes "the backbone", "rotation" and "update alignment" in several ways that give
different numbers for the same run. Each has a name here: G backbones, R rotations, U update alignments, P
phases, F power-law fits, C correlations. Names ending in 0 are this project's defaults: drift from the true
theta_0, an even grid of snapshots so that no stretch of training counts more than another, and updates that
are no part of the fit.

Steps are those of the published runs; `time_scale` maps them onto a run of another length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from lib.base.errors import BadInput
from lib.geometry.alignment import align, align_held_out, updates
from lib.geometry.backbone import (
    WHOLE_RUN,
    Pca,
    Window,
    cosines,
    decompose,
    drifts,
    jackknife_pc1,
    pca,
    start_cosine,
    whole,
)
from lib.geometry.fits import correlate, power_law
from lib.geometry.gram import Digest
from lib.geometry.rotation import Rotation, phases, rotate

Regimes = tuple[tuple[int, int | None], ...]
Quantities = dict[str, float | np.ndarray]


@dataclass(frozen=True)
class Backbone:
    """PCA of a window and the decomposition along it. `components` truncates the denominator of shares."""

    window: Window
    normalise: bool = True
    components: int | None = None


@dataclass(frozen=True)
class Rolling:
    """Rolling PC1 over `size` drifts."""

    window: Window
    size: int
    normalise: bool = True
    moving: bool = False


@dataclass(frozen=True)
class Alignment:
    """Updates over `lag` steps (None: between consecutive snapshots) against a backbone of the table.

    `at` lists their starts; None takes every one that has both snapshots in the window. `until` adds the
    mean over those that end by then.
    """

    backbone: str
    lag: int | None = 200
    window: Window = WHOLE_RUN
    at: tuple[int, ...] | None = None
    until: int | None = None
    held_out: bool = False


@dataclass(frozen=True)
class Phases:
    """Backbones before and after `split`, and the windows of a rotation of the table against both."""

    window: Window
    split: int
    rotation: str


@dataclass(frozen=True)
class Fits:
    """Power laws of |a| and ||r|| of a backbone of the table over lo < step <= hi."""

    backbone: str
    regimes: Regimes


@dataclass(frozen=True)
class Correlations:
    """Correlation of p_ood with ||r|| of a backbone of the table over lo < step <= hi."""

    backbone: str
    regimes: Regimes
    keep_origin: bool = False


Preset = Backbone | Rolling | Alignment | Phases | Fits | Correlations

SHORT_STUDY: Regimes = ((0, 2000), (2000, 4000), (0, 4000))
LONG_STUDY: Regimes = ((0, 2000), (2000, 4000), (0, 4000), (4000, 6000), (4000, 10000), (6000, 10000))

# fmt: off
PRESETS: dict[str, Preset] = {
    # Backbones
    "G0":    Backbone(Window(0, stride=200)),                                     # default
    "G1":    Backbone(Window(600, 2000)),                                         # table of 4K runs; SGD controls
    "G2":    Backbone(Window(1)),                                                 # 4K runs
    "G2raw": Backbone(Window(1), normalise=False),
    "G3":    Backbone(Window(1, stride=200), components=10),                      # 10K runs
    "G3all": Backbone(Window(1, stride=200)),                                     # G3, whole denominator
    "G3raw": Backbone(Window(1, stride=200), normalise=False),                    # per block
    # Rotations
    "R0":    Rolling(Window(0, stride=200), size=9, moving=True),                 # default
    "R1":    Rolling(Window(600, 2000), size=8),                                  # table of 4K runs
    "R2":    Rolling(Window(200, stride=200), size=9, moving=True),               # 10K runs, rho
    "R3":    Rolling(Window(1, stride=200), size=10, normalise=False),            # per block
    "R4":    Rolling(Window(600, 2000), size=5),                                  # SGD controls
    # Update alignments
    "U0":    Alignment("G0", window=Window(0, stride=200), until=2000, held_out=True),  # default
    "U0in":  Alignment("G0", window=Window(0, stride=200), until=2000),           # in-sample twin of U0
    "U1":    Alignment("G1", at=(800, 1200, 1600, 2200, 3000, 3600)),             # table of 4K runs
    "U2":    Alignment("G2", window=Window(1), until=2000),                       # 4K runs
    "U3":    Alignment("G3raw", lag=None, window=Window(1, stride=200)),          # 10K runs, per block
    "U4":    Alignment("G1", at=(1000, 1600, 2200, 3000, 3800)),                  # SGD controls
    "U5":    Alignment("G3raw", lag=None, window=Window(1, stride=200)),          # figure B, block 0
    # Phases
    "P0":    Phases(Window(0, stride=200), split=2000, rotation="R0"),            # default
    "P3":    Phases(Window(1, stride=200), split=4000, rotation="R2"),            # 10K runs
    # Fits
    "F0":    Fits("G0", SHORT_STUDY),
    "F2":    Fits("G2", SHORT_STUDY),
    "F3":    Fits("G3", LONG_STUDY),
    # Correlations
    "C0":    Correlations("G0", (*SHORT_STUDY, (0, None))),
    "C2":    Correlations("G2", (*SHORT_STUDY, (0, None)), keep_origin=True),
    "C3":    Correlations("G3", (*LONG_STUDY, (0, None))),
}
# fmt: on


def measure(
    digest: Digest,
    names: Iterable[str] = tuple(PRESETS),
    *,
    time_scale: Fraction | int = 1,
    p_ood: Mapping[int, float] | None = None,
    jackknife: bool = True,
) -> Quantities:
    """All quantities of the named presets by "preset.quantity"; arrays are over the preset's own snapshots.

    Args:
        time_scale: length of this run over the length of the published one.
        p_ood: accuracy by step, for the correlations; without it they are left out.
        jackknife: also how much PC1 hangs on single snapshots, which takes most of the time.

    Raises: BadInput if the scale maps a lag or a stride to a fraction of a step.
    """
    scale = Fraction(time_scale)
    found: Quantities = {}
    for name in names:
        preset = PRESETS[name]
        match preset:
            case Backbone():
                quantities = _backbone(digest, preset, scale, jackknife)
            case Rolling():
                quantities = _rotation(digest, preset, scale)
            case Alignment():
                quantities = _alignment(digest, preset, scale)
            case Phases():
                quantities = _phases(digest, preset, scale)
            case Fits():
                quantities = _fits(digest, preset, scale)
            case Correlations():
                quantities = _correlations(digest, preset, scale, p_ood) if p_ood else {}
        found |= {f"{name}.{quantity}": value for quantity, value in quantities.items()}
    return found


def preset_steps(name: str, steps: Sequence[int], scale: Fraction) -> np.ndarray:
    """The steps that a preset's arrays belong to, on a run with these snapshots.

    They depend on which snapshots there are and not on the weights, so a digest without content has them.
    """
    n = len(steps)
    gram = np.eye(n + 1)[None]
    blank = Digest(np.array(steps, dtype=np.int64), np.empty(0, np.int64), ("blank",), np.ones(1, np.int64), gram)
    preset = PRESETS[name]
    try:
        match preset:
            case Backbone():
                return drifts(blank, preset.window.scaled(scale)).with_anchor()[0]
            case Rolling():
                return rotate(blank, preset.window.scaled(scale), size=preset.size, moving=preset.moving).between
            case Phases():
                rolling = PRESETS[preset.rotation]
                window = rolling.window.scaled(scale)
                return rotate(blank, window, size=rolling.size, moving=rolling.moving).centres
            case Alignment():
                start, end = preset_updates(blank, preset, scale)
                if preset.held_out:
                    fitted = PRESETS[preset.backbone].window.scaled(scale)
                    return align_held_out(blank, start, end, fitted).end
                return end
    except BadInput:
        pass  # a scale that maps a stride to a fraction of a step: the run has no such quantity
    return np.empty(0)


def fit(digest: Digest, name: str, time_scale: Fraction | int = 1) -> tuple[Pca, Window]:
    """PCA of a backbone preset, and the window that it was fitted in."""
    preset = PRESETS[name]
    window = preset.window.scaled(Fraction(time_scale))
    return pca(digest, window, normalise=preset.normalise, components=preset.components), window


def _backbone(digest: Digest, preset: Backbone, scale: Fraction, jackknife: bool) -> Quantities:
    window = preset.window.scaled(scale)
    found = pca(digest, window, normalise=preset.normalise, components=preset.components)
    parts = decompose(digest, found.backbone, window)
    peak, peak_step = parts.peak()
    rows = parts.fraction[1:]
    within = {"pc1_se": jackknife_pc1(digest, window, normalise=preset.normalise)} if jackknife else {}
    return within | {
        "pc1": found.pc1,
        "pc2": found.percent(2),
        "k95": found.components_for(0.95),
        "k99": found.components_for(0.99),
        "drift": found.drift,
        "a_peak": peak,
        "a_peak_step": peak_step,
        "a_last": _last(parts.a),
        "r_last": _last(parts.r),
        "fraction_last": _last(parts.fraction),
        "fraction_max": float(rows.max()) if len(rows) else float("nan"),
        "fraction_mean": float(rows.mean()) if len(rows) else float("nan"),
        "start_cosine": start_cosine(digest, found.backbone),
        "a": parts.a,
        "r": parts.r,
        "fraction": parts.fraction,
        "a_dot": parts.a_dot,
        "r_dot": parts.r_dot,
    }


def _rotation(digest: Digest, preset: Rolling, scale: Fraction) -> Quantities:
    turning = _rotate(digest, preset, scale)
    known = turning.cosines[np.isfinite(turning.cosines)]
    if not len(known):
        return dict.fromkeys(("mean", "max", "min"), float("nan")) | {"cosines": turning.cosines}
    return {
        "mean": float(known.mean()),
        "max": float(known.max()),
        "min": float(known.min()),
        "cosines": turning.cosines,
    }


def _rotate(digest: Digest, preset: Rolling, scale: Fraction) -> Rotation:
    window = preset.window.scaled(scale)
    return rotate(digest, window, size=preset.size, normalise=preset.normalise, moving=preset.moving)


def preset_updates(digest: Digest, preset: Alignment, scale: Fraction) -> tuple[np.ndarray, np.ndarray]:
    """Start and end steps of the updates that an alignment preset takes."""
    at = None if preset.at is None else [step * scale for step in preset.at]
    lag = None if preset.lag is None else whole(preset.lag, scale, "lag")
    return updates(digest, lag, preset.window.scaled(scale), at=at, forward=True)


def _alignment(digest: Digest, preset: Alignment, scale: Fraction) -> Quantities:
    start, end = preset_updates(digest, preset, scale)
    backbone, fitted = fit(digest, preset.backbone, scale)
    if preset.held_out:
        along = align_held_out(digest, start, end, fitted)
    else:
        along = align(digest, backbone.backbone, start, end)
    found = {
        "mean": along.mean,
        "mean_abs": along.mean_abs,
        "sum_squares": along.sum_squares,
        "flip": along.flip(),
        "cosines": along.cosines,
    }
    if preset.until is not None:
        early = along.end <= preset.until * scale
        first = replace(along, cosines=along.cosines[early])
        found |= {"early_mean": first.mean, "early_mean_abs": first.mean_abs}
    return found


def _phases(digest: Digest, preset: Phases, scale: Fraction) -> Quantities:
    both = phases(digest, preset.split * scale, preset.window.scaled(scale))
    turning = _rotate(digest, PRESETS[preset.rotation], scale)
    return {
        "cosine": both.cosine,
        "pc1_early": both.early.pc1,
        "pc1_late": both.late.pc1,
        "A_E": np.abs(cosines(digest.total, turning.directions, both.early.backbone)),
        "A_L": np.abs(cosines(digest.total, turning.directions, both.late.backbone)),
    }


def _fits(digest: Digest, preset: Fits, scale: Fraction) -> Quantities:
    backbone, window = fit(digest, preset.backbone, scale)
    parts = decompose(digest, backbone.backbone, window)
    found: Quantities = {}
    for lo, hi in preset.regimes:
        for what, values in (("a", parts.a), ("r", parts.r)):
            law = power_law(parts.steps, values, lo * scale, hi * scale)
            found |= {f"gamma_{what}.{lo}-{hi}": law.gamma, f"gamma_{what}_se.{lo}-{hi}": law.se}
            found |= {f"r2_{what}.{lo}-{hi}": law.r2}
    return found


def _correlations(digest: Digest, preset: Correlations, scale: Fraction, p_ood: Mapping[int, float]) -> Quantities:
    backbone, window = fit(digest, preset.backbone, scale)
    parts = decompose(digest, backbone.backbone, window)
    p = np.array([p_ood.get(int(step), np.nan) for step in parts.steps])
    found: Quantities = {}
    for lo, hi in preset.regimes:
        c = correlate(
            parts.steps,
            p,
            parts.r,
            lo * scale,
            None if hi is None else hi * scale,
            keep_origin=preset.keep_origin,
        )
        regime = "all" if hi is None else f"{lo}-{hi}"
        found |= {f"r.{regime}": c.r, f"r_lo.{regime}": c.lo, f"r_hi.{regime}": c.hi}
    return found


def _last(values: np.ndarray) -> float:
    return float(values[-1]) if len(values) else float("nan")
