"""One run in two processes: the run of one process, up to the rounding of sums; and exactly itself when resumed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.base.tensors import load_tensors
from lib.params.run import dump_params
from lib.params.study import load_study
from lib.train.loop import train
from lib.train.parallel import Ranks
from lib.train.records import read_evaluations

STEPS = "schedule.steps=24 schedule.warmup=6 task.lambda_step=24 eval.every=4 snapshots.whole=[8,20]"


def params(processes: int, more: str = ""):
    overrides = f"optim.beta2=0.95 machine.processes={processes} batch.accumulate=2 {STEPS} {more}"
    return load_study("beta2", "smoke", overrides, axes={}).runs[0].params


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A study's folder with the same run trained by one process and by two."""
    home = tmp_path_factory.mktemp("parallel")
    for processes in (1, 2):
        train(params(processes), home / "study" / f"by_{processes}", home / "corpora")
    return home


def evaluations(run: Path) -> dict[str, np.ndarray]:
    found = read_evaluations(run)
    return {key: np.array([e[key] for e in found]) for key in found[0]}


def test_two_processes_give_the_losses_of_one(home):
    one, two = evaluations(home / "study/by_1"), evaluations(home / "study/by_2")
    assert one["step"].tolist() == two["step"].tolist() == [1, *range(4, 25, 4)]
    for key in ("train_loss", "val_loss", "grad_norm", "nll_ood", "trunk_displacement"):
        np.testing.assert_allclose(two[key], one[key], rtol=2e-4, err_msg=key)


def test_two_processes_read_the_same_data_in_the_same_order(home):
    chains = [
        [json.loads(line)["data"] for line in (home / f"study/by_{n}/metrics.jsonl").read_text().splitlines()]
        for n in (1, 2)
    ]
    assert chains[0] == chains[1]


def test_two_processes_move_the_weights_as_one(home):
    one, two = (load_tensors(home / f"study/by_{n}/snapshots/000024.safetensors")[0] for n in (1, 2))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=name)


def test_the_first_process_alone_keeps_the_record(home):
    record = json.loads((home / "study/by_2/run.json").read_text())
    assert (record["state"], record["step"], record["machine"]["processes"]) == ("done", 24, 2)
    steps = [sorted(p.name for p in (home / f"study/by_{n}/snapshots").iterdir()) for n in (1, 2)]
    assert steps[0] == steps[1]


def results(run: Path) -> dict[str, bytes]:
    files = [*run.glob("snapshots/*.safetensors"), run / "pilot_metrics.json", run / "checkpoint.safetensors"]
    return {path.name: path.read_bytes() for path in files}


def test_a_run_does_not_go_on_with_another_number_of_processes(home):
    run = home / "study" / "half"
    run.mkdir()
    (run / "params.yaml").write_bytes((home / "study/by_2/params.yaml").read_bytes())
    record = json.loads((home / "study/by_2/run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"state": "training"}))
    with pytest.raises(BadInput, match=r"processes changed \(processes was 2, now 1\)"):
        train(params(1), run, home / "corpora")


def test_a_mistake_in_a_process_is_told_in_one_sentence(home):
    run = home / "study" / "other"
    run.mkdir()
    (run / "params.yaml").write_text(dump_params(params(2, "optim.lr=6e-4")))
    with pytest.raises(BadInput, match=r"holds a run of other parameters: optim.lr"):
        train(params(2), run, home / "corpora")


def test_more_processes_than_sequences_are_refused(home):
    with pytest.raises(BadInput, match=r"machine.processes = 17 cannot share the 16 sequences"):
        train(params(17), home / "study" / "many", home / "corpora")


def test_shares_are_the_whole_batch_and_nothing_twice():
    rows = np.arange(11)
    parts = [rows[Ranks(rank, 3, torch.device("cpu")).share] for rank in range(3)]
    assert sorted(np.concatenate(parts).tolist()) == rows.tolist()


def test_torchrun_itself_runs_the_authors_command(home):
    flags = ["--profile", "smoke", "--out_dir", str(home / "torchrun")]
    for override in ["optim.beta2=0.95", "batch.accumulate=2", *STEPS.split()]:
        flags += [f"--{part}" if i == 0 else part for i, part in enumerate(override.split("="))]
    (home / "torchrun").mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "lib"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "pilot", *flags], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    run = next((home / "torchrun").glob("pilot_*"))
    assert done.stdout.count(f"{run}: done at step 24 of 24") == 1
    assert evaluations(run)["train_loss"].tolist() == evaluations(home / "study/by_2")["train_loss"].tolist()
