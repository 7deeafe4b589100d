"""Every quantity against a naive float64 SVD of dense drifts, written from the definitions."""

import csv
import json
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.geometry.alignment import Alignment, align, align_held_out, updates
from lib.geometry.backbone import (
    WHOLE_RUN,
    Window,
    cosines,
    decompose,
    drifts,
    jackknife_pc1,
    pca,
    start_cosine,
    start_share,
)
from lib.geometry.fits import correlate, power_law
from lib.geometry.gram import Digest
from lib.geometry.presets import PRESETS, measure
from lib.geometry.rotation import phases, rotate

BETA2 = [0, 1, 200, 400, *range(600, 2001, 50), *range(2100, 4001, 100)]
LONG = [0, 1, *range(200, 10001, 200)]
close = {"rtol": 1e-9, "atol": 1e-9}


# --- the oracle -----------------------------------------------------------------------------------


def naive_pca(rows, normalise=True):
    if normalise:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    _, s, v = np.linalg.svd(rows, full_matrices=False)
    v = v * np.where(v @ rows[-1] < 0, -1, 1)[:, None]
    return s, v


def naive_k(share, s):
    return next(k for k in range(1, len(s) + 1) if np.sum(s[:k] ** 2) / np.sum(s**2) >= share)


def naive_decomposition(steps, theta, anchor, rows, v):
    """a, r, fraction, a_dot, r_dot over the anchor and the rows."""
    ref = theta[steps.index(anchor)]
    delta = np.array([theta[steps.index(s)] - ref for s in (anchor, *rows)])
    dt = np.diff((anchor, *rows))
    a = delta @ v
    perp = delta - np.outer(a, v)
    r = np.linalg.norm(perp, axis=1)
    fraction = np.r_[0, a[1:] ** 2 / np.sum(delta[1:] ** 2, axis=1)]
    a_dot = np.r_[0, np.diff(a) / dt]
    return a, r, fraction, a_dot, np.r_[0, np.linalg.norm(np.diff(perp, axis=0), axis=1) / dt]


def at(steps, theta, step):
    return theta[steps.index(step)]


def pick(steps, test):
    return [s for s in steps if test(s)]


# (anchor, rows, normalise, components) as the definitions state them, on either grid
def backbone_rows(name, steps):
    return {
        "G0": (0, pick(steps, lambda s: s > 0 and s % 200 == 0), True, None),
        "G1": (600, pick(steps, lambda s: 600 < s <= 2000), True, None),
        "G2": (1, pick(steps, lambda s: s > 1), True, None),
        "G2raw": (1, pick(steps, lambda s: s > 1), False, None),
        "G3": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), True, 10),
        "G3all": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), True, None),
        "G3raw": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), False, None),
    }[name]


def naive_backbone(name, steps, theta):
    anchor, rows, normalise, components = backbone_rows(name, steps)
    s, v = naive_pca(np.array([at(steps, theta, t) - at(steps, theta, anchor) for t in rows]), normalise)
    return s[:components], v[0]


@pytest.fixture(params=["beta2", "long"])
def run(request, walk, digest_of):
    steps = {"beta2": BETA2, "long": LONG}[request.param]
    theta = walk(steps)
    shapes = {"a": (10, 20), "b": (60,), "c": (5, 4, 5)}
    return steps, theta.astype(float), digest_of(steps, theta, shapes)


# --- every preset against the oracle --------------------------------------------------------------


def test_the_table_is_covered_by_the_oracles():
    covered = {"G0", "G1", "G2", "G2raw", "G3", "G3all", "G3raw", "R0", "R1", "R2", "R3", "R4"}
    covered |= {"U0", "U0in", "U1", "U2", "U4", "P0", "P3", "F0", "F2", "F3", "C0", "C2", "C3"}
    assert set(PRESETS) == covered


