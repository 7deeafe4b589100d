"""Fitting the null, simulating it, and comparing a run with it."""

import numpy as np
import pytest

from lib.geometry.backbone import Window, cosines, pca
from lib.geometry.fits import power_law
from lib.geometry.null import (
    compare,
    decay_factors,
    fit_scale,
    fitted_null,
    isotropic_scale,
    noise_null,
)
from lib.geometry.presets import measure
from lib.geometry.rotation import phases
from tests.geometry.oracle import START, TRUNK, WD
from tests.noise_adam import noise_adam

# --- fitting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["last", "all"])
def test_fit_recovers_the_scale(beta2_steps, clamped_cosine, to):
    lr = clamped_cosine(4000)
    for scale in (3.0, 4415.0, 1e7):
        run = noise_null(np.array(beta2_steps), lr, WD, START, scale)
        np.testing.assert_allclose(fit_scale(run, lr, WD, to), scale, rtol=1e-6)


def test_the_two_fits_differ_where_the_run_is_not_the_null(beta2_steps, clamped_cosine):
    lr = clamped_cosine(4000)
    run = noise_null(np.array(beta2_steps), np.full(4000, 1e-3), 0.0, START, 4000)
    last, all_steps = fit_scale(run, lr, WD, "last"), fit_scale(run, lr, WD, "all")
    null = fitted_null(run, lr, WD)
    np.testing.assert_allclose(null.drift_norms[-1], run.drift_norms[-1], rtol=1e-12)

    def misfit(s):
        drift = noise_null(run.steps, lr, WD, START, s).drift_norms[1:]
        return np.sum(np.log(drift / run.drift_norms[1:]) ** 2)

    assert misfit(all_steps) < misfit(last)
    assert misfit(all_steps) <= min(misfit(all_steps * 1.001), misfit(all_steps / 1.001))


def test_scale_without_fitting_predicts_the_final_drift(long_steps, beta2_steps, clamped_cosine):
    scale = isotropic_scale(TRUNK)
    np.testing.assert_allclose(scale, 5016.6, atol=0.1)
    long = noise_null(np.array(long_steps), clamped_cosine(10000), WD, START, scale)
    short = noise_null(np.array(beta2_steps), clamped_cosine(4000), WD, START, scale)
    np.testing.assert_allclose([long.drift_norms[-1], short.drift_norms[-1]], [140.1, 135.4], atol=0.06)


def test_published_drifts_give_the_published_scales(beta2_steps, long_steps, clamped_cosine):
    for steps, total, drift, scale in ((beta2_steps, 4000, 123.075, 4415), (long_steps, 10000, 137.0, 4819)):
        lr = clamped_cosine(total)
        run = noise_null(np.array(steps), lr, WD, START, 1.0)
        run.gram[0, -2, -2] = drift**2
        np.testing.assert_allclose(fit_scale(run, lr, WD), scale, rtol=1e-3)


@pytest.mark.parametrize("steps", [[0], [1], [0, 1], [1, 200], [0, 1, 200]])
@pytest.mark.filterwarnings("error")
def test_short_runs(walk, digest_of, clamped_cosine, steps):
    run = digest_of(steps, walk(steps, 8))
    lr = clamped_cosine(200)
    for to in ("last", "all"):
        found = compare(lambda d: measure(d, p_ood=dict.fromkeys(steps, 0.5)), run, fitted_null(run, lr, WD, to))
        assert found.observed.keys() == found.null.keys() == found.excess.keys()


@pytest.mark.filterwarnings("error")
def test_diverged_run(walk, digest_of, beta2_steps, clamped_cosine):
    theta = walk(beta2_steps).astype(float)
    theta[10:] *= np.geomspace(1e3, 1e30, len(theta) - 10)[:, None]
    run = digest_of(beta2_steps, theta)
    null = fitted_null(run, clamped_cosine(4000), WD)
    np.testing.assert_allclose(null.drift_norms[-1], run.drift_norms[-1], rtol=1e-12)
    assert np.isfinite(compare(measure, run, null).excess["G2.pc1"])


def test_run_without_step_0_gets_a_null_from_its_own_reference(beta2_steps, clamped_cosine):
    lr = clamped_cosine(4000)
    late = noise_null(np.array(beta2_steps[1:]), lr, WD, START, 4415)
    early = noise_null(np.array(beta2_steps), lr, WD, START, 4415)
    a, b = measure(late, ["G1", "G2", "U2", "R2"]), measure(early, ["G1", "G2", "U2", "R2"])
    for key, value in a.items():
        np.testing.assert_allclose(value, b[key], rtol=1e-5, atol=1e-5, err_msg=key)


def test_decay_from_a_later_reference(clamped_cosine):
    lr = clamped_cosine(4000)
    f = decay_factors(lr, WD)
    null = noise_null(np.array([2000, 4000]), lr, WD, 54.0, 0.0)
    np.testing.assert_allclose(null.start_norm, 54.0)
    np.testing.assert_allclose(null.drift_norms, [0, 54.0 * (1 - f[4000] / f[2000])], rtol=1e-12)


def test_no_learning_rate_no_motion(beta2_steps, short):
    null = fitted_null(short, np.zeros(4000), WD)
    assert (null.drift_norms == 0).all() and np.isnan(measure(null, ["G2"])["G2.pc1"])


def test_schedule_must_reach_the_last_snapshot(beta2_steps):
    with pytest.raises(ValueError, match="end at step 3000, before the last snapshot at step 4000"):
        noise_null(np.array(beta2_steps), np.ones(3000), WD, START, 1.0)


