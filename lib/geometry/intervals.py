"""Intervals of a mean over few runs."""

import math


def t_975(freedom: int) -> float:
    """The 97.5 % point of Student's t: half of a 95 % interval of a mean is this many standard errors.

    Exact at one and two degrees of freedom, elsewhere by Hill's expansion around the normal distribution, to 1e-3.

    Raises: ValueError without a degree of freedom.
    """
    if freedom < 1:
        raise ValueError("an interval needs two runs or more")
    tails = 0.05  # of both sides
    if freedom == 1:
        return 1 / math.tan(math.pi * tails / 2)
    if freedom == 2:
        return math.sqrt(2 / (tails * (2 - tails)) - 2)
    z = 1.959963984540054
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        (27 * z**11 + 339 * z**9 + 930 * z**7 - 1782 * z**5 - 765 * z**3 + 17955 * z) / 368640,
    )
    return z + sum(term / freedom**n for n, term in enumerate(terms, start=1))
