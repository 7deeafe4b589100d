"""What happens around the grok step: spikes, ways around them on drawn paths, and halves of ways."""

import numpy as np
import pytest

from lib.train.events import SPIKE
from lib.train.run_record import Event
from paper.grokking.halfway import Halfway, half_of_the_way
from paper.grokking.slingshots import HALF, Ways, spikes, ways
from tests.report.test_grokking import digest_of


def events(*steps: int) -> list[Event]:
    return [*(Event(step, SPIKE, at=step) for step in steps), Event(90, "jump of test_acc", at=90)]


def test_spikes_are_events_after_memorisation_and_those_that_follow_at_once_are_one():
    assert spikes(events(50, 104, 106, 113, 200), 60, 10) == [104, 200]
    assert spikes(events(50, 58, 65), 60, 10) == []  # all of it belongs to a spike before
    assert spikes(events(50), None, 10) == spikes([], 60, 10) == []


def path(points: np.ndarray) -> Ways:
    return ways(digest_of(points, spacing=10), 10)


def line(count: int = 40) -> np.ndarray:
    return np.arange(count)[:, None] * np.array([1.0, 0.0, 0.0]) + np.array([5.0, 1.0, 0.0])


def test_a_straight_way():
    found = path(line())
    assert found.steps.tolist() == list(range(0, 400, 10))
    inner = slice(HALF, -HALF)
    assert found.straight[inner] == pytest.approx(1.0) and found.across[inner] == pytest.approx(0.0, abs=1e-9)
    assert found.back[: -2 * HALF] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(found.straight[:HALF]).all() and np.isnan(found.back[-2 * HALF :]).all()


def test_who_is_thrown_aside_and_stays_has_not_come_back_and_who_makes_a_loop_has():
    thrown, loop = line(), line()
    thrown[20:, 1] += 10.0
    loop[20:27, 1] += [4.0, 8.0, 10.0, 10.0, 8.0, 4.0, 2.0]
    at = 19  # the last evaluation before
    aside, back = path(thrown), path(loop)
    assert aside.straight[at] < 0.9 and back.straight[at + 3] < 0.6
    assert aside.back[at] < 0.05 < 0.2 < back.back[at]
    assert back.across[at + 3] > 0.5


def test_a_random_walk_is_as_straight_as_the_root_of_its_steps():
    walk = np.random.default_rng(0).standard_normal((400, 3000)).cumsum(axis=0)
    assert np.nanmean(path(walk).straight) == pytest.approx((2 * HALF) ** -0.5, abs=0.01)


def test_too_short_or_uneven_a_path_has_none():
    assert not len(path(np.eye(2 * HALF)).steps)
    uneven = digest_of(np.eye(12), spacing=10)
    assert not len(ways(uneven, 7).steps)


def test_snapshots_between_evaluations_count_for_nothing():
    dense = line(79) + np.sin(np.arange(79))[:, None] * np.array([0.0, 3.0, 1.0]) * (np.arange(79)[:, None] % 2)
    finer = ways(digest_of(dense, spacing=5), 10)
    assert finer.straight[HALF:-HALF] == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------------- half of the way


def half(values: list[float], *, logarithm: bool, memorised: int = 20) -> Halfway | None:
    steps = 10.0 * np.arange(len(values))
    return half_of_the_way(steps, np.array(values, dtype=float), memorised, logarithm=logarithm)


def test_half_of_the_way_is_counted_from_memorisation():
    # from 0.2 at step 20 to 1.0: half of it is passed at step 50
    found = half([0.9, 0.9, 0.2, 0.3, 0.4, 0.61, 0.8, 1.0, 1.0, 1.0, 1.0], logarithm=False)
    assert found == Halfway(50, pytest.approx(0.8))
    # of a size it is half of the decades, down as well as up
    assert half([1, 1, 1e4, 1e4, 1e2, 1e1, 1, 1, 1, 1, 1], logarithm=True) == Halfway(40, pytest.approx(-4))


def test_a_spike_at_the_end_is_no_end():
    calm = half([1, 1, 1e-2, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4], logarithm=True)
    spiked = half([1, 1, 1e-2, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e1, 1e-4], logarithm=True)
    assert calm == spiked == Halfway(30, pytest.approx(-2))


def test_one_measurement_alone_is_not_half_of_the_way_and_a_short_way_has_none():
    jumpy = half([0, 0, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9], logarithm=False)
    assert jumpy.step == 70
    still = half([0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.55, 0.5, 0.5, 0.6, 0.6], logarithm=False)
    assert np.isnan(still.step) and abs(still.way) < 0.2
    assert half([0.1, 0.2, 0.3, 0.4], logarithm=False) is None
    assert half([0.0] * 11, logarithm=True) is None  # a size of nothing has no logarithm
