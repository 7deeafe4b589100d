"""The four verdicts: by hand, by their error rates under the truth, and Holm's method against its definition."""

import numpy as np
import pytest

from lib.geometry.intervals import FREE
from lib.report.operating import frequencies
from lib.report.verdicts import ABSENT, ALPHA, EXCLUDED, HOLDS, OPEN, VERDICTS, decide, half_interval, survives


def verdict(means, error, smallest, freedom=FREE):
    code, p, _ = decide(means, error, freedom, smallest)
    return VERDICTS[int(code)], float(p)


@pytest.mark.parametrize(
    ("mean", "smallest", "expected"),
    [
        (3.0, 1.0, HOLDS),
        (2.5, 3.0, OPEN),  # clear of zero, and perhaps as large as is of interest
        (0.0, 3.0, ABSENT),
        (1.0, 2.9, OPEN),  # up to 2.96
        (0.9, 2.9, ABSENT),
        (-1.0, 2.9, EXCLUDED),  # from -2.96: reversed, or none
        (-3.0, 1.0, EXCLUDED),
        (2.0, 0.0, HOLDS),
        (-2.0, 0.0, EXCLUDED),
        (1.9, 0.0, OPEN),
    ],
)
def test_one_effect_of_error_one(mean, smallest, expected):
    assert verdict([mean], 1.0, smallest)[0] == expected


def test_every_effect_must_hold_and_one_exception_is_enough():
    assert verdict([3.0, 4.0], 1.0, 1.0)[0] == HOLDS
    assert verdict([3.0, 1.5], 1.0, 1.0)[0] == OPEN
    assert verdict([3.0, -2.0], 1.0, 1.0)[0] == EXCLUDED
    assert verdict([0.1, -0.1], 1.0, 3.0)[0] == ABSENT


def test_an_exception_among_many_must_be_clearer():
    assert verdict([-1.1], 1.0, 1.0)[0] == EXCLUDED
    assert verdict([-1.1, 9.0, 9.0, 9.0], 1.0, 1.0)[0] == OPEN
    assert half_interval(1.0, FREE, 4) == pytest.approx(2.4977, abs=1e-3)


def test_the_level_of_a_verdict_is_where_it_changes():
    _, p = verdict([3.0], 1.0, 1.0, freedom=2)
    assert p == 1.0  # t is 3, 4.3 is needed
    name, p = verdict([5.0], 1.0, 1.0, freedom=2)
    assert (name, p) == (HOLDS, pytest.approx(0.018874, abs=1e-5))


def test_an_effect_without_error():
    assert verdict([1.0], 0.0, 1.0) == (HOLDS, 0.0)
    assert verdict([0.5], 0.0, 1.0) == (ABSENT, 0.0)
    assert verdict([-2.0], 0.0, 1.0) == (EXCLUDED, 0.0)


@pytest.mark.parametrize("smallest", [0.5, 1.0, 4.0])
def test_wrong_verdicts_are_rare(smallest):
    """At the edge of each verdict's truth it is reached in 2.5 % of the draws at most, whatever the seeds."""
    none, large = np.zeros(1), np.full(1, smallest)
    for shares in frequencies(none, np.ones(1), large).values():
        assert shares[0] < ALPHA + 0.015  # holds, when there is nothing
    for shares in frequencies(large, np.ones(1), large).values():
        assert shares[1] + shares[2] < ALPHA + 0.015  # excluded or absent, when it is as large as is of interest


def test_more_seeds_find_what_there_is():
    holds = [shares[0] for shares in frequencies(np.full(2, 3.0), np.ones(2), np.ones(2)).values()]
    absent = [shares[2] for shares in frequencies(np.zeros(1), np.ones(1), np.full(1, 1.5)).values()]
    assert holds[2] > 0.99 > holds[1] and absent[2] > 0.95 > absent[0]


def test_holm():
    assert survives([]) == []
    assert survives([0.02]) == [True]
    assert survives([0.02, 0.001]) == [True, True]  # 0.001 < 0.0125, then 0.02 < 0.025
    assert survives([0.02, 0.013]) == [False, False]
    assert survives([0.001, 0.02, 0.02]) == [True, False, False]
    assert survives([1.0, 0.005, 0.0124]) == [False, True, True]
