"""A study of two tiny runs, and the real make on it."""

import os
import subprocess
import sys
from pathlib import Path

from lib.base.files import ROOT

STUDY = """\
study: tiny
axes: {optim.beta2: [0.95, 0.0]}
set: {schedule.steps: 40, schedule.warmup: 15, task.lambda_step: 40, snapshots.whole: [8, 20, 32, 40],
      machine.checkpoint_seconds: 0.01}
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
