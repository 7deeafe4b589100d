"""Initial weights that depend on the model and its seed alone: drawn on the CPU, in the order of registration."""

import torch
from torch import nn

SMALL = 0.02  # standard deviation of `small`


def as_torch(model: nn.Module, seed: int) -> None:
    """As torch draws them: a layer of n inputs, biases too, from U(-1, 1) / sqrt(n); embeddings N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            for p in module.parameters():
                nn.init.uniform_(p, -bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, generator=generator)


def small(model: nn.Module, seed: int) -> None:
    """Every matrix and embedding N(0, 0.02^2), biases 0."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=SMALL, generator=generator)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
