"""The ladder of nulls against loops, against simulated walks, and against the author's published series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.geometry.backbone import pca
from lib.geometry.ladder import (
    additions,
    climb,
    draws,
    fit_memory,
    interval_covariance,
    rebuilt,
    shuffles,
    step_weights,
)
from lib.geometry.null import adam_null, decay_factors, fitted_null, noise_null, pseudo_digest
from lib.geometry.presets import measure
from tests.noise_adam import noise_adam

WD = 0.5
STEPS = np.array([0, 1, 12, 24, 40, 60, 80, 100, 120, 150, 180, 210, 240])
LR = 4e-3 * np.minimum(np.arange(1, 241) / 60, 1.0) * np.linspace(1.0, 0.4, 240)


def told(d):
    return measure(d, ["G2", "P3"], time_scale=1, jackknife=False)


# ------------------------------------------------------------------------------------------------------- algebra


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    keeps=st.floats(0.0, 0.999),
    seed=st.integers(0, 99),
)
def test_covariance_of_intervals_is_the_double_sum(lengths, keeps, seed):
    steps = np.cumsum([3, *lengths])
    weights = np.random.default_rng(seed).random(sum(lengths))
    of = np.repeat(np.arange(len(lengths)), lengths)
    expected = np.zeros((len(lengths), len(lengths)))
    for t, i in enumerate(of):
        for s, j in enumerate(of):
            expected[i, j] += weights[t] * weights[s] * (keeps ** abs(t - s) if t != s else 1.0)
    np.testing.assert_allclose(interval_covariance(steps, weights, keeps), expected, rtol=1e-10, atol=1e-14)


def test_a_run_is_rebuilt_from_its_additions():
    run = noise_adam(STEPS, LR, WD, size=30, seed=1)
    a = additions(run, LR, WD)
    again = rebuilt(a, a.cosines)
    np.testing.assert_allclose(again.total, run.total, atol=1e-12 * np.abs(run.total).max())


def test_additions_leave_decay_out():
    """A run of pure decay adds nothing, and the null of the schedule adds orthogonal pieces of known length."""
    still = noise_null(STEPS, LR, WD, 2.0, 0.0)
    assert additions(still, LR, WD).lengths == pytest.approx(np.zeros(len(STEPS) - 1), abs=1e-7)
    a = additions(noise_null(STEPS, LR, WD, 2.0, 3.0), LR, WD)
    np.testing.assert_allclose(a.cosines, np.eye(len(STEPS)), atol=1e-8)
    weights = step_weights(a, LR, WD)
    np.testing.assert_allclose(a.lengths**2, 9.0 * np.diag(interval_covariance(STEPS, weights, 0.0)), rtol=1e-9)


def test_orthogonal_additions_of_the_schedules_lengths_are_the_schedules_null():
    null = noise_null(STEPS, LR, WD, 2.0, 3.0)
    a = additions(null, LR, WD)
    np.testing.assert_allclose(rebuilt(a, np.eye(len(a.lengths))).total, null.total, atol=1e-9)


def test_a_shuffle_keeps_lengths_and_its_cosines():
    run = noise_adam(STEPS, LR, WD, size=40, seed=2)
    a = additions(run, LR, WD)
    for other in shuffles(a, 3, seed=0):
        b = additions(other, LR, WD)
        np.testing.assert_allclose(b.lengths, a.lengths, rtol=1e-7)
        np.testing.assert_allclose(np.sort(b.cosines[-1]), np.sort(a.cosines[-1]), atol=1e-7)
        np.testing.assert_allclose(np.sort(b.cosines, axis=None), np.sort(a.cosines, axis=None), atol=1e-7)
        assert not np.allclose(b.cosines, a.cosines)


# --------------------------------------------------------------------------------------------------- simulations


def walks(count, size, seed, slow=0.0, tau=50.0, steps=STEPS, lr=LR):
    """Digests of white noise scaled by the learning rate, with a share of a slow one."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / tau)
    for _ in range(count):
        theta = 0.2 * rng.standard_normal(size)
        lasting = rng.standard_normal(size)
        kept = [theta]
        for t in range(1, steps[-1] + 1):
            z = np.sqrt(1 - slow) * rng.standard_normal(size) + np.sqrt(slow) * lasting
            lasting = keep * lasting + np.sqrt(1 - keep**2) * rng.standard_normal(size)
            theta = (1 - lr[t - 1] * WD) * theta + lr[t - 1] * z
            if t in steps:
                kept.append(theta)
        rows = np.array([*(theta - kept[0] for theta in kept), kept[0]])
        yield pseudo_digest(steps, rows @ rows.T)


