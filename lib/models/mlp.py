"""A multilayer perceptron over a few symbols at once: each as a unit vector, or by a learned embedding.

    h_0 = (e(s_1), ..., e(s_n)),   h_l = relu(W_l h_{l-1}),   logits = W h_L

without biases. Its trunk are all weight matrices, from the input to the output.
"""

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lib.models.linear import Linear
from lib.params.fields import Count, Member, Number


class Parameters(Member):
    name: Literal["mlp"] = Field(description="a multilayer perceptron without biases")
    layers: Count = Field(1, description="hidden layers")
    width: Count = Field(description="hidden units of each")
    embedding: Number = Field(0, description="width of a learned embedding of each symbol; 0: unit vectors")


class MLP(nn.Module):
    def __init__(self, m: Parameters, symbols: int, inputs: int, classes: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.embedding = nn.Embedding(symbols, m.embedding) if m.embedding else None
        widths = [inputs * (m.embedding or symbols), *[m.width] * m.layers]
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.head = Linear(m.width, classes)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, n) int64 -> (B, classes)
        if self.embedding is None:
            x = F.one_hot(tokens, self.symbols).to(self.head.weight.dtype)  # (B, n, symbols)
        else:
            x = self.embedding(tokens)  # (B, n, e)
        x = x.flatten(1)
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(x)

    def trunk(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of every trunk matrix, in the registered order."""
        named = dict(self.named_parameters())
        return {name: named[name] for name in named if name != "embedding.weight"}

    def roles(self) -> dict[str, str]:
        """Name -> what a parameter is: hidden, embedding or head."""
        kinds = {"embedding": "embedding", "head": "head"}
        return {name: kinds.get(name.split(".")[0], "hidden") for name, _ in self.named_parameters()}


def build(m: Parameters, data: Any, seed: int) -> MLP:
    """The model for data with a `vocab`, `inputs` symbols an example and `outcomes`, at its seeded initial weights.

    Matrices are N(0, 2 / inputs), which keeps the length of what goes through them; embeddings N(0, 1).
    """
    model = MLP(m, data.vocab, data.inputs, data.outcomes)
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        std = 1.0 if name == "embedding.weight" else (2 / p.shape[1]) ** 0.5
        nn.init.normal_(p, std=std, generator=generator)
    return model