@pytest.mark.parametrize("name", ["G0", "G1", "G2", "G2raw", "G3", "G3all", "G3raw"])
def test_backbones(run, name):
    steps, theta, digest = run
    anchor, rows, _, _ = backbone_rows(name, steps)
    s, v = naive_backbone(name, steps, theta)
    found = measure(digest, [name])
    share = 100 * s**2 / np.sum(s**2)
    np.testing.assert_allclose(found[f"{name}.pc1"], share[0], **close)
    np.testing.assert_allclose(found[f"{name}.pc2"], share[1], **close)
    assert found[f"{name}.k95"] == naive_k(0.95, s) and found[f"{name}.k99"] == naive_k(0.99, s)
    drift = np.linalg.norm(at(steps, theta, rows[-1]) - at(steps, theta, anchor))
    np.testing.assert_allclose(found[f"{name}.drift"], drift, **close)
    expected = naive_decomposition(steps, theta, anchor, rows, v)
    for quantity, value in zip(("a", "r", "fraction", "a_dot", "r_dot"), expected, strict=True):
        np.testing.assert_allclose(found[f"{name}.{quantity}"], value, **close, err_msg=quantity)
    a, r, fraction = expected[:3]
    assert a[-1] > 0
    np.testing.assert_allclose(found[f"{name}.a_peak"], a.max(), **close)
    assert found[f"{name}.a_peak_step"] == [anchor, *rows][int(a.argmax())]
    for quantity, value in {"a_last": a[-1], "r_last": r[-1], "fraction_last": fraction[-1]}.items():
        np.testing.assert_allclose(found[f"{name}.{quantity}"], value, **close)
    np.testing.assert_allclose(found[f"{name}.fraction_max"], fraction.max(), **close)
    np.testing.assert_allclose(found[f"{name}.fraction_mean"], fraction[1:].mean(), **close)
    cosine = v @ theta[0] / np.linalg.norm(theta[0])
    np.testing.assert_allclose(found[f"{name}.start_cosine"], cosine, **close)


def test_spectrum_and_directions(run):
    steps, theta, digest = run
    window = Window(600, 2000)
    found = pca(digest, window)
    rows = np.array([at(steps, theta, int(t)) - at(steps, theta, 600) for t in found.steps])
    s, v = naive_pca(rows)
    np.testing.assert_allclose(found.singular_values, s, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.directions @ digest.total @ found.directions.T, np.eye(len(s)), atol=1e-9)
    # dense directions: coefficients over drifts from step 0
    dense = found.directions[:, :-1] @ (theta - theta[0]) + np.outer(found.directions[:, -1], theta[0])
    np.testing.assert_allclose(dense, v, atol=1e-7)


def test_windows_default_to_the_whole_run(run):
    steps, _, digest = run
    assert drifts(digest, WHOLE_RUN).steps.tolist() == steps[1:]


def test_anchor_outside_the_window(run):
    steps, theta, digest = run
    rows = pick(steps, lambda s: 600 <= s <= 2000)
    s, _ = naive_pca(np.array([at(steps, theta, t) - theta[0] for t in rows]))
    np.testing.assert_allclose(pca(digest, Window(600, 2000, anchor=0)).singular_values, s, rtol=1e-9)
    with pytest.raises(BadInput, match="no snapshot of step 77 to anchor at"):
        pca(digest, Window(600, 2000, anchor=77))


def test_components_are_counted_to_the_first_that_reaches_the_share(digest_of):
    assert pca(digest_of([0, 1, 2], [[0, 0], [1, 0], [0, 1]])).components_for(0.5) == 1


def test_directions_lost_in_rounding_are_left_out(digest_of):
    line = digest_of(range(10), np.outer(np.arange(10) ** 2, np.arange(7)))
    assert len(pca(line).directions) == 1
    np.testing.assert_allclose(pca(line).pc1, 100)


def test_a_subset_of_tensors_is_the_pca_of_those_coordinates(run):
    steps, theta, digest = run
    part = theta[:, 200:260]
    s, _ = naive_pca(np.array([at(steps, part, t) - at(steps, part, 1) for t in steps[2:]]))
    np.testing.assert_allclose(pca(digest.select(["b"]), Window(1)).singular_values, s, rtol=1e-9)


def naive_rotation(steps, theta, name):
    def first(rows, normalise=True):
        return naive_pca(np.array(rows), normalise)[1][0]

    th = {s: at(steps, theta, s) for s in steps}
    if name in ("R1", "R4"):
        size = {"R1": 8, "R4": 5}[name]
        rows = pick(steps, lambda s: 600 < s <= 2000)
        windows = [rows[i : i + size] for i in range(len(rows) - size + 1)]
        return windows, [first([th[s] - th[600] for s in w]) for w in windows]
    if name == "R3":
        rows = pick(steps, lambda s: s and s % 200 == 0)
        windows = [rows[i : i + 10] for i in range(len(rows) - 9)]
        return windows, [first([th[s] - th[1] for s in w], normalise=False) for w in windows]
    points = pick(steps, lambda s: s % 200 == 0 and s >= (200 if name == "R2" else 0))
    windows = [points[i : i + 10] for i in range(len(points) - 9)]
    return windows, [first([th[s] - th[w[0]] for s in w[1:]]) for w in windows]


