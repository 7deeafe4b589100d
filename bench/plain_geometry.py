"""The presets of the trajectory's geometry by singular value decomposition of the stacked drifts.

One SVD for each backbone and one for each rolling window, in the precision of the reference's script of that
name. Snapshots are read once for all of them, which the reference's scripts, run one by one, do not.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import safetensors.numpy

from lib.base.files import snapshot_path
from lib.geometry.backbone import Window
from lib.geometry.presets import PRESETS, Alignment, Backbone, Phases, Rolling

SINGLE = {"G1", "G3raw", "R1", "R3", "R4", "U1"}  # float32 in the reference; the others float64

Quantities = dict[str, float | np.ndarray]


class Trajectory:
    """All snapshots in memory as rows of one float32 array."""

    def __init__(self, folder: Path, steps: Iterable[int], trunk: list[str]) -> None:
        self.steps = np.array(list(steps))
        for i, step in enumerate(self.steps):
            state = safetensors.numpy.load_file(snapshot_path(folder, int(step)))
            theta = np.concatenate([state[name].ravel() for name in trunk])
            if i == 0:
                self.thetas = np.empty((len(self.steps), len(theta)), np.float32)
            self.thetas[i] = theta

    def at(self, step: int) -> np.ndarray:
        return self.thetas[int(np.flatnonzero(self.steps == step)[0])]

    def inside(self, window: Window) -> tuple[int, np.ndarray]:
        """The anchor of a window, and the steps of its rows."""
        chosen = self.steps[self.steps >= window.lo]
        if window.hi is not None:
            chosen = chosen[chosen <= window.hi]
        anchor = int(chosen[0]) if window.anchor is None else window.anchor
        if window.stride is not None:
            chosen = chosen[chosen % window.stride == 0]
        return anchor, chosen[chosen != anchor]

    def drifts(self, anchor: int, steps: np.ndarray, dtype: type) -> np.ndarray:
        start = self.at(anchor).astype(dtype)
        return np.stack([self.at(step).astype(dtype) - start for step in steps])


def normalised(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def first_direction(rows: np.ndarray, normalise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Singular values and v_b of one window. A copy of v_b: the row would keep the whole of V^T in memory."""
    x = normalised(rows) if normalise else rows
    _, values, directions = np.linalg.svd(x, full_matrices=False)
    v = directions[0].copy()
    return values, v if rows[-1] @ v >= 0 else -v


def measure_plainly(
    trajectory: Trajectory, names: Iterable[str], scale: Fraction, exact: bool = False
) -> Quantities:
    """Named like the quantities of `lib.geometry.presets.measure`, as many as the reference has of them.

    `exact`: all of them in float64, to compare with. In the reference's float32 a cosine of v_b has an error of
    7e-6 at 3 M weights and of 4e-5 at 10 M.
    """
    found: Quantities = {}
    decomposed: dict[tuple, tuple] = {}  # presets that differ in their denominator alone share an SVD
    for name in names:
        preset, dtype = PRESETS[name], np.float32 if name in SINGLE and not exact else np.float64
        match preset:
            case Backbone():
                quantities = _backbone(trajectory, preset, scale, dtype, decomposed)
            case Rolling():
                quantities = _rotation(trajectory, preset, scale, dtype)
            case Alignment():
                quantities = _alignment(trajectory, preset, scale, dtype, decomposed)
            case Phases():
                quantities = _phases(trajectory, preset, scale, dtype)
        found |= {f"{name}.{key}": value for key, value in quantities.items()}
    return found


def _fit(
    t: Trajectory, preset: Backbone, scale: Fraction, dtype: type, decomposed: dict
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(anchor, steps, drifts, singular values, v_b) of a backbone."""
    key = (preset.window, preset.normalise, dtype)
    if key not in decomposed:
        anchor, steps = t.inside(preset.window.scaled(scale))
        rows = t.drifts(anchor, steps, dtype)
        decomposed[key] = (anchor, steps, *first_direction(rows, preset.normalise))
    anchor, steps, values, v = decomposed[key]
    return anchor, steps, t.drifts(anchor, steps, dtype), values, v


def _backbone(t: Trajectory, preset: Backbone, scale: Fraction, dtype: type, decomposed: dict) -> Quantities:
    _, _, rows, values, v = _fit(t, preset, scale, dtype, decomposed)
    kept = values[: preset.components]
    shares = kept**2 / np.sum(kept**2)
    a = rows @ v
    residuals = rows - np.outer(a, v)
    lengths = np.linalg.norm(rows, axis=1)
    return {
        "pc1": float(100 * shares[0]),
        "pc2": float(100 * shares[1]),
        "k95": float(1 + np.count_nonzero(np.cumsum(shares) < 0.95)),
        "drift": float(lengths[-1]),
        "a": np.concatenate([[0.0], a]),
        "r": np.concatenate([[0.0], np.linalg.norm(residuals, axis=1)]),
        "fraction": np.concatenate([[0.0], a**2 / lengths**2]),
    }


def _windows(t: Trajectory, preset: Rolling, scale: Fraction, dtype: type) -> list[np.ndarray]:
    """The first direction of every rolling window."""
    anchor, steps = t.inside(preset.window.scaled(scale))
    points = [anchor, *steps]
    found = []
    for i in range(max(0, len(points) - preset.size)):
        start = points[i] if preset.moving else anchor
        rows = t.drifts(start, np.array(points[i + 1 : i + 1 + preset.size]), dtype)
        found.append(first_direction(rows, preset.normalise)[1])
    return found


def _rotation(t: Trajectory, preset: Rolling, scale: Fraction, dtype: type) -> Quantities:
    found = _windows(t, preset, scale, dtype)
    cosines = np.array([abs(float(a @ b)) for a, b in pairwise(found)])
    return {"mean": float(cosines.mean()), "min": float(cosines.min()), "cosines": cosines}


def _alignment(t: Trajectory, preset: Alignment, scale: Fraction, dtype: type, decomposed: dict) -> Quantities:
    fitted = PRESETS[preset.backbone]
    *_, v = _fit(t, fitted, scale, dtype, decomposed)
    anchor, steps = t.inside(preset.window.scaled(scale))
    here, lag = sorted({anchor, *steps.tolist()}), int(preset.lag * scale)
    starts = here if preset.at is None else [s * scale for s in preset.at]
    cosines = []
    for start in starts:
        if start in here and start + lag in here:
            update = t.at(int(start) + lag).astype(dtype) - t.at(int(start)).astype(dtype)
            cosines.append(float(update @ v / np.linalg.norm(update)))
    return {"mean_abs": float(np.mean(np.abs(cosines))), "cosines": np.array(cosines)}


def _phases(t: Trajectory, preset: Phases, scale: Fraction, dtype: type) -> Quantities:
    window, split = preset.window.scaled(scale), int(preset.split * scale)
    _, steps = t.inside(window)
    anchor = t.inside(window)[0]
    early = first_direction(t.drifts(anchor, steps[steps <= split], dtype), True)[1]
    late = first_direction(t.drifts(split, steps[steps > split], dtype), True)[1]
    turning = _windows(t, PRESETS[preset.rotation], scale, dtype)
    return {
        "cosine": abs(float(early @ late)),
        "A_E": np.array([abs(float(v @ early)) for v in turning]),
        "A_L": np.array([abs(float(v @ late)) for v in turning]),
    }


def common(plain: Mapping[str, object], ours: Mapping[str, object]) -> dict[str, object]:
    """Of ours, what the plain way has too."""
    return {name: ours[name] for name in plain}