def z_of(a, b):
    """The difference of two means in their errors."""
    a, b = np.asarray(a), np.asarray(b)
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    if error == 0:
        return 0.0 if a.mean() == b.mean() else np.inf
    return (a.mean() - b.mean()) / error


@pytest.mark.parametrize("beta2", [0.99, 0.95, 0.8])
def test_noise_through_adam_is_its_closed_form(beta2):
    runs = [noise_adam(STEPS, LR, WD, beta2=beta2, size=400, seed=seed) for seed in range(200)]
    closed = adam_null(runs[0], LR, WD, beta1=0.9)
    drawn = list(draws(closed, LR, WD, 400, 200, seed=1))
    for quantity in ("G2.pc1", "G2.k95", "G2.start_cosine"):
        z = z_of([told(d)[quantity] for d in runs], [told(d)[quantity] for d in drawn])
        assert abs(z) < 3, (quantity, z)
    # without the optimizer's momentum the same comparison fails
    other = list(draws(fitted_null(runs[0], LR, WD), LR, WD, 400, 200, seed=1))
    assert abs(z_of([pca(d).pc1 for d in runs], [pca(d).pc1 for d in other])) > 5


def test_draws_have_the_spread_of_walks_in_as_many_dimensions():
    size = 300
    simulated = [pca(d).pc1 for d in walks(200, size, seed=3)]
    null = noise_null(STEPS, LR, WD, 0.2 * np.sqrt(size), np.sqrt(size))
    drawn = [pca(d).pc1 for d in draws(null, LR, WD, size, 200, seed=4)]
    assert abs(z_of(simulated, drawn)) < 3
    assert np.std(drawn) == pytest.approx(np.std(simulated), rel=0.2)


LONG = np.arange(0, 801, 40)
EVEN = np.full(800, 1e-3)


@pytest.mark.parametrize(("share", "tau"), [(0.02, 200.0), (0.05, 80.0)])
def test_the_memory_of_a_walk_is_found(share, tau):
    (run,) = walks(1, 20_000, 5, share, tau, LONG, EVEN)
    found = fit_memory(additions(run, EVEN, WD), EVEN, WD)
    assert found.share == pytest.approx(share, rel=0.25)
    assert found.time_constant == pytest.approx(tau, rel=0.25)
    assert found.fitted > 0.95 and found.judged > 0.95
    assert 5_000 < found.size < 80_000
    closed = rebuilt(additions(run, EVEN, WD), found.cosines)
    assert pca(closed).pc1 == pytest.approx(pca(run).pc1, abs=1.0)


def test_no_memory_is_found_where_there_is_none():
    (run,) = walks(1, 20_000, 6, steps=LONG, lr=EVEN)
    found = fit_memory(additions(run, EVEN, WD), EVEN, WD)
    assert found.share < 1e-3 and found.judged < 0.3
    assert found.size == pytest.approx(20_000, rel=0.5)


# ---------------------------------------------------------------------------------------------------- the ladder


def test_every_rung_is_climbed():
    (run,) = walks(1, 5_000, 7, 0.05, 80.0, LONG, EVEN)
    momentum = adam_null(run, EVEN, WD)
    rungs, memory = climb(run, EVEN, WD, momentum, told, told, counts=(20, 20))
    assert list(rungs) == ["schedule", "momentum", "lengths", "memory", "shuffled"]
    pc1 = {name: rung.values["G2.pc1"] for name, rung in rungs.items()}
    seen = told(run)["G2.pc1"]
    assert pc1["schedule"] < pc1["memory"] and abs(pc1["memory"] - seen) < 2.0 < seen - pc1["schedule"]
    assert all(rung.errors["G2.pc1"] > 0 for rung in rungs.values())
    assert all(np.ndim(value) == 0 for rung in rungs.values() for value in rung.values.values())
    assert memory.time_constant == pytest.approx(80, rel=0.5)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_run_with_few_snapshots_has_a_ladder_too(count):
    run = noise_adam(STEPS[:count], LR, WD, size=30, seed=1)
    rungs, memory = climb(run, LR, WD, adam_null(run, LR, WD), told, told, counts=(3, 3))
    assert memory.share == 0.0 or count == 6
    assert set(rungs) >= {"schedule", "lengths"}


def test_a_run_that_never_moved_has_a_ladder_too():
    still = noise_null(STEPS, np.zeros(240), 0.0, 1.0, 1.0)
    rungs, _ = climb(still, np.zeros(240), 0.0, fitted_null(still, np.zeros(240), 0.0), told, told, counts=(3, 3))
    assert np.isnan(rungs["memory"].values["G2.pc1"])


def test_decay_factors_are_those_of_the_loop():
    np.testing.assert_allclose(decay_factors(LR, WD)[-1], np.prod(1 - LR * WD), rtol=1e-12)
