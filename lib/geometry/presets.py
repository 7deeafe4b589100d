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
from functools import cache, partial

import numpy as np

from lib.base.errors import BadInput
from lib.geometry.alignment import align, align_held_out, updates
from lib.geometry.backbone import (
    WHOLE_RUN,
    Decomposition,
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
    shared = Shared(digest, Fraction(time_scale))
    found: Quantities = {}
    for name in names:
        preset = PRESETS[name]
        match preset:
            case Backbone():
                quantities = _backbone(shared, name, jackknife)
            case Rolling():
                quantities = _rotation(shared, name)
            case Alignment():
                quantities = _alignment(shared, preset)
            case Phases():
                quantities = _phases(shared, preset)
            case Fits():
                quantities = _fits(shared, preset)
            case Correlations():
                quantities = _correlations(shared, preset, p_ood) if p_ood else {}
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
                return turning(blank, preset, scale).between
            case Phases():
                return turning(blank, PRESETS[preset.rotation], scale).centres
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


class Shared:
    """A run's digest and time scale, and what several presets take from them, each computed once.

    fit      `fit` of a backbone preset
    parts    the drift along its backbone, and what remains
    turning  `rotate` of a rolling preset
    """

    def __init__(self, digest: Digest, scale: Fraction) -> None:
        fitted = cache(partial(fit, digest, time_scale=scale))

        def parts(name: str) -> Decomposition:
            found, window = fitted(name)
            return decompose(digest, found.backbone, window)

        self.digest, self.scale = digest, scale
        self.fit = fitted
        self.parts = cache(parts)
        self.turning = cache(lambda name: turning(digest, PRESETS[name], scale))


def turning(digest: Digest, preset: Rolling, scale: Fraction) -> Rotation:
    """`rotate` as a preset has it."""
    window = preset.window.scaled(scale)
    return rotate(digest, window, size=preset.size, normalise=preset.normalise, moving=preset.moving)


def _backbone(run: Shared, name: str, jackknife: bool) -> Quantities:
    found, window = run.fit(name)
    parts = run.parts(name)
    peak, peak_step = parts.peak()
    rows = parts.fraction[1:]
    normalise = PRESETS[name].normalise
    within = {"pc1_se": jackknife_pc1(run.digest, window, normalise=normalise)} if jackknife else {}
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
        "start_cosine": start_cosine(run.digest, found.backbone),
        "a": parts.a,
        "r": parts.r,
        "fraction": parts.fraction,
        "a_dot": parts.a_dot,
        "r_dot": parts.r_dot,
    }


def _rotation(run: Shared, name: str) -> Quantities:
    cosines = run.turning(name).cosines
    known = cosines[np.isfinite(cosines)]
    if not len(known):
        known = np.array([np.nan])
    return {"mean": float(known.mean()), "max": float(known.max()), "min": float(known.min()), "cosines": cosines}


def preset_updates(digest: Digest, preset: Alignment, scale: Fraction) -> tuple[np.ndarray, np.ndarray]:
    """Start and end steps of the updates that an alignment preset takes."""
    at = None if preset.at is None else [step * scale for step in preset.at]
    lag = None if preset.lag is None else whole(preset.lag, scale, "lag")
    return updates(digest, lag, preset.window.scaled(scale), at=at, forward=True)


def _alignment(run: Shared, preset: Alignment) -> Quantities:
    start, end = preset_updates(run.digest, preset, run.scale)
    backbone, fitted = run.fit(preset.backbone)
    if preset.held_out:
        along = align_held_out(run.digest, start, end, fitted)
    else:
        along = align(run.digest, backbone.backbone, start, end)
    found = {
        "mean": along.mean,
        "mean_abs": along.mean_abs,
        "sum_squares": along.sum_squares,
        "flip": along.flip(),
        "cosines": along.cosines,
    }
    if preset.until is not None:
        early = along.end <= preset.until * run.scale
        first = replace(along, cosines=along.cosines[early])
        found |= {"early_mean": first.mean, "early_mean_abs": first.mean_abs}
    return found


def _phases(run: Shared, preset: Phases) -> Quantities:
    both = phases(run.digest, preset.split * run.scale, preset.window.scaled(run.scale))
    rolling = run.turning(preset.rotation).directions
    return {
        "cosine": both.cosine,
        "pc1_early": both.early.pc1,
        "pc1_late": both.late.pc1,
        "A_E": np.abs(cosines(run.digest.total, rolling, both.early.backbone)),
        "A_L": np.abs(cosines(run.digest.total, rolling, both.late.backbone)),
    }


def _fits(run: Shared, preset: Fits) -> Quantities:
    parts = run.parts(preset.backbone)
    found: Quantities = {}
    for lo, hi in preset.regimes:
        for what, values in (("a", parts.a), ("r", parts.r)):
            law = power_law(parts.steps, values, lo * run.scale, hi * run.scale)
            found |= {f"gamma_{what}.{lo}-{hi}": law.gamma, f"gamma_{what}_se.{lo}-{hi}": law.se}
            found |= {f"r2_{what}.{lo}-{hi}": law.r2}
    return found


def _correlations(run: Shared, preset: Correlations, p_ood: Mapping[int, float]) -> Quantities:
    parts = run.parts(preset.backbone)
    p = np.array([p_ood.get(int(step), np.nan) for step in parts.steps])
    found: Quantities = {}
    for lo, hi in preset.regimes:
        until = None if hi is None else hi * run.scale
        c = correlate(parts.steps, p, parts.r, lo * run.scale, until, keep_origin=preset.keep_origin)
        regime = "all" if hi is None else f"{lo}-{hi}"
        found |= {f"r.{regime}": c.r, f"r_lo.{regime}": c.lo, f"r_hi.{regime}": c.hi}
    return found


def _last(values: np.ndarray) -> float:
    return float(values[-1]) if len(values) else float("nan")
