"""The author's published series through our fits and correlations."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lib.base.yaml_text import read_yaml
from lib.geometry.alignment import Alignment
from lib.geometry.fits import correlate, power_law
from paper.beta2.published_ladder import SERIES, published_ladder

# --- the published series -------------------------------------------------------------------------

STUDY = [(0, 2000), (2000, 4000), (0, 4000)]
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


# What the ladder leaves of the published PC1: schedule and lengths, found with another implementation.
LEFT = {
    "β₂ = 0.99": (9.5, 6.3),
    "β₂ = 0.95": (9.4, 6.5),
    "β₂ = 0.90": (8.2, 6.1),
    "β₂ = 0.80": (6.4, 5.4),
    "10K, seed 42": (5.3, 1.2),
    "10K, seed 271": (5.5, 2.0),
}


def test_the_ladder_of_the_published_runs():
    found = {run.name: (run.pc1 - run.schedule, run.pc1 - run.lengths) for run in published_ladder()}
    assert found.keys() == LEFT.keys()
    for name, left in LEFT.items():
        np.testing.assert_allclose(found[name], left, atol=0.06)


def test_the_series_kept_are_those_published():
    folder = os.environ.get("PUBLISHED_SERIES")
    if not folder:
        pytest.skip("PUBLISHED_SERIES does not name the folder of the published time series")
    for run in read_yaml(SERIES, "published series")["runs"]:
        with open(Path(folder) / run["series"]) as file:
            rows = list(csv.DictReader(file))
        column = {key: np.array([float(row[key]) for row in rows]) for key in ("step", "a_dot", "r_dot")}
        assert column["step"].astype(int).tolist() == run["steps"]
        lengths = np.diff(column["step"]) * np.hypot(column["a_dot"], column["r_dot"])[1:]
        np.testing.assert_allclose(run["lengths"], lengths, atol=1e-4)
        assert run["drift"] == pytest.approx(float(rows[-1]["norm_delta_t"]), abs=1e-4)
        assert run["pc1"] == pytest.approx(
            100 * np.mean([float(row["backbone_frac"]) for row in rows[1:]]), abs=1e-3
        )
