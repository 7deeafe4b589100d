"""Optimizers by name, and parameter groups."""

import torch
from torch import nn

from lib.params.run import OptimParams

OPTIMIZERS = {"adamw": torch.optim.AdamW}


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and embeddings decay; biases and LayerNorm do not."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def build_optimizer(model: nn.Module, o: OptimParams) -> torch.optim.Optimizer:
    """The optimizer named `o.name`. beta2 = 0 is legal: each step is normalised by its own squared gradient."""
    groups = parameter_groups(model, o.weight_decay)
    return OPTIMIZERS[o.name](groups, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, fused=True)
