"""A small run of one's own, for a notebook that was opened without one."""

from pathlib import Path

from lib.base.provenance import ROOT
from lib.params.study import load_study
from lib.workflow.runner import prepare_run

PLAYGROUND = ROOT / "outputs" / "playground"
SHORT_REHEAT = {
    "beta2": [0.95],
    "snapshots": [40],
    "lr": [1e-3],
    "steps": 20,
    "warmup": 2,
    "eval_every": 4,
    "lambda_probe": 4.0,
    "protocol": "pilot",
}


def playground(overrides: str = "") -> Path:
    """The folder of a smoke-sized run with `overrides` ('optim.beta2=0.8 task.probe.p=0.5'), ready to train."""
    study = load_study("beta2", "smoke", overrides, axes={})
    folder = PLAYGROUND / study.runs[0].name
    prepare_run(folder, study.runs[0].params)
    return folder


def trained(overrides: str = "") -> Path:
    """The same run, trained: seconds the first time, at once after that."""
    from lib.train.loop import train  # and with it torch, which opening a finished run does without

    folder = playground(overrides)
    train(load_study("beta2", "smoke", overrides, axes={}).runs[0].params, folder)
    return folder
