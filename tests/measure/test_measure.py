"""The measuring stages on real smoke runs: identities, the float64 oracle, branches."""

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lib.measure.gradients
from lib.base.files import snapshot_path
from lib.base.tensors import load_tensors
from lib.geometry.null import momentum_null
from lib.geometry.presets import PRESETS, Backbone, measure
from lib.measure.curvature import curvature
from lib.measure.gradients import GRAMS, gradients
from lib.measure.trajectory import geometry, run_digest, schedule
from lib.models.gpt import trunk_names
from lib.params.branches import Branches
from lib.params.run import load_params
from lib.params.study import load_study
from lib.tasks.stories.params import FILLERS
from lib.tasks.stories.task import prepare
from lib.train.loop import train
from lib.train.places import MADE_BY_MAKE, data_store
from lib.train.records import read_evaluations
from paper.beta2.fillers import dose, filler_sets, fillers, long_prefix, read_in_training
from paper.beta2.reheat import reheat

DRAWS = (5, 20)  # of every null, and shuffles: their number is judged in tests/geometry

pytestmark = pytest.mark.usefixtures("by_make")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[float, Path]:
    home = tmp_path_factory.mktemp("stages")
    folders = {}
    for beta2 in (0.95, 0.0):
        run = load_study("beta2", "smoke", f"optim.beta2={beta2}", axes={}).runs[0]
        folders[beta2] = home / "study" / run.name
        train(run.params, folders[beta2], home / "corpora")
    return folders


def thetas(folder: Path) -> tuple[list[int], np.ndarray]:
    names = trunk_names(load_params(folder / "params.yaml").model)
    steps = sorted(int(path.stem) for path in folder.glob("snapshots/*.safetensors"))
    rows = []
    for step in steps:
        tensors = load_tensors(snapshot_path(folder, step))[0]
        rows.append(torch.cat([tensors[name].flatten() for name in names]).double().numpy())
    return steps, np.array(rows)


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if isinstance(p, Backbone) and n != "G3"])
def test_digest_agrees_with_a_dense_svd_of_a_real_run(runs, name):
    steps, theta = thetas(runs[0.95])
    window = PRESETS[name].window.scaled(Fraction(1, 50))
    anchor = next(s for s in steps if s >= (window.anchor if window.anchor is not None else window.lo))
    high = window.hi or steps[-1]
    rows = [s for s in steps if anchor < s <= high and (not window.stride or s % window.stride == 0)]
    x = theta[[steps.index(s) for s in rows]] - theta[steps.index(anchor)]
    if PRESETS[name].normalise:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    shares = np.linalg.svd(x, compute_uv=False) ** 2
    found = measure(run_digest(runs[0.95]), [name], time_scale=Fraction(1, 50))
    np.testing.assert_allclose(found[f"{name}.pc1"], 100 * shares[0] / shares.sum(), rtol=1e-9)
    np.testing.assert_allclose(found[f"{name}.pc2"], 100 * shares[1] / shares.sum(), rtol=1e-8)


def test_identities_on_a_real_run(runs):
    result = geometry(runs[0.95], DRAWS)
    seen = result["observed"]
    for name in ("G1", "G2"):
        np.testing.assert_allclose(seen[f"{name}.fraction_mean"], seen[f"{name}.pc1"] / 100, rtol=1e-9)
    for key, value in result["observed"].items():
        if key in result["null"] and np.ndim(value) == 0:
            gap = np.subtract(value, result["null"][key])
            np.testing.assert_allclose(result["excess"][key], gap, equal_nan=True)
    whole = sum(np.square(block["observed"]["G3raw.drift"]) for block in result["blocks"]) ** 0.5
    np.testing.assert_allclose(whole, seen["G3raw.drift"], rtol=1e-9)
    assert len(result["blocks"]) == 2
    np.testing.assert_allclose(result["drift"]["null"][-1], result["drift"]["observed"][-1], rtol=1e-9)
    written = json.loads((runs[0.95] / "analysis" / "backbone_metrics.json").read_text())
    assert written["window"] == [12, 40]
    assert written["n_checkpoints"] == 29
    assert len(written["pc1_rotation"]["cos_pc1"]) == len(written["pc1_rotation"]["steps"]) == 20


def test_stages_take_what_a_diverged_run_left(runs):
    assert np.isnan(geometry(runs[0.0], DRAWS)["observed"]["G1.pc1"])
    assert curvature(runs[0.0], [20, 40], [1, 1, 2])["points"] == []
    assert all(point["step"] <= 8 for point in gradients(runs[0.0], [32], 2))