# --- against simulation ---------------------------------------------------------------------------


def test_simulated_noise_and_decay_match_the_analytic_gram(digest_of, clamped_cosine):
    size, steps = 100_000, np.array([0, 10, 30, 50, 80, 100])
    lr = clamped_cosine(100, warmup=30, peak=0.02)
    rng = np.random.default_rng(0)
    theta = 0.02 * rng.standard_normal(size)
    kept = [theta]
    for t in range(1, 101):
        z = rng.standard_normal(size)
        theta = (1 - lr[t - 1] * WD) * theta + lr[t - 1] * 6.0 * z / np.linalg.norm(z)
        if t in steps:
            kept.append(theta)
    run = digest_of(steps, np.array(kept))
    null = noise_null(steps, lr, WD, run.start_norm, 6.0)
    scale = np.sqrt(np.outer(np.diag(null.total), np.diag(null.total))) + 1e-12
    np.testing.assert_allclose(run.total / scale, null.total / scale, atol=0.01)
    assert np.abs(null.total / scale).max() > 0.9
    np.testing.assert_allclose(pca(run).pc1, pca(null).pc1, atol=0.5)


@pytest.mark.parametrize(
    ("beta2", "pc1", "drift", "mean", "early"),
    [(0.95, 58.2, 134, 0.195, 0.288), (0.8, 58.0, 137, 0.195, 0.287)],
)
def test_noise_adam(beta2_steps, clamped_cosine, beta2, pc1, drift, mean, early):
    run = noise_adam(beta2_steps, clamped_cosine(4000), WD, beta2=beta2, size=6000, seed=1)
    found = measure(run, ["G2", "U2"])
    np.testing.assert_allclose(found["G2.pc1"], pc1, atol=1.0)
    np.testing.assert_allclose(found["G2.drift"] * np.sqrt(TRUNK / 6000), drift, rtol=0.015)
    np.testing.assert_allclose(found["U2.mean_abs"], mean, atol=0.005)
    np.testing.assert_allclose(found["U2.early_mean_abs"], early, atol=0.005)


def test_noise_adam_is_seeded_and_close_to_the_unfitted_null(clamped_cosine):
    steps, lr = np.array([0, 100, 200, 300]), clamped_cosine(300, warmup=100)
    runs = [noise_adam(steps, lr, WD, size=20_000, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0].gram, runs[1].gram)
    assert not np.array_equal(runs[0].gram, runs[2].gram)
    null = noise_null(steps, lr, WD, runs[0].start_norm, isotropic_scale(20_000))
    # momentum lags behind during warm-up, so the first snapshot is left out
    np.testing.assert_allclose(runs[0].drift_norms[2:], null.drift_norms[2:], rtol=0.04)


def test_noise_adam_is_adamw():
    torch = pytest.importorskip("torch")
    size, total, lr = 50, 8, np.linspace(1e-3, 1e-2, 8)
    rng = np.random.default_rng(4)
    weight = torch.nn.Parameter(torch.tensor(0.02 * rng.standard_normal(size)))
    optimizer = torch.optim.AdamW([weight], betas=(0.9, 0.8), eps=1e-8, weight_decay=WD)
    theta = [weight.detach().numpy().copy()]
    for t in range(total):
        weight.grad = torch.tensor(0.01 * rng.standard_normal(size))
        optimizer.param_groups[0]["lr"] = lr[t]
        optimizer.step()
        theta.append(weight.detach().numpy().copy())
    rows = np.vstack([np.array(theta) - theta[0], theta[:1]])
    run = noise_adam(np.arange(total + 1), lr, WD, beta2=0.8, size=size, seed=4)
    np.testing.assert_allclose(run.total, rows @ rows.T, rtol=1e-9, atol=1e-15)


# --- observed, null, excess -----------------------------------------------------------------------


def test_compare_has_three_columns(short, beta2_steps, clamped_cosine):
    other = noise_null(np.array(beta2_steps), clamped_cosine(4000), 0.0, START, 4415)
    found = compare(lambda digest: measure(digest, ["G1"]), short, other)
    assert found.observed.keys() == found.null.keys() == found.excess.keys()
    np.testing.assert_allclose(found.excess["G1.pc1"], 57.6 - 59.9, atol=0.1)
    np.testing.assert_allclose(found.excess["G1.a"], found.observed["G1.a"] - found.null["G1.a"])
    with pytest.raises(ValueError, match="the null 2"):
        compare(measure, short, noise_null(np.array([0, 1]), np.ones(1), 0.0, 1.0, 1.0))


def test_excess_of_the_null_over_itself_is_zero(short, clamped_cosine):
    found = compare(measure, short, fitted_null(short, clamped_cosine(4000), WD))
    for key, value in found.excess.items():
        value = np.nan_to_num(value)
        np.testing.assert_allclose(value, np.zeros_like(value), atol=1e-6, err_msg=key)


def test_alignment_with_both_phases_uses_unit_directions(long):
    both = phases(long(4819), 4000, Window(1, stride=200))
    directions = np.vstack([both.early.backbone, both.late.backbone])
    np.testing.assert_allclose(np.abs(cosines(long(4819).total, directions, both.early.backbone))[0], 1)


def test_power_of_the_uniform_walk(beta2_steps):
    walk = noise_null(np.array(beta2_steps), np.full(4000, 1e-3), 0.0, START, 1.0)
    np.testing.assert_allclose(power_law(walk.steps, walk.drift_norms).gamma, 0.5, rtol=1e-9)
