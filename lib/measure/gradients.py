"""Gradients of the objectives at whole snapshots, and what they align with: `interference_metrics.json`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.base.errors import BadInput
from lib.base.files import CURRENT
from lib.base.snapshots import Snapshots
from lib.base.tensors import load_tensors, save_tensors
from lib.geometry.directions import Direction, random_direction
from lib.geometry.gradients import GradientGram, alignment, gradient_gram, interference, only
from lib.geometry.gram import Digest
from lib.geometry.presets import fit
from lib.measure.models import (
    Prepared,
    batches_digest,
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
from lib.params.run import Params, run_hash
from lib.train.places import MADE_BY_MAKE, results_place

GRAMS = "analysis/gradients.safetensors"
ARRAYS, ABOUT = ("shares", "gram", "along"), ("labels", "sizes", "count", "skipped")
Directions = dict[str, Direction]


def gradients(folder: Path, steps: list[int], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Signed cosine of the gradients of the two objectives, and of both with directions, at whole snapshots."""
    found = prepared(folder, count, seed)
    kept = read_grams(folder, found)
    wanted = [s for s in whole_steps(folder) if s in steps or s == whole_steps(folder)[-1]]
    if any(step not in kept for step in wanted):
        kept = {step: grams for step, _, _, grams in batch_grams(folder, found, wanted, count, seed)}
    results = []
    for step in (s for s in wanted if s in kept):
        grams = kept[step]
        detail = interference(grams)
        results.append(
            {
                "step": step,
                "mean_cos": detail.mean,
                "std_cos": float(np.std(detail.batches)) if detail.count else None,
                "cos_values": detail.batches,
                "detail": detail,
                "alignment": alignment(
                    only(grams, [label for label in grams.labels if label != "random"]),
                    second_weight(found.task, found.params, step),
                ),
                "batches": found.digest,
            }
        )
    return write_analysis(folder, "interference_metrics", results)


# ------------------------------------------------------------------------------------ the gradients of batches


def batch_grams(
    folder: Path, found: Prepared, steps: list[int], count: int, seed: int = 0
) -> Iterator[tuple[int, nn.Module, Directions, GradientGram]]:
    """(step, model, directions, Gram of the first `count` batches along them) at whole snapshots that are finite.

    The directions are all that any stage asks for; `seed` is that of a random one.
    """
    p, task, device = found.params, found.task, device_here()
    snapshots, source, fixed = trajectory_directions(folder, p)
    latest: tuple[int, str, Directions] | None = None
    for step in (s for s in whole_steps(folder) if s in steps):
        model = load_model(folder, step, found.data, device)
        if not finite(model):
            continue
        model.requires_grad_(False)  # of the trunk alone: nobody asks for the gradient of the embedding
        for tensor in model.trunk().values():
            tensor.requires_grad_(True)
        along = fixed | {"random": random_direction(model, seed)} | step_directions(model, snapshots, source, step)
        if latest is None and (folder / CURRENT).exists():
            latest = optimizer_direction(folder, list(model.trunk()))
        if latest and latest[0] == step and latest[2]:
            along |= {latest[1]: latest[2]}
        with fast_products(model, device):
            grams = gradient_gram(model, found.batches[:count], losses_of(task), along)
        yield step, model, along, grams


def write_grams(folder: Path, found: Prepared, count: int, grams: dict[int, GradientGram]) -> None:
    """Keep what another stage would measure again on the same batches."""
    tensors = {
        f"{step}.{name}": torch.from_numpy(np.ascontiguousarray(getattr(g, name)))
        for step, g in grams.items()
        for name in ARRAYS
    }
    about = {step: {name: getattr(g, name) for name in ABOUT} for step, g in grams.items()}
    metadata = {"of": _of(found, count), "about": json.dumps(about)}
    save_tensors(results_place(folder) / GRAMS, tensors, metadata)


def read_grams(folder: Path, found: Prepared) -> dict[int, GradientGram]:
    """step -> Gram of the batches of `found`, where make had them measured before; a damaged file is none.

    Under make a file of other weights or other code is not there any more. By hand everything is measured anew.
    """
    if MADE_BY_MAKE not in os.environ:
        return {}
    try:
        tensors, metadata = load_tensors(folder / GRAMS)
    except BadInput:
        return {}
    if metadata.get("of") != _of(found, len(found.batches)):
        return {}
    kept = {}
    for step, about in json.loads(metadata["about"]).items():
        arrays = {name: tensors[f"{step}.{name}"].numpy() for name in ARRAYS}
        kept[int(step)] = GradientGram(**about | {"labels": tuple(about["labels"])}, **arrays)
    return kept


def _of(found: Prepared, count: int) -> str:
    """The run and the batches."""
    return f"{run_hash(found.params)} {batches_digest(found.batches[:count])}"


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
