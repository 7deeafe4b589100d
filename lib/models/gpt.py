"""The GPT of the paper, and the one registered order of its trunk.

Decoder-only, learned positions, pre-norm blocks, exact GELU, no biases outside LayerNorm, output head tied
to the token embedding. At the published size (8 layers, width 512, 16 heads, ff 2048, context 256,
vocabulary 50257) it has 51,045,888 parameters, of which 25,165,824 are trunk.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from lib.models.linear import Linear
from lib.params.fields import Count, Member, Tokens

INIT_STD = 0.02
# Of a block, in the registered order: how the trunk is flattened everywhere, in drifts, gradients and directions.
TRUNK_MATRICES = ("attn.out_proj.weight", "attn.qkv.weight", "mlp.w_down.weight", "mlp.w_up.weight")


class Parameters(Member):
    name: Literal["gpt"] = Field(description="a decoder-only transformer")
    layers: Count = Field(description="blocks")
    width: Count = Field(description="of the residual stream")
    heads: Count = Field(description="attention heads; they divide the width")
    ff: Count = Field(description="hidden units of a block's feedforward part")
    context: Tokens = Field(description="tokens it reads at once")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Parameters":
        if self.width % self.heads:
            raise ValueError(f"model.heads = {self.heads} does not divide model.width = {self.width}")
        return self


def trunk_names(m: Parameters) -> list[str]:
    return [f"blocks.{i}.{matrix}" for i in range(m.layers) for matrix in TRUNK_MATRICES]


class Attention(nn.Module):
    """Causal self-attention; q, k, v are the contiguous thirds of one projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out_proj = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, d) -> (B, T, d)
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class Feedforward(nn.Module):
    def __init__(self, width: int, ff: int) -> None:
        super().__init__()
        self.w_up = Linear(width, ff)
        self.w_down = Linear(ff, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_down(F.gelu(self.w_up(x)))


class Block(nn.Module):
    def __init__(self, p: Parameters) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(p.width)
        self.attn = Attention(p.width, p.heads)
        self.ln2 = nn.LayerNorm(p.width)
        self.mlp = Feedforward(p.width, p.ff)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """`forward` gives the final hidden states; `head` turns any selection of them into logits."""

    def __init__(self, p: Parameters, vocab: int) -> None:
        super().__init__()
        self.context = p.context
        self.trunk_names = trunk_names(p)
        self.tok_emb = nn.Embedding(vocab, p.width)
        self.pos_emb = nn.Embedding(p.context, p.width)
        self.blocks = nn.ModuleList(Block(p) for _ in range(p.layers))
        self.ln_f = nn.LayerNorm(p.width)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, T) -> (B, T, d)
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"the model reads at most {self.context} tokens at once, got {length}")
        x = self.tok_emb(tokens) + self.pos_emb.weight[:length]
        for block in self.blocks:
            x = block(x)
        return self.ln_f(x)

    def head(self, hidden: Tensor) -> Tensor:  # (..., d) -> (..., vocab)
        return F.linear(hidden, self.tok_emb.weight)

    def trunk(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of every trunk matrix, in the registered order."""
        named = dict(self.named_parameters())
        return {name: named[name] for name in self.trunk_names}

    def roles(self) -> dict[str, str]:
        """Name -> what a parameter is: hidden, embedding or vector. The head is the token embedding."""
        trunk = set(self.trunk_names)
        kinds = {1: "vector", 2: "embedding"}
        return {name: "hidden" if name in trunk else kinds[p.ndim] for name, p in self.named_parameters()}


def build(m: Parameters, data: Any, seed: int) -> GPT:
    """The model for data with a `vocab`, at its seeded initial weights."""
    return build_model(m, data.vocab, seed)


def build_model(p: Parameters, vocab: int, seed: int) -> GPT:
    """The model at its seeded initial weights: every matrix N(0, 0.02^2), LayerNorm at identity.

    Drawn on the CPU from its own generator, module by module in registration order, so that the initial
    weights depend on nothing but (p, vocab, seed).
    """
    model = GPT(p, vocab)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INIT_STD, generator=generator)
    return model
