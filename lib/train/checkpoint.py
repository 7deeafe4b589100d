"""The newest full state of a run: weights, optimizer, counters. Two generations, each verified on load."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.base.errors import BadInput
from lib.base.files import CURRENT, PREVIOUS
from lib.base.tensors import load_tensors, save_tensors
from lib.train.average import Average


def full_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None = None
) -> dict[str, Tensor]:
    """Every tensor that training goes on from, by name."""
    tensors = {f"model.{name}": p for name, p in model.named_parameters()}
    tensors |= {f"average.{name}": t for name, t in (average.tensors if average else {}).items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            if value is not None:  # SGD without momentum names a buffer that it does not have
                tensors[f"optimizer.{name}.{key}"] = value
    return tensors


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], progress: str, run: str) -> None:
    """Write a full state; the state before it stays as the previous generation until the next one.

    `progress` is the run's counters as JSON text, taken at the same step as the tensors.
    """
    if (folder / CURRENT).exists():
        os.replace(folder / CURRENT, folder / PREVIOUS)
    save_tensors(folder / CURRENT, tensors, {"run": run, "progress": progress})


def load_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, run: str, average: Average | None = None
) -> tuple[dict[str, Any] | None, list[str]]:
    """Restore the newest readable state into model, optimizer and average: (progress, complaints).

    progress is None when there is nothing to resume from; a damaged generation is complained about and the
    one before it used.
    """
    complaints = []
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            tensors, metadata = load_tensors(path)
            if metadata.get("run") != run:
                raise BadInput(f"{path}: this checkpoint belongs to other parameters")
            _restore(model, optimizer, tensors, average.tensors if average else {})
            if name == PREVIOUS:  # a damaged newest state must not become the previous one of the next
                os.replace(path, folder / CURRENT)
            return json.loads(metadata["progress"]), complaints
        except (BadInput, KeyError, ValueError) as error:
            complaints.append(f"{error}; falling back to the state before it")
    return None, complaints


def _restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], average: dict[str, Tensor]
) -> None:
    wanted = {f"model.{name}": p for name, p in model.named_parameters()}
    wanted |= {f"average.{name}": t for name, t in average.items()}
    for name, tensor in wanted.items():  # all or nothing
        if tensors[name].shape != tensor.shape:
            raise ValueError(f"the checkpoint's {name} has another shape than the model's")
    with torch.no_grad():
        for name, tensor in average.items():
            tensor.copy_(tensors[f"average.{name}"])
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            optimizer.state[parameter] = optimizer_state(tensors, name, parameter)


def optimizer_state(tensors: dict[str, Tensor], name: str, parameter: Tensor) -> dict[str, Tensor]:
    """What a full state has of the optimizer's memory of one parameter, by the optimizer's own keys."""
    prefix = f"optimizer.{name}."
    # The fused step counter lives with its parameter; copies keep each dtype.
    return {
        key.removeprefix(prefix): t.to(parameter.device, copy=True)
        for key, t in tensors.items()
        if key.startswith(prefix)
    }
