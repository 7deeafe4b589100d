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

# A piece of the head is the logits that exist at once: so many positions, or fewer where the vocabulary is so large
# that they would take more than so many bytes. Three products read the whole embedding for every piece, so that
# smaller pieces are slower, also those that fit a cache.
ROWS = {"cpu": 256, "cuda": 4096}
PIECE = {"cpu": 2**26, "cuda": 2**30}
# Bytes of a block, the rows of a piece that are worked on element by element together, within a CPU's cache.
BLOCK = {"cpu": 2**22, "cuda": 2**30}


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


def piece_rows(vocab: int, device: str) -> int:
    """Positions in a piece of the head on this kind of device."""
    return max(1, min(ROWS[device], PIECE[device] // (4 * vocab)))


def block_rows(vocab: int, device: str) -> int:
    return max(1, BLOCK[device] // (4 * vocab))


def head_logits(hidden: Tensor, embedding: Tensor, autocast: bool) -> Tensor:
    """(N, d), (V, d) -> (N, V) float32, multiplied in bfloat16 with autocast."""
    precision = torch.bfloat16 if autocast else hidden.dtype
    return product(hidden.to(precision), embedding.to(precision)).float()


@torch.no_grad()
def position_losses(hidden: Tensor, embedding: Tensor, targets: Tensor, autocast: bool) -> Tensor:
    """(N,) cross-entropies, a piece of the head at a time; no gradient."""
    kind, vocab = hidden.device.type, len(embedding)
    rows, block = piece_rows(vocab, kind), block_rows(vocab, kind)
    losses = []
    for part, wanted in zip(hidden.split(rows), targets.split(rows), strict=True):
        logits = head_logits(part, embedding, autocast)
        for z, t in zip(logits.split(block), wanted.split(block), strict=True):
            losses.append(F.cross_entropy(z, t, reduction="none"))
    return torch.cat(losses)


def head_loss(
    hidden: Tensor,
    embedding: Tensor,
    targets: Tensor,
    weights: Tensor,
    autocast: bool,
    terms: Callable | None = None,
) -> Tensor:
    """sum_n weights_n * CE(hidden_n embedding^T, targets_n), without ever holding all logits.

    Loss and gradient are made together, a piece of the positions at a time: with z the logits of a position,
    dL/dz = w (softmax(z) - onehot(target)). What a plain cross-entropy keeps for its backward pass
    (logits, log-probabilities, their gradient: N x V each) is never there.

    Arguments: hidden (N, d), embedding (V, d), targets and weights (N,); autocast multiplies in bfloat16;
    `terms` is `loss_terms` or a compiled form of it. Returns: the loss, a float32 scalar.
    """
    return _HeadLoss.apply(hidden, embedding, targets, weights, autocast, terms or loss_terms)


def loss_terms(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """sum_n w_n CE_n, float32; `logits` become the derivative of it by them."""
    picked = logits.gather(1, targets[:, None])
    top = logits.amax(1, keepdim=True)
    powers = logits.sub_(top).exp_()
    total = powers.sum(1, keepdim=True)
    loss = ((total.log() + top - picked).squeeze(1) * weights).sum()
    powers.mul_(weights[:, None] / total).scatter_add_(1, targets[:, None], -weights[:, None])
    return loss


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
        # Summed as the products give it, (d, V), and turned once; not where nobody asks for it.
        d_embedding = embedding.new_zeros(embedding.shape[::-1]) if ctx.needs_input_grad[1] else None
        loss = torch.zeros((), device=hidden.device)
        kind, vocab = hidden.device.type, len(embedding)
        rows, block = piece_rows(vocab, kind), block_rows(vocab, kind)
        for low in range(0, len(hidden), rows):
            at = slice(low, low + rows)
            inputs = hidden[at].to(precision)
            logits = product(inputs, multiplier).float()
            for z, t, w in zip(*(x.split(block) for x in (logits, targets[at], weights[at])), strict=True):
                loss += terms(z, t, w)
            gradient = logits.to(precision)
            d_hidden[at] = product(gradient, multiplier.t())
            if d_embedding is not None:
                d_embedding += product(inputs.t(), gradient.t())
        ctx.save_for_backward(d_hidden, None if d_embedding is None else d_embedding.t().contiguous())
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple:
        d_hidden, d_embedding = ctx.saved_tensors
        scaled = None if d_embedding is None else d_embedding * gradient
        return d_hidden * gradient, scaled, None, None, None, None
