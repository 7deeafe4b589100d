"""A small run of one's own, for a notebook that was opened without one."""

from pathlib import Path

from lib.base.files import ROOT
from lib.params.branches import Branches
from lib.params.study import load_study
from lib.train.prepare import prepare_run

PLAYGROUND = ROOT / "outputs" / "playground"


def playground(overrides: str = "", study: str = "") -> Path:
    """The folder of a smoke-sized run with `overrides` ('optim.beta2=0.8 task.probe.p=0.5'), ready to train."""
    run = load_study(study, "smoke", overrides, axes={}).runs[0]
    folder = PLAYGROUND / run.name
    prepare_run(folder, run.params)
    return folder


def trained(overrides: str = "", study: str = "") -> Path:
    """The same run, trained: seconds the first time, at once after that."""
    from lib.train.loop import train  # and with it torch, which opening a finished run does without

    folder = playground(overrides, study)
    train(load_study(study, "smoke", overrides, axes={}).runs[0].params, folder)
    return folder


def short_branch() -> Branches:
    """One short branch, from the middle of such a run."""
    return Branches({}, "reheat_ckpt{step}_lr{optim.lr}", [40], {"optim.lr": [1e-3]}, 20, 2, 4, {})
