"""NOLAH: Muon with a gate on the gradient, damping of the memory where the gradient is large, and a projection.

    h = tanh(g) |g|,  sigmoid(g) g  or  max(g, 0)       M <- mu M + h
    M_ij <- s M_ij      where |g_ij| is above the 95 % quantile of |g|: the memory itself, s = `damping`
    W <- (1 - lr w) W - lr c polar(F * sigmoid(F))      elementwise; F alone without `projection`

The gates know the size of the gradient: far below 1 sigmoid(g) g and F * sigmoid(F) are g / 2 and F / 2, and change
nothing in a polar factor, while tanh(g) |g| is g |g|.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lib.optim.matrices import Polar
from lib.optim.matrix_optimizer import MatrixOptimizer, Moment
from lib.optim.matrix_optimizer import decay as decay
from lib.optim.matrix_optimizer import direction as direction
from lib.optim.matrix_optimizer import measured as measured
from lib.params.fields import MatrixParameters, Share

QUANTILE, SAMPLE = 0.95, 10_000  # entries of a larger matrix that the quantile is taken of
GATES = {
    "tanh": lambda g: torch.tanh(g) * g.abs(),
    "sigmoid": lambda g: torch.sigmoid(g) * g,
    "relu": lambda g: g.clamp(min=0.0),
}


class Parameters(MatrixParameters):
    name: Literal["nolah"] = Field(description="Muon with gated gradients, damping and a projection")
    gate: Literal["tanh", "sigmoid", "relu"] = Field("tanh", description="of the gradient before it is remembered")
    damping: Share = Field(0.95, description="what is left of the memory where the gradient is largest")
    projection: bool = Field(True, description="follow F * sigmoid(F) in place of F")


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    return MatrixOptimizer(model, o, enters=lambda g, o: GATES[o.gate](g), follows=followed)


def followed(at: Moment) -> Polar:
    size = at.gradient.abs()
    at.memory.mul_(torch.where(size > level(size, at), at.o.damping, 1.0))
    f = at.ahead()
    return at.polar(f * torch.sigmoid(f) if at.o.projection else f)


def level(size: Tensor, at: Moment) -> Tensor:
    """The quantile of the entries, or of a sample of them that is the same in every process."""
    entries = size.flatten().float()
    if len(entries) > SAMPLE:
        chosen = at.random().choice(len(entries), SAMPLE, replace=False)
        entries = entries[torch.from_numpy(chosen).to(entries.device)]
    return torch.quantile(entries, QUANTILE)


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """There is no simulation of noise through it: what it damps depends on the gradient that it damps."""
    return "nolah", {}