ROTATIONS = {
    "R0": dict(window=Window(0, stride=200), size=9, moving=True),
    "R1": dict(window=Window(600, 2000), size=8),
    "R2": dict(window=Window(200, stride=200), size=9, moving=True),
    "R3": dict(window=Window(1, stride=200), size=10, normalise=False),
    "R4": dict(window=Window(600, 2000), size=5),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_rotations(run, name):
    steps, theta, digest = run
    windows, v = naive_rotation(steps, theta, name)
    cos = np.array([abs(x @ y) for x, y in pairwise(v)])
    found = measure(digest, [name])
    np.testing.assert_allclose(found[f"{name}.cosines"], cos, **close)
    if len(cos):
        for quantity in ("mean", "min", "max"):
            np.testing.assert_allclose(found[f"{name}.{quantity}"], getattr(cos, quantity)(), **close)
    turning = rotate(digest, **ROTATIONS[name])
    assert turning.last.tolist() == [w[-1] for w in windows]
    assert turning.first.tolist() == [w[0] for w in windows]
    np.testing.assert_array_equal(turning.centres, [(w[0] + w[-1]) / 2 for w in windows])


def test_rotation_counts_and_places(run):
    steps, _, digest = run
    if steps is LONG:
        turning = rotate(digest, **ROTATIONS["R2"])
        assert len(turning.cosines) == 40 and turning.centres[[0, -1]].tolist() == [1100, 9100]
        assert turning.between[0] == 1200
        assert len(rotate(digest, **ROTATIONS["R3"]).cosines) == 40
    else:
        assert len(rotate(digest, **ROTATIONS["R1"]).cosines) == 20
        assert len(rotate(digest, **ROTATIONS["R4"]).cosines) == 22 + 1


UPDATES = {
    "U1": ("G1", [(t, t + 200) for t in (800, 1200, 1600, 2200, 3000, 3600)]),
    "U4": ("G1", [(t, t + 200) for t in (1000, 1600, 2200, 3000, 3800)]),
    "U2": ("G2", [(t - 200, t) for t in (*BETA2[3:4], 600, *range(800, 2001, 50), *range(2100, 4001, 100))]),
    "U0in": ("G0", [(t - 200, t) for t in range(200, 4001, 200)]),
}


@pytest.mark.parametrize("name", UPDATES)
def test_update_alignments(walk, digest_of, name):
    theta = walk(BETA2)
    digest = digest_of(BETA2, theta)
    theta = theta.astype(float)
    backbone, pairs = UPDATES[name]
    if name == "U2":
        # steps 200, 650, 700 and 750 have no partner 200 steps before; step 1 is no partner of step 200
        assert len(pairs) == 47
    _, v = naive_backbone(backbone, BETA2, theta)
    u = np.array([at(BETA2, theta, e) - at(BETA2, theta, s) for s, e in pairs])
    cos = u @ v / np.linalg.norm(u, axis=1)
    found = measure(digest, [name])
    np.testing.assert_allclose(found[f"{name}.cosines"], cos, **close)
    np.testing.assert_allclose(found[f"{name}.mean_abs"], np.abs(cos).mean(), **close)
    np.testing.assert_allclose(found[f"{name}.sum_squares"], np.sum(cos**2), **close)
    if name in ("U2", "U0in"):
        early = np.array([e <= 2000 for _, e in pairs])
        assert early.sum() == {"U2": 27, "U0in": 10}[name]
        np.testing.assert_allclose(found[f"{name}.early_mean_abs"], np.abs(cos[early]).mean(), **close)


def test_held_out_alignment(walk, digest_of):
    theta = walk(BETA2)
    digest = digest_of(BETA2, theta)
    theta = theta.astype(float)
    th = {s: theta[i] for i, s in enumerate(BETA2)}
    _, v_early = naive_pca(np.array([th[s] - th[0] for s in range(200, 2001, 200)]))
    _, v_late = naive_pca(np.array([th[s] - th[2000] for s in range(2200, 4001, 200)]))
    expected = []
    for s in range(0, 4000, 200):
        u, v = th[s + 200] - th[s], (v_late if s < 2000 else v_early)[0]
        expected.append(u @ v / np.linalg.norm(u))
    np.testing.assert_allclose(measure(digest, ["U0"])["U0.cosines"], expected, **close)


def test_update_direction_and_lag(walk, digest_of):
    digest = digest_of([0, 5, 10, 15, 30], walk([0, 5, 10, 15, 30], 20))
    assert [p.tolist() for p in updates(digest, 5)] == [[0, 5, 10], [5, 10, 15]]
    assert [p.tolist() for p in updates(digest, 10, at=[10, 15])] == [[0, 5], [10, 15]]
    assert [p.tolist() for p in updates(digest, 15, at=[0, 15], forward=True)] == [[0, 15], [15, 30]]
    assert [p.tolist() for p in updates(digest, 5, Window(5))] == [[5, 10], [10, 15]]


@pytest.mark.parametrize(("name", "split"), [("P0", 2000), ("P3", 4000)])
def test_phases(run, name, split):
    steps, theta, digest = run
    anchor = 0 if name == "P0" else 1
    th = {s: at(steps, theta, s) for s in steps}
    grid = pick(steps, lambda s: s and s % 200 == 0)
    s_e, v_e = naive_pca(np.array([th[s] - th[anchor] for s in grid if s <= split]))
    found = measure(digest, [name])
    np.testing.assert_allclose(found[f"{name}.pc1_early"], 100 * s_e[0] ** 2 / np.sum(s_e**2), **close)
    _, windows = naive_rotation(steps, theta, "R0" if name == "P0" else "R2")
    np.testing.assert_allclose(found[f"{name}.A_E"], np.abs(np.array(windows) @ v_e[0]), **close)
    if split == steps[-1]:
        assert np.isnan(found[f"{name}.cosine"]) and np.isnan(found[f"{name}.pc1_late"])
        return
    s_l, v_l = naive_pca(np.array([th[s] - th[split] for s in grid if s > split]))
    np.testing.assert_allclose(found[f"{name}.pc1_late"], 100 * s_l[0] ** 2 / np.sum(s_l**2), **close)
    np.testing.assert_allclose(found[f"{name}.cosine"], abs(v_e[0] @ v_l[0]), **close)
    np.testing.assert_allclose(found[f"{name}.A_L"], np.abs(np.array(windows) @ v_l[0]), **close)


def test_the_late_phase_is_measured_from_the_split(run):
    _, _, digest = run
    both = phases(digest, 2000, Window(600, anchor=0))
    assert (both.early.anchor, both.late.anchor) == (0, 2000)
    assert both.early.steps[[0, -1]].tolist() == [600, 2000] and both.late.steps[0] > 2000


STUDY = [(0, 2000), (2000, 4000), (0, 4000)]
LONG_STUDY = [*STUDY, (4000, 6000), (4000, 10000), (6000, 10000)]


@pytest.mark.parametrize(
    ("name", "backbone", "regimes"), [("F0", "G0", STUDY), ("F2", "G2", STUDY), ("F3", "G3", LONG_STUDY)]
)
def test_fits(run, name, backbone, regimes):
    steps, theta, digest = run
    anchor, rows, _, _ = backbone_rows(backbone, steps)
    a, r, *_ = naive_decomposition(steps, theta, anchor, rows, naive_backbone(backbone, steps, theta)[1])
    t = np.array(rows)
    found = measure(digest, [name])
    assert len([key for key in found if "gamma_a." in key]) == len(regimes)
    for lo, hi in regimes:
        inside = (t > lo) & (t <= hi)
        for what, y in (("a", np.abs(a[1:])), ("r", r[1:])):
            if not inside.any():
                assert np.isnan(found[f"{name}.gamma_{what}.{lo}-{hi}"])
                continue
            gamma, _ = np.polyfit(np.log(t[inside]), np.log(y[inside]), 1)
            np.testing.assert_allclose(found[f"{name}.gamma_{what}.{lo}-{hi}"], gamma, rtol=1e-8, atol=1e-8)
            r2 = np.corrcoef(np.log(t[inside]), np.log(y[inside]))[0, 1] ** 2
            np.testing.assert_allclose(found[f"{name}.r2_{what}.{lo}-{hi}"], r2, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("name", "backbone"), [("C0", "G0"), ("C2", "G2"), ("C3", "G3")])
def test_correlations(run, name, backbone):
    steps, theta, digest = run
    anchor, rows, _, _ = backbone_rows(backbone, steps)
    _, r, *_ = naive_decomposition(steps, theta, anchor, rows, naive_backbone(backbone, steps, theta)[1])
    r = dict(zip([anchor, *rows], r, strict=True))
    rng = np.random.default_rng(0)
    p_ood = {1: 0.0} | {s: float(rng.random()) for s in range(200, 10001, 200)}
    found = measure(digest, [name], p_ood=p_ood)
    for lo, hi in [*STUDY, (0, 10**9)]:
        points = [s for s in p_ood if lo < s <= hi and s in r and (name == "C2" or s != anchor)]
        expected = np.corrcoef([p_ood[s] for s in points], [r[s] for s in points])[0, 1]
        key = f"{name}.r.{lo}-{hi}" if hi < 10**9 else f"{name}.r.all"
        np.testing.assert_allclose(found[key], expected, **close)
    assert measure(digest, [name]) == {}


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


def test_start_share_of_pure_decay_is_one(digest_of):
    digest = digest_of([0, 1, 2], np.array([[2.0, 1.0], [1.0, 0.5], [0.5, 0.25]]))
    np.testing.assert_allclose(start_share(digest), [1, 1])
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


# --- the published series -------------------------------------------------------------------------

RUNS = {0.99: "b2099", 0.95: "b2095", 0.9: "b209", 0.8: "b208", 0.0: "b200"}


@pytest.fixture(scope="module")
def published():
    folder = os.environ.get("PUBLISHED_SERIES")
    if not folder:
        pytest.skip("PUBLISHED_SERIES does not name the folder of the published time series")
    summary = {row["beta2"]: row for row in json.loads((Path(folder) / "beta2_backbone_summary.json").read_text())}
    series = {}
    for beta2, label in RUNS.items():
        with open(Path(folder) / f"backbone_timeseries_{label}.csv") as file:
            rows = list(csv.DictReader(file))
        series[beta2] = {
            key: np.array([float(row[key]) if row[key] not in ("", "None") else np.nan for row in rows])
            for key in rows[0]
        }
    return series, summary


@pytest.mark.parametrize("beta2", RUNS)
def test_published_fits(published, beta2):
    series, summary = published[0][beta2], published[1][beta2]
    for lo, hi in STUDY:
        expected = summary["fit_results"][f"{lo}-{hi}"]
        for what, column in (("a", "a_t"), ("r", "norm_r_t")):
            law = power_law(series["step"], series[column], lo, hi)
            values = [expected[f"{key}_{what}"] for key in ("gamma", "C", "R2")]
            np.testing.assert_allclose([law.gamma, law.constant, law.r2], values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("beta2", "without_origin"), [(0.99, 0.806), (0.95, 0.813), (0.9, 0.276), (0.8, 0.2485), (0.0, -0.762)]
)
def test_published_correlations(published, beta2, without_origin):
    series, summary = published[0][beta2], published[1][beta2]
    args = series["step"], series["probe_ood_acc"], series["norm_r_t"]
    for regime, expected in summary["corr_results"].items():
        lo, hi = (0, None) if regime == "full" else map(int, regime.split("-"))
        found = correlate(*args, lo, hi, keep_origin=True).r
        np.testing.assert_allclose(found, np.nan if expected is None else expected, rtol=1e-6)
    np.testing.assert_allclose(correlate(*args, 0, 2000).r, without_origin, atol=5e-4)


@pytest.mark.parametrize("beta2", RUNS)
def test_published_identity_and_flip(published, beta2):
    series, summary = published[0][beta2], published[1][beta2]
    np.testing.assert_allclose(100 * series["backbone_frac"][1:].mean(), summary["pc1_pct_rownorm"], rtol=1e-9)
    cos = series["update_cos_vb"]
    known = np.isfinite(cos)
    end = series["step"][known]
    along = Alignment(end - 200, end, cos[known])
    np.testing.assert_allclose(along.mean_abs, summary["mean_update_cos"], rtol=1e-9)
    if beta2 >= 0.8:
        assert along.flip() in (2800, 2900)
