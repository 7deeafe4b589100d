"""Gradients of the objectives at whole snapshots, and what they align with: `interference_metrics.json`."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from lib.base.files import CURRENT
from lib.base.snapshots import Snapshots
from lib.geometry.gradients import alignment, gradient_gram, interference
from lib.geometry.gram import Digest
from lib.geometry.presets import fit
from lib.measure.models import (
    device_here,
    finite,
    load_model,
    optimizer_direction,
    prepared,
    run_directions,
    step_directions,
    whole_steps,
)
from lib.measure.trajectory import run_digest, run_snapshots, steps_scale, write_analysis
from lib.models.products import fast_products
from lib.params.run import Params


def gradients(folder: Path, steps: list[int], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Signed cosine of the gradients of the two objectives, and of both with directions, at whole snapshots."""
    found = prepared(folder, count, seed)
    p, task = found.params, found.task
    snapshots, source, fixed = trajectory_directions(folder, p)
    device = device_here()
    results = []
    for step in (s for s in whole_steps(folder) if s in steps or s == whole_steps(folder)[-1]):
        model = load_model(folder, step, found.data, device)
        if not finite(model):
            continue
        along = dict(fixed) | step_directions(model, snapshots, source, step)
        if (folder / CURRENT).exists():
            at, followed_name, followed = optimizer_direction(folder, list(model.trunk()))
            along |= {followed_name: followed} if at == step and followed else {}
        with fast_products(model, device):
            grams = gradient_gram(model, found.batches, losses_of(task), along)
        detail = interference(grams)
        results.append(
            {
                "step": step,
                "mean_cos": detail.mean,
                "std_cos": float(np.std(detail.batches)) if detail.count else None,
                "cos_values": detail.batches,
                "detail": detail,
                "alignment": alignment(grams, second_weight(task, p, step)),
                "batches": found.digest,
            }
        )
    return write_analysis(folder, "interference_metrics", results)


def trajectory_directions(folder: Path, p: Params) -> tuple[Snapshots, Digest, dict[str, Any]]:
    """The run's snapshots, its digest, and the directions of its trajectory; none of fewer than three snapshots."""
    snapshots, source = run_snapshots(folder), run_digest(folder)
    if len(source.steps) < 3:
        return snapshots, source, {}
    backbone, _ = fit(source, "G0", steps_scale(p))
    return snapshots, source, run_directions(snapshots, source, backbone)


def losses_of(task: ModuleType) -> Callable[[nn.Module, Any], tuple[Tensor, Tensor | None]]:
    """(model, batch) -> the losses of the task's first objective and of its second, where it has one."""

    def losses(model: nn.Module, b: Any) -> tuple[Tensor, Tensor | None]:
        found = list(task.objectives(model, b).values())
        return found[0], found[1] if len(found) > 1 else None

    return losses


def second_weight(task: ModuleType, p: Params, step: int) -> float:
    """What the second objective counts for beside the first; 0 where there is none."""
    found = list(task.weights(p, step).values())
    return found[1] if len(found) > 1 else 0.0
