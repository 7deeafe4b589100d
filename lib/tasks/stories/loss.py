"""The two objectives of a batch, and the loss of training with the output head in it.

Composite loss: mean cross-entropy over language positions + lambda * the mean over answer positions; an empty
mean is 0. With lambda = 0 the codeword is ordinary text: one mean over all scored positions.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lib.models.products import product
from lib.tasks.stories.batches import Batch

# Rows of logits that exist at once: on a CPU they stay in its cache, on a GPU they fill it with work.
ROWS = {"cpu": 256, "cuda": 4096}


def position_weights(b: Batch, lam: float) -> np.ndarray:
    """(B, L) float32 w with composite loss = sum_ij w_ij * (cross-entropy at position ij)."""
    if lam == 0:
        parts = [(b.language | b.answer, 1.0)]
    else:
        parts = [(b.language, 1.0), (b.answer, lam)]
    weights = np.zeros(b.language.shape, dtype=np.float32)
    for mask, factor in parts:
        weights += mask * np.float32(factor / max(1, mask.sum()))
    return weights


def head_logits(hidden: Tensor, embedding: Tensor, autocast: bool) -> Tensor:
    """(N, d), (V, d) -> (N, V) float32, multiplied in bfloat16 with autocast."""
    precision = torch.bfloat16 if autocast else hidden.dtype
    return product(hidden.to(precision), embedding.to(precision)).float()


@torch.no_grad()
def position_losses(hidden: Tensor, embedding: Tensor, targets: Tensor, autocast: bool) -> Tensor:
    """(N,) cross-entropies, `ROWS` positions at a time; no gradient."""
    rows = ROWS[hidden.device.type]
    parts = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat([F.cross_entropy(head_logits(h, embedding, autocast), t, reduction="none") for h, t in parts])


def head_loss(
    hidden: Tensor,
    embedding: Tensor,
    targets: Tensor,
    weights: Tensor,
    autocast: bool,
    terms: Callable | None = None,
) -> Tensor:
    """sum_n weights_n * CE(hidden_n embedding^T, targets_n), without ever holding all logits.

    Loss and gradient are made together, `ROWS` positions at a time: with z the logits of a position,
    dL/dz = w (softmax(z) - onehot(target)). What a plain cross-entropy keeps for its backward pass
    (logits, log-probabilities, their gradient: N x V each) is never there.

    Arguments: hidden (N, d), embedding (V, d), targets and weights (N,); autocast multiplies in bfloat16;
    `terms` is `loss_terms` or a compiled form of it. Returns: the loss, a float32 scalar.
    """
    return _HeadLoss.apply(hidden, embedding, targets, weights, autocast, terms or loss_terms)


def loss_terms(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(sum_n w_n CE_n, d of it / d logits), float32; the gradient in the place of the logits."""
    picked = logits.gather(1, targets[:, None])
    top = logits.amax(1, keepdim=True)
    powers = logits.sub_(top).exp_()
    total = powers.sum(1, keepdim=True)
    loss = ((total.log() + top - picked).squeeze(1) * weights).sum()
    gradient = powers.mul_(weights[:, None] / total)
    return loss, gradient.scatter_add_(1, targets[:, None], -weights[:, None])


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        hidden: Tensor,
        embedding: Tensor,
        targets: Tensor,
        weights: Tensor,
        autocast: bool,
        terms: Callable,
    ) -> Tensor:
        precision = torch.bfloat16 if autocast else hidden.dtype
        multiplier = embedding.to(precision)
        d_hidden = torch.empty_like(hidden)
        d_embedding = torch.zeros_like(embedding)
        loss = torch.zeros((), device=hidden.device)
        rows = ROWS[hidden.device.type]
        for low in range(0, len(hidden), rows):
            at = slice(low, low + rows)
            inputs = hidden[at].to(precision)
            part, gradient = terms(product(inputs, multiplier).float(), targets[at], weights[at])
            gradient = gradient.to(precision)
            loss += part
            d_hidden[at] = product(gradient, multiplier.t())
            d_embedding += product(inputs.t(), gradient.t()).t()
        ctx.save_for_backward(d_hidden, d_embedding)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple:
        d_hidden, d_embedding = ctx.saved_tensors
        return d_hidden * gradient, d_embedding * gradient, None, None, None, None
