"""A multilayer perceptron whose layers are mixtures of small networks, weighted by a state that is carried along.

    x = E input,  s = S x,   in every layer  w = softmax(G gelu(P s + R x)),
    y = layernorm(x + sum_i w_i head_i(x)),  s <- U (s, y),  x <- y,   logits = W x

with biases everywhere, and torch's own initial weights but those of G.
"""

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lib.models.initial import as_torch
from lib.models.linear import Linear
from lib.models.routing import GATES, Gate, Mixture, start_gates
from lib.params.fields import Count, Member


class Parameters(Member):
    routed: ClassVar[bool] = True  # it has weights that a penalty can be for

    name: Literal["routed_mlp"] = Field(description="a multilayer perceptron of mixtures of small networks")
    layers: Count = Field(description="mixtures, one after another")
    width: Count = Field(description="of what goes through them, and of the state that routes it")
    heads: Count = Field(4, description="small networks in each mixture")


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.routes = Gate(width, heads)
        self.mixture = Mixture(width, 4 * width, heads)
        self.norm = nn.LayerNorm(width)
        self.update = Linear(2 * width, width, bias=True)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights = self.routes(state, x)
        out = self.norm(x + self.mixture(x, weights))
        return out, self.update(torch.cat([state, out], dim=-1)), weights


class RoutedMLP(nn.Module):
    spared = frozenset({"gate"})  # roles without decay

    def __init__(self, m: Parameters, symbols: int, inputs: int, classes: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.first = Linear(inputs * symbols, m.width, bias=True)
        self.state = Linear(m.width, m.width, bias=True)
        self.layers = nn.ModuleList(Layer(m.width, m.heads) for _ in range(m.layers))
        self.head = Linear(m.width, classes, bias=True)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, n) int64 -> (B, classes)
        return self.routed(tokens)[0]

    def routed(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and of every layer the weights (B, H) of its heads."""
        x, weights = self._through(self.inputs(tokens))
        return self.head(x), weights

    def inputs(self, tokens: Tensor) -> Tensor:
        """(B, n) int64 -> (B, n symbols): what a derivative by the input is taken by."""
        return F.one_hot(tokens, self.symbols).to(self.head.weight.dtype).flatten(1)

    def from_inputs(self, x: Tensor) -> Tensor:  # (B, n symbols) -> (B, classes)
        return self.head(self.representation(x))

    def representation(self, x: Tensor) -> Tensor:
        """(B, n symbols) -> (B, width): what the head reads."""
        return self._through(x)[0]

    def _through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = self.first(x)
        state, weights = self.state(x), []
        for layer in self.layers:
            x, state, w = layer(x, state)
            weights.append(w)
        return x, weights

    def trunk(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of every matrix that decays, in the registered order."""
        roles = self.roles()
        return {name: p for name, p in self.named_parameters() if roles[name] in ("hidden", "head")}

    def roles(self) -> dict[str, str]:
        """Name -> what a parameter is: hidden, head, gate or vector."""
        return {name: role(name, p) for name, p in self.named_parameters()}


def role(name: str, p: Tensor) -> str:
    parts = name.split(".")
    if p.ndim < 2:
        return "vector"
    return "gate" if set(parts) & set(GATES) else "head" if parts[0] == "head" else "hidden"


def build(m: Parameters, data: Any, seed: int) -> RoutedMLP:
    """The model at its seeded initial weights, for data with a `vocab`, `inputs` an example and `outcomes`."""
    model = RoutedMLP(m, data.vocab, data.inputs, data.outcomes)
    as_torch(model, seed)
    start_gates(model, seed)
    return model
