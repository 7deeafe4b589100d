"""Directions in weight space, checked against the one registered order of the trunk.

A direction is a dictionary name -> tensor with the keys, the order and the shapes of `model.trunk()`. An inner
product of vectors flattened in two different orders is a number like any other, so a direction in another
order is refused, not sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

Direction = Mapping[str, Tensor]


@dataclass(frozen=True)
class Frame:
    """K directions of unit length over N tensors.

    labels   (K,) their names
    sizes    tensor -> number of parameters, in registered order
    shares   (N, K) float64, the share of ||v||^2 that lies in each tensor
    columns  tensor -> (size, K), on the device and in the precision of the trunk
    """

    labels: tuple[str, ...]
    sizes: dict[str, int]
    shares: np.ndarray
    columns: dict[str, Tensor]

    def tangents(self, k: int, trunk: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Direction k in the shapes of the trunk."""
        return {name: column[:, k].view_as(trunk[name]) for name, column in self.columns.items()}


def frame(model: nn.Module, directions: Mapping[str, Direction]) -> Frame:
    """Check directions against `model.trunk()` and scale each to unit length.

    A direction of length zero, or with a non-finite entry, becomes nan and leaves the others alone.

    Raises: ValueError if a direction has other tensors than the trunk, another order, or other shapes.
    """
    trunk = {name: p.detach() for name, p in model.trunk().items()}
    for label, direction in directions.items():
        check_order(label, direction, trunk)
    squares = np.array(
        [[float(v[name].double().square().sum()) for v in directions.values()] for name in trunk]
    ).reshape(len(trunk), len(directions))
    total = squares.sum(axis=0)
    total[~(np.isfinite(total) & (total > 0))] = np.nan
    columns = {}
    for name, p in trunk.items():
        lengths = zip(directions.values(), np.sqrt(total), strict=True)
        stacked = [v[name].to(p.device).double().flatten() / length for v, length in lengths]
        columns[name] = torch.stack(stacked, dim=1).to(p.dtype) if stacked else p.new_zeros(p.numel(), 0)
    return Frame(tuple(directions), {name: p.numel() for name, p in trunk.items()}, squares / total, columns)


def check_order(label: str, direction: Direction, trunk: Mapping[str, Tensor]) -> None:
    """Raises: ValueError, one sentence, unless the direction has the trunk's tensors, order and shapes."""
    given, wanted = list(direction), list(trunk)
    if given != wanted:
        at = next((i for i, pair in enumerate(zip(given, wanted, strict=False)) if pair[0] != pair[1]), None)
        what = (
            f"has {len(given)} tensors, the trunk {len(wanted)}"
            if at is None
            else f"has {given[at]} where the trunk has {wanted[at]} (place {at + 1})"
        )
        raise ValueError(f"direction {label} is not in the registered order of the trunk: it {what}")
    for name, tensor in direction.items():
        if tensor.shape != trunk[name].shape:
            raise ValueError(
                f"direction {label}: {name} has shape {tuple(tensor.shape)}, "
                f"the trunk has {tuple(trunk[name].shape)}"
            )


def random_direction(model: nn.Module, seed: int) -> dict[str, Tensor]:
    """A Gaussian direction over the trunk, the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator) for name, p in model.trunk().items()}


def random_controls(model: nn.Module, count: int, seed: int) -> dict[str, Tensor]:
    """Tensor -> (size, count), random unit vectors of that tensor alone, on the device of the trunk.

    Weighed by the square roots of a direction's shares they make random directions with its norm in every tensor;
    by those of the tensors' sizes, random directions of the whole trunk.
    """
    generator, columns = torch.Generator().manual_seed(seed), {}
    for name, p in model.trunk().items():
        drawn = torch.randn(p.numel(), count, generator=generator)
        columns[name] = (drawn / drawn.norm(dim=0)).to(p.device, p.dtype)
    return columns
