"""What the tests of the Muon family share: a small model, gradients that are a function of the step, and runs."""

import torch
from torch import nn

PEAK = 0.02


class Small(nn.Module):
    """Matrices of three shapes in the middle, an embedding before and a head behind them, a bias and a vector."""

    def __init__(self, seed=0):
        super().__init__()
        shapes = {
            "emb": (11, 6),
            "wide": (6, 10),
            "tall": (10, 6),
            "square": (6, 6),
            "head": (11, 6),
            "thin": (1, 6),
        }
        generator = torch.Generator().manual_seed(seed)
        for name, shape in (*shapes.items(), ("bias", (6,))):
            setattr(self, name, nn.Parameter(0.1 * torch.randn(shape, generator=generator)))

    def roles(self):
        kinds = {"emb": "embedding", "head": "head", "bias": "vector", "thin": "vector"}
        return {name: kinds.get(name, "hidden") for name, _ in self.named_parameters()}


HIDDEN = ("wide", "tall", "square")


def gradient(shape, name, t, size=1.0):
    random = torch.Generator().manual_seed(1000 * t + sum(map(ord, name)))
    return size * torch.randn(shape, generator=random)


def run(model, optimizer, steps, size=1.0, lr=PEAK):
    """Steps at a learning rate of `lr`, or of `lr` of the step."""
    for t in steps:
        for group in optimizer.param_groups:
            group["lr"] = lr(t) if callable(lr) else lr
        for name, p in model.named_parameters():
            p.grad = gradient(p.shape, name, t, size)
        optimizer.step()
    return model


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(a, b, names=None):
    return all(torch.equal(a[name], b[name]) for name in names or a)
