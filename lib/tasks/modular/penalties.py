"""What may be added to the loss: penalties on how a model routes, and on how rough its table of answers is.

Weights w are those of H heads for B examples, each row adding up to 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.tasks.modular.smoothness import low_mask

TINY = 1e-8


def entropy(w: Tensor) -> Tensor:
    """Mean over examples of - sum_h w ln w."""
    w = w.clamp(TINY, 1 - TINY)
    return -(w * w.log()).sum(dim=1).mean()


def sparsity(w: Tensor) -> Tensor:
    """Mean over examples of 1 - max_h w: 0 where one head does all."""
    return (1 - w.amax(dim=1)).mean()


def gini(w: Tensor) -> Tensor:
    """Mean over examples of 1 - G, with G = 2 sum_i i w_(i) / (H sum w) - (H + 1) / H of the weights in order."""
    heads = w.shape[1]
    ordered = w.sort(dim=1).values
    ranks = torch.arange(1, heads + 1, device=w.device, dtype=w.dtype)
    found = 2 * (ranks * ordered).sum(dim=1) / (heads * w.sum(dim=1) + TINY) - (heads + 1) / heads
    return (1 - found).mean()


def consistency(w: Tensor, inputs: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean over examples of KL(S w || w), S = row-softmax of the cosines of inputs over the temperature.

    0 where examples that are alike are routed alike.
    """
    unit = F.normalize(inputs, dim=1)
    mixed = (unit @ unit.T / temperature).softmax(dim=1) @ w
    return (mixed * (mixed.clamp(min=TINY).log() - w.clamp(min=TINY).log())).sum(dim=1).mean()


def routing(kind: str, weights: list[Tensor], inputs: Tensor) -> Tensor:
    """The mean over layers of one of the penalties.

    Args:
        weights: of every layer (B, H), or (B, T, H) at T positions, each of which counts; of a transformer
            `consistency` is about the last position.
        inputs: (B, ...) what the model is given.
    """
    if kind == "consistency":
        last = [w if w.ndim == 2 else w[:, -1] for w in weights]
        return torch.stack([consistency(w, inputs.flatten(1)) for w in last]).mean()
    penalty = {"entropy": entropy, "sparsity": sparsity, "gini": gini}[kind]
    return torch.stack([penalty(w.flatten(0, -2)) for w in weights]).mean()


def roughness(logits: Tensor, k: int) -> Tensor:
    """1 - the low share of the power of e(a, b) = sum_c c softmax_c(logits), of a table (p, p, C)."""
    classes = torch.arange(logits.shape[2], device=logits.device, dtype=logits.dtype)
    power = torch.fft.fft2((logits.softmax(dim=2) * classes).sum(dim=2)).abs().square()
    low = low_mask(len(logits), k).to(logits.device)
    return 1 - (power * low).sum() / (power.sum() + TINY)
