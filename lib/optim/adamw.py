"""AdamW: steps normalised by the running mean of squared gradients, with decoupled weight decay.

    m <- beta1 m + (1 - beta1) g        v <- beta2 v + (1 - beta2) g^2
    theta <- (1 - lr w) theta - lr m_hat / (sqrt(v_hat) + eps)

with m_hat = m / (1 - beta1^t) and v_hat = v / (1 - beta2^t). beta2 = 0 is legal: each step is then normalised
by its own squared gradient.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lib.optim.groups import parameter_groups
from lib.optim.uncompiled import uncompiled
from lib.params.fields import Below1, NonNegative, OptimizerParameters, Positive


class Parameters(OptimizerParameters):
    name: Literal["adamw"] = Field(description="Adam with decoupled weight decay")
    beta1: Below1 = Field(description="memory of the gradient")
    beta2: Below1 = Field(description="memory of the squared gradient")
    eps: Positive = Field(description="added to the root of the second moment")
    weight_decay: NonNegative = Field(description="share of a weight that a step of learning rate 1 would take off")


def build(model: nn.Module, o: Parameters) -> torch.optim.Optimizer:
    groups = parameter_groups(model, o.weight_decay)
    kind = uncompiled(torch.optim.AdamW)
    return kind(groups, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, fused=True)


def direction(state: dict[str, Tensor], o: Parameters) -> Tensor:
    """m_hat / (sqrt(v_hat) + eps) of one parameter; the next step goes against it."""
    m, v, t = (state[key] for key in ("exp_avg", "exp_avg_sq", "step"))
    m_hat, v_hat = m / (1 - o.beta1 ** float(t)), v / (1 - o.beta2 ** float(t))
    return m_hat / (v_hat.sqrt() + o.eps)


def decay(lr: float, o: Parameters) -> float:
    """The share of a weight that decay takes off in a step."""
    return lr * o.weight_decay


def noise(o: Parameters) -> tuple[str, dict[str, Any]]:
    """Which simulation of `lib.geometry.null` noise through this optimizer is, and its numbers."""
    return "adam", {"wd": o.weight_decay, "beta1": o.beta1, "beta2": o.beta2, "eps": o.eps}
