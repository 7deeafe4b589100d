"""The nulls against tables computed independently from the same recursion, and against direct simulation."""

import numpy as np
import pytest

from lib.geometry.backbone import Window, decompose, pca, start_cosine
from lib.geometry.null import (
    decay_factors,
    decay_share,
    noise_null,
)
from lib.geometry.presets import measure
from lib.geometry.rotation import phases, rotate
from tests.geometry.oracle import START, WD, values_at

# --- the null of the beta2 study ------------------------------------------------------------------


def test_schedule_of_these_tests(clamped_cosine):
    np.testing.assert_allclose(clamped_cosine(4000).sum(), 2.03395, atol=5e-6)
    np.testing.assert_allclose(clamped_cosine(10000).sum(), 5.11531, atol=5e-6)


@pytest.mark.parametrize(
    ("key", "value", "digits"),
    [
        ("G1.pc1", 57.6, 1),
        ("G1.k95", 9, 0),
        ("G1.k99", 20, 0),
        ("G1.drift", 115.3, 1),
        ("G2.pc1", 58.9, 1),
        ("G2.a_peak", 113.5, 0),
        ("G2.a_peak_step", 2700, 0),
        ("G2.a_last", 108.8, 1),
        ("G2.r_last", 57.4, 1),
        ("G2.fraction_last", 0.783, 2),
        ("U1.mean_abs", 0.184, 3),
        ("U2.mean_abs", 0.194, 3),
        ("U2.early_mean_abs", 0.290, 2),
        ("U2.flip", 2800, 0),
    ],
)
def test_null_of_the_beta2_study(short, key, value, digits):
    assert abs(measure(short, [key.split(".")[0]])[key] - value) <= 0.5 * 10.0**-digits + 1e-9


@pytest.mark.parametrize(
    ("lr", "window", "k", "full", "u1", "u2", "early"),
    [
        ("schedule", 59.9, (9, 19), 61.6, 0.175, 0.223, 0.337),
        ("constant", 70.4, (6, 16), 73.8, 0.155, 0.174, 0.258),
    ],
)
def test_walks_without_decay(beta2_steps, clamped_cosine, lr, window, k, full, u1, u2, early):
    rates = clamped_cosine(4000) if lr == "schedule" else np.full(4000, 1e-3)
    found = measure(noise_null(np.array(beta2_steps), rates, 0.0, START, 4415), ["G1", "G2", "U1", "U2"])
    np.testing.assert_allclose([found["G1.pc1"], found["G2.pc1"]], [window, full], atol=0.051)
    assert (found["G1.k95"], found["G1.k99"]) == k
    alignments = [found["U1.mean_abs"], found["U2.mean_abs"], found["U2.early_mean_abs"]]
    np.testing.assert_allclose(alignments, [u1, u2, early], atol=6e-4)
    assert np.isnan(found["U2.flip"])


def test_rotations_of_the_plain_walk(beta2_steps, clamped_cosine):
    plain = noise_null(np.array(beta2_steps), clamped_cosine(4000), 0.0, START, 1.0)
    found = measure(plain, ["R4"])
    np.testing.assert_allclose([found["R4.mean"], found["R4.min"]], [0.987, 0.970], atol=1e-3)


# --- the null of the 10K runs ---------------------------------------------------------------------


def test_null_of_the_long_runs(long):
    found = measure(long(4819), ["G3all", "G3raw", "P3", "R2", "F3"])
    expected = {
        "G3all.pc1": 64.0,
        "G3all.pc2": 11.8,
        "G3raw.pc1": 73.1,
        "P3.pc1_early": 50.8,
        "P3.pc1_late": 82.5,
    }
    expected |= {"G3all.a_peak": 145.0, "G3all.a_last": 129.4, "G3all.r_last": 44.9}
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=0.051, err_msg=key)
    assert found["G3all.k95"] == 10 and found["G3all.a_peak_step"] == 5600
    keys = ("P3.cosine", "R2.mean", "R2.max", "R2.min", "G3all.fraction_last")
    np.testing.assert_allclose([found[k] for k in keys], [0.333, 0.769, 0.932, 0.735, 0.893], atol=6e-4)
    regimes = ("0-2000", "2000-4000", "4000-6000", "6000-10000")
    np.testing.assert_allclose([found[f"F3.gamma_a.{r}"] for r in regimes], [2.13, 0.93, 0.21, -0.23], atol=6e-3)
    np.testing.assert_allclose([found[f"F3.gamma_r.{r}"] for r in regimes], [1.35, -0.32, -1.52, -0.19], atol=6e-3)


