"""Muon: steps along the polar factor of the momentum of every hidden matrix, AdamW for the rest.

As it stands it is the reference's rule on hidden matrices alone: a heavy ball and an exact polar factor, no look
ahead, no scale, no decay. The public recipe is momentum_rule = lerp, nesterov = true, polar = quintic and
shape_scale = tall at a learning rate near 0.02, or shape_scale = adam at AdamW's learning rate. As executed:
matrices = all2d, polar = svd, adam_schedule = false, adam_decays = all, lr = 1e-4.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from lib.optim.matrix_optimizer import MatrixOptimizer, polar_noise
from lib.optim.matrix_optimizer import decay as decay
from lib.optim.matrix_optimizer import direction as direction
from lib.optim.matrix_optimizer import measured as measured
from lib.params.fields import MatrixParameters


class Parameters(MatrixParameters):
    name: Literal["muon"] = Field(description="the polar factor of a matrix's momentum, AdamW for the rest")


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    return MatrixOptimizer(model, o)


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """Which simulation of `lib.geometry.null` noise through this optimizer is, and its numbers."""
    return polar_noise(o)
