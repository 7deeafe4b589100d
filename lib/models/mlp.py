"""A multilayer perceptron over a few symbols at once: each as a unit vector, or by a learned embedding.

    h_0 = (e(s_1), ..., e(s_n)),   h_l = f(W_l h_{l-1} + b_l),   logits = W h_L + b

with or without the biases b. Its trunk are all weight matrices, from the input to the output.
"""

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lib.models.initial import as_torch
from lib.models.linear import Linear
from lib.params.fields import Count, Member, Number


class Parameters(Member):
    name: Literal["mlp"] = Field(description="a multilayer perceptron")
    layers: Count = Field(1, description="hidden layers")
    width: Count = Field(description="hidden units of each")
    embedding: Number = Field(0, description="width of a learned embedding of each symbol; 0: unit vectors")
    activation: Literal["relu", "gelu"] = Field("relu", description="of the hidden units")
    biases: bool = Field(False, description="whether layers have biases; they do not decay")
    init: Literal["he", "torch"] = Field(
        "he", description="initial matrices: N(0, 2 / inputs), or torch's own U(-1, 1) / sqrt(inputs), biases too"
    )


class MLP(nn.Module):
    def __init__(self, m: Parameters, symbols: int, inputs: int, classes: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.activation = {"relu": F.relu, "gelu": F.gelu}[m.activation]
        self.embedding = nn.Embedding(symbols, m.embedding) if m.embedding else None
        widths = [inputs * (m.embedding or symbols), *[m.width] * m.layers]
        self.layers = nn.ModuleList(Linear(a, b, m.biases) for a, b in pairwise(widths))
        self.head = Linear(m.width, classes, m.biases)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, n) int64 -> (B, classes)
        return self.from_inputs(self.inputs(tokens))

    def inputs(self, tokens: Tensor) -> Tensor:
        """(B, n) int64 -> (B, inputs): what a derivative by the input is taken by."""
        if self.embedding is None:
            return F.one_hot(tokens, self.symbols).to(self.head.weight.dtype).flatten(1)
        return self.embedding(tokens).flatten(1)

    def from_inputs(self, x: Tensor) -> Tensor:  # (B, inputs) -> (B, classes)
        return self.head(self.representation(x))

    def representation(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, width): what the head reads."""
        for layer in self.layers:
            x = self.activation(layer(x))
        return x

    def trunk(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of every trunk matrix, in the registered order."""
        return {name: p for name, p in self.named_parameters() if p.ndim == 2 and name != "embedding.weight"}

    def roles(self) -> dict[str, str]:
        """Name -> what a parameter is: hidden, embedding, head or vector."""
        kinds = {"embedding": "embedding", "head": "head"}
        named = self.named_parameters()
        return {name: kinds.get(name.split(".")[0], "hidden") if p.ndim == 2 else "vector" for name, p in named}


def build(m: Parameters, data: Any, seed: int) -> MLP:
    """The model for data with a `vocab`, `inputs` symbols an example and `outcomes`, at its seeded initial weights.

    By `he` matrices are N(0, 2 / inputs), which keeps the length of what goes through them, biases 0; embeddings
    are N(0, 1) either way.
    """
    model = MLP(m, data.vocab, data.inputs, data.outcomes)
    if m.init == "torch":
        as_torch(model, seed)
        return model
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if p.ndim == 1:
            nn.init.zeros_(p)
            continue
        std = 1.0 if name == "embedding.weight" else (2 / p.shape[1]) ** 0.5
        nn.init.normal_(p, std=std, generator=generator)
    return model
