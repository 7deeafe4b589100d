"""Branches with other optimizers: named sets of parameters, of which each is a run of its own."""

import shutil
from pathlib import Path

import pytest

from lib.base.errors import BadInput
from lib.base.files import read_json
from lib.params.branches import Branches
from lib.params.run import load_params, run_hash
from lib.params.study import load_study
from lib.train.branch import branches
from lib.train.loop import train
from tests.faults.tiny_run import tiny_params
from tests.params.test_study import refusal, user_study

ARMS = {
    "as_it_was": {},
    "muon": {"optim.name": "muon", "optim.lr": 0.02, "task.about": "tree"},
}
STUDY = """\
study: mine
axes: {seed: [1]}
stages: {01_train: {}}
branches:
  other: {name: "other_{arm}", snapshots: [4000], steps: 100, warmup: 50, eval_every: 50, arms: ARMS}
"""


def protocol(arms):
    return Branches({}, "other_{arm}_lr{optim.lr}", [12], {}, arms=arms, steps=4, warmup=1, eval_every=2, set={})


def test_every_arm_is_a_branch_with_its_own_optimizer(finished):
    run = finished / "study" / "run42"
    places = branches(run, protocol(ARMS))
    assert [place.name for place in places] == ["other_as_it_was_lr0.001", "other_muon_lr0.02"]
    same, muon = (load_params(place / "params.yaml") for place in places)
    assert same.optim == load_params(run / "params.yaml").optim and same.task.about is None
    assert (muon.optim.name, muon.optim.lr, muon.task.about) == ("muon", 0.02, "tree")
    assert not hasattr(muon.optim, "beta2")  # what only the parent's optimizer has goes with it
    assert [read_json(place / "run.json")["state"] for place in places] == ["done", "done"]
    one, two = (read_json(place / "pilot_metrics.json")[-1]["val_loss"] for place in places)
    assert one != two


def test_a_branch_finds_its_snapshot_wherever_its_study_is_moved_to(finished, tmp_path, monkeypatch):
    place = branches(finished / "study" / "run42", protocol({"as_it_was": {}}))[0]
    assert "snapshot: ../../../snapshots/000012.safetensors" in (place / "params.yaml").read_text(encoding="utf-8")
    here = load_params(place / "params.yaml")
    moved = shutil.copytree(finished / "study", tmp_path / "elsewhere")
    shutil.rmtree(finished / "study" / "run42" / "snapshots")
    monkeypatch.chdir(moved)
    there = load_params(place.relative_to(finished / "study") / "params.yaml")
    assert run_hash(there) == run_hash(here)
    assert Path(there.start.snapshot).resolve() == moved / "run42" / "snapshots" / "000012.safetensors"
    train(there, moved / "again", tmp_path)
    assert read_json(moved / "again" / "pilot_metrics.json") == read_json(place / "pilot_metrics.json")


def test_what_an_arm_of_a_branch_may_not_be_is_refused(tmp_path, finished):
    with pytest.raises(BadInput, match=r"unknown key optim\.beta2.*optim\.name = muon has"):
        branches(finished / "study" / "run42", protocol({"muon": {"optim.name": "muon", "optim.beta2": 0.9}}))
    wrong = STUDY.replace("ARMS", "{one: {optim.lrr: 1}}")
    assert "branches.other sets optim.lrr, no parameter (did you mean optim.lr?)" in refusal(
        user_study(tmp_path, wrong), "paper"
    )


def test_a_study_has_them_in_its_file(tmp_path):
    found = load_study(user_study(tmp_path, STUDY.replace("ARMS", "{one: {}, two: {optim.lr: 0.1}}")), "paper")
    assert found.branches["other"].points() == [{"arm": "one"}, {"optim.lr": 0.1, "arm": "two"}]


@pytest.fixture
def finished(tmp_path_factory, corpora):
    home = tmp_path_factory.mktemp("branching")
    train(tiny_params("seed=42"), home / "study" / "run42", corpora)
    return home
