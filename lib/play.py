"""A small run of one's own, for a notebook that was opened without one."""

from pathlib import Path

from lib.provenance import ROOT
from lib.runner import prepare_run
from lib.study import load_study

PLAYGROUND = ROOT / "outputs" / "playground"


def playground(overrides: str = "") -> Path:
    """The folder of a smoke-sized run with `overrides` ('optim.beta2=0.8 probe.p=0.5'), ready to train."""
    study = load_study("beta2", "smoke", overrides, axes={})
    folder = PLAYGROUND / study.runs[0].name
    prepare_run(folder, study.runs[0].params)
    return folder
