"""The explorer of the report's page: what a browser computes is what Python computes, and the controls work."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lib.base.files import ROOT
from lib.geometry.alignment import align, updates
from lib.geometry.backbone import Window, decompose, pca
from lib.geometry.ladder import Additions, additions, fit_memory, interval_covariance, rebuilt, step_weights
from lib.geometry.null import decay_factors, fitted_null, noise_null
from lib.geometry.presets import PRESETS, Backbone
from lib.measure.trajectory import schedule
from lib.optim.schedules import learning_rate
from lib.report.explorer import EVERY, explorer, packed, run_gram, script
from lib.report.reader import collect
from lib.report.site import build_report
from lib.report.template import page_json
from tests.browser import Browser

WINDOWS = {
    **{name: preset for name, preset in PRESETS.items() if isinstance(preset, Backbone)},
    EVERY: Backbone(Window()),
    "dragged": Backbone(Window(500, 3100)),
    "dragged, even": Backbone(Window(400, 2600, stride=200)),
    "few": Backbone(Window(1000, 1300)),
}


def found_by(page, expression):
    """What the page computes; its NaN are None here."""
    return json.loads(page.evaluate(f"JSON.stringify({expression}, (k, v) => v?.buffer ? [...v] : v)"))


def numbers(values):
    return np.array(values, dtype=float)


def expected(digest, preset, scale, lag):
    window = preset.window.scaled(scale)
    found = pca(digest, window, normalise=preset.normalise, components=preset.components)
    parts = decompose(digest, found.backbone, window)
    second = found.directions[1] if len(found.directions) > 1 else np.full(len(digest.total), np.nan)
    along = align(digest, found.backbone, *updates(digest, lag, window))
    return {
        "steps": parts.steps,
        "pc1": found.pc1,
        "k95": found.components_for(0.95),
        "a": parts.a,
        "second": decompose(digest, second, window).a,
        "drift": parts.drift,
        "fraction": parts.fraction,
        "r": parts.r,
        "ends": along.end,
        "cosines": along.cosines,
    }


def assert_same(browser, python):
    """To 1e-9 of the largest value of each quantity; what is left across the backbone is a root of a difference."""
    for name, wanted in python.items():
        got, wanted = numbers(browser[name]), numbers(wanted)
        most = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
        if name == "r":
            got, wanted, most = got**2, wanted**2, numbers(python["drift"]).max() ** 2
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9 * most, err_msg=name)


# ------------------------------------------------------------------------------------------ the same as in Python


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("side", ["observed", "schedule", "memory"])
def test_every_window_of_a_run_and_of_its_nulls(reported, page, at, side):
    results = reported[0]
    data = explorer(results)
    run = next(run for run in results.runs if run.name == data["runs"][at]["name"])
    digest, lr, wd = run_gram(run), schedule(run.params), run.params.optim.weight_decay
    if side == "schedule":
        digest = fitted_null(digest, lr, wd)
    elif side == "memory":
        a = additions(digest, lr, wd)
        memory = fit_memory(a, lr, wd)
        assert memory.share == run.backbone["memory"]["share"]
        digest = rebuilt(a, memory.cosines)
    gram = numbers(found_by(page, f"runs[{at}].grams.{side}"))
    np.testing.assert_allclose(gram, digest.total, rtol=1e-9, atol=1e-9 * np.abs(digest.total[:-1, :-1]).max())
    for preset in WINDOWS.values():
        w = preset.window.scaled(results.length)
        asked = {"lo": float(w.lo), "hi": None if w.hi is None else float(w.hi), "stride": w.stride}
        asked |= {"normalise": preset.normalise, "components": preset.components}
        call = f"measure(runs[{at}].grams.{side}, runs[{at}].steps, {json.dumps(asked)}, study.lag)"
        assert_same(found_by(page, call), expected(digest, preset, results.length, data["lag"]))


def test_the_comparison_can_fail(reported, page):
    """A window that is one snapshot shorter has other numbers."""
    digest = run_gram(reported[0].runs[0])
    wanted = expected(digest, WINDOWS["dragged"], reported[0].length, explorer(reported[0])["lag"])
    narrower = {"lo": 325, "hi": 1550, "stride": None, "normalise": True, "components": None}
    got = found_by(page, f"measure(runs[0].grams.observed, runs[0].steps, {json.dumps(narrower)}, study.lag)")
    with pytest.raises(AssertionError):
        assert_same(got, wanted)


@pytest.mark.parametrize("rank", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("n", [1, 2, 3, 20, 53])
def test_eigenvectors_of_any_symmetric_matrix(page, n, rank):
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, max(1, round(rank * n))))  # the other directions have no length
    symmetric = rows @ rows.T
    assert_eigen(found_by(page, f"eigen(unpack({packed(symmetric)!r}, {n}), 2)"), symmetric)


def assert_eigen(found, symmetric):
    n = len(symmetric)
    values, vectors = numbers(found["values"]), numbers(found["vectors"])
    most = max(np.abs(values).max(), 1e-300)
    assert len(values) == n and len(vectors) == min(n, 2)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(symmetric)[::-1], atol=1e-13 * n * most)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(vectors)), atol=1e-13 * n)
    np.testing.assert_allclose(symmetric @ vectors.T, vectors.T * values[:2], atol=1e-13 * n * most)


def test_eigenvectors_of_matrices_that_fall_apart_or_repeat_a_value(page):
    one = np.diag([1.0, 3.0, 3.0, 2.0])
    apart = np.kron(np.eye(3), [[2.0, 1.0], [1.0, 2.0]])
    for symmetric in (one, apart, np.zeros((5, 5)), np.ones((6, 6)), np.eye(7)):
        assert_eigen(found_by(page, f"eigen(unpack({packed(symmetric)!r}, {len(symmetric)}), 2)"), symmetric)
    assert found_by(page, "eigen([], 2)") == {"values": [], "vectors": []}


@pytest.mark.parametrize("decay", ["clamped", "affine", "constant"])
def test_learning_rates(reported, page, decay):
    s = reported[0].runs[0].params.schedule.model_copy(update={"decay": decay, "warmup": 300, "steps": 1000})
    found = found_by(page, f"learningRates({json.dumps({'peak': 1e-3, **s.model_dump()})})")
    wanted = [learning_rate(t, 1e-3, s) for t in range(1, 1001)]
    np.testing.assert_allclose(numbers(found), wanted, rtol=1e-13)


@pytest.mark.parametrize(
    ("warmup", "decay", "share", "constant"),
    [(0, 0.0, 0.0, 100.0), (800, 0.5, 0.0, 100.0), (800, 0.5, 0.01, 150.0), (1900, 2.0, 0.3, 3.0)],
)
def test_the_walk_of_the_sliders(reported, page, warmup, decay, share, constant):
    results = reported[0]
    run = results.baseline
    s = run.params.schedule.model_copy(update={"warmup": warmup})
    lr = np.array([learning_rate(t, run.params.optim.lr, s) for t in range(1, s.steps + 1)])
    asked = {"warmup": warmup, "decay": decay, "share": share, "timeConstant": constant}
    found = found_by(page, f"walk({json.dumps(asked)})")
    base = found_by(page, "{ start: runs[study.baseline].start, scale: runs[study.baseline].scale }")
    steps = np.array(found["steps"])
    assert len(steps) == 61
    if share == 0.0:
        wanted = noise_null(steps, lr, decay, base["start"], base["scale"])
    else:
        blank = Additions(steps, decay_factors(lr, decay)[steps], np.ones(60), np.eye(61), base["start"])
        weights = step_weights(blank, lr, decay)
        quick, slow = (interval_covariance(steps, weights, k) for k in (0.0, np.exp(-1 / constant)))
        covariance = base["scale"] ** 2 * ((1 - share) * quick + share * slow)
        wanted = rebuilt(blank, covariance)
    most = np.abs(wanted.total[:-1, :-1]).max()
    np.testing.assert_allclose(numbers(found["gram"]), wanted.total, rtol=1e-9, atol=1e-9 * most)


# ------------------------------------------------------------------------------------------------------- the data


def test_a_name_cannot_break_out_of_the_page(reported, tmp_path):
    evil = (
        "</script><script>document.title = 'taken'</script></div><img src=x onerror=\"document.title = 'taken'\">"
    )
    results = reported[0]
    runs = tuple(replace(run, point={**run.point, evil: "&lt;'\""}) for run in results.runs)
    study = replace(results.study, question=evil)
    index = build_report(replace(results, runs=runs, study=study))
    with Browser(tmp_path) as browser:
        browser.open(index.resolve().as_uri())
        assert browser.complaints() == [] and browser.evaluate("document.title") == results.study.folder_name
        assert evil in browser.evaluate("document.querySelector('p').textContent")
        assert evil in browser.evaluate("runs[0].title") and browser.evaluate("document.scripts.length") == 1


def test_without_a_digest_there_is_no_explorer_and_no_script(reported, tmp_path):
    results = reported[0]
    text = build_report(collect(results.study, tmp_path)).read_text()
    assert "<script" not in text and "script-src" not in text and 'id="explorer"' not in text


def test_the_page_says_what_the_script_hash_is(reported):
    text = reported[1].read_text()
    assert f"script-src 'sha256-{script().hash}'; img-src" in text
    assert text.count("<script") == 1


def test_a_script_that_was_changed_does_not_run_and_nothing_is_shown_that_needs_it(reported, tmp_path):
    changed = tmp_path / "index.html"
    changed.write_text(reported[1].read_text().replace("const POINTS = 60", "const POINTS = 61"))
    with Browser(tmp_path) as browser:
        browser.open(changed.as_uri())
        assert "Content Security Policy" in str(browser.complaints())
        assert browser.evaluate("typeof measure") == "undefined"
        shown = "[...document.querySelectorAll('.scripted, #study')].filter(e => e.offsetHeight).length"
        assert browser.evaluate(shown) == 0
        assert browser.evaluate("document.querySelectorAll('.card').length") == len(reported[0].present)


def test_the_data_of_a_run_are_small(reported):
    data = explorer(reported[0])
    assert len(data["runs"]) == 4  # the one that diverged has no trajectory
    assert max(len(page_json(run)) for run in data["runs"]) < 22_000


def test_scripts_are_short_and_name_no_library():
    for path in sorted((ROOT / "lib" / "report").glob("*.js")):
        lines = path.read_text().splitlines()
        assert len(lines) <= 350 and max(map(len, lines)) <= 116, path
        assert not any(
            word in line for line in lines for word in ("import ", "fetch(", "https://", "XMLHttp", "innerHTML")
        )


def test_a_length_that_divides_no_stride_leaves_its_windows_out(reported):
    results = replace(reported[0], study=replace(reported[0].study, time_scale=Fraction(3)))
    found = explorer(results)
    assert [w["name"] for w in found["windows"]] == ["G1", "G2", "G2raw", EVERY] and found["lag"] is None
