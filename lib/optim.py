"""Optimizers by name, parameter groups, and the learning-rate and lambda schedules."""

import math

import torch
from torch import nn

from lib.params import OptimParams, ScheduleParams

OPTIMIZERS = {"adamw": torch.optim.AdamW}


def learning_rate(step: int, peak: float, s: ScheduleParams) -> float:
    """Learning rate of optimizer step `step` (the first step is 1).

    Warm-up: peak * t / W for t < W. Then a cosine over x = (t - W) / (T - W) with floor m = min_lr_ratio:
    `clamped` is peak * max((1 + cos(pi x)) / 2, m), as the published runs were executed; `affine` is
    peak * (m + (1 - m) (1 + cos(pi x)) / 2), which reaches the floor only at the last step.
    """
    if step < s.warmup:
        return peak * step / s.warmup
    x = min((step - s.warmup) / max(1, s.steps - s.warmup), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * x))
    if s.decay == "clamped":
        return peak * max(cosine, s.min_lr_ratio)
    return peak * (s.min_lr_ratio + (1.0 - s.min_lr_ratio) * cosine)


def probe_weight(step: int, s: ScheduleParams) -> float:
    """lambda(t): `lambda_probe` before `lambda_step`, `lambda_probe2` from it on (the same when it is null)."""
    if s.lambda_probe2 is not None and step >= s.lambda_step:
        return s.lambda_probe2
    return s.lambda_probe


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and embeddings decay; biases and LayerNorm do not."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def build_optimizer(model: nn.Module, o: OptimParams) -> torch.optim.Optimizer:
    """The optimizer named `o.name`. beta2 = 0 is legal: each step is normalised by its own squared gradient."""
    groups = parameter_groups(model, o.weight_decay)
    return OPTIMIZERS[o.name](groups, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, fused=True)
