"""Norms of Jacobians and traces of Hessians by random probes, each with its standard error and what it cost.

    ||J||_F^2 = C E ||J^T v||^2      v uniform on the unit sphere of the C outputs
    tr H      = E v^T H v            v of independent signs (Hutchinson, with the smallest variance there is)

Probes are drawn from the generator that is given: the same at every step of a run, so that a curve shows the
network and not the draw. Everything is differentiated as it is: a model must multiply by functions that know second
derivatives (`lib.models.products.plain_products`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, vmap

AT_ONCE = 1 << 24  # numbers of per-example gradients that exist at a time

Loss = Callable[[nn.Module, dict[str, Tensor]], Tensor]  # -> (B,) losses of examples


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error where it is an estimate, and the examples that went backwards for it."""

    value: float
    error: float | None = None
    cost: int = 0


def mean_of(samples: Tensor, cost: int = 0) -> Estimate:
    """The mean of independent samples and its standard error; one sample has none."""
    samples = samples.double()
    error = float(samples.std() / len(samples) ** 0.5) if len(samples) > 1 else None
    return Estimate(float(samples.mean()), error, cost)


def signs(shape: tuple[int, ...], random: torch.Generator, like: Tensor) -> Tensor:
    return (torch.randint(0, 2, shape, generator=random) * 2 - 1).to(like)


def jacobian_square(f: Callable[[Tensor], Tensor], x: Tensor, random: torch.Generator, count: int) -> Estimate:
    """||df/dx||_F^2 of one example, as a mean over examples; each has directions of its own.

    Args:
        f: (B, ...) -> (B, C), one example's outputs from its own input alone.
        count: directions for each example.
    """
    x = x.detach().requires_grad_()
    outputs = f(x)
    v = torch.randn((count, *outputs.shape), generator=random).to(outputs)
    v /= v.norm(dim=-1, keepdim=True)
    (pulled,) = torch.autograd.grad(outputs, x, v, is_grads_batched=True)  # (count, B, ...): one graph for all
    squares = pulled.flatten(2).square().sum(dim=2) * outputs.shape[1]
    return mean_of(squares.mean(dim=0), count * len(x))


def input_hessian_trace(f: Callable[[Tensor], Tensor], x: Tensor, random: torch.Generator, count: int) -> Estimate:
    """tr d^2 f / dx^2 of one example, as a mean over examples; each has signs of its own.

    Args:
        f: (B, ...) -> (B,), one example's number from its own input alone.
        count: probes for each example.
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    v = signs((count, *x.shape), random, x)
    if slope.grad_fn is None:  # linear in x
        return mean_of(x.detach().flatten(1).sum(dim=1) * 0, len(x))
    (turned,) = torch.autograd.grad(slope, x, v, is_grads_batched=True, materialize_grads=True)
    return mean_of((turned * v).flatten(2).sum(dim=2).mean(dim=0), (1 + count) * len(x))


def hessian_trace(
    loss: Tensor, weights: list[Tensor], examples: int, random: torch.Generator, count: int
) -> Estimate:
    """tr d^2 loss / dw^2; its error is that of the probes, on the examples that there are.

    One graph serves all probes, one after another: their number times all activations would not fit side by side.

    Args:
        loss: of `examples` examples, with its graph.
    """
    slopes = torch.autograd.grad(loss, weights, create_graph=True)
    found = []
    for _ in range(count):
        v = [signs(w.shape, random, w) for w in weights]
        turned = torch.autograd.grad(slopes, weights, v, retain_graph=True, allow_unused=True)
        found.append(sum((t * s).sum() for t, s in zip(turned, v, strict=True) if t is not None))
    return mean_of(torch.stack(found), (1 + count) * examples)


def gradient_length(model: nn.Module, losses: Loss, examples: dict[str, Tensor]) -> Estimate:
    """||mean_i g_i|| of the gradients g_i of examples, with the error that their spread along it gives it."""
    weights = list(model.parameters())
    found = losses(model, examples)
    slopes = torch.autograd.grad(found.mean(), weights, materialize_grads=True)
    length = float(torch.stack([s.double().square().sum() for s in slopes]).sum() ** 0.5)
    if length == 0 or len(found) == 1:
        return Estimate(length, None, len(found))
    whole = WithLosses(model, losses)
    names = [name for name, _ in whole.named_parameters()]
    with forward_ad.dual_level():  # every <g_i, g> / ||g|| by one forward pass
        along = {
            n: forward_ad.make_dual(w.detach(), s / length) for n, w, s in zip(names, weights, slopes, strict=True)
        }
        rates = forward_ad.unpack_dual(functional_call(whole, along, (examples,))).tangent
    return Estimate(length, mean_of(rates).error, 2 * len(found))


def square_gradients(model: nn.Module, losses: Loss, examples: dict[str, Tensor]) -> Tensor:
    """(B,) ||grad_w loss_i||^2 of every example; as many side by side as fit.

    Args:
        losses: (model, examples) -> (B,), traceable by `vmap` for one example.
        examples: tensors whose first axis is the examples'.
    """
    whole = WithLosses(model, losses)
    weights = {name: w.detach() for name, w in whole.named_parameters()}
    room = max(1, AT_ONCE // sum(w.numel() for w in weights.values()))
    size = len(next(iter(examples.values())))

    def loss(weights: dict[str, Tensor], one: dict[str, Tensor]) -> Tensor:
        return functional_call(whole, weights, ({name: x[None] for name, x in one.items()},)).squeeze(0)

    def squares(part: dict[str, Tensor]) -> Tensor:
        count = len(next(iter(part.values())))
        # Weights of each example's own: differentiated outside of `vmap`, since torch.func imports the compiler.
        own = {name: w.expand(count, *w.shape).requires_grad_() for name, w in weights.items()}
        total = vmap(loss)(own, part).sum()
        slopes = torch.autograd.grad(total, list(own.values()), materialize_grads=True)
        return sum(s.flatten(1).square().sum(dim=1) for s in slopes)

    parts = [{name: x[k : k + room] for name, x in examples.items()} for k in range(0, size, room)]
    return torch.cat([squares(part) for part in parts])


class WithLosses(nn.Module):
    """A model and its losses as one module, whose weights can be replaced by others."""

    def __init__(self, model: nn.Module, losses: Loss) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, examples: dict[str, Tensor]) -> Tensor:
        return self.losses(self.model, examples)
