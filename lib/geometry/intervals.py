"""Student's t: intervals of a mean over few runs, and how likely chance reaches as far."""

from functools import lru_cache
from math import erfc, sqrt

import numpy as np
from numpy.typing import ArrayLike

FREE = float("inf")  # degrees of freedom of an error that is known


def student_cdf(t: ArrayLike, freedom: float) -> np.ndarray:
    """P(T <= t) for a whole number of degrees of freedom, by the finite sums in the angle atan(t / sqrt(freedom)).

    With tan x = t / sqrt(f) the probability between -t and t is, for even and for odd f,

        sin x (1 + 1/2 cos^2 x + 1 3/(2 4) cos^4 x + ... up to cos^(f-2) x),
        2/pi (x + sin x (cos x + 2/3 cos^3 x + 2 4/(3 5) cos^5 x + ... up to cos^(f-2) x)).

    Args:
        freedom: `FREE` for the normal distribution.

    Raises: ValueError without a degree of freedom.
    """
    if freedom < 1:
        raise ValueError("an interval needs two runs or more")
    t = np.asarray(t, dtype=float)
    if freedom == FREE:
        return _normal_cdf(t)
    odd = int(freedom) % 2
    x = np.arctan(t / np.sqrt(freedom))
    term, total = np.cos(x) if odd else np.ones_like(x), np.zeros_like(x)
    for power in range(odd, int(freedom) - 1, 2):
        total += term
        term = term * np.cos(x) ** 2 * (power + 1) / (power + 2)
    inside = np.sin(x) * total
    return 0.5 + (x + inside) / np.pi if odd else 0.5 + inside / 2


@lru_cache
def student_quantile(share: float, freedom: float) -> float:
    """The t below which a `share` of at least one half lies, by bisection: to 1e-12 of itself."""
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < share:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def t_975(freedom: float) -> float:
    """Half of a 95 % interval of a mean is this many standard errors.

    Raises: ValueError without a degree of freedom.
    """
    return student_quantile(0.975, freedom)


def _normal_cdf(t: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda x: erfc(-x / sqrt(2)) / 2, otypes=[float])(t)
