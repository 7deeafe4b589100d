"""What happens around the grok step: spikes by hand, ways around them on drawn paths, and halves of ways."""

import numpy as np
import pytest

from paper.grokking.halfway import Halfway, half_of_the_way
from paper.grokking.slingshots import HALF, Ways, spikes, ways
from tests.report.test_grokking import digest_of


def losses(*values: float, memorised: int = 0) -> list[dict[str, float]]:
    return [
        {"step": 10 * n, "train_acc": float(n >= memorised), "test_acc": 0.0, "train_nll": value}
        for n, value in enumerate(values)
    ]


def test_a_spike_is_ten_times_the_median_of_five():
    quiet = [1.0, 1.2, 0.9, 1.0, 1.1, 1.0, 1.0]
    assert spikes(losses(*quiet, 9.9, 1.0)) == []
    assert spikes(losses(*quiet, 10.1, 1.0)) == [70]
    # a spike of three evaluations is one, and what comes after it is another
    assert spikes(losses(*quiet, 30.0, 40.0, 20.0, 1.0, 1.0, 1.0, 1.0, 30.0)) == [70, 140]
    # what is forgotten before all is known by heart is none, and too little is known of the first five
    assert spikes(losses(*quiet, 30.0, 1.0, memorised=8)) == []
    assert spikes(losses(1.0, 30.0, 1.0)) == []


def path(*points: list[float]) -> Ways:
    return ways(digest_of(np.array(points, dtype=float), spacing=10), 10)


def test_a_straight_way_and_one_that_comes_back():
    line = path(*([n, 0.0, 0.0] for n in range(2 * HALF + 3)))
    assert list(line.steps) == [10 * n for n in range(HALF, HALF + 3)]
    assert line.straightness == pytest.approx(1.0)
    assert line.across == pytest.approx(0.0, abs=1e-12)
    # out along y and back again, on a long way along x
    there = [[float(n), 0.0, 0.0] for n in range(40)]
    for n, y in zip(range(17, 24), (1, 2, 3, 4, 3, 2, 1), strict=True):
        there[n] = [20.0, 10.0 * y, 0.0]
    bent = path(*there)
    at = list(bent.steps).index(200)
    assert bent.straightness[at] < 0.15 < 0.9 < bent.straightness[0]
    assert bent.across[at] > 0.9


def test_a_random_walk_is_as_straight_as_the_root_of_its_steps():
    walk = np.random.default_rng(0).standard_normal((400, 3000)).cumsum(axis=0)
    assert path(*walk.tolist()).straightness.mean() == pytest.approx((2 * HALF) ** -0.5, abs=0.01)


def test_too_short_or_uneven_a_path_has_none():
    assert not len(path(*np.eye(2 * HALF).tolist()).steps)
    uneven = digest_of(np.eye(12), spacing=10)
    assert not len(ways(uneven, 7).steps)


# ------------------------------------------------------------------------------------------------- half of the way


def half(values: list[float], *, logarithm: bool, memorised: int = 20, grokked: int = 80):
    steps = 10.0 * np.arange(len(values))
    return half_of_the_way(steps, np.array(values, dtype=float), memorised, grokked, logarithm=logarithm)


def test_half_of_the_way_is_counted_from_memorisation():
    # from 0.2 at step 20 to 1.0: half is passed at step 50
    found = half([0.9, 0.9, 0.2, 0.3, 0.4, 0.61, 0.8, 1.0, 1.0, 1.0, 1.0], logarithm=False)
    assert found == Halfway(50 / 80, pytest.approx(0.8))
    # of a size it is half of the decades, down as well as up
    assert half([1, 1, 1e4, 1e4, 1e2, 1e1, 1, 1, 1, 1, 1], logarithm=True) == Halfway(40 / 80, pytest.approx(-4))


def test_one_measurement_alone_is_not_half_of_the_way_and_a_short_way_has_none():
    jumpy = half([0, 0, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9], logarithm=False)
    assert jumpy.share == 70 / 80
    still = half([0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.55, 0.5, 0.5, 0.6, 0.6], logarithm=False)
    assert np.isnan(still.share) and still.change == pytest.approx(0.1)
    assert half([0.1, 0.2, 0.3, 0.4], logarithm=False, memorised=20) is None
    assert half([0.0] * 11, logarithm=True) is None  # a size of nothing has no logarithm
