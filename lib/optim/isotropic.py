"""Isotropic: the control of OrthoNoise, with plain Gaussian noise R in the momentum.

    F' = F + alpha_t ||g||_F Z,     W <- (1 - lr w) W - lr c polar(F')

`size` says how much noise that is: `frobenius` gives Z = R the norm sqrt(min(m, n)) that an orthonormal matrix has,
`spectral` its largest singular value 1, and `literal` leaves R as it is, about sqrt(max(m, n)) times more.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lib.optim.matrices import Polar, singular_values
from lib.optim.matrix_optimizer import MatrixOptimizer, Moment
from lib.optim.matrix_optimizer import decay as decay
from lib.optim.matrix_optimizer import direction as direction
from lib.optim.matrix_optimizer import measured as measured
from lib.optim.noisy import noise_through, with_noise
from lib.params.fields import NoisyMatrixParameters


class Parameters(NoisyMatrixParameters):
    name: Literal["isotropic"] = Field(description="Muon with Gaussian noise in its momentum")
    size: Literal["frobenius", "spectral", "literal"] = Field(
        "frobenius", description="which norm the noise shares with orthonormal noise; literal: neither, as executed"
    )
    noise_target: Literal["copy", "buffer"] = Field(
        "copy", description="noise goes into a copy, or (as executed) stays in the memory"
    )


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    return MatrixOptimizer(model, o, follows=lambda at: with_noise(at, lambda r: sized(r, o.size), followed))


def sized(numbers: Tensor, size: str) -> Tensor:
    """Z from a matrix of Gaussian numbers."""
    if size == "frobenius":
        return numbers * (min(numbers.shape) ** 0.5 / torch.linalg.matrix_norm(numbers))
    return numbers / singular_values(numbers)[0] if size == "spectral" else numbers


def followed(at: Moment, added: Tensor) -> Polar:
    if at.o.noise_target == "buffer":
        at.memory.add_(added)
        return at.polar(at.ahead())
    return at.polar(at.ahead() + added)


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """Which simulation of `lib.geometry.null` noise through this optimizer is, and its numbers."""
    return noise_through(o)
