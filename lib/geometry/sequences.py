"""The gradient of every sequence's loss, reduced on the fly to its projections and squared norms.

`losses(model, batch)` gives the loss l_n of every sequence of a batch. With g_n = grad l_n over the trunk,

    along[n, k] = <g_n, v_k>,    squares[n, i] = ||g_n restricted to tensor i||^2,

and no g_n is kept. There are two ways to them. `sequence_samples` forms the gradients: one forward and
backward pass for any number of directions, and the norms come with it. `forward_samples` takes one
forward-mode derivative per direction: the memory of a forward pass, any batch and any control flow, no norms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from lib.geometry.directions import Direction, Frame, frame

ROOM = 1 << 28  # entries of per-sequence gradients held at once: 1 GB in float32

Losses = Callable[[nn.Module, Any], Tensor]
Sequences = dict[str, Tensor]  # a batch that can be cut: sequences along the first axis of every tensor


@dataclass(frozen=True)
class Samples:
    """Projections and squared norms of n gradients.

    definition  what the gradients are of, in words
    labels      (K,) names of the directions
    sizes       tensor -> number of parameters, N of them
    shares      (N, K) share of ||v||^2 in each tensor
    along       (n, K) float64, <g_n, v> for unit v
    squares     (n, N) float64, squared norm of g_n in each tensor; nan where it was not computed
    control     (n, N, R) float64, <g_n, u> for R random unit vectors u of each tensor; R is 0 where none was drawn
    """

    definition: str
    labels: tuple[str, ...]
    sizes: dict[str, int]
    shares: np.ndarray
    along: np.ndarray
    squares: np.ndarray
    control: np.ndarray


def sequence_samples(
    model: nn.Module,
    batches: Iterable[Sequences],
    losses: Losses,
    directions: Mapping[str, Direction],
    definition: str,
    controls: Mapping[str, Tensor] | None = None,
) -> Samples:
    """Samples from a copy of the weights for every sequence, in chunks that fit in memory.

    Args:
        model: `model.trunk()` gives name -> parameter in registered order.
        losses: must be traceable by `vmap` for a batch of one sequence.
        directions: label -> direction, scaled to unit length here.
        controls: tensor -> (size, R) random unit vectors, `directions.random_controls`.

    Raises: ValueError for a direction that is not in the registered order.
    """
    space = frame(model, directions)
    weights = {name: p.detach() for name, p in model.trunk().items()}
    chunk = max(1, ROOM // sum(space.sizes.values()))

    def loss(trunk: dict[str, Tensor], sequence: Sequences) -> Tensor:
        one = {key: x[None] for key, x in sequence.items()}
        return _with_trunk(model, trunk, losses, one).squeeze(0)

    def measure(part: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = len(next(iter(part.values())))
        own = {name: p.expand(count, *p.shape).requires_grad_() for name, p in weights.items()}
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no rule for weights of each sequence's own
            total = vmap(loss)(own, part).sum()
        # The derivative is taken outside of `vmap`: that of torch.func imports the compiler, for over a second.
        found = torch.autograd.grad(total, list(own.values()), materialize_grads=True)
        flat = [g.flatten(1) for g in found]
        along = sum(g @ column for g, column in zip(flat, space.columns.values(), strict=True))
        squares = torch.stack([(g * g).sum(dim=1) for g in flat], dim=1)
        random = [g @ controls[name] for name, g in zip(weights, flat, strict=True)] if controls else []
        control = torch.stack(random, dim=1) if random else along.new_empty(count, len(flat), 0)
        return _float64(along), _float64(squares), _float64(control)

    measured = [measure(part) for batch in batches for part in _cut(batch, chunk)]
    return _samples(definition, space, *([m[i] for m in measured] for i in range(3)))


def forward_samples(
    model: nn.Module,
    batches: Iterable[Any],
    losses: Losses,
    directions: Mapping[str, Direction],
    definition: str,
) -> Samples:
    """Samples without norms: d/de losses(theta + e v) is <g_n, v> for every sequence of a batch at once.

    Arguments and errors are those of `sequence_samples`, but the batches may be anything that `losses` reads.
    """
    space = frame(model, directions)
    weights = {name: p.detach() for name, p in model.trunk().items()}
    along = []
    # Of the backends of attention only MATH has a forward-mode derivative.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        for batch in batches:
            slopes = [
                _slopes(model, batch, losses, weights, space.tangents(k, weights)) for k in range(len(space.labels))
            ]
            along.append(_float64(torch.stack(slopes, dim=1)))
    counts = [(len(a), len(space.sizes)) for a in along]
    return _samples(
        definition, space, along, [np.full(c, np.nan) for c in counts], [np.empty((*c, 0)) for c in counts]
    )


def _slopes(
    model: nn.Module, batch: Any, losses: Losses, weights: dict[str, Tensor], tangents: dict[str, Tensor]
) -> Tensor:
    with forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(p, tangents[name]) for name, p in weights.items()}
        return forward_ad.unpack_dual(_with_trunk(model, duals, losses, batch)).tangent


class _Call(nn.Module):
    """`losses(model, batch)` as a forward pass, the form in which weights can be replaced."""

    def __init__(self, model: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, batch: Any) -> Tensor:
        return self.losses(self.model, batch)


def _with_trunk(model: nn.Module, trunk: Mapping[str, Tensor], losses: Losses, batch: Any) -> Tensor:
    return functional_call(_Call(model, losses), {f"model.{name}": p for name, p in trunk.items()}, (batch,))


def _float64(x: Tensor) -> np.ndarray:
    return x.detach().double().cpu().numpy()


def _samples(
    definition: str, space: Frame, along: list[np.ndarray], squares: list[np.ndarray], control: list[np.ndarray]
) -> Samples:
    n = len(space.sizes)
    none = np.empty((0, len(space.labels))), np.empty((0, n)), np.empty((0, n, 0))
    return Samples(
        definition=definition,
        labels=space.labels,
        sizes=space.sizes,
        shares=space.shares,
        along=np.concatenate([none[0], *along]),
        squares=np.concatenate([none[1], *squares]),
        control=np.concatenate(control or [none[2]]),
    )


def _cut(batch: Sequences, size: int) -> list[Sequences]:
    parts = zip(*(x.split(size) for x in batch.values()), strict=True)
    return [dict(zip(batch, part, strict=True)) for part in parts]
