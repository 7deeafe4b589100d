"""A small decoder-only transformer that reads a short sentence of symbols and answers at its last position.

Learned positions, pre-norm blocks, attention without biases, a feedforward part with gelu and biases, all matrices
N(0, 0.02^2). The feedforward part may be a mixture of several, routed by a state that is carried along:

    s_t = S mean of the embeddings up to t,   after every block  s_t <- U (s_t, x_t)

As its reference executes it, routing is not causal: the mask is added as numbers, so that a later position gets a
score larger by 1, and one state, of all positions, is for all of them; and initial weights are torch's own, with
embeddings N(0, 1). `causal` and `init` choose. There is one position more than a sentence has, as in the reference.

`shared` is `forward` for many sentences at once: in a causal model a state at position t depends on the first t + 1
symbols alone, and what the first block reads there on the symbol alone. Each is computed once.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from lib.models.initial import as_torch, small
from lib.models.linear import Linear
from lib.models.routed_mlp import role
from lib.models.routing import Gate, Mixture
from lib.params.fields import Count, Member, Number

SPARE_POSITIONS = 1


class Parameters(Member):
    reads: ClassVar[str] = "sentence"  # the operation and the equals sign too

    name: Literal["modular_transformer"] = Field(
        description="a small transformer that answers at its last position"
    )
    layers: Count = Field(description="blocks")
    width: Count = Field(description="of the residual stream; the feedforward part is four times as wide")
    heads: Count = Field(description="attention heads; they divide the width")
    tied: bool = Field(False, description="the head is the embedding of the residues, without a bias")
    routes: Number = Field(0, description="feedforward parts in each block, mixed by routing; 0: one, without")
    causal: bool = Field(True, description="false: routing and mask as executed, where the future is seen")
    init: Literal["small", "torch"] = Field("small", description="initial weights: N(0, 0.02^2), or torch's own")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Parameters":
        if self.width % self.heads:
            raise ValueError(f"model.heads = {self.heads} does not divide model.width = {self.width}")
        return self

    @property
    def routed(self) -> bool:
        return self.routes > 0


class Column(NamedTuple):
    """What stands at one position of many sentences: different rows, and which of them each sentence has."""

    rows: Tensor  # (R, d)
    index: Tensor  # (B,)

    def of(self, sentences: Tensor) -> Tensor:
        return F.embedding(self.index[sentences], self.rows)  # its backward pass repeats, to the last bit


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (B, T, d), (T, T) added to scores
        batch, length, width = x.shape
        q, k, v = (
            part(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5 + mask
        return self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, length, width))

    def one(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(R, d), (R, T, d), (R, T, d) -> (R, d): of one position, which sees all that it is given."""
        count, length, width = keys.shape
        split = (count, length, self.heads, width // self.heads)
        q, k, v = query.view(count, 1, *split[2:]), keys.view(split), values.view(split)
        weights = ((q * k).sum(dim=-1) * split[-1] ** -0.5).softmax(dim=1)  # (R, T, heads)
        return self.out((weights[..., None] * v).sum(dim=1).flatten(1))


class Block(nn.Module):
    def __init__(self, m: Parameters) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(m.width)
        self.attention = Attention(m.width, m.heads)
        self.ln2 = nn.LayerNorm(m.width)
        self.feedforward = Mixture(m.width, 4 * m.width, max(1, m.routes))
        self.gate = Gate(m.width, m.routes) if m.routes else None
        self.update = Linear(2 * m.width, m.width, bias=True) if m.routes else None

    def feed(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """x after the feedforward part, and the weights that the gate gave its heads."""
        read = self.ln2(x)
        if self.gate is None:
            return x + self.feedforward.alone(read), None
        weights = self.gate(state, read)
        return x + self.feedforward(read, weights), weights


class Transformer(nn.Module):
    spared = frozenset({"embedding", "gate"})  # roles without decay

    def __init__(self, m: Parameters, symbols: int, length: int, classes: int) -> None:
        super().__init__()
        self.classes, self.causal = classes, m.causal
        self.tok_emb = nn.Embedding(symbols, m.width)
        self.pos_emb = nn.Embedding(length + SPARE_POSITIONS, m.width)
        self.state = Linear(m.width, m.width, bias=True) if m.routes else None
        self.blocks = nn.ModuleList(Block(m) for _ in range(m.layers))
        self.ln_f = nn.LayerNorm(m.width)
        self.head = None if m.tied else Linear(m.width, classes, bias=True)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, T) int64 -> (B, classes)
        return self.routed(tokens)[0]

    def routed(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and of every block that routes the weights (B, T, H) of its heads."""
        x, weights = self._through(self.inputs(tokens))
        return self._answer(x[:, -1]), weights

    def inputs(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, d): what a derivative by the input is taken by."""
        return self.tok_emb(tokens) + self.pos_emb.weight[: tokens.shape[1]]

    def from_inputs(self, x: Tensor) -> Tensor:  # (B, T, d) -> (B, classes)
        return self._answer(self._through(x)[0][:, -1])

    def representation(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, d): what the head reads."""
        return self.ln_f(self._through(x)[0][:, -1])

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, d): after the last block, at every position."""
        return self._through(self.inputs(tokens))[0]

    def _through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        length, found = x.shape[1], []
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        mask = later.to(x.dtype)
        if self.causal:
            mask = torch.zeros_like(mask).masked_fill(later, float("-inf"))
        state = None if self.state is None else self.state(self._means(x))
        for block in self.blocks:
            x, weights = block.feed(x + block.attention(block.ln1(x), mask), state)
            if state is not None:
                seen = x if self.causal else x[:, -1:]
                state = block.update(torch.cat([state, seen], dim=-1))
                found.append(weights)
        return x, found

    def _means(self, x: Tensor) -> Tensor:
        """Of the positions up to each, (B, T, d); as executed of all, (B, 1, d)."""
        if not self.causal:
            return x.mean(dim=1, keepdim=True)
        counts = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return x.cumsum(dim=1) / counts[:, None]

    def _answer(self, x: Tensor) -> Tensor:  # (B, d) -> (B, classes)
        x = self.ln_f(x)
        return F.linear(x, self.tok_emb.weight[: self.classes]) if self.head is None else self.head(x)

    # -------------------------------------------------------------------------------------- many sentences at once

    def shared(self, tokens: Tensor) -> Tensor:
        """`forward`, with what sentences have in common computed once. It needs to know `tokens`: no `vmap`."""
        if not self.causal:
            return self(tokens)
        length = tokens.shape[1]
        starts = _starts(tokens, len(self.tok_emb.weight))
        columns = []
        for t, column in enumerate(tokens.unbind(dim=1)):
            symbols, index = torch.unique(column, return_inverse=True)
            columns.append(Column(self.tok_emb(symbols) + self.pos_emb.weight[t], index))
        states = {}
        if self.state is not None:
            for t, (first, _) in enumerate(starts):
                states[t] = self.state(sum(columns[s].of(first) for s in range(t + 1)) / (t + 1))
        for block in self.blocks:
            wanted = range(length) if block is not self.blocks[-1] else [length - 1]
            columns = self._shared_block(block, columns, starts, states, wanted)
        return self._answer(columns[-1].rows)

    def _shared_block(
        self,
        block: Block,
        columns: list[Column],
        starts: list[tuple[Tensor, Tensor]],
        states: dict[int, Tensor],
        wanted: Any,
    ) -> list[Column]:
        """The columns after a block at the wanted positions; a row for every different start of a sentence."""
        read = [block.ln1(c.rows) for c in columns]
        parts = block.attention
        keys = [Column(parts.key(r), c.index) for r, c in zip(read, columns, strict=True)]
        values = [Column(parts.value(r), c.index) for r, c in zip(read, columns, strict=True)]
        found = []
        for t in wanted:
            first, index = starts[t]
            query = Column(parts.query(read[t]), columns[t].index).of(first)
            seen = [torch.stack([c.of(first) for c in which[: t + 1]], dim=1) for which in (keys, values)]
            x, _ = block.feed(columns[t].of(first) + parts.one(query, *seen), states.get(t))
            if states:
                states[t] = block.update(torch.cat([states[t], x], dim=-1))
            found.append(Column(x, index))
        return found

    def trunk(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of every matrix that decays, in the registered order."""
        roles = self.roles()
        return {name: p for name, p in self.named_parameters() if roles[name] in ("hidden", "head")}

    def roles(self) -> dict[str, str]:
        """Name -> what a parameter is: hidden, embedding, head, gate or vector."""
        return {
            name: "embedding" if name in ("tok_emb.weight", "pos_emb.weight") else role(name, p)
            for name, p in self.named_parameters()
        }


def _starts(tokens: Tensor, symbols: int) -> list[tuple[Tensor, Tensor]]:
    """For every position: a sentence for each different start up to there, and which start each sentence has."""
    everyone = torch.arange(len(tokens), device=tokens.device)
    found, code = [], torch.zeros_like(everyone)
    for column in tokens.unbind(dim=1)[:-1]:
        _, code = torch.unique(code * symbols + column, return_inverse=True)
        first = torch.empty(int(code.max()) + 1, dtype=torch.long, device=tokens.device).scatter_(0, code, everyone)
        found.append((first, code))
    return [*found, (everyone, everyone)]


def build(m: Parameters, data: Any, seed: int) -> Transformer:
    """The model at its seeded initial weights, for data with a `vocab`, `inputs` an example and `outcomes`."""
    model = Transformer(m, data.vocab, data.inputs, data.outcomes)
    {"small": small, "torch": as_torch}[m.init](model, seed)
    return model
