"""Some runs of a study alone, and what is said of all of them beforehand: by the real make."""

import os
import re

import pytest

from lib.base.errors import BadInput
from lib.base.files import write_atomically
from lib.params.origin import origins
from lib.params.study import load_study
from lib.workflow.sweep import chosen, parameter_rows, seconds_left
from tests.workflow.tiny_study import make

STUDY = """\
study: sweep
base: beta2
arms: {plain: {}, slow: {optim.lr: 5e-4}, wide: {model.width: 64}}
axes: {optim.beta2: [0.95, 0.9]}
set: {schedule.steps: 40, schedule.warmup: 15, task.lambda_step: 40, snapshots.whole: [40], optim.eps: 1e-7}
stages: {01_train: {}}
"""
WIDE = "pilot_wd0.5_lr0.001_lp2.0_b20.90_s42_armwide"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "sweep.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def loaded(study):
    return load_study(str(study), "smoke", "optim.clip=0.5")


def test_one_alone_then_the_rest_and_what_is_finished_is_left_alone(study, tmp_path):
    outputs = tmp_path / "outputs"
    said = make("plan", study=study, outputs=outputs).stdout
    assert re.search(r"^6 +\S+armwide +wide +0\.90? +40 +- +\?$", said, re.MULTILINE)
    assert "How long they take is not known" in said and not outputs.exists()
    said = make("all", f"ONLY={WIDE}", study=study, outputs=outputs).stdout
    assert "1 of 1 stages to run" in said and "1 of 6 runs were asked for, and no paper" in said
    folder = outputs / "sweep-smoke"
    assert [path.parent.name for path in folder.glob("*/01_train.done")] == [WIDE]
    before = (folder / WIDE / "checkpoint.safetensors").stat().st_mtime_ns
    said = make("grid", "ONLY=wide", study=study, outputs=outputs).stdout  # an arm
    assert "1 of 2 stages to run" in said
    assert (folder / WIDE / "checkpoint.safetensors").stat().st_mtime_ns == before
    said = make("plan", "SINCE=5", study=study, outputs=outputs).stdout
    assert len(re.findall(r"^\d+ .* done +0:00$", said, re.MULTILINE)) == 2
    assert "nothing would run" in make("-n", "grid", "SINCE=5", study=study, outputs=outputs).stdout
    rehearsed = make("-n", "grid", "SINCE=4", study=study, outputs=outputs).stdout
    assert rehearsed.count("execute 01_train") == 1 and "armslow" in rehearsed
    refused = make("plan", "ONLY=wider", study=study, outputs=outputs, check=False)
    assert "ONLY='wider': no run of sweep-smoke has it in its name (did you mean wide?)" in refused.stderr
    refused = make("plan", "SINCE=7", study=study, outputs=outputs, check=False)
    assert "SINCE='7': expected the number of a run, from 1 to 6" in refused.stderr


def test_which_are_meant(loaded):
    names = [run.name for run in loaded.runs]

    def numbers(*words):
        return [names.index(run.name) + 1 for run in chosen(loaded, *words)]

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers("slow") == [3, 4]
    assert numbers("b20.90") == [2, 4, 6]
    assert numbers("slow b20.90") == [2, 3, 4, 6]
    assert numbers("b20.90", "3") == [4, 6]
    for since in ("0", "-1", "x", "7", "1.0"):
        with pytest.raises(BadInput, match="expected the number of a run"):
            chosen(loaded, "", since)


def test_what_sets_a_parameter_and_what_it_replaces(loaded):
    slow = {o.name: (o.value, o.source, o.instead) for o in origins(loaded.runs[2])}
    assert slow["optim.clip"] == (0.5, "SET", "1.0 (params)")
    assert slow["optim.beta2"] == (0.95, "axes", "0.95 (params)")
    assert slow["optim.lr"] == (5e-4, "arms.slow", "0.001 (params)")
    assert slow["optim.eps"] == (1e-7, "set", "1e-08 (params)")
    assert slow["model.width"][1] == "profiles.smoke"
    assert slow["task.lambda_probe"][1:] == ("params", "")
    assert slow["train.watch_every"] == (None, "defaults", "")


def test_a_scale_from_the_command_line_is_said_to_be_from_there(study):
    found = {o.name: o for o in origins(load_study(str(study), "smoke", "time_scale=25").runs[0])}
    assert (found["time_scale"].value, found["time_scale"].source) == ("25", "SET")
    assert found["time_scale"].instead.endswith("(profiles.smoke)")


def test_an_axis_that_the_command_line_names_has_that_one_value(study):
    found = load_study(str(study), "smoke", "optim.beta2=0.8")
    assert found.axes["optim.beta2"] == [0.8]
    assert found.altered == {"optim.beta2": "has the value 0.8 alone, by SET"}
    assert [run.name.partition("_b2")[2] for run in found.runs] == [
        f"0.80_s42_arm{arm}" for arm in ("plain", "slow", "wide")
    ]
    told = {o.name: (o.source, o.instead) for o in origins(found.runs[0])}
    assert told["optim.beta2"] == ("SET", "[0.95, 0.9] (axes)")


def test_every_value_told_is_the_one_that_counts(loaded):
    """Where something is said to give a parameter, what it gives is the run's value."""
    for run in loaded.runs:
        layers = {layer.source: layer.values for layer in run.layers}
        told = [o for o in origins(run) if o.source != "defaults"]
        assert [o.name for o in told if layers[o.source][o.name] != o.value] == []
        assert {o.source for o in told} >= {"SET", "axes", "set", "profiles.smoke", "params"}
    rows = {row[0]: row[1:] for row in parameter_rows(loaded.runs)}
    assert rows["optim.lr"] == ["0.001, 0.0005", "params, arms.slow", "0.001 (params)"]


def test_time_to_come_is_by_the_pace_of_a_run_like_it(loaded, tmp_path):
    first, second, slow, *_ = loaded.runs
    assert seconds_left(loaded, tmp_path, first) is None
    write_atomically(
        tmp_path / second.name / "run.json", '{"state": "done", "step": 40, "seconds": 20.0, "steps": 40}'
    )
    write_atomically(tmp_path / slow.name / "run.json", '{"state": "training", "step": 10, "seconds": 40.0}')
    assert seconds_left(loaded, tmp_path, second) == 0.0
    assert seconds_left(loaded, tmp_path, first) == pytest.approx(40 * 0.5)
    assert seconds_left(loaded, tmp_path, slow) == pytest.approx(30 * 4.0)  # its own pace before another's
    assert seconds_left(loaded, tmp_path, loaded.runs[5]) is None  # a wider model


def test_unknown_keys_are_errors(study, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(STUDY.replace("optim.eps", "optim.epss"))
    refused = make("plan", study=wrong, outputs=tmp_path, check=False)
    assert refused.returncode and "unknown parameter optim.epss (did you mean optim.eps?)" in refused.stderr
    assert os.listdir(tmp_path) == ["wrong.yaml"]