def test_windows_of_the_long_null_against_both_phases(long):
    null = long(4819)
    found = measure(null, ["P3"])
    centres = rotate(null, Window(200, stride=200), size=9, moving=True).centres
    wanted = [1100, 2300, 3500, 4700, 4900, 5300, 7100]
    early, late = values_at(centres, found["P3.A_E"], wanted), values_at(centres, found["P3.A_L"], wanted)
    np.testing.assert_allclose(early, [0.76, 0.58, 0.00, 0.24, 0.24, 0.21, 0.12], atol=6e-3)
    np.testing.assert_allclose(late, [0.10, 0.25, 0.23, 0.60, 0.85, 0.68, 0.15], atol=6e-3)


@pytest.mark.parametrize(
    ("lr", "raw", "pc", "early", "late"),
    [("schedule", 89.9, (73.3, 9.7, 7), 56.6, 85.1), ("constant", 81.1, (69.8, 13.3, 7), 70.9, 70.3)],
)
def test_long_walks_without_decay(long_steps, clamped_cosine, lr, raw, pc, early, late):
    rates = clamped_cosine(10000) if lr == "schedule" else np.full(10000, 1e-3)
    null = noise_null(np.array(long_steps), rates, 0.0, START, 1.0)
    found = measure(null, ["G3all", "G3raw", "P3"])
    values = [found[k] for k in ("G3raw.pc1", "G3all.pc1", "G3all.pc2", "P3.pc1_early", "P3.pc1_late")]
    np.testing.assert_allclose(values, [raw, *pc[:2], early, late], atol=0.051)
    assert found["G3all.k95"] == pc[2]
    np.testing.assert_allclose(found["P3.cosine"], 0, atol=1e-10)


def test_other_fit_of_the_long_null(long):
    """s = 4489, fitted to the whole published drift curve instead of its end."""
    null = long(4489)
    drift = values_at(null.steps, null.drift_norms, [200, 1000, 2000, 4000, 6000, 8000, 10000])
    np.testing.assert_allclose(drift, [4.9, 53.5, 121.2, 152.6, 147.0, 137.1, 132.0], atol=0.051)
    window = Window(1, stride=200)
    found = pca(null, window)
    np.testing.assert_allclose(100 * found.shares[:5], [64.8, 11.5, 6.2, 3.8, 2.6], atol=0.06)
    np.testing.assert_allclose(start_cosine(null, found.backbone), -0.68, atol=5e-3)
    parts = decompose(null, found.backbone, window)
    marks = [1000, 2000, 4000, 6000, 10000]
    np.testing.assert_allclose(values_at(parts.steps, parts.a, marks), [16, 64, 125, 138, 125], atol=0.51)
    np.testing.assert_allclose(values_at(parts.steps, parts.r, marks), [51, 103, 87, 50, 43], atol=0.51)
    assert parts.peak()[1] == 5800
    both = phases(null, 4000, window)
    np.testing.assert_allclose([both.early.pc1, both.late.pc1], [51.5, 82.5], atol=0.051)
    np.testing.assert_allclose(both.cosine, 0.317, atol=6e-4)


# --- decay ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peak", "wd", "momentum", "factors", "drift"),
    [
        (1e-3, 0.5, 0.0, [0.942, 0.846, 0.687, 0.539, 0.458, 0.362], 40.36),
        (1e-2, 0.05, 0.9, [0.544, 0.182, 0.0207, 0.0016, 0.0003, 3e-5], 54.44),
        (1e-2, 0.5, 0.0, [0.548, 0.188, 0.0233, 0.0021, 0.0004, 4e-5], 54.78),
    ],
)
def test_pure_decay(clamped_cosine, peak, wd, momentum, factors, drift):
    f = decay_factors(clamped_cosine(4000, peak=peak), wd, momentum)
    np.testing.assert_allclose(f[[600, 1000, 1500, 2000, 2400, 4000]], factors, atol=5.1e-4)
    np.testing.assert_allclose((f[600] - f[2000]) * START, drift, atol=5.1e-3)


def test_null_without_noise_is_pure_decay(beta2_steps, clamped_cosine):
    found = measure(noise_null(np.array(beta2_steps), clamped_cosine(4000), WD, START, 0.0), ["G1"])
    np.testing.assert_allclose(found["G1.drift"], 40.36, atol=5e-3)
    np.testing.assert_allclose([found["G1.pc1"], found["G1.start_cosine"]], [100, -1], rtol=1e-9)
    assert found["G1.k95"] == found["G1.k99"] == 1


@pytest.mark.parametrize(
    ("drift", "share"), [(120.010, 0.285), (123.075, 0.271), (127.969, 0.251), (141.344, 0.205)]
)
def test_decay_share_of_published_drifts(clamped_cosine, drift, share):
    lr = clamped_cosine(4000)
    run = noise_null(np.array([0, 4000]), lr, WD, START, 1000)
    run.gram[0, 1, 1] = drift**2
    found = decay_share(run, lr, WD)
    np.testing.assert_allclose(found[-1], share, atol=6e-4)
    assert np.isnan(found[0])
