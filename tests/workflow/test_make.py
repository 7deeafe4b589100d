"""The real make on a study of two tiny runs: what it builds, what it leaves alone, and what it says."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from lib.base.files import ROOT
from lib.params.study import load_study
from lib.train.loop import train
from tests.faults.tools import results
from tests.workflow.tiny_study import RUN, STUDY, make, start_make


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path, str]:
    """(study file, outputs, what make printed) of a first `make all -j2`, killed once on the way."""
    home = tmp_path_factory.mktemp("make")
    study = home / "tiny.yaml"
    study.write_text(STUDY)
    first = start_make("grid", "-j2", study=study, outputs=home / "outputs")
    deadline = time.monotonic() + 120
    while not list(home.glob(f"outputs/*/{RUN}/snapshots/000012*")):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    return study, home / "outputs", make("grid", "-j2", study=study, outputs=home / "outputs").stdout


def test_runs_are_those_of_train_itself(built, tmp_path):
    """kill -9 of make, -j2, papermill and a kernel change no byte."""
    study, outputs, printed = built
    for run in load_study(str(study), "smoke").runs:
        train(run.params, tmp_path / "study" / run.name, outputs / "corpora")
        assert results(outputs / "tiny-smoke" / run.name) == results(tmp_path / "study" / run.name)
    assert "0.95         done" in printed
    assert re.search(r"0\.0 +diverged", printed)
    assert "above 2 ln V" in printed


def test_every_arm_saw_the_same_data_and_began_with_the_same_loss(built):
    _, outputs, _ = built
    lines = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(outputs.glob("tiny-smoke/pilot*/metrics.jsonl"))
    ]
    assert len(lines) == 2
    for ours, theirs in zip(*lines, strict=False):
        assert ours["data"] == theirs["data"]
    assert lines[0][0]["train_loss"] == lines[1][0]["train_loss"]


def test_second_make_does_nothing(built):
    study, outputs, _ = built
    printed = make("grid", study=study, outputs=outputs).stdout
    assert "all 8 stages are up to date" in printed


def test_touching_sources_changes_nothing(built):
    study, outputs, _ = built
    for path in [*ROOT.glob("lib/**/*.py"), *ROOT.glob("notebooks/*.py"), *ROOT.glob("params/*.yaml"), study]:
        path.touch()
    assert "all 8 stages are up to date" in make("grid", study=study, outputs=outputs).stdout
    assert "Everything is up to date." in make("why", study=study, outputs=outputs).stdout


def test_why_names_the_parameter(built):
    study, outputs, _ = built
    said = make("why", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert said.count("optim.eps was 1e-08, now 1e-07") == 8
    status = make("status", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert (status.count("train again"), status.count("measure again")) == (2, 6)


def test_status_shows_every_run(built):
    study, outputs, _ = built
    said = make("status", study=study, outputs=outputs).stdout
    assert re.search(rf"{RUN} +done", said)
    assert re.search(r"b20\.0_s42 +diverged", said)


def test_provenance_is_in_the_executed_notebook(built):
    _, outputs, _ = built
    notebook = json.loads((outputs / "tiny-smoke" / RUN / "notebooks" / "01_train.ipynb").read_text())
    about = notebook["metadata"]["provenance"]
    assert {"commit", "versions", "machine", "params"} <= about.keys()
    assert not any("error" in str(cell.get("outputs")) and cell.get("ename") for cell in notebook["cells"])


def test_changed_parameters_set_the_old_run_aside(built, tmp_path):
    study, outputs, _ = built
    copy = tmp_path / "outputs"
    shutil.copytree(outputs, copy)
    kept = results(copy / "tiny-smoke" / RUN)
    said = make("grid", "SET=optim.eps=1e-7 schedule.steps=20 snapshots.whole=[8,20]", study=study, outputs=copy)
    assert "optim.eps, schedule.steps, snapshots.whole changed; the earlier run is kept in" in said.stdout
    assert results(copy / "tiny-smoke" / "superseded" / f"{RUN}.1") == kept
    assert not (copy / "tiny-smoke" / RUN / "snapshots" / "000040.safetensors").exists()


def test_deleted_files_come_back(built, tmp_path):
    study, outputs, _ = built
    copy = tmp_path / "outputs"
    shutil.copytree(outputs, copy)
    expected = results(copy / "tiny-smoke" / RUN)
    (copy / "tiny-smoke" / RUN / "snapshots" / "000020.safetensors").unlink()
    assert "snapshots/000020.safetensors is missing" in make("why", study=study, outputs=copy).stdout
    (copy / "tiny-smoke" / RUN / "figures" / "01_train_curves.png").unlink()
    assert "1 of 8 stages to run" in make("grid", study=study, outputs=copy).stdout
    assert results(copy / "tiny-smoke" / RUN) == expected
    assert (copy / "tiny-smoke" / RUN / "figures" / "01_train_curves.png").is_file()


def test_two_makes_name_the_holder(built):
    from lib.base.locks import hold

    study, outputs, _ = built
    held = hold(outputs / "tiny-smoke" / ".lock", outputs, patience=0)
    second = make("grid", study=study, outputs=outputs, check=False)
    os.close(held)
    assert second.returncode != 0
    assert re.search(rf"error: .*tiny-smoke: process {os.getpid()} on .* is working here", second.stderr)
