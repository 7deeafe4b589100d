"""Do the updates point along the backbone? In-sample, as the reference does, and held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lib.geometry.backbone import WHOLE_RUN, Window, cosines, drifts
from lib.geometry.gram import Digest
from lib.geometry.rotation import phases


@dataclass(frozen=True)
class Alignment:
    """Signed cosine of the updates theta_end - theta_start with the backbone."""

    start: np.ndarray
    end: np.ndarray
    cosines: np.ndarray

    @property
    def mean(self) -> float:
        """Mean signed cosine; nan if there is no update. Where noise turns back it is below zero."""
        return float(np.mean(self.cosines)) if len(self.cosines) else float("nan")

    @property
    def mean_abs(self) -> float:
        """Mean absolute cosine; nan if there is no update."""
        return float(np.mean(np.abs(self.cosines))) if len(self.cosines) else float("nan")

    @property
    def sum_squares(self) -> float:
        """Sum of cos^2. Orthogonal updates whose span holds the backbone give 1, without anything to find."""
        return float(np.sum(self.cosines**2)) if len(self.cosines) else float("nan")

    def flip(self) -> float:
        """End of the first update of the last stretch that points against the backbone; nan without one."""
        positive = np.flatnonzero(~(self.cosines < 0))
        first = positive[-1] + 1 if len(positive) else 0
        return float(self.end[first]) if first < len(self.cosines) else float("nan")


def updates(
    digest: Digest,
    lag: int | None,
    window: Window = WHOLE_RUN,
    *,
    at: Sequence[int | Fraction] | None = None,
    forward: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Start and end steps of the updates over `lag` steps whose two snapshots exist and lie in the window.

    Args:
        lag: None takes consecutive snapshots of the window, however far apart.
        at: only these steps; None takes every one (a multiple of the window's stride, if it has one).
        forward: `at` names the start of an update, else its end.
    """
    here, _ = drifts(digest, window).with_anchor()
    if lag is None:
        return here[:-1], here[1:]
    start = here[np.isin(here + lag, here)]
    if at is not None:
        start = start[np.isin(start if forward else start + lag, [int(s) for s in at if s == int(s)])]
    return start, start + lag


def align(digest: Digest, direction: np.ndarray, start: np.ndarray, end: np.ndarray) -> Alignment:
    """Cosine of updates with a direction. If they were among the rows it was fitted to, this is in-sample."""
    return Alignment(start, end, cosines(digest.total, _update_rows(digest, start, end), direction))


def align_held_out(
    digest: Digest, start: np.ndarray, end: np.ndarray, window: Window = WHOLE_RUN, *, normalise: bool = True
) -> Alignment:
    """Cosine of each update with the backbone of the other half of the window, which it is no part of.

    The window is split at its middle snapshot. Updates before it meet the backbone of the drifts after it,
    measured from the middle, and the other way round; an update across the middle is left out. Fitting on
    every second snapshot instead would hold nothing out, because every later drift contains the update.
    Orthogonal updates give 0.
    """
    steps, _ = drifts(digest, window).with_anchor()
    if not len(steps):
        return align(digest, np.full(len(digest.total), np.nan), start[:0], end[:0])
    middle = int(steps[len(steps) // 2])
    halves = phases(digest, middle, window, normalise=normalise)
    before, after = end <= middle, start >= middle
    first = align(digest, halves.late.backbone, start[before], end[before])
    second = align(digest, halves.early.backbone, start[after], end[after])
    return Alignment(
        np.concatenate([first.start, second.start]),
        np.concatenate([first.end, second.end]),
        np.concatenate([first.cosines, second.cosines]),
    )


def _update_rows(digest: Digest, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    points = np.eye(len(digest.total))
    return points[np.searchsorted(digest.steps, end)] - points[np.searchsorted(digest.steps, start)]
