"""A run of a dozen steps with everything that a run's folder holds."""

import json
import signal

import pytest

from lib.measure.trajectory import geometry
from lib.params.study import load_study
from lib.train import loop
from lib.train.loop import train
from lib.train.places import MADE_BY_MAKE

DRAWS = (5, 20)  # of every null, and shuffles: nothing here judges them
STEPS = (
    "schedule.steps=12 schedule.warmup=2 task.lambda_step=12 eval.every=2 machine.checkpoint_seconds=0.001 "
    "snapshots.whole='[4,8]' snapshots.dense_from=2 snapshots.dense_to=8 snapshots.dense_every=2 "
    "snapshots.sparse_from=8 snapshots.sparse_every=2 task.probe.eval_examples=16 task.validation.stories=8 "
    "stages.05_interference.steps='[4]' stages.03_fisher.steps='[4]'"
)


def tiny_params(overrides=""):
    return load_study("beta2", "smoke", f"{STEPS} {overrides}", axes={}).runs[0].params


def results(run):
    """Every byte that a run's training is answerable for, but for the times in run.json."""
    names = ["pilot_metrics.json", "metrics.jsonl", "codewords.json", "params.yaml", "checkpoint.safetensors"]
    files = [*sorted(run.glob("snapshots/*.safetensors")), *(run / name for name in names)]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def finish_runs(home):
    """Two finished runs below `study`, which differ in their seed alone, and below `corpora` what both read."""
    for seed in (42, 43):
        folder = home / "study" / f"run{seed}"
        train(tiny_params(f"seed={seed}"), folder, home / "corpora")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(MADE_BY_MAKE, "test")
            geometry(folder, DRAWS)


def interrupted(params, run, corpora, monkeypatch, step):
    """Train until Ctrl-C comes after a step."""
    original = loop.look

    def look_and_signal(state, new):
        original(state, new)
        if state.step == step:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "look", look_and_signal)
        with pytest.raises(KeyboardInterrupt):
            train(params, run, corpora)
    assert json.loads((run / "run.json").read_text())["step"] == step
