"""Full states that stay: `states/000600.safetensors`, all weights and the optimizer's memory after a step.

A run leaves them at the steps of `snapshots.state` and at every event, beside its snapshots and not among them: a
trajectory's steps are those that were planned.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from lib.base.errors import BadInput
from lib.base.files import state_path
from lib.base.tensors import load_tensors, save_tensors
from lib.train.checkpoint import optimizer_state

MODEL = "model."  # of a weight's name, before its own


def write_state(folder: Path, step: int, tensors: dict[str, Tensor], run: str) -> None:
    save_tensors(state_path(folder, step), tensors, {"step": str(step), "run": run})


def whole_model(path: Path) -> tuple[dict[str, Tensor], str]:
    """(weights by name, digest) of a full state or of a snapshot."""
    tensors, metadata = load_tensors(path)
    own = {name.removeprefix(MODEL): t for name, t in tensors.items() if name.startswith(MODEL)}
    return (own if "trunk" not in metadata else tensors), metadata["digest"]


def restore_optimizer(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Give an optimizer the memory that the one of a full state had.

    Raises: BadInput for a memory of another shape, or of none: another optimizer's.
    """
    tensors, _ = load_tensors(path)
    found = {name: optimizer_state(tensors, name, p) for name, p in model.named_parameters()}
    if not any(found.values()):
        raise BadInput(f"{path}: there is no state of an optimizer in it; a branch with start.state needs one")
    for name, p in model.named_parameters():
        for key, t in found[name].items():
            if t.ndim and t.shape != p.shape:
                raise BadInput(f"{path}: {key} of {name} is {tuple(t.shape)}, and the weight is {tuple(p.shape)}")
        optimizer.state[p] = found[name]
