"""The real make on a study of two tiny runs: what it builds, what it leaves alone, and what it says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.params.study import load_study
from lib.train.loop import train
from tests.faults.tools import results

ROOT = Path(__file__).resolve().parents[1]
STUDY = """\
study: tiny
axes: {optim.beta2: [0.95, 0.0]}
set: {schedule.steps: 40, schedule.warmup: 15, task.lambda_step: 40, snapshots.whole: [8, 20, 32, 40],
      machine.checkpoint_seconds: 0.01}
analysis: {interference_steps: [1600],
           interference_batches: 4, fisher_steps: [400, 1000, 1600, 2000], fisher_batches: [1, 1, 4]}
"""
RUN = "pilot_wd0.5_lr0.001_lp2.0_b20.95_s42"


def make(*words: str, study: Path, outputs: Path, check: bool = True) -> subprocess.CompletedProcess:
    result = start_make(*words, study=study, outputs=outputs)
    out, err = result.communicate(timeout=240)
    assert not check or result.returncode == 0, out + err
    return subprocess.CompletedProcess(words, result.returncode, out, err)


def start_make(*words: str, study: Path, outputs: Path) -> subprocess.Popen:
    places = [f"STUDY={study}", f"PARAMS={study}", "PROFILE=smoke", f"OUTPUTS={outputs}"]
    command = ["make", *places, f"PYTHON={sys.executable}", *words]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


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
    for path in [*ROOT.glob("lib/*.py"), *ROOT.glob("notebooks/*.py"), *ROOT.glob("params/*.yaml"), study]:
        path.touch()
    assert "all 8 stages are up to date" in make("grid", study=study, outputs=outputs).stdout
    assert "Everything is up to date." in make("why", study=study, outputs=outputs).stdout


def test_why_names_the_parameter(built):
    study, outputs, _ = built
    said = make("why", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert said.count("optim.eps was 1e-08, now 1e-07") == 8
    status = make("status", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert status.count("stale") == 8


def test_status_shows_every_run(built):
    study, outputs, _ = built
    said = make("status", study=study, outputs=outputs).stdout
    assert re.search(rf"{RUN} +done", said)
    assert re.search(r"b20\.0_s42 +diverged", said)


def test_provenance_is_in_the_executed_notebook(built):
    _, outputs, _ = built
    notebook = json.loads((outputs / "tiny-smoke" / RUN / "notebooks" / "01_train.ipynb").read_text())
    about = notebook["metadata"]["provenance"]
    assert {"commit", "code", "versions", "machine", "params"} <= about.keys()
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


def test_a_failing_run_is_summed_up_and_stops_nothing_else(tmp_path):
    stories = tmp_path / "stories.jsonl"
    stories.write_text('{"text": "too short"}\n' * 3)
    own = tmp_path / "own.yaml"
    own.write_text(
        STUDY.replace("tiny", "own").replace(
            "{optim.beta2: [0.95, 0.0]}", "{task.corpus.source: [storyworld, file], optim.beta2: [0.95]}"
        )
        + "\n"
    )
    text = own.read_text().replace("machine.checkpoint_seconds: 0.01", f"task.corpus.path: '{stories}'")
    own.write_text(text)
    said = make("grid", study=own, outputs=tmp_path / "outputs", check=False)
    assert said.returncode != 0
    assert re.search(r"FAILED  .*corpus\.sourcefile", said.stderr)
    assert "no usable train story" in said.stderr
    assert "make lab RUN=" in said.stderr
    assert "Traceback" not in said.stderr
    assert re.search(r"storyworld +0\.95 +done", said.stdout)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["all", "SET=optim.bta2=0.9"], "unknown parameter optim.bta2 (did you mean optim.beta2?)"),
        (["all", "SET=model.heads=5"], "model.heads = 5 does not divide model.width = 32"),
        (["all", "SET=schedule.warmup=400"], "schedule.warmup = 400 must end before schedule.steps"),
        (["grid", "PARAMS="], "make grid needs PARAMS=my.yaml"),
        (["lab"], "make lab needs RUN="),
        (["lab", "RUN=nothing"], "RUN=nothing is no trained run"),
    ],
)
def test_mistakes_get_one_sentence(built, words, sentence):
    study, outputs, _ = built
    said = make(*words, study=study, outputs=outputs, check=False)
    assert said.returncode != 0
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr


def test_unknown_profile_and_study():
    for words, sentence in (
        (["PROFILE=laptp"], "unknown profile; there are laptop, paper, smoke (did you mean laptop?)"),
        (["STUDY=beta"], "did you mean beta2?"),
    ):
        command = ["make", "status", f"PYTHON={sys.executable}", *words]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert said.returncode != 0
        assert sentence in said.stderr


def test_help_is_the_default():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    for word in ("make all", "make test", "make grid", "make lab", "make status", "make why", "SET=", "LAUNCH="):
        assert word in said


def test_the_paper_says_what_a_failed_stage_left_out(tmp_path):
    """One notebook fails after it measured: the rest finishes, and the paper is told what not to rely on."""
    from lib.report.numbers import missing
    from lib.report.reader import collect
    from lib.workflow.cli import make as bring_up_to_date
    from lib.workflow.rules import targets
    from paper.beta2.numbers import wanted

    study_file = tmp_path / "one.yaml"
    study_file.write_text(STUDY.replace("tiny", "one").replace("[0.95, 0.0]", "[0.95]"))
    study = load_study(str(study_file), "smoke")
    folder = tmp_path / "outputs" / study.folder_name

    def said():
        results = collect(study, folder)
        return missing(results, lambda run: wanted(results, run))

    in_the_way = folder / RUN / "figures" / "03_fisher_anisotropy.png"
    in_the_way.mkdir(parents=True)
    arguments = {"study": str(study_file), "profile": "smoke", "overrides": ""}
    assert bring_up_to_date(study, folder, targets(study, folder), arguments, runs_only=True) == 1
    assert (folder / RUN / "05_interference.done").is_file()
    assert not (folder / RUN / "03_fisher.done").exists()
    assert "the curvature" in said()
    in_the_way.rmdir()
    assert bring_up_to_date(study, folder, targets(study, folder), arguments, runs_only=True) == 0
    assert "the curvature" not in said()
