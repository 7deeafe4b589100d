"""A run's snapshots as models, the batches that they are measured on, and directions in their trunk.

Every snapshot of every run is measured on the same batches, drawn like those of training but from seeds that
no training run can have.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.base.errors import BadInput
from lib.base.files import CURRENT, snapshot_path
from lib.base.tensors import load_snapshot, load_tensors
from lib.geometry.backbone import Pca
from lib.geometry.gram import Digest, Snapshots, materialise
from lib.params.members import member
from lib.params.run import Params, load_params, run_hash
from lib.train.places import data_store
from lib.train.states import MODEL

ANALYSIS_SEEDS = 1 << 32  # the smallest seed above every seed of a run


# ------------------------------------------------------------------------------------------------ data, batches


@dataclass(frozen=True)
class Prepared:
    """What measuring a run needs besides its weights: parameters, the task's module and its data, batches."""

    params: Params
    task: ModuleType
    data: Any
    batches: tuple[Any, ...]
    digest: str  # of all batches


def prepared(folder: Path, count: int, seed: int) -> Prepared:
    p = load_params(folder / "params.yaml")
    task = member("task", p.task.name)
    data = task.prepare(p, data_store(folder))
    drawn = analysis_batches(task, data, p, count, seed)
    return Prepared(p, task, data, drawn, batches_digest(drawn))


def batches_digest(batches: Sequence[Any]) -> str:
    """Equal digests mean equal batches in equal order."""
    return hashlib.blake2b("".join(b.digest for b in batches).encode(), digest_size=16).hexdigest()


def analysis_batches(task: ModuleType, data: Any, p: Params, count: int, seed: int) -> tuple[Any, ...]:
    """`count` batches that depend on the data, the task and `seed`, not on the run's own seed.

    The first batches of a longer list are those of a shorter one.
    """
    own = p.model_copy(update={"seed": ANALYSIS_SEEDS + seed})
    places = (divmod(k + p.batch.accumulate, p.batch.accumulate) for k in range(count))
    return tuple(task.batch(data, own, *place) for place in places)


# ------------------------------------------------------------------------------------------------------ models


def whole_steps(folder: Path) -> list[int]:
    """Steps of a run whose snapshots hold the whole model; fewer when the run diverged before."""
    p = load_params(folder / "params.yaml")
    wanted = sorted({*p.snapshots.whole, p.schedule.steps})
    return [step for step in wanted if snapshot_path(folder, step).exists()]


def load_model(folder: Path, step: int, data: Any, device: torch.device) -> nn.Module:
    """The model of a run at a step, in evaluation mode; diverged weights load as they are.

    Raises: BadInput if the snapshot is missing, damaged, or holds only the trunk.
    """
    p = load_params(folder / "params.yaml")
    path = snapshot_path(folder, step)
    tensors = load_snapshot(path, step, run_hash(p))
    model = member("model", p.model.name).build(p.model, data, p.seed)
    missing = [name for name, _ in model.named_parameters() if name not in tensors]
    if missing:
        raise BadInput(
            f"{path}: this snapshot holds only the trunk; the whole model is there at steps {whole_steps(folder)}"
        )
    model.load_state_dict(tensors)
    return model.eval().to(device)


def newest_model(folder: Path, data: Any, device: torch.device) -> tuple[int, nn.Module]:
    """(step, model in evaluation mode) of a run's newest checkpoint, wherever it ended.

    Raises: BadInput if the checkpoint is missing, damaged or of other parameters.
    """
    p = load_params(folder / "params.yaml")
    tensors, metadata = _checkpoint(folder, p)
    model = member("model", p.model.name).build(p.model, data, p.seed)
    model.load_state_dict({name.removeprefix(MODEL): t for name, t in tensors.items() if name.startswith(MODEL)})
    return json.loads(metadata["progress"])["step"], model.eval().to(device)


def finite(model: nn.Module) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in model.parameters())


def device_here() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


# -------------------------------------------------------------------------------------------------- directions


def run_directions(snapshots: Snapshots, source: Digest, backbone: Pca) -> dict[str, dict[str, Tensor]]:
    """The directions that are the same at every step: `v_b`, `PC2` (where there is one) and `-theta_0`."""
    rows = dict(zip(("v_b", "PC2"), backbone.directions, strict=False))
    rows["-theta_0"] = -np.eye(len(source.total))[-1]
    return {label: _tensors(snapshots, source, row) for label, row in rows.items()}


def step_directions(
    model: nn.Module, snapshots: Snapshots, source: Digest, step: int
) -> dict[str, dict[str, Tensor]]:
    """The directions of one step: `update`, from the snapshot before it, and `-theta`, that of weight decay.

    There is no update at the first snapshot, nor at one that the digest dropped.
    """
    found = {"-theta": {name: -p.detach().cpu() for name, p in model.trunk().items()}}
    at = int(np.searchsorted(source.steps, step))
    if 0 < at < len(source.steps) and source.steps[at] == step:
        points = np.eye(len(source.total))
        found["update"] = _tensors(snapshots, source, points[at] - points[at - 1])
    return found


def optimizer_direction(folder: Path, trunk: list[str]) -> tuple[int, str, dict[str, Tensor]]:
    """(step, kind, what the optimizer would follow) at the newest checkpoint; empty where it has no direction.

    Only the newest optimizer state is on disk, so this is the direction at that one step.
    """
    p = load_params(folder / "params.yaml")
    optimizer = member("optim", p.optim.name)
    tensors, metadata = _checkpoint(folder, p)
    found = {}
    for name in trunk:
        prefix = f"optimizer.{name}."
        state = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        found[name] = optimizer.direction(state, p.optim)
    whole = all(direction is not None for direction in found.values())
    kind, _ = optimizer.noise(p.optim)
    return json.loads(metadata["progress"])["step"], kind, found if whole else {}


def _checkpoint(folder: Path, p: Params) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = load_tensors(folder / CURRENT)
    if metadata.get("run") != run_hash(p):
        raise BadInput(f"{folder / CURRENT}: this checkpoint belongs to other parameters")
    return tensors, metadata


def _tensors(snapshots: Snapshots, source: Digest, coefficients: np.ndarray) -> dict[str, Tensor]:
    return {name: torch.from_numpy(v) for name, v in materialise(snapshots, source, coefficients).items()}
