"""Four verdicts on effects, for the runs there are and for simulated ones alike.

A claim says of one or several effects that each is above zero. With a mean m of standard error s, the smallest
effect of interest d that was declared beforehand, and 95 % intervals m +- t s,

    holds        every interval is above 0, and every m is at least d
    absent       every interval is within (-d, d): equivalent to no effect
    excluded     some interval is below d: there the claimed effect is reversed, or smaller than is of interest
    cannot tell  neither

tried in this order. Of several effects some exception turns up by chance: for `excluded` their intervals are those
of Bonferroni. Where d is 0 the claim is about a range, 0 is its bound, and nothing is absent.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lib.geometry.intervals import student_cdf, student_quantile

HOLDS, EXCLUDED, ABSENT, OPEN = VERDICTS = ("holds", "excluded", "absent", "cannot tell")
ALPHA = 0.025  # to one side


def decide(
    means: ArrayLike, errors: ArrayLike, freedom: float, smallest: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The verdicts on many sets of effects, and the levels at which they would still be reached.

    Args:
        means, errors, smallest: (..., L) of the L effects of a claim; `smallest` is d.
        freedom: degrees of freedom of the errors, those of `lib.geometry.intervals`.

    Returns: (...) indices of VERDICTS; one-sided p values of these, 1 for `cannot tell`; those of `excluded`.
    """
    m, s, d = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (means, errors, smallest)))
    count = m.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_above_none = 1 - _cdf(m / s, m, freedom)
        p_below_smallest = _cdf((m - d) / s, m - d, freedom)
        p_above_reversed = 1 - _cdf((m + d) / s, m + d, freedom)
    p_holds = np.where((m >= d).all(axis=-1), p_above_none.max(axis=-1), 1.0)
    p_absent = np.where((d > 0).all(axis=-1), np.maximum(p_below_smallest, p_above_reversed).max(axis=-1), 1.0)
    p_excluded = np.minimum(1.0, count * p_below_smallest.min(axis=-1))
    found = np.stack([p_holds, p_excluded, p_absent, np.ones_like(p_holds)])
    codes = np.select([p_holds < ALPHA, p_absent < ALPHA, p_excluded < ALPHA], [0, 2, 1], 3)
    return codes, np.take_along_axis(found, codes[None], axis=0)[0], p_excluded


def _cdf(t: np.ndarray, difference: np.ndarray, freedom: float) -> np.ndarray:
    """Of a difference without any error too, which is above zero, below it, or neither."""
    sure = np.where(difference > 0, 1.0, np.where(difference < 0, 0.0, 0.5))
    return np.where(np.isfinite(t), student_cdf(np.where(np.isfinite(t), t, 0.0), freedom), sure)


def half_interval(error: float, freedom: float, count: int = 1) -> float:
    """Half of a 95 % interval, by Bonferroni where it is one of several."""
    return student_quantile(1 - ALPHA / count, freedom) * error


def survives(levels: Sequence[float]) -> list[bool]:
    """Holm's method: which of several p values stand when any false one among them is to be rarer than ALPHA.

    The smallest must be below ALPHA / k, the next below ALPHA / (k - 1), and so on to the first that is not.
    """
    stands = [False] * len(levels)
    for left, at in enumerate(sorted(range(len(levels)), key=lambda i: levels[i])):
        if levels[at] >= ALPHA / (len(levels) - left):
            break
        stands[at] = True
    return stands
