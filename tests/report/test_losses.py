"""Statistics of differences of losses seed by seed, by hand."""

import itertools
import math

import numpy as np
import pytest

from paper.optimizers.losses import compared, sign_flips


def test_flipping_signs_by_hand():
    """Of three values of one sign only two of eight ways are as far from 0."""
    assert sign_flips(np.array([1.0, 2.0, 0.5])) == 2 / 8
    assert sign_flips(np.array([1.0, -1.0])) == 1.0
    assert sign_flips(np.full(6, -0.3)) == pytest.approx(2 / 64)


def test_flips_are_counted_as_a_loop_counts_them():
    x = np.array([0.3, -0.1, 0.4, 0.2, -0.05])
    ways = [sum(s * v for s, v in zip(signs, x, strict=True)) for signs in itertools.product((1, -1), repeat=5)]
    assert sign_flips(x) == sum(abs(way) >= abs(x.sum()) - 1e-12 for way in ways) / 32


def test_of_many_seeds_a_sample_of_the_flips_will_do():
    x = np.random.default_rng(1).normal(0.5, 1, 20)
    z = abs(x.sum()) / np.sqrt((x**2).sum())
    normal = math.erfc(z / 2**0.5)
    assert sign_flips(x) == pytest.approx(normal, abs=0.01)


def test_an_interval_has_the_mean_and_is_the_same_every_time():
    one, again = compared([0.5, 1.0, 1.5]), compared([0.5, 1.0, 1.5])
    assert one == again and one.low < one.mean == 1.0 < one.high
    assert (one.low, one.high) == (0.5, 1.5)  # of three seeds 1 in 27 means is either end


def test_one_seed_has_neither_interval_nor_p():
    one = compared([0.5])
    assert (one.mean, one.low, one.p, one.needed) == (0.5, None, None, None)


def test_how_many_seeds_would_tell_one_percent():
    """(1.96 + 0.84)^2 sigma^2 / line^2, and one more."""
    assert compared([0.0, 2**0.5]).needed == 9  # sigma = 1
    assert compared([0.0, 0.1, 0.05]).needed == 6  # of fewer no p is below 0.05