def test_gradients_and_curvature_share_batches_between_runs(runs):
    first = curvature(runs[0.95], [40], [1, 1, 3])
    assert [q.definition.split(":")[0] for q in first["points"][0]["quotients"]] == [
        "empirical Fisher",
        "sampled-label Fisher",
        "squared batch gradient",
    ]
    again = gradients(runs[0.95], [40], 3)
    assert again[0]["batches"] == first["batches"]
    assert "adam" in again[-1]["alignment"].labels  # the last step has the optimizer's state


def numbers(folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What notebook 05 wrote: everything that is no number, and the numbers."""
    texts, values = {}, []

    def walk(at: Any, name: str) -> None:
        if isinstance(at, dict | list):
            for key, value in at.items() if isinstance(at, dict) else enumerate(at):
                walk(value, f"{name}.{key}")
        elif isinstance(at, float):
            values.append(at)
        else:
            texts[name] = at

    walk(json.loads((folder / "analysis" / "interference_metrics.json").read_text()), "")
    return texts, np.array(values)


def test_gradients_that_were_kept_are_those_measured_anew(runs, monkeypatch):
    run = runs[0.95]
    curvature(run, [32, 60, 80], [1, 1, 4])
    anew = shutil.copy(run / GRAMS, run / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(lib.measure.gradients, "gradient_gram", None)
        gradients(run, [32, 60], 4)
    kept = numbers(run)
    (run / GRAMS).write_bytes(anew.read_bytes()[:-1])  # a damaged one is none
    gradients(run, [32, 60], 4)
    assert numbers(run)[0] == kept[0]
    np.testing.assert_allclose(numbers(run)[1], kept[1], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("change", ["batches", "step", "by hand"])
def test_gradients_of_something_else_are_not_taken(runs, monkeypatch, change):
    curvature(runs[0.95], [32, 80], [1, 1, 4])
    if change == "by hand":  # code that was edited since must show
        monkeypatch.delenv(MADE_BY_MAKE)
    monkeypatch.setattr(lib.measure.gradients, "gradient_gram", None)
    with pytest.raises(TypeError):
        gradients(runs[0.95], [60] if change == "step" else [32], 3 if change == "batches" else 4)


def test_updates_are_written_with_their_norms(runs):
    geometry(runs[0.95], DRAWS)
    steps, theta = thetas(runs[0.95])
    written = json.loads((runs[0.95] / "analysis" / "update_alignment.json").read_text())
    assert [(row["window_start"], row["window_end"]) for row in written][:2] == [(16, 20), (24, 28)]
    for row in written:
        before, after = (theta[steps.index(row[end])] for end in ("window_start", "window_end"))
        np.testing.assert_allclose(row["update_norm"], np.linalg.norm(after - before), rtol=1e-6)
        assert row["abs_cos"] == abs(row["signed_cos"])


def short_reheat(**changes: Any) -> Branches:
    """One condition of a few steps, from the middle of a smoke run."""
    values = {"task.lambda_probe": 4.0, "task.lambda_probe2": None, **changes}
    return Branches({}, "reheat_ckpt{step}_lr{optim.lr}", [40], {"optim.lr": [1e-3]}, 12, 2, 4, values)


def test_reheat_and_its_summary(runs):
    (found,) = reheat(runs[0.95], short_reheat())
    folder = runs[0.95] / "branches" / "reheat_ckpt40_lr0.001"
    p = load_params(folder / "params.yaml")
    assert (p.schedule.steps, p.schedule.warmup, p.task.lambda_probe, p.start.step) == (12, 2, 4.0, 40)
    start, end = (load_tensors(snapshot_path(folder, step))[0] for step in (0, 12))
    parent = load_tensors(snapshot_path(runs[0.95], 40))[0]
    names = trunk_names(load_params(folder / "params.yaml").model)
    assert all(torch.equal(start[name], parent[name]) for name in names)
    moved = sum(float((end[n].double() - start[n].double()).square().sum()) for n in names) ** 0.5
    np.testing.assert_allclose(found["displacement"], moved, rtol=1e-6)
    np.testing.assert_allclose(found["along"] ** 2 + found["across"] ** 2, moved**2, rtol=1e-6)
    np.testing.assert_allclose(found["null_displacement"], moved, rtol=1e-6)
    assert found["gain"] == max(found["p_ood"]) - found["p_ood"][0]


def test_another_protocol_is_another_branch_and_the_first_is_kept(runs):
    reheat(runs[0.95], short_reheat())
    folder = runs[0.95] / "branches" / "reheat_ckpt40_lr0.001"
    first = (folder / "pilot_metrics.json").read_bytes()
    reheat(runs[0.95], short_reheat(**{"batch.accumulate": 2, "task.probe.p": 0.10}))
    made = load_params(folder / "params.yaml")
    assert (made.batch.accumulate, made.task.probe.p, made.task.lambda_probe) == (2, 0.10, 4.0)
    aside = runs[0.95] / "branches" / "superseded" / "reheat_ckpt40_lr0.001.1"
    assert (aside / "pilot_metrics.json").read_bytes() == first


def test_a_run_of_sgd_is_measured_against_noise_through_sgd(runs):
    text = "optim.name=sgd optim.lr=0.1 optim.weight_decay=0.01"
    run = load_study("beta2", "smoke", text, axes={}).runs[0]
    folder = runs[0.95].parent / "sgd"
    train(run.params, folder)
    found = geometry(folder, DRAWS)
    null = momentum_null(run_digest(folder), schedule(run.params), 0.01, momentum=0.9)
    expected = measure(null, ["G2"], time_scale=Fraction(1, 50))["G2.pc1"]
    through = found["rungs"]["momentum"].values["G2.pc1"]
    np.testing.assert_allclose(through, expected, rtol=1e-9)
    assert through != pytest.approx(found["null"]["G2.pc1"], rel=1e-3)
    assert "momentum" in gradients(folder, [80], 2)[-1]["alignment"].labels


def test_fillers_ask_the_same_weights_in_every_cell(runs):
    points = fillers(runs[0.95])
    assert [point["step"] for point in points] == [8, 20, 32, 40, 60, 80]
    cells = {f"{cell}_{filler}" for cell in ("in", "ood", "prefix") for filler in FILLERS}
    doses = {f"dose_{filler}" for filler in FILLERS}
    assert points[-1].keys() == {"step"} | cells | {f"{cell}_se" for cell in cells} | doses
    assert points[-1]["dose_random"] > 0.05
    assert [points[-1][f"dose_{filler}"] for filler in ("seen", "unigram")] == [0, 0]
    # 64 questions in story text, as the run itself was asked; 21 after a shuffled story
    asked = {e["step"]: (e["probe_in_acc"], e["probe_ood_acc"]) for e in read_evaluations(runs[0.95])}
    p = points[-1]["ood_story"]
    assert (points[-1]["in_story"], p) == asked[80]
    assert points[-1]["ood_story_se"] == pytest.approx((p * (1 - p) / 64) ** 0.5)
    q = points[-1]["ood_shuffled"]
    assert q * 21 == pytest.approx(round(q * 21))
    assert points[-1]["ood_shuffled_se"] == pytest.approx((q * (1 - q) / 21) ** 0.5)


def test_a_long_prefix_fills_the_context_and_leaves_the_gap_short(runs):
    p = load_params(runs[0.95] / "params.yaml")
    data = prepare(p, data_store(runs[0.95]))
    low, high = long_prefix(data.probes, p)
    sentences = (data.probes.key_lengths + data.probes.query_lengths).max()
    assert low == p.task.probe.gap_ood[0]
    assert high == min(p.task.probe.gap_ood[1], p.model.context + 1 - sentences - p.task.probe.gap_in[1])
    sets = filler_sets(data, p, "random")
    before = {name: s.filler.sum(axis=1) - s.gaps for name, s in sets.items()}
    assert low <= before["prefix"].min() and before["prefix"].max() <= high
    assert before["ood"].max() == p.task.probe.prefix_eval[1]
    assert sets["prefix"].gaps.max() <= p.task.probe.gap_in[1] < sets["ood"].gaps.min()
    tight = p.model_copy(update={"model": p.model.model_copy(update={"context": 57})})
    assert long_prefix(data.probes, tight)[1] == 58 - sentences - p.task.probe.gap_in[1] < high


def test_a_dose_counts_tokens_of_filler_that_training_never_reads(runs):
    p = load_params(runs[0.95] / "params.yaml")
    data = prepare(p, data_store(runs[0.95]))
    sets = filler_sets(data, p, "random")
    stories = set(data.corpus.train.tokens.tolist())
    probes = data.probes
    tables = ((probes.keys, probes.key_lengths), (probes.queries, probes.query_lengths))
    rows = [row[:n].tolist() for table, lengths in tables for row, n in zip(table, lengths, strict=True)]
    sentences = {token for row in rows for token in row}
    unread = [token not in stories | sentences for s in sets.values() for token in s.tokens[s.filler].tolist()]
    assert sentences - stories  # a codeword stands in no story, and training reads it all the same
    known = read_in_training(data.corpus, data.probes)
    assert dose(sets.values(), known) == pytest.approx(np.mean(unread))
    assert set(np.flatnonzero(known).tolist()) == stories | sentences


def test_a_digest_without_snapshots_is_enough(runs, tmp_path):
    expected = geometry(runs[0.95], DRAWS)["observed"]["G2.pc1"]
    for name in ("params.yaml", "digest.npz", "pilot_metrics.json"):
        (tmp_path / name).write_bytes((runs[0.95] / name).read_bytes())
    assert geometry(tmp_path, DRAWS)["observed"]["G2.pc1"] == expected
