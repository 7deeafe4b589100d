"""Reheating: does the probe come back, and what moves, when a run goes on with a fresh optimizer?"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.measure.branches import displacement
from lib.measure.trajectory import write_analysis
from lib.params.branches import Branches
from lib.params.run import load_params
from lib.train.branch import branches
from lib.train.records import read_evaluations
from lib.train.run_record import run_record


def reheat(folder: Path, protocol: Branches) -> list[dict[str, Any]]:
    """Train every condition of `protocol` that this run has snapshots for, and summarise them."""
    return write_analysis(folder, "reheat", [summary(folder, place) for place in branches(folder, protocol)])


def summary(parent: Path, condition: Path) -> dict[str, Any]:
    """Gain of one finished reheat, and how its displacement splits along and across the parent's backbone.

    G is the published gain, max p_ood minus p_ood at the first evaluation (so never negative); `area` is the
    mean of p_ood minus its start over the evaluations.
    """
    p = load_params(condition / "params.yaml")
    evaluations = read_evaluations(condition)
    p_ood = np.array([e["probe_ood_acc"] for e in evaluations], dtype=float)
    return {
        "beta2": getattr(p.optim, "beta2", None),
        "ckpt_step": p.start.step,
        "lr": p.optim.lr,
        "state": run_record(condition).state,
        "steps": [e["step"] for e in evaluations],
        "p_ood": p_ood,
        "val_loss": [e["val_loss"] for e in evaluations],
        "start_p_ood": p_ood[0],
        "peak_p_ood": p_ood.max(),
        "peak_step": evaluations[int(p_ood.argmax())]["step"],
        "final_p_ood": p_ood[-1],
        "gain": p_ood.max() - p_ood[0],
        "area": float((p_ood - p_ood[0]).mean()),
        "final_val_loss": evaluations[-1]["val_loss"],
        "n_steps": evaluations[-1]["step"],
        **displacement(parent, condition),
    }
