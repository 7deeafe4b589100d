"""The backbone of a trajectory and everything measured along it, as algebra on a digest.

A vector is a coefficient vector c over the rows of the digest (drifts, then theta_0) and <c1, c2> = c1^T K
c2. The principal directions of drifts X with singular values s are v_k = X^T w_k / s_k, where X X^T w_k =
s_k^2 w_k: small eigenproblems, whatever the number of parameters. PCA is uncentred throughout: the anchor is
the origin.

Too few snapshots give empty arrays and nan, never an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lib.base.errors import BadInput
from lib.geometry.gram import Digest

TINY_NORM = 1e-12  # a row shorter than this is not blown up by row normalisation; the reference code's floor


@dataclass(frozen=True)
class Window:
    """The snapshots with lo <= step <= hi, and the anchor that their drifts are measured from.

    hi      None is the end of the run
    stride  take only steps that are a multiple of it (the anchor is exempt); None takes all
    anchor  None is the first snapshot in the window
    """

    lo: int | Fraction = 0
    hi: int | Fraction | None = None
    stride: int | None = None
    anchor: int | None = None

    def scaled(self, time_scale: Fraction) -> Window:
        """The same window on a run whose length is `time_scale` times the published one.

        Steps 0 and 1 keep their meaning (initial weights, weights after one update) at any scale.

        Raises: BadInput if a scaled stride or anchor is no whole number.
        """
        return Window(
            lo=self.lo if self.lo <= 1 else self.lo * time_scale,
            hi=None if self.hi is None else self.hi * time_scale,
            stride=None if self.stride is None else whole(self.stride, time_scale, "stride"),
            anchor=whole(self.anchor, time_scale, "anchor") if (self.anchor or 0) > 1 else self.anchor,
        )


WHOLE_RUN = Window()


def whole(steps: int, time_scale: Fraction, what: str) -> int:
    """steps * time_scale, which must be a whole number of at least one step."""
    scaled = steps * time_scale
    if scaled.denominator != 1 or scaled < 1:
        raise BadInput(f"time scale {time_scale} maps the {what} of {steps} steps to {scaled}, not a whole number")
    return int(scaled)


@dataclass(frozen=True)
class Drifts:
    """`rows[i]` are the coefficients of theta_{steps[i]} - theta_anchor. An empty window has anchor -1."""

    anchor: int
    steps: np.ndarray
    rows: np.ndarray

    def with_anchor(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and rows with the anchor, a zero row, in front; empty for an empty window."""
        if self.anchor < 0:
            return self.steps, self.rows
        zero = np.zeros((1, self.rows.shape[1]))
        return np.concatenate([[self.anchor], self.steps]), np.concatenate([zero, self.rows])


def drifts(digest: Digest, window: Window = WHOLE_RUN) -> Drifts:
    """The drifts of a window. The anchor itself is not among them.

    Raises: BadInput if the window names an anchor that the digest does not hold.
    """
    # Steps are whole: a fraction compared with each of them takes a tenth of a ladder's time.
    inside = digest.steps >= math.ceil(window.lo)
    if window.hi is not None:
        inside &= digest.steps <= math.floor(window.hi)
    anchor = window.anchor
    if anchor is None:
        if not inside.any():
            return Drifts(-1, digest.steps[:0], np.empty((0, len(digest.total))))
        anchor = int(digest.steps[inside][0])
    elif anchor not in digest.steps:
        raise BadInput(f"no snapshot of step {anchor} to anchor at; the digest holds {digest.steps.tolist()}")
    inside &= digest.steps != anchor
    if window.stride is not None:
        inside &= digest.steps % window.stride == 0
    points = np.eye(len(digest.total))
    rows = points[:-1][inside] - points[np.flatnonzero(digest.steps == anchor)]
    return Drifts(anchor, digest.steps[inside], rows)


@dataclass(frozen=True)
class Pca:
    """Uncentred PCA of the drifts of a window.

    anchor, steps     the anchor and the steps of the rows
    singular_values   descending
    energy            the sum of squares that shares are relative to
    directions        (k, T+1) coefficients, orthonormal, the sign such that the last row projects positively
    drift             ||theta_last - theta_anchor||
    """

    anchor: int
    steps: np.ndarray
    singular_values: np.ndarray
    energy: float
    directions: np.ndarray
    drift: float

    @property
    def shares(self) -> np.ndarray:
        """s_k^2 / energy."""
        return self.singular_values**2 / self.energy if self.energy > 0 else np.full(len(self.steps), np.nan)

    @property
    def pc1(self) -> float:
        """Share of the first direction, in percent."""
        return self.percent(1)

    def percent(self, k: int) -> float:
        """Share of direction k (counted from 1), in percent; nan where there is none."""
        return float(100 * self.shares[k - 1]) if len(self.shares) >= k else float("nan")

    def components_for(self, share: float) -> float:
        """The smallest k whose first k directions hold `share`: k95 is `components_for(0.95)`."""
        if np.isnan(self.percent(1)):
            return float("nan")
        return float(1 + np.count_nonzero(np.cumsum(self.shares) < share))

    @property
    def backbone(self) -> np.ndarray:
        """v_b: the coefficients of the first direction; all nan where there is none."""
        return self.directions[0] if len(self.directions) else np.full(self.directions.shape[1], np.nan)


