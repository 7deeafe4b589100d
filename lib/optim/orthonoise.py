"""OrthoNoise: Muon with a random orthonormal matrix Q added to the momentum before its polar factor is taken.

    F' = F + alpha_t ||g||_F Q,     W <- (1 - lr w) W - lr c polar(F'),     ||Q||_F = sqrt(min(m, n)), ||Q||_2 = 1

`ns_target` says what three steps of the cubic X <- 1.5 X - 0.5 X X^T X are done to: `none` leaves them out, since
an exact polar factor follows; `copy` does them to F', as large as it is; `buffer` is the reference, which adds the
noise to the memory itself and then rewrites that: it is no sum of past gradients any more, and grows without bound
once a singular value is above sqrt(5).
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lib.optim.matrices import Polar, cubic, haar
from lib.optim.matrix_optimizer import MatrixOptimizer, Moment
from lib.optim.matrix_optimizer import decay as decay
from lib.optim.matrix_optimizer import direction as direction
from lib.optim.matrix_optimizer import measured as measured
from lib.optim.noisy import noise_through, with_noise
from lib.params.fields import NoisyMatrixParameters, Number


class Parameters(NoisyMatrixParameters):
    name: Literal["orthonoise"] = Field(description="Muon with orthonormal noise in its momentum")
    ns_target: Literal["none", "copy", "buffer"] = Field(
        "none", description="what cubic Newton-Schulz steps rewrite: nothing, a copy, or (as executed) the memory"
    )
    ns_steps: Number = Field(3, description="how many of them")


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    return MatrixOptimizer(model, o, follows=lambda at: with_noise(at, haar, followed))


def followed(at: Moment, added: Tensor) -> Polar:
    o = at.o
    if o.ns_target == "buffer":
        at.memory.copy_(cubic(at.memory + added, o.ns_steps))
        return at.polar(at.ahead())
    noisy = at.ahead() + added
    return at.polar(cubic(noisy, o.ns_steps) if o.ns_target == "copy" else noisy)


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """Which simulation of `lib.geometry.null` noise through this optimizer is, and its numbers."""
    return noise_through(o)
