"""The learning rate at its published values."""

import pytest

from lib.optim.schedules import learning_rate


@pytest.fixture(scope="module")
def schedule(paper):
    def make(steps=4000, warmup=1500, decay="clamped", **values):
        values = {"steps": steps, "warmup": warmup, "decay": decay, **values}
        return paper.schedule.model_copy(update=values)

    return make


# Published or recomputed from the published formula, at a peak of 1e-3.
RATES = [
    (4000, "clamped", {2000: 9.0451e-4, 2500: 6.5451e-4, 3000: 3.4549e-4, 3400: 1.3552e-4, 4000: 1e-4}),
    (4000, "affine", {2000: 9.1406e-4, 2500: 6.8906e-4, 3000: 4.1094e-4, 3400: 2.2196e-4, 4000: 1e-4}),
    (
        10000,
        "clamped",
        {1600: 9.99659e-4, 2000: 9.91487e-4, 4000: 8.01317e-4, 6000: 4.53866e-4, 8000: 1.30496e-4, 10000: 1e-4},
    ),
]


@pytest.mark.parametrize(("steps", "decay", "values"), RATES)
def test_published_learning_rates(steps, decay, values, schedule):
    s = schedule(steps=steps, decay=decay)
    for step, rate in values.items():
        assert learning_rate(step, 1e-3, s) == pytest.approx(rate, rel=1e-4), step
    assert learning_rate(1, 1e-3, s) == pytest.approx(6.67e-7, rel=1e-3)
    assert learning_rate(750, 1e-3, s) == pytest.approx(5e-4, rel=1e-12)
    assert learning_rate(1499, 1e-3, s) == pytest.approx(1e-3 * 1499 / 1500, rel=1e-12)
    assert learning_rate(1500, 1e-3, s) == 1e-3


@pytest.mark.parametrize(
    ("steps", "decay", "total"),
    [
        (4000, "clamped", 2.03395),
        (10000, "clamped", 5.11531),
        (4000, "affine", 2.12505),
        (10000, "affine", 5.42505),
    ],
)
def test_published_sums_of_the_learning_rate(steps, decay, total, schedule):
    s = schedule(steps=steps, decay=decay)
    assert sum(learning_rate(t, 1e-3, s) for t in range(1, steps + 1)) == pytest.approx(total, abs=5e-6)


@pytest.mark.parametrize(("steps", "warmup", "floor"), [(4000, 1500, 3488), (10000, 1500, 8259), (2000, 200, 1632)])
def test_published_first_step_on_the_floor(steps, warmup, floor, schedule):
    s = schedule(steps=steps, warmup=warmup)
    rates = {t: learning_rate(t, 1e-3, s) for t in range(warmup, steps + 1)}
    assert next(t for t, rate in rates.items() if rate == 1e-4) == floor
    assert min(rates.values()) == 1e-4
    affine = schedule(steps=steps, warmup=warmup, decay="affine")
    assert learning_rate(steps - 1, 1e-3, affine) > 1e-4  # this reading reaches it at the very end


def test_a_constant_rate_stays_at_its_peak_after_the_warm_up(schedule):
    s = schedule(steps=100, warmup=10, decay="constant")
    assert [learning_rate(t, 1e-3, s) for t in (5, 10, 50, 100)] == [5e-4, 1e-3, 1e-3, 1e-3]
