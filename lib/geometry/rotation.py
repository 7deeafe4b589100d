"""How the backbone turns: rolling windows, and the backbones of two phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from lib.geometry.backbone import WHOLE_RUN, Pca, Window, cosines, drifts, pca, principal
from lib.geometry.gram import Digest


@dataclass(frozen=True)
class Rotation:
    """First directions of a rolling window.

    first, last  first and last step that each window covers (its anchor included when the anchor moves)
    directions   (n, T+1) coefficients
    pc1          percent, per window
    cosines      (n-1,) absolute cosines of adjacent windows
    """

    first: np.ndarray
    last: np.ndarray
    directions: np.ndarray
    pc1: np.ndarray
    cosines: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """Middle of each window."""
        return (self.first + self.last) / 2

    @property
    def between(self) -> np.ndarray:
        """Where each cosine belongs: the mean of two adjacent centres."""
        return (self.centres[:-1] + self.centres[1:]) / 2


def rotate(
    digest: Digest, window: Window = WHOLE_RUN, *, size: int, normalise: bool = True, moving: bool = False
) -> Rotation:
    """PC1 of every run of `size` consecutive drifts, and how it turns from one to the next.

    Args:
        moving: measure the drifts of each window from the snapshot just before it; else all from the window's
            anchor. A fixed anchor makes neighbours share most of their rows and most of every row, so cosines
            near 1 are what any walk gives.
    """
    steps, points = drifts(digest, window).with_anchor()
    before = np.arange(max(0, len(points) - size))
    rows = points[before[:, None] + 1 + np.arange(size)]  # (windows, size, T+1)
    if moving:
        rows = rows - points[before][:, None]
    values, found = principal(digest.total, rows, normalise)
    directions = found[:, 0]
    with np.errstate(invalid="ignore"):
        pc1 = 100 * values[:, 0] ** 2 / np.sum(values**2, axis=1)
    return Rotation(
        first=steps[before if moving else before + 1],
        last=steps[before + size],
        directions=directions,
        pc1=pc1,
        cosines=np.abs(np.sum((directions[:-1] @ digest.total) * directions[1:], axis=1)),
    )


@dataclass(frozen=True)
class Phases:
    """Backbones before and after a split, and the absolute cosine between them."""

    early: Pca
    late: Pca
    cosine: float


def phases(digest: Digest, split: int | Fraction, window: Window = WHOLE_RUN, *, normalise: bool = True) -> Phases:
    """v_E from the drifts up to `split`; v_L from those after it, anchored at the snapshot of the split."""
    early = pca(digest, replace(window, hi=split), normalise=normalise)
    late = pca(digest, replace(window, lo=split, anchor=None), normalise=normalise)
    return Phases(early, late, float(abs(cosines(digest.total, early.backbone[None], late.backbone)[0])))
