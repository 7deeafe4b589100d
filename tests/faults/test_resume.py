"""Interrupted work ends with the bytes of uninterrupted work, after kill -9 at any moment."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lib.base.errors import BadInput
from lib.train import checkpoint
from lib.train.loop import train
from tests.faults.tiny_run import interrupted
from tests.faults.tools import PILOT, ROOT, kill_when, params, results


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    home = tmp_path_factory.mktemp("uninterrupted")
    train(params(), home / "study" / "run", home / "corpora")
    return home / "corpora", results(home / "study" / "run")


def start_pilot(out: Path, corpora: Path) -> subprocess.Popen:
    out.mkdir(exist_ok=True)
    if not (out / "corpora").exists():
        (out / "corpora").symlink_to(corpora)
    command = [sys.executable, "-m", "lib", "pilot", *PILOT, "--out_dir", str(out / "study")]
    log = (out / "log").open("a")
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def only_run(out: Path) -> Path:
    return next((out / "study").glob("pilot_*"))


def snapshot_count(out: Path) -> int:
    return len(list(out.glob("study/pilot_*/snapshots/0*.safetensors")))


def test_kill_at_random_moments_changes_no_byte(tmp_path, uninterrupted):
    corpora, expected = uninterrupted
    rng = random.Random(time.time_ns())
    moments = sorted(rng.sample(range(1, 40), 2))
    for count in moments:
        process = start_pilot(tmp_path, corpora)
        kill_when(process, lambda count=count: snapshot_count(tmp_path) >= count)

    # And once in the middle of a checkpoint's write: its temporary file is there, its name is not yet.
    process = start_pilot(tmp_path, corpora)
    run = only_run(tmp_path)
    kill_when(process, lambda: any(run.glob(".checkpoint.safetensors.*")) or snapshot_count(tmp_path) > 50)

    assert start_pilot(tmp_path, corpora).wait() == 0, (tmp_path / "log").read_text()
    found = results(run)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == [], f"killed at {moments}"


def test_the_comparison_can_fail(tmp_path, uninterrupted, monkeypatch):
    """Negative control: forget the optimizer's state at a resume, and the bytes differ."""
    corpora, expected = uninterrupted
    run = tmp_path / "study" / "run"
    interrupted(params(), run, corpora, monkeypatch, step=30)

    def forgetful(model, optimizer, tensors, average) -> None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])

    monkeypatch.setattr(checkpoint, "_restore", forgetful)
    train(params(), run, corpora)
    found = results(run)
    assert found["snapshots/000020.safetensors"] == expected["snapshots/000020.safetensors"]
    assert found["snapshots/000080.safetensors"] != expected["snapshots/000080.safetensors"]


def test_interrupt_saves_and_says_so(tmp_path, uninterrupted, monkeypatch, capsys):
    corpora, expected = uninterrupted
    run = tmp_path / "study" / "run"
    interrupted(params(), run, corpora, monkeypatch, step=33)
    assert "the state after step 33 is saved" in capsys.readouterr().out
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["step"]) == ("failed", 33)
    train(params(), run, corpora)
    assert "resuming after step 33" in capsys.readouterr().out
    assert results(run) == expected


def test_truncated_checkpoint_falls_back_and_says_so(tmp_path, uninterrupted, monkeypatch, capsys):
    corpora, expected = uninterrupted
    run = tmp_path / "study" / "run"
    interrupted(params(), run, corpora, monkeypatch, step=40)
    path = run / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    train(params(), run, corpora)
    said = capsys.readouterr().out
    assert "truncated or damaged" in said
    assert "falling back to the state before it" in said
    assert "resuming after step 39" in said
    assert results(run) == expected


def test_finished_run_returns_at_once_and_lost_files_come_back(tmp_path, uninterrupted, capsys):
    corpora, expected = uninterrupted
    run = tmp_path / "study" / "run"
    train(params(), run, corpora)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    train(params(), run, corpora)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before
    (run / "snapshots" / "000024.safetensors").unlink()
    train(params(), run, corpora)
    assert "000024.safetensors is missing" in capsys.readouterr().out
    assert results(run) == expected


@pytest.mark.parametrize(
    ("override", "named"), [("optim.eps=1e-7", "optim.eps"), ("task.probe.p=0.3", "task.probe.p")]
)
def test_other_parameters_are_refused_by_name(tmp_path, uninterrupted, monkeypatch, override, named):
    corpora, _ = uninterrupted
    run = tmp_path / "study" / "run"
    interrupted(params(), run, corpora, monkeypatch, step=2)
    kept = results(run)
    with pytest.raises(BadInput, match=f"other parameters: {named}"):
        train(params(override), run, corpora)
    assert results(run) == kept


@pytest.mark.parametrize("key", ["code", "versions", "fingerprint"])
def test_other_code_versions_or_corpus_are_refused_by_name(tmp_path, uninterrupted, monkeypatch, key):
    corpora, _ = uninterrupted
    run = tmp_path / "study" / "run"
    interrupted(params(), run, corpora, monkeypatch, step=2)
    record = json.loads((run / "run.json").read_text())
    record["identity"][key] = {"torch": "1.0"} if key == "versions" else "other"
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadInput, match=f"cannot go on as it began: {key}"):
        train(params(), run, corpora)


def test_two_trainings_of_one_folder_name_the_holder(tmp_path, uninterrupted, monkeypatch):
    from lib.train import folder as runfolder

    corpora, _ = uninterrupted
    run = tmp_path / "study" / "run"
    run.mkdir(parents=True)
    held = runfolder.hold(run / ".lock", run, patience=0)
    monkeypatch.setattr(runfolder, "LOCK_PATIENCE", 0.1)
    with pytest.raises(BadInput, match=rf"process {os.getpid()} on .* is working here"):
        train(params(), run, corpora)
    os.close(held)


def test_checkpoint_holds_everything(uninterrupted):
    tensors = safetensors.torch.load(uninterrupted[1]["checkpoint.safetensors"])
    weights = [name for name in tensors if name.startswith("model.")]
    for name in weights:
        for key in ("step", "exp_avg", "exp_avg_sq"):
            assert f"optimizer.{name.removeprefix('model.')}.{key}" in tensors


@pytest.mark.parametrize(
    ("p_ood", "stops"), [([0.9] * 5, True), ([0.9] * 4, False), ([0.9, 0.9, 0.79, 0.9, 0.9], False)]
)
def test_early_stop_is_off_and_is_the_references_when_on(tmp_path, p_ood, stops):
    from lib.tasks.stories.task import solved
    from lib.train.divergence import State
    from lib.train.folder import RunFolder

    state = State(evaluations=[{"probe_ood_acc": value} for value in p_ood])
    off, on = (RunFolder(tmp_path, params(words), {}) for words in ("", "train.early_stop=true"))
    assert not off.stopping(state, solved(state.evaluations, params()))
    assert on.stopping(state, solved(state.evaluations, params())) == stops
