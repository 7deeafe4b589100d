"""How the gradients of named losses lie to one another and to weight decay: analysis/named_gradients.json."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.measure.models import device_here, finite, load_model, whole_steps
from lib.measure.trajectory import write_analysis
from lib.params.run import load_params
from lib.tasks.modular.data import make_data
from lib.tasks.modular.task import named_losses

DRAWS = 200  # of the null
DECAY = "decay"
PAIRS = (
    ("train", "test"),
    ("train", DECAY),
    ("test", DECAY),
    ("train.add", "train.mul"),
    ("restricted", "excluded"),
)


def named_gradients(folder: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Cosines of descent directions of the trunk at every whole snapshot, in PAIRS as far as there are such losses.

    The null of a pair is the first direction against the second's tensors turned at random, each as long as it is:
    its mean is 0, and `null` is the |cosine| that 95 % of draws stay below.
    """
    p = load_params(folder / "params.yaml")
    data, points = make_data(p), []
    for step in whole_steps(folder):
        model = load_model(folder, step, data, device_here())
        if not finite(model):
            continue
        directions = descents(model, named_losses(model, data))
        points.append({"step": step, "pairs": pairs_of(directions, seed)})
    return write_analysis(folder, "named_gradients", points)


def descents(model: nn.Module, losses: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    """Name -> minus the gradient of each trunk matrix; and `decay`, minus the weights."""
    trunk = list(model.trunk().values())
    found = {
        name: [-g.double() for g in torch.autograd.grad(loss, trunk, retain_graph=True, allow_unused=False)]
        for name, loss in losses.items()
    }
    return found | {DECAY: [-w.detach().double() for w in trunk]}


def pairs_of(directions: dict[str, list[Tensor]], seed: int) -> dict[str, dict[str, float]]:
    """`first|second` -> cosine and its null, of every pair that there is."""
    there = [pair for pair in PAIRS if set(pair) <= set(directions)]
    return {
        f"{a}|{b}": {
            "cosine": cosine(directions[a], directions[b]),
            "null": null(directions[a], directions[b], seed),
        }
        for a, b in there
    }


def cosine(x: list[Tensor], y: list[Tensor]) -> float:
    """Of all tensors together; 0 where one is nothing."""
    product = sum(float((a * b).sum()) for a, b in zip(x, y, strict=True))
    lengths = [sum(float(a.square().sum()) for a in z) ** 0.5 for z in (x, y)]
    return product / (lengths[0] * lengths[1]) if all(lengths) else 0.0


def null(x: list[Tensor], y: list[Tensor], seed: int) -> float:
    """The |cosine| below which 95 % of random directions with the tensor norms of y are to x.

    A random direction's share along a tensor of x with n numbers is a normal number over sqrt(n), for n large.
    """
    random = np.random.default_rng(seed)
    spread = [float(a.norm() * b.norm()) / a.numel() ** 0.5 for a, b in zip(x, y, strict=True)]
    lengths = [sum(float(a.square().sum()) for a in z) ** 0.5 for z in (x, y)]
    if not all(lengths):
        return 0.0
    drawn = random.standard_normal((DRAWS, len(spread))) @ np.array(spread) / (lengths[0] * lengths[1])
    return float(np.quantile(np.abs(drawn), 0.95))
