"""Reheating: short runs from a snapshot with a fresh optimizer, and what they do along and across the backbone."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.files import snapshot_path
from lib.base.snapshots import Snapshots, snapshot_digest
from lib.geometry.gram import Digest, materialise
from lib.geometry.null import fitted_null
from lib.geometry.presets import fit
from lib.measure.trajectory import run_digest, run_snapshots, schedule, write_analysis
from lib.params.run import Params, load_params, reheat_name
from lib.params.study import Reheat, reheat_params
from lib.train.loop import train
from lib.train.records import read_evaluations, read_record


def reheat(folder: Path, protocol: Reheat, time_scale: str) -> list[dict[str, Any]]:
    """Train every condition of `protocol` that this run has snapshots for, and summarise them.

    Conditions share nothing but the parent: each has its own folder, its own seeds and its own batches, so
    that leaving one out changes no other. A parent that diverged before a snapshot has no such condition.
    """
    parent = load_params(folder / "params.yaml")
    results = []
    for step in protocol.snapshots:
        if not snapshot_path(folder, step).exists():
            continue
        for lr in protocol.lr:
            params = condition(folder, parent, protocol, step, lr)
            place = folder / "reheat" / reheat_name(params)
            train(params, place)
            results.append(reheat_summary(folder, place, time_scale))
    return write_analysis(folder, "reheat", results)


def condition(folder: Path, parent: Params, protocol: Reheat, step: int, lr: float) -> Params:
    """The parameters of one condition."""
    path = snapshot_path(folder, step)
    start = {"snapshot": str(path), "step": step, "digest": snapshot_digest(path)}
    return reheat_params(parent, protocol, lr, start)


def reheat_summary(parent: Path, condition: Path, time_scale: str) -> dict[str, Any]:
    """Gain of one finished reheat, and how its displacement splits along and across the parent's backbone.

    G is the published gain, max p_ood minus p_ood at the first evaluation (so never negative); `area` is the
    mean of p_ood minus its start over the evaluations. The displacement from the start is split along v_b of
    the parent and across it; the null has isotropic noise and decay at the same schedule: along it moves
    by decay alone, - (1 - P_t) <theta_start, v_b>.
    """
    p = load_params(condition / "params.yaml")
    evaluations = read_evaluations(condition)
    p_ood = np.array([e["probe_ood_acc"] for e in evaluations], dtype=float)
    parent_digest, found = run_digest(parent), run_digest(condition)
    result = {
        "beta2": p.optim.beta2,
        "ckpt_step": p.start.step,
        "lr": p.optim.lr,
        "state": (read_record(condition) or {}).get("state"),
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
    }
    backbone, _ = fit(parent_digest, "G0", 1 / Fraction(time_scale))
    direction = _unit(run_snapshots(parent), parent_digest, backbone.backbone)
    reader = run_snapshots(condition)
    start = _vector(reader, 0)
    end = _vector(reader, int(found.steps[-1]))
    moved = end - start
    along = float(moved @ direction)
    total = float(moved @ moved)
    left = float(np.prod(1 - schedule(p)[: int(found.steps[-1])] * p.optim.weight_decay))
    decayed = (left - 1) * float(start @ direction)
    null = fitted_null(found, schedule(p), p.optim.weight_decay)
    result |= {
        "displacement": total**0.5,
        "along": along,
        "across": max(0.0, total - along**2) ** 0.5,
        "null_along": decayed,
        "null_displacement": float(null.drift_norms[-1]),
        "null_across": max(0.0, float(null.drift_norms[-1]) ** 2 - decayed**2) ** 0.5,
        "start_along": float(start @ direction),
    }
    return result


def _vector(snapshots: Snapshots, step: int) -> np.ndarray:
    """The whole trunk at one step, flattened in registered order, float64."""
    parts = [snapshots.rows(step, name, 0, shape[0]).ravel() for name, shape in snapshots.shapes.items()]
    return np.concatenate(parts).astype(np.float64)


def _unit(snapshots: Snapshots, source: Digest, coefficients: np.ndarray) -> np.ndarray:
    parts = materialise(snapshots, source, coefficients)
    flat = np.concatenate([parts[name].ravel() for name in snapshots.shapes]).astype(np.float64)
    return flat / np.linalg.norm(flat)