def pca(
    digest: Digest, window: Window = WHOLE_RUN, *, normalise: bool = True, components: int | None = None
) -> Pca:
    """PCA of the drifts of a window.

    Args:
        normalise: divide each drift by its norm ("rows"), else leave it ("raw").
        components: count only so many squared singular values in the energy, as a truncated solver does. This
            inflates every share; it is here to reproduce such numbers.
    """
    d = drifts(digest, window)
    values, directions = principal(digest.total, d.rows, normalise)
    directions = directions[~np.isnan(directions).any(axis=1)]
    kept = slice(components)
    return Pca(
        anchor=d.anchor,
        steps=d.steps,
        singular_values=values[kept],
        energy=float(np.sum(values[kept] ** 2)),
        directions=directions[kept],
        drift=float(norms(digest.total, d.rows[-1:]).sum()) if len(d.rows) else float("nan"),
    )


def principal(gram: np.ndarray, rows: np.ndarray, normalise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (..., k) and right singular vectors (..., k, T+1, as coefficients) of the vectors `rows`
    (..., k, T+1); of several matrices at once too, which takes a fifth of the time of one by one.

    Directions whose square is lost in the rounding of the Gram matrix are nan.
    """
    if normalise:
        rows = rows / np.maximum(norms(gram, rows), TINY_NORM)[..., None]
    squares, w = np.linalg.eigh(rows @ gram @ np.swapaxes(rows, -1, -2))
    squares, w = np.maximum(squares[..., ::-1], 0.0), w[..., ::-1]
    values = np.sqrt(squares)
    floor = rows.shape[-2] * np.finfo(float).eps * squares.max(axis=-1, initial=0.0, keepdims=True)
    # s_k w_k[i] is the projection of row i, so this makes the projection of the last row positive.
    signs = np.where(w[..., -1:, :] < 0, -1.0, 1.0)
    scaled = signs * w / np.where(squares > floor, values, np.nan)[..., None, :]
    return values, np.swapaxes(scaled, -1, -2) @ rows


def norms(gram: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """||v|| of each row of coefficients."""
    return np.sqrt(np.maximum(np.sum((vectors @ gram) * vectors, axis=-1), 0.0))


def cosines(gram: np.ndarray, vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Signed cosine of each row of coefficients with one direction; nan for a zero vector."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors @ gram @ direction / (norms(gram, vectors) * norms(gram, direction[None]))


def jackknife_pc1(digest: Digest, window: Window = WHOLE_RUN, *, normalise: bool = True) -> float:
    """Jackknife standard error of PC1 (percent) over snapshots, sqrt((T-1)/T sum_i (p_i - mean)^2).

    It says how much PC1 hangs on single snapshots. Neighbouring drifts are far from independent, so it is no
    error bar for a comparison between runs; that takes seeds.
    """
    d = drifts(digest, window)
    rows = d.rows
    if normalise:
        rows = rows / np.maximum(norms(digest.total, rows), TINY_NORM)[:, None]
    inner = rows @ digest.total @ rows.T
    n = len(rows)
    if n < 2:
        return float("nan")
    keep = np.array([np.delete(np.arange(n), i) for i in range(n)])
    without = np.linalg.eigvalsh(inner[keep[:, :, None], keep[:, None, :]])
    with np.errstate(invalid="ignore", divide="ignore"):
        pc1 = 100 * without[:, -1] / without.sum(axis=1)
    return float(np.sqrt((n - 1) * np.var(pc1)))


@dataclass(frozen=True)
class Decomposition:
    """Drift split along a direction v: Delta_t = a(t) v + r(t). The anchor is the first point, all zeros.

    fraction  a^2 / ||Delta||^2, the backbone fraction
    a_dot     (a_t - a_prev) / dt between consecutive snapshots
    r_dot     ||r_t - r_prev|| / dt; for random-walk-like motion it falls with dt, so compare equal spacings
              only
    """

    steps: np.ndarray
    a: np.ndarray
    r: np.ndarray
    drift: np.ndarray
    fraction: np.ndarray
    a_dot: np.ndarray
    r_dot: np.ndarray

    def peak(self) -> tuple[float, float]:
        """Largest a(t), and its step."""
        if not len(self.a) or np.isnan(self.a).all():
            return float("nan"), float("nan")
        at = int(np.nanargmax(self.a))
        return float(self.a[at]), float(self.steps[at])


def decompose(digest: Digest, direction: np.ndarray, window: Window = WHOLE_RUN) -> Decomposition:
    """a(t), ||r(t)|| and their speeds along a unit direction, over the anchor and the rows of a window."""
    steps, rows = drifts(digest, window).with_anchor()
    a = rows @ digest.total @ direction
    drift = norms(digest.total, rows)
    dt = np.diff(steps)
    da = np.diff(a)
    moved = norms(digest.total, np.diff(rows, axis=0))
    start = np.zeros(min(1, len(steps)))
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(drift > 0, a**2 / drift**2, np.where(np.isnan(a), np.nan, 0.0))
    return Decomposition(
        steps=steps,
        a=a,
        r=np.sqrt(np.maximum(drift**2 - a**2, 0.0)),
        drift=drift,
        fraction=fraction,
        a_dot=np.concatenate([start, da / dt]),
        r_dot=np.concatenate([start, np.sqrt(np.maximum(moved**2 - da**2, 0.0)) / dt]),
    )


def start_cosine(digest: Digest, direction: np.ndarray) -> float:
    """Cosine of a direction with theta_0. Weight decay alone moves along -theta_0."""
    theta_0 = np.eye(len(digest.total))[-1]
    return float(cosines(digest.total, direction[None], theta_0)[0])
