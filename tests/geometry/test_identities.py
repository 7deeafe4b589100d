"""Identities, invariances, short and diverged runs, scaled runs, fits and correlations."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.base.errors import BadInput
from lib.geometry.alignment import Alignment, align, align_held_out, updates
from lib.geometry.backbone import (
    Window,
    cosines,
    decompose,
    jackknife_pc1,
    pca,
    start_cosine,
)
from lib.geometry.fits import correlate, power_law
from lib.geometry.gram import Digest
from lib.geometry.presets import measure
from lib.geometry.rotation import phases, rotate
from tests.geometry.oracle import BETA2, naive_pca

# --- identities -----------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [Window(600, 2000), Window(1), Window(0, stride=200)])
def test_identities(run, window):
    _, _, digest = run
    found = pca(digest, window)
    parts = decompose(digest, found.backbone, window)
    np.testing.assert_allclose(100 * parts.fraction[1:].mean(), found.pc1, rtol=1e-11)
    np.testing.assert_allclose(np.sum(found.singular_values**2), len(found.steps), rtol=1e-12)
    np.testing.assert_allclose(parts.a**2 + parts.r**2, parts.drift**2, rtol=1e-12)
    np.testing.assert_allclose(cosines(digest.total, found.directions[:1], found.backbone), 1, rtol=1e-12)


def test_truncated_denominator_inflates(run):
    _, _, digest = run
    window = Window(1, stride=200)
    whole, cut = pca(digest, window), pca(digest, window, components=10)
    lost = np.sum(whole.singular_values[:10] ** 2) / np.sum(whole.singular_values**2)
    assert lost < 0.999
    np.testing.assert_allclose(cut.pc1 * lost, whole.pc1, rtol=1e-12)


def test_g1_equals_g2_given_the_same_window(walk, digest_of):
    steps = [s for s in BETA2 if 600 <= s <= 2000]
    theta = walk(BETA2)
    inside = theta[[BETA2.index(s) for s in steps]]
    g1 = measure(digest_of(BETA2, theta), ["G1"])
    g2 = measure(digest_of(steps, inside), ["G2"])
    for key, value in g1.items():
        if key != "G1.start_cosine":  # theta_0 is another snapshot there
            np.testing.assert_allclose(value, g2[key.replace("G1", "G2")], rtol=1e-7, atol=1e-9, err_msg=key)


def orthogonal_updates(digest_of, n=12):
    rng = np.random.default_rng(3)
    u = np.diag(rng.uniform(0.5, 2, n))
    return digest_of(range(n + 1), np.vstack([np.zeros(n), np.cumsum(u, axis=0)]))


def test_in_sample_alignment_of_orthogonal_updates_sums_to_one_and_held_out_to_zero(digest_of):
    digest = orthogonal_updates(digest_of)
    start, end = updates(digest, 1)
    in_sample = align(digest, pca(digest).backbone, start, end)
    np.testing.assert_allclose(in_sample.sum_squares, 1, rtol=1e-12)
    every_second = pca(digest, Window(0, stride=2)).backbone
    np.testing.assert_allclose(align(digest, every_second, start, end).sum_squares, 1, rtol=1e-12)
    held_out = align_held_out(digest, start, end)
    assert len(held_out.cosines) == 12 and held_out.sum_squares < 1e-20


def test_flip_is_where_the_last_stretch_against_the_backbone_begins():
    steps = np.arange(5)
    assert Alignment(steps, steps + 1, np.array([0.2, -0.1, 0.3, -0.1, -0.2])).flip() == 4
    assert np.isnan(Alignment(steps, steps + 1, np.array([0.2, -0.1, 0.3, -0.1, 0.2])).flip())
    assert Alignment(steps, steps + 1, -np.ones(5)).flip() == 1


def test_pure_decay_moves_against_the_start(digest_of):
    digest = digest_of([0, 1, 2], np.array([[2.0, 1.0], [1.0, 0.5], [0.5, 0.25]]))
    np.testing.assert_allclose(start_cosine(digest, pca(digest).backbone), -1)


def test_jackknife_against_leaving_out_each_snapshot(walk, digest_of):
    steps = list(range(0, 9))
    theta = walk(steps, 30)
    shares = []
    for out in range(1, 9):
        kept = [s for s in steps if s != out]
        s, _ = naive_pca((theta[kept][1:] - theta[0]).astype(float))
        shares.append(100 * s[0] ** 2 / np.sum(s**2))
    expected = np.sqrt(7 / 8 * np.sum((shares - np.mean(shares)) ** 2))
    np.testing.assert_allclose(jackknife_pc1(digest_of(steps, theta)), expected, rtol=1e-9)


# --- fits and correlations ------------------------------------------------------------------------


def test_power_law_recovers_itself_with_its_standard_error():
    t = np.array([0, 1, 10, 100, 1000])
    law = power_law(t, np.array([0, *(-3 * t[1:].astype(float) ** 1.5)]))
    np.testing.assert_allclose([law.gamma, law.constant, law.r2, law.n], [1.5, 3, 1, 4], rtol=1e-12)
    rng = np.random.default_rng(0)
    t = np.arange(1, 40)
    y = t**0.7 * np.exp(0.1 * rng.normal(size=39))
    (gamma, _), cov = np.polyfit(np.log(t), np.log(y), 1, cov=True)
    law = power_law(t, y)
    np.testing.assert_allclose([law.gamma, law.se], [gamma, np.sqrt(cov[0, 0])], rtol=1e-9)
    assert power_law(t, y, 10, 20).n == 10
    assert power_law(t, y, Fraction(21, 2), Fraction(41, 2)).n == 10
    assert np.isnan(power_law(t, y, 38).gamma)


def test_correlation_interval_is_fishers():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=50), np.arange(1, 51)
    y = x + rng.normal(size=50)
    c = correlate(t, x, y)
    r = np.corrcoef(x, y)[0, 1]
    np.testing.assert_allclose([c.r, np.arctanh(c.hi) - np.arctanh(r)], [r, 1 / np.sqrt(47)], rtol=1e-12)
    assert c.lo < r < c.hi and c.n == 50
    assert np.isnan(correlate(t, x, np.ones(50)).r) and np.isnan(correlate(t, x, y, 48).r)
    assert correlate(t, np.where(t < 10, np.nan, x), y).n == 41


# --- short, empty and diverged runs ---------------------------------------------------------------


@pytest.mark.parametrize("steps", [[0], [1], [0, 1], [1, 200], [0, 1, 200], [600], [600, 800, 1000]])
@pytest.mark.parametrize("still", [False, True])
@pytest.mark.filterwarnings("error")
def test_short_and_motionless_runs_give_nan_not_errors(walk, digest_of, steps, still):
    theta = np.ones((len(steps), 8)) if still else walk(steps, 8)
    found = measure(digest_of(steps, theta), p_ood=dict.fromkeys(steps, 0.5))
    assert len(found) > 200
    if len(steps) == 1:
        assert np.isnan(found["G2.pc1"]) and np.isnan(found["U2.mean_abs"]) and len(found["R2.cosines"]) == 0
    if steps == [0, 1, 200] and not still:
        np.testing.assert_allclose([found["G2.pc1"], found["G2.k95"]], [100, 1])


@pytest.mark.filterwarnings("error")
def test_diverged_runs_give_finite_numbers(walk, digest_of):
    theta = walk(BETA2).astype(float)
    theta[20:] *= np.geomspace(1, 1e35, len(theta) - 20)[:, None]
    found = measure(digest_of(BETA2, theta), p_ood={s: s / 4000 for s in range(0, 4001, 200)})
    for name in ("G0", "G1", "G2", "G2raw"):
        assert np.isfinite(found[f"{name}.pc1"]) and np.isfinite(found[f"{name}.r"]).all()
    np.testing.assert_allclose(found["G2raw.pc1"], 100, rtol=1e-3)


# --- scaled runs ----------------------------------------------------------------------------------


def test_a_run_of_a_quarter_length_gives_the_same_numbers(walk, digest_of):
    published = [0, 1, *range(200, 4001, 200)]
    theta = walk(published)
    long = measure(digest_of(published, theta), p_ood={s: s % 7 for s in published})
    short_steps = [s if s <= 1 else s // 4 for s in published]
    short = measure(
        digest_of(short_steps, theta),
        time_scale=Fraction(1, 4),
        p_ood={q: s % 7 for q, s in zip(short_steps, published, strict=True)},
    )
    assert long.keys() == short.keys()
    for key, value in long.items():
        quantity = key.split(".")[1]
        if quantity in ("a_dot", "r_dot"):
            continue
        if quantity in ("a_peak_step", "flip"):
            value = np.asarray(value) / 4
        np.testing.assert_allclose(short[key], value, rtol=1e-6, atol=1e-8, err_msg=key)


def test_a_scale_that_breaks_a_step_is_refused():
    with pytest.raises(BadInput, match="time scale 1/16 maps the stride of 200 steps to 25/2, not a whole number"):
        Window(stride=200).scaled(Fraction(1, 16))
    scaled = Window(600, 2000, 200, 400).scaled(Fraction(1, 4))
    assert (scaled.lo, scaled.hi, scaled.stride, scaled.anchor) == (150, 500, 50, 100)
    assert Window(1).scaled(Fraction(5, 2)).lo == 1


# --- invariances ----------------------------------------------------------------------------------

TINY_STEPS = [0, 1, 2, 4, 5, 7, 9]
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20, deadline=None)


def tiny(seed, size=9):
    return np.random.default_rng(seed).normal(size=(len(TINY_STEPS), size)).cumsum(axis=0)


def numbers(digest):
    found = pca(digest)
    parts = decompose(digest, found.backbone)
    start, end = updates(digest, 2)
    return {
        "shares": found.shares,
        "a": parts.a,
        "r": parts.r,
        "rotation": rotate(digest, size=3, moving=True).cosines,
        "phases": phases(digest, 4).cosine,
        "alignment": align(digest, found.backbone, start, end).cosines,
        "held_out": align_held_out(digest, start, end).cosines,
        "start": start_cosine(digest, found.backbone),
    }


def exact_digest(theta):
    """Without the rounding of snapshots to float32."""
    rows = np.vstack([theta - theta[0], theta[:1]])
    steps = np.array(TINY_STEPS)
    return Digest(steps, steps[:0], ("w",), np.array([theta.shape[1]]), (rows @ rows.T)[None])


@few
@given(seed=seeds)
def test_orthogonal_transformations_change_nothing(seed):
    theta = tiny(seed)
    q, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(9, 9)))
    before, after = numbers(exact_digest(theta)), numbers(exact_digest(theta @ q))
    for key, value in before.items():
        np.testing.assert_allclose(np.abs(after[key]), np.abs(value), rtol=1e-6, atol=1e-7, err_msg=key)


@few
@given(seed=seeds, factor=st.floats(1e-6, 1e6))
def test_rescaling_leaves_angles_and_scales_lengths(seed, factor):
    theta = tiny(seed)
    before, after = numbers(exact_digest(theta)), numbers(exact_digest(factor * theta))
    for key, value in before.items():
        if key in ("a", "r"):
            value = factor * value
        np.testing.assert_allclose(
            np.abs(after[key]), np.abs(value), rtol=1e-6, atol=1e-7 * max(1, factor), err_msg=key
        )


@few
@given(seed=seeds, cut=st.integers(1, 8))
def test_splitting_a_tensor_leaves_the_sum(digest_of, seed, cut):
    theta = tiny(seed)
    whole = digest_of(TINY_STEPS, theta)
    split = digest_of(TINY_STEPS, theta, {"x": (cut,), "y": (9 - cut,)})
    np.testing.assert_allclose(split.total, whole.total, rtol=1e-12, atol=1e-12)
    assert not np.allclose(split.gram[0], whole.gram[0])
