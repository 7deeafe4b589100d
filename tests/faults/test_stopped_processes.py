"""A run in two processes that is stopped: both end, and the same command goes on as if nothing had been."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from lib.params.run import dump_params
from lib.train.loop import train
from tests.faults.tools import ROOT, params, results

TWO = "machine.processes=2 batch.accumulate=2 schedule.steps=24 schedule.warmup=6 task.lambda_step=24 eval.every=4 "
TWO += "snapshots.whole=[8,20]"


def start(home: Path, name: str) -> subprocess.Popen:
    file = home / f"{name}.yaml"
    file.write_text(dump_params(params(TWO)))
    command = [sys.executable, "-m", "lib", "train", str(file), str(home / "study" / name), str(home / "corpora")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_an_interrupt_stops_all_processes_with_the_state_saved_and_the_same_command_goes_on_exactly(tmp_path):
    train(params(TWO), tmp_path / "study" / "whole", tmp_path / "corpora")
    run = tmp_path / "study" / "stopped"
    process = start(tmp_path, "stopped")
    deadline = time.monotonic() + 60
    while not (run / "snapshots/000001.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "is saved, the same command goes on from it" in said
    assert json.loads((run / "run.json").read_text())["step"] < 24, "it ended before it could be stopped"
    again = start(tmp_path, "stopped")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "resuming after step" in said
    assert results(run) == results(tmp_path / "study" / "whole")
