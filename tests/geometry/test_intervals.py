"""Student's t against its table, and against the coverage of its intervals."""

import numpy as np
import pytest

from lib.geometry.intervals import t_975

TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 7: 2.3646, 9: 2.2622, 19: 2.0930, 60: 2.0003}


@pytest.mark.parametrize("freedom", TABLE)
def test_it_is_that_of_the_table(freedom):
    assert t_975(freedom) == pytest.approx(TABLE[freedom], abs=2e-3)


def test_an_interval_over_three_holds_the_mean_19_times_in_20():
    draws = np.random.default_rng(0).standard_normal((40_000, 3))
    half = t_975(2) * draws.std(axis=1, ddof=1) / np.sqrt(3)
    assert np.mean(np.abs(draws.mean(axis=1)) < half) == pytest.approx(0.95, abs=0.004)


def test_one_run_has_none():
    with pytest.raises(ValueError, match="two runs or more"):
        t_975(0)
