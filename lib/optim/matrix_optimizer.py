"""Optimizers of matrices by the polar factor of their momentum, with AdamW for every other parameter.

    M <- mu M + g                              lerp: mu M + (1 - mu) g
    F = M                                      with Nesterov's look ahead: g + mu M; lerp: (1 - mu) g + mu M
    W <- (1 - lr w) W - lr c polar(F)          c: `shape_scale`

Every singular value of polar(F) is 1, so that a step is as long as the learning rate says, however long gradients
are. A variant changes what enters the memory or what is followed: one function each.

Where a decomposition fails, the matrix stands still in that step but for its decay; the gradient is in its memory.
It is counted (`failures`), the first of a matrix is a warning, and the count stands in every evaluation.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from lib.optim.groups import decays
from lib.optim.matrices import Polar, effective_rank, gaussian_rank, polar, shape_scale
from lib.params.fields import MatrixParameters

AT_PEAK = 1 - 1e-9  # of the peak: a schedule reaches it up to rounding


@dataclass(frozen=True)
class Moment:
    """One matrix in one step, its gradient already in its memory.

    gradient, entered   the gradient, and what of it entered the memory
    memory              the momentum buffer; a variant may change it
    state               all that the optimizer keeps of this matrix
    step                this one is 1 at first
    key                 (seed of the run, step, place of the parameter in the model)
    """

    gradient: Tensor
    entered: Tensor
    memory: Tensor
    state: dict[str, Tensor]
    step: int
    key: tuple[int, int, int]
    o: Any

    def ahead(self) -> Tensor:
        """F, of which plain Muon takes the polar factor."""
        if not self.o.nesterov:
            return self.memory
        share = 1.0 if self.o.momentum_rule == "heavy_ball" else 1 - self.o.momentum
        return self.o.momentum * self.memory + share * self.entered

    def polar(self, matrix: Tensor) -> Polar:
        return polar(matrix, self.o.polar)

    def random(self) -> np.random.Generator:
        """Numbers that depend on `key` alone: the same in every process, and after any interruption."""
        return np.random.default_rng(self.key)


def unchanged(gradient: Tensor, o: MatrixParameters) -> Tensor:
    return gradient


def plain(at: Moment) -> Polar:
    return at.polar(at.ahead())


class MatrixOptimizer(torch.optim.Optimizer):
    """
    Args:
        enters: what of a gradient enters the memory.
        follows: the polar factor that a matrix follows.

    The training loop gives the run's seed to every group as `seed`.
    """

    def __init__(
        self,
        model: nn.Module,
        o: MatrixParameters,
        enters: Callable[[Tensor, Any], Tensor] = unchanged,
        follows: Callable[[Moment], Polar] = plain,
    ) -> None:
        self.o, self.enters, self.follows = o, enters, follows
        super().__init__(groups(model, o), {"lr": o.lr, "seed": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["places"] is None:
                self._step_adam(group)
                continue
            for p, place in zip(group["params"], group["places"], strict=True):
                if p.grad is not None:
                    self._step_matrix(p, place, group)
        return loss

    def _step_matrix(self, p: Tensor, place: int, group: dict[str, Any]) -> None:
        o, state, lr = self.o, self.state[p], group["lr"]
        if not state:
            state |= {name: torch.zeros((), device=p.device) for name in ("step", "failures", "warmed")}
            state["momentum_buffer"] = torch.zeros_like(p)
        state["step"] += 1
        if lr >= AT_PEAK * o.lr:
            state["warmed"].fill_(1)
        entered, memory = self.enters(p.grad, o), state["momentum_buffer"]
        memory.mul_(o.momentum).add_(entered, alpha=1 if o.momentum_rule == "heavy_ball" else 1 - o.momentum)
        p.mul_(1 - lr * o.weight_decay)
        step = int(state["step"])
        key = (group["seed"], step, place)
        try:
            factor, values = self.follows(Moment(p.grad, entered, memory, state, step, key, o))
        except torch.linalg.LinAlgError as error:
            state["failures"] += 1
            if state["failures"] == 1:
                said = f"step {step}: parameter {place} stands still, and further failures of it are only counted"
                warnings.warn(f"{said} ({error})", stacklevel=2)
            return
        if values is not None:
            state["effective_rank"] = effective_rank(values)
        p.add_(factor, alpha=-lr * shape_scale(*p.shape, o.shape_scale))

    def _step_adam(self, group: dict[str, Any]) -> None:
        o, there = self.o, [p for p in group["params"] if p.grad is not None]
        for p in there:
            if not self.state[p]:
                self.state[p]["step"] = torch.zeros((), device=p.device)
                self.state[p] |= {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
        states = [self.state[p] for p in there]
        adamw(
            there,
            [p.grad for p in there],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=o.adam_memory,
            beta2=o.adam_square_memory,
            eps=o.adam_eps,
            lr=o.adam_lr * (group["lr"] / o.lr if o.adam_schedule else 1.0),
            weight_decay=group["weight_decay"],
        )


def groups(model: nn.Module, o: MatrixParameters) -> list[dict[str, Any]]:
    """The matrices with their places among all parameters; then what AdamW takes, with and without its decay."""
    roles, decaying, matrices, decayed, rest = model.roles(), decays(model), {}, [], []
    for place, (name, p) in enumerate(model.named_parameters()):
        if roles[name] == "hidden" if o.matrices == "hidden" else p.ndim == 2 and min(p.shape) > 1:
            matrices[place] = p
        elif decaying[name] or o.adam_decays == "all":
            decayed.append(p)
        else:
            rest.append(p)
    found = [
        {"params": list(matrices.values()), "places": list(matrices)},
        {"params": decayed, "places": None, "weight_decay": o.adam_weight_decay},
        {"params": rest, "places": None, "weight_decay": 0.0},
    ]
    return [group for group in found if group["params"]]


# ------------------------------------------------------------------------- what the files of the optimizers offer


def direction(state: dict[str, Tensor], o: MatrixParameters) -> Tensor:
    """What the next step would follow if it had no gradient: the polar factor of the memory, scaled by shape.

    Of a memory that has none, nothing, as in a step. Of a parameter that AdamW has: m_hat / (sqrt(v_hat) + eps), at
    its own learning rate over that of the matrices.
    """
    if "momentum_buffer" in state:
        memory = state["momentum_buffer"]
        try:
            return polar(memory, o.polar).factor * shape_scale(*memory.shape, o.shape_scale)
        except torch.linalg.LinAlgError:
            return torch.zeros_like(memory)
    m, v, t = (state[key] for key in ("exp_avg", "exp_avg_sq", "step"))
    m_hat, v_hat = m / (1 - o.adam_memory ** float(t)), v / (1 - o.adam_square_memory ** float(t))
    return o.adam_lr / o.lr * m_hat / (v_hat.sqrt() + o.adam_eps)


def decay(lr: float, o: MatrixParameters) -> float:
    """The share of a matrix that decay takes off in a step."""
    return lr * o.weight_decay


def polar_noise(o: MatrixParameters) -> tuple[str, dict[str, Any]]:
    """The simulation of `lib.geometry.null` that noise through plain Muon is, and its numbers."""
    return "polar", {"wd": o.weight_decay, "momentum": o.momentum, "nesterov": o.nesterov}


def measured(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """What an evaluation tells of the matrices: failures, and means over matrices of what their last step had.

    matrix_rank    effective rank of what was followed, as a share of a Gaussian matrix's of that shape
    memory_rank    the same of the memory, where a trigger looks at it
    noise_fired    share of the steps so far that had noise
    noise_ratio    ||noise||_F / ||M||_F of the last step, 0 where it had none
    """
    kept = [(p.shape, optimizer.state[p]) for g in optimizer.param_groups if g["places"] for p in g["params"]]
    kept = [(shape, state) for shape, state in kept if state]
    found = {"matrix_failures": float(sum(state["failures"] for _, state in kept))}
    for name, key in (("matrix_rank", "effective_rank"), ("memory_rank", "memory_rank")):
        ranks = [float(s[key]) / gaussian_rank(*shape) for shape, s in kept if key in s]
        found |= {name: float(np.mean(ranks))} if ranks else {}
    noisy = [state for _, state in kept if "fired" in state]
    if noisy:
        found["noise_fired"] = float(np.mean([float(s["fired"] / s["step"]) for s in noisy]))
        found["noise_ratio"] = float(np.mean([float(s["noise_ratio"]) for s in noisy]))
    return found
