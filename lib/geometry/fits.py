"""Power-law fits of a(t) and ||r(t)||, and their correlations with an evaluation, regime by regime."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class PowerLaw:
    """y = C t^gamma by least squares of ln y on ln t.

    se  ordinary least-squares standard error of gamma; nan below three points
    r2  1 - SS_res / SS_tot in log space
    n   points used
    """

    gamma: float
    se: float
    constant: float
    r2: float
    n: int


def power_law(
    steps: np.ndarray, values: np.ndarray, lo: int | Fraction = 0, hi: int | Fraction | None = None
) -> PowerLaw:
    """Fit |values| over the points with lo < step <= hi, leaving out zeros. Nan below two points."""
    y = np.abs(values)
    keep = _regime(steps, lo, hi) & (steps > 0) & (y > 0)
    x, y = np.log(steps[keep]), np.log(y[keep])
    n = len(x)
    if n < 2:
        return PowerLaw(np.nan, np.nan, np.nan, np.nan, n)
    dx, dy = x - x.mean(), y - y.mean()
    gamma = float(dx @ dy / (dx @ dx))
    intercept = float(y.mean() - gamma * x.mean())
    residual = float(np.sum((dy - gamma * dx) ** 2))
    se = float(np.sqrt(residual / (n - 2) / (dx @ dx))) if n > 2 else float("nan")
    return PowerLaw(gamma, se, float(np.exp(intercept)), 1 - residual / max(float(dy @ dy), 1e-30), n)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r. `lo` and `hi` bound the 68 % interval from Fisher's z = atanh r +- 1 / sqrt(n - 3).

    The points are successive moments of one run, so the interval is too narrow: it treats them as
    independent.
    """

    r: float
    lo: float
    hi: float
    n: int


def correlate(
    steps: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    lo: int | Fraction = 0,
    hi: int | Fraction | None = None,
    *,
    keep_origin: bool = False,
) -> Correlation:
    """Correlation over the points with lo < step <= hi where both are finite. Nan below three or if constant.

    Args:
        keep_origin: keep points with y = 0. The anchor has zero residual and zero accuracy by construction,
            and this one point can carry the whole correlation; the reference code keeps it.
    """
    keep = _regime(steps, lo, hi) & np.isfinite(x) & np.isfinite(y)
    if not keep_origin:
        keep &= y != 0
    x, y = x[keep], y[keep]
    n = len(x)
    if n < 3 or x.std() < 1e-12 or y.std() < 1e-12:
        return Correlation(np.nan, np.nan, np.nan, n)
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
    if n == 3 or abs(r) == 1.0:
        return Correlation(r, np.nan, np.nan, n)
    half = 1 / np.sqrt(n - 3)
    return Correlation(r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)), n)


def _regime(steps: np.ndarray, lo: int | Fraction, hi: int | Fraction | None) -> np.ndarray:
    # Steps are whole: a fraction compared with each of them takes a third of a ladder's time.
    inside = steps > math.floor(lo)
    return inside if hi is None else inside & (steps <= math.floor(hi))
