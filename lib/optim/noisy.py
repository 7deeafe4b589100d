"""Noise in the momentum of matrices: how much of it, when, and which.

    added = alpha_t ||g||_F Z,      alpha_t: `amplitude`,      Z: the variant's noise

It goes into the matrix that is followed and, unless a variant does as the reference does, not into the memory: that
stays linear in past gradients.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lib.optim.matrices import Polar, effective_rank, gaussian, gaussian_rank, singular_values
from lib.optim.matrix_optimizer import Moment, plain, polar_noise
from lib.params.fields import NoisyMatrixParameters

QUIET = 0.75  # a memory of noise has a larger share than this of either kind of full rank, in matrices of any size


def amplitude(o: NoisyMatrixParameters, step: int) -> float:
    """alpha_t: alpha 2^(-t / half_life), no less than alpha_end; or a line that is there at t = 2 half_life."""
    if o.anneal == "constant":
        return o.alpha
    if o.anneal == "exponential":
        return max(o.alpha * 2 ** (-step / o.half_life), min(o.alpha, o.alpha_end))
    return o.alpha + (min(o.alpha, o.alpha_end) - o.alpha) * min(1.0, step / (2 * o.half_life))


def with_noise(at: Moment, noise: Callable[[Tensor], Tensor], follows: Callable[[Moment, Tensor], Polar]) -> Polar:
    """The polar factor that a matrix follows, with noise where it is due.

    Args:
        noise: Z from a matrix of Gaussian numbers.
        follows: the polar factor, given what is added.

    One decomposition serves the trigger and, where there is no noise, the step.
    """
    o, state = at.o, at.state
    state.setdefault("fired", torch.zeros_like(state["step"]))
    state["noise_ratio"] = torch.zeros_like(state["step"])
    if at.step <= o.noise_start if o.noise_start is not None else not state["warmed"]:
        return plain(at)
    if o.adaptive:
        clean = plain(at)
        values = singular_values(at.ahead()) if clean.values is None else clean.values
        state["memory_rank"] = effective_rank(values)
        full = gaussian_rank(*at.memory.shape) if o.rank_of == "gaussian" else min(at.memory.shape)
        if state["memory_rank"] >= o.rank_threshold * full:
            return clean
    z = noise(gaussian(at.memory.shape, at.random()).to(at.memory))
    added = z * (amplitude(o, at.step) * torch.linalg.matrix_norm(at.gradient))
    state["fired"] += 1
    state["noise_ratio"] = torch.linalg.matrix_norm(added) / torch.linalg.matrix_norm(at.memory)
    return follows(at, added)


def noise_through(o: NoisyMatrixParameters) -> tuple[str, dict[str, Any]]:
    """What noise gradients through such an optimizer are: plain Muon's, as long as the trigger is below `QUIET`.

    A memory of noise has the effective rank of a Gaussian matrix, and so never gets noise added. Where it does, how
    much depends on the shapes of the matrices, and there is no simulation.
    """
    return polar_noise(o) if o.adaptive and o.rank_threshold <= QUIET else (o.name, {})
