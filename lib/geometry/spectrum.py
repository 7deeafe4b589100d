"""The top of the spectrum of the squared batch gradient, from the inner products of M batch gradients.

F = sum_b g_b g_b^T / M has the non-zero eigenvalues of the (M, M) matrix <g_a, g_b> / M, and its eigenvectors
are u = sum_b w_b g_b / ||.|| with w those of that matrix. M batches show at most M eigenvalues, and the first
of them mixes the mean gradient with the noise around it; centring takes the mean gradient out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.geometry.fisher import SQUARED_BATCH
from lib.geometry.gradients import GradientGram, combined_gram, squared_batch
from lib.geometry.jackknife import jackknife_error


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues, descending.

    uncentred   (M,) of sum_b g_b g_b^T / M
    centred     (M,) of the same with g_b - mean; the last is zero
    trace       sum of the uncentred ones
    mean_share  ||mean gradient||^2 / trace; 1 / M if there is only noise
    overlap     (K,) |<u_1, v>| of the first uncentred eigenvector with each direction

    Each `_se` is a jackknife error over batches, nan for the last eigenvalue, which M - 1 batches do not have.
    """

    definition: str
    labels: tuple[str, ...]
    count: int
    uncentred: np.ndarray
    uncentred_se: np.ndarray
    centred: np.ndarray
    centred_se: np.ndarray
    trace: float
    mean_share: float
    overlap: np.ndarray


def batch_spectrum(g: GradientGram, lam: float) -> Spectrum:
    """The spectrum of the gradients of language + lam * probe. No batches, or nan gradients, give nan."""
    gram, m = combined_gram(g, lam), g.count
    fewer = [np.delete(np.delete(gram, b, axis=0), b, axis=1) for b in range(m)]
    trace = float(np.trace(gram)) / m if m else float("nan")
    return Spectrum(
        definition=SQUARED_BATCH,
        labels=g.labels,
        count=m,
        uncentred=eigenvalues(gram),
        uncentred_se=_errors(fewer),
        centred=eigenvalues(centre(gram)),
        centred_se=_errors([centre(x) for x in fewer]),
        trace=trace,
        mean_share=float(gram.mean()) / trace if m and trace else float("nan"),
        overlap=_overlap(gram, squared_batch(g, lam).along),
    )


def eigenvalues(gram: np.ndarray) -> np.ndarray:
    """Of gram / M, descending, rounding below zero cut off."""
    if not np.isfinite(gram).all():
        return np.full(len(gram), np.nan)
    return np.maximum(np.linalg.eigvalsh(gram / max(1, len(gram)))[::-1], 0.0)


def centre(gram: np.ndarray) -> np.ndarray:
    """Inner products of g_b - mean."""
    if not len(gram):
        return gram
    return gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()


def _errors(fewer: list[np.ndarray]) -> np.ndarray:
    if len(fewer) < 2:
        return np.full(len(fewer), np.nan)
    return np.append(jackknife_error(np.array([eigenvalues(gram) for gram in fewer])), np.nan)


def _overlap(gram: np.ndarray, along: np.ndarray) -> np.ndarray:
    if not (len(gram) and np.isfinite(gram).all() and gram.any()):
        return np.full(along.shape[1], np.nan)
    values, w = np.linalg.eigh(gram)
    return np.abs(w[:, -1] @ along) / np.sqrt(values[-1])
