"""The published model as plain PyTorch writes it: explicit attention, logits at every position."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models import gpt
from lib.optim import adamw


class PlainAttention(nn.Module):
    """softmax(q k^T / sqrt(d)) v with the scores of every pair of positions, the future masked by -inf."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)
        self.register_buffer("bias", torch.tril(torch.ones(context, context)).view(1, 1, context, context))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = width // self.heads
        q, k, v = (part.view(batch, length, self.heads, size).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(size)
        scores = scores.masked_fill(self.bias[:, :, :length, :length] == 0, float("-inf"))
        mixed = F.softmax(scores, dim=-1) @ v
        return self.out_proj(mixed.transpose(1, 2).contiguous().view(batch, length, width))


class PlainFeedforward(nn.Module):
    def __init__(self, width: int, ff: int) -> None:
        super().__init__()
        self.w_up = nn.Linear(width, ff, bias=False)
        self.act = nn.GELU()
        self.w_down = nn.Linear(ff, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_down(self.act(self.w_up(x)))


class PlainBlock(nn.Module):
    def __init__(self, p: gpt.Parameters) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(p.width)
        self.attn = PlainAttention(p.width, p.heads, p.context)
        self.ln2 = nn.LayerNorm(p.width)
        self.mlp = PlainFeedforward(p.width, p.ff)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class PlainGPT(nn.Module):
    def __init__(self, p: gpt.Parameters, vocab: int) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocab, p.width)
        self.pos_emb = nn.Embedding(p.context, p.width)
        self.blocks = nn.ModuleList(PlainBlock(p) for _ in range(p.layers))
        self.ln_f = nn.LayerNorm(p.width)
        self.lm_head = nn.Linear(p.width, vocab, bias=False)
        self.lm_head.weight = self.tok_emb.weight

    def forward(self, tokens: Tensor) -> Tensor:  # (B, T) -> (B, T, vocab)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tok_emb(tokens) + self.pos_emb(positions)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def plain_twin(model: gpt.GPT, p: gpt.Parameters) -> PlainGPT:
    """The plain model with the very weights of ours."""
    weights = {name: t.detach().clone() for name, t in model.named_parameters()}
    twin = PlainGPT(p, len(weights["tok_emb.weight"]))
    missing, unexpected = twin.load_state_dict(weights, strict=False)
    unknown = [name for name in missing if name != "lm_head.weight" and not name.endswith("attn.bias")]
    assert not unknown and not unexpected, f"the two models name their weights differently: {unknown} {unexpected}"
    return twin


def plain_loss(logits: Tensor, targets: Tensor, probe: Tensor, lam: float) -> Tensor:
    """Mean CE over language targets + lambda * mean CE over probe targets; targets of -100 count as neither."""
    losses = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-100, reduction="none"
    )
    scored, probe = targets.reshape(-1) != -100, probe.reshape(-1)
    if lam == 0:
        return losses[scored].mean()
    language = scored & ~probe
    loss = losses[language].mean() if language.any() else losses.new_zeros(())
    if probe.any():
        loss = loss + lam * losses[probe].mean()
    return loss


def plain_optimizer(model: PlainGPT, o: adamw.Parameters) -> torch.optim.Optimizer:
    """AdamW as PyTorch runs it unless told otherwise; names with `ln` or `bias` do not decay."""
    named = list(model.named_parameters())
    decayed = [p for name, p in named if "ln" not in name and "bias" not in name]
    rest = [p for name, p in named if "ln" in name or "bias" in name]
    groups = [{"params": decayed, "weight_decay": o.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps)
