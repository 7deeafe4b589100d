"""What a branch does along and across the backbone of the run that it started from."""

from pathlib import Path

import numpy as np

from lib.base.snapshots import Snapshots
from lib.geometry.gram import Digest, materialise
from lib.geometry.null import fitted_null
from lib.geometry.presets import fit
from lib.measure.trajectory import run_digest, run_snapshots, schedule, steps_scale
from lib.params.members import member
from lib.params.run import load_params


def displacement(parent: Path, place: Path) -> dict[str, float]:
    """The displacement of a finished branch from its start, along v_b of the parent and across it, with the null's.

    The null has isotropic noise and decay at the same schedule: along v_b it moves by decay alone,
    - (1 - P_t) <theta_start, v_b>, and across it by all its noise.
    """
    p, found = load_params(place / "params.yaml"), run_digest(place)
    parent_digest = run_digest(parent)
    backbone, _ = fit(parent_digest, "G0", steps_scale(load_params(parent / "params.yaml")))
    direction = _unit(run_snapshots(parent), parent_digest, backbone.backbone)
    reader = run_snapshots(place)
    last = int(found.steps[-1])
    start, end = _vector(reader, 0), _vector(reader, last)
    moved = end - start
    along = float(moved @ direction)
    total = float(moved @ moved)
    wd = member("optim", p.optim.name).decay(1.0, p.optim)
    left = float(np.prod(1 - schedule(p)[:last] * wd))
    decayed = (left - 1) * float(start @ direction)
    null = fitted_null(found, schedule(p), wd)
    return {
        "displacement": total**0.5,
        "along": along,
        "across": max(0.0, total - along**2) ** 0.5,
        "null_along": decayed,
        "null_displacement": float(null.drift_norms[-1]),
        "null_across": max(0.0, float(null.drift_norms[-1]) ** 2 - decayed**2) ** 0.5,
        "start_along": float(start @ direction),
    }


def _vector(snapshots: Snapshots, step: int) -> np.ndarray:
    """The whole trunk at one step, flattened in registered order, float64."""
    parts = [snapshots.rows(step, name, 0, shape[0]).ravel() for name, shape in snapshots.shapes.items()]
    return np.concatenate(parts).astype(np.float64)


def _unit(snapshots: Snapshots, source: Digest, coefficients: np.ndarray) -> np.ndarray:
    parts = materialise(snapshots, source, coefficients)
    flat = np.concatenate([parts[name].ravel() for name in snapshots.shapes]).astype(np.float64)
    return flat / np.linalg.norm(flat)
