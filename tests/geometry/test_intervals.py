"""Student's t against its table, and against the coverage of its intervals."""

import numpy as np
import pytest

from lib.geometry.intervals import FREE, student_cdf, t_975

TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 7: 2.3646, 9: 2.2622, 19: 2.0930, 60: 2.0003}


@pytest.mark.parametrize("freedom", TABLE)
def test_it_is_that_of_the_table(freedom):
    assert t_975(freedom) == pytest.approx(TABLE[freedom], abs=1e-4)


def test_an_interval_over_three_holds_the_mean_19_times_in_20():
    draws = np.random.default_rng(0).standard_normal((40_000, 3))
    half = t_975(2) * draws.std(axis=1, ddof=1) / np.sqrt(3)
    assert np.mean(np.abs(draws.mean(axis=1)) < half) == pytest.approx(0.95, abs=0.004)


def test_the_distribution_is_the_integral_of_its_density():
    x = np.linspace(-30, 3, 200_001)
    for freedom in (1, 2, 3, 8, 31):
        density = (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
        whole = np.linspace(-400, 400, 400_001)
        area = np.trapezoid((1 + whole**2 / freedom) ** (-(freedom + 1) / 2), whole)
        between = np.trapezoid(density, x) / area
        found = student_cdf(3.0, freedom) - student_cdf(-30.0, freedom)
        assert found == pytest.approx(between, abs=2e-3 if freedom == 1 else 1e-4)
    assert student_cdf([-1.0, 0.0, 1.0], FREE) == pytest.approx([0.158655, 0.5, 0.841345], abs=1e-6)


def test_one_run_has_none():
    with pytest.raises(ValueError, match="two runs or more"):
        t_975(0)
