"""Jackknife errors: leave one sample out, measure again."""

from __future__ import annotations

import numpy as np


def leave_one_out(n: int) -> np.ndarray:
    """(n, n) weights: row i times the samples is their mean without sample i; nan for n < 2."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1.0 - np.eye(n)) / np.float64(n - 1)


def jackknife_error(replicates: np.ndarray) -> np.ndarray:
    """sqrt((n - 1) / n sum_i (r_i - mean)^2) over the first axis; nan for fewer than two replicates.

    Args:
        replicates: (n, ...), the statistic without sample i. For a mean this is the standard error.
    """
    n = len(replicates)
    if n < 2:
        return np.full(replicates.shape[1:], np.nan)
    with np.errstate(invalid="ignore"):
        return np.sqrt((n - 1) * np.var(replicates, axis=0))
