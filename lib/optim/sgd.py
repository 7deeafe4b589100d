"""SGD with momentum, dampening and Nesterov's look ahead; decay in the gradient, as torch has it, or beside it.

    g <- g + w theta                    (coupled alone)
    b <- momentum b + (1 - dampening) g (the first b is g itself)
    theta <- (1 - lr w) theta           (decoupled alone)
    theta <- theta - lr (g + momentum b if nesterov, else b)

Its steps are as long as its gradients are, where Adam's are as long as the learning rate.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from lib.optim.groups import parameter_groups
from lib.optim.uncompiled import uncompiled
from lib.params.fields import Below1, NonNegative, OptimizerParameters


class Parameters(OptimizerParameters):
    name: Literal["sgd"] = Field(description="stochastic gradient descent")
    momentum: Below1 = Field(0.9, description="memory of the gradient")
    dampening: Below1 = Field(0.0, description="share of a new gradient that does not enter the memory")
    nesterov: bool = Field(False, description="step from where the memory alone would lead")
    weight_decay: NonNegative = Field(
        0.0, description="share of a weight that a step of learning rate 1 would take off"
    )
    decoupled: bool = Field(False, description="decay beside the step, not in the gradient")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Parameters":
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("optim.nesterov = true needs optim.momentum above 0 and optim.dampening = 0")
        return self


class DecoupledSGD(uncompiled(torch.optim.SGD)):
    """torch's SGD, after weights of groups with a `decay` were scaled by (1 - lr * decay)."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        for group in self.param_groups:
            if group["decay"]:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * group["decay"])
        return super().step(closure)


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    groups = parameter_groups(model, o.weight_decay)
    kind = torch.optim.SGD
    if o.decoupled:
        kind = DecoupledSGD
        groups = [{"params": g["params"], "decay": g["weight_decay"]} for g in groups]
    return uncompiled(kind)(groups, lr=o.lr, momentum=o.momentum, dampening=o.dampening, nesterov=o.nesterov)


def direction(state: dict[str, Tensor], o: Parameters) -> Tensor | None:
    """The momentum buffer, of which the next step keeps `momentum`; None where there is no memory."""
    return state.get("momentum_buffer")


def decay(lr: float, o: Parameters) -> float:
    """The share of a weight that decay takes off in a step.

    In the gradient it goes through the memory, which multiplies it by (1 - dampening) / (1 - momentum) once it is
    filled.
    """
    return lr * o.weight_decay * (1.0 if o.decoupled else (1 - o.dampening) / (1 - o.momentum))


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """Which simulation of `lib.geometry.null` noise through this optimizer is, and its numbers."""
    names = ("momentum", "dampening", "nesterov", "decoupled")
    return "momentum", {"wd": o.weight_decay} | {name: getattr(o, name) for name in names}
