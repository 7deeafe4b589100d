"""Every preset against the float64 oracle."""

from itertools import pairwise

import numpy as np
import pytest

from lib.base.errors import BadInput
from lib.geometry.alignment import updates
from lib.geometry.backbone import (
    WHOLE_RUN,
    Window,
    drifts,
    pca,
)
from lib.geometry.presets import PRESETS, measure
from lib.geometry.rotation import phases, rotate
from tests.geometry.oracle import (
    BETA2,
    LONG,
    at,
    backbone_rows,
    close,
    naive_backbone,
    naive_decomposition,
    naive_k,
    naive_pca,
    pick,
)

# --- every preset against the oracle --------------------------------------------------------------


def test_the_table_is_covered_by_the_oracles():
    covered = {"G0", "G1", "G2", "G2raw", "G3", "G3all", "G3raw", "R0", "R1", "R2", "R3", "R4"}
    covered |= {"U0", "U0in", "U1", "U2", "U3", "U4", "U5", "P0", "P3", "F0", "F2", "F3", "C0", "C2", "C3"}
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
    if steps == LONG:
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
    "U3": ("G3raw", [(1, 200), *((t - 200, t) for t in range(400, 4001, 200))]),
    "U5": ("G3raw", [(1, 200), *((t - 200, t) for t in range(400, 4001, 200))]),
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
