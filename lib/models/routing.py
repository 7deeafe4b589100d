"""Routing: how much each of several small networks counts for, by a state that goes along with an example.

w = softmax(G gelu(P s + R x))          of state s and input x, one weight a head
mixture = sum_i w_i head_i(x)           heads d -> 4 d -> d with gelu between
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.linear import Linear

GATE_GAIN = 0.1  # of the gate's initial weights: at first every head counts for nearly the same
GATES = ("gate", "of_state", "of_input")


class Gate(nn.Module):
    """G, P and R."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.gate = Linear(width, heads, bias=True)
        self.of_state = Linear(width, width, bias=True)
        self.of_input = Linear(width, width, bias=True)

    def forward(self, state: Tensor, x: Tensor) -> Tensor:  # (..., d), (..., d) -> (..., H)
        return self.gate(F.gelu(self.of_state(state) + self.of_input(x))).softmax(dim=-1)

    def start(self, generator: torch.Generator) -> None:
        """G as the reference draws it: small, by Xavier's rule, with a bias of 0."""
        nn.init.xavier_uniform_(self.gate.weight, gain=GATE_GAIN, generator=generator)
        nn.init.zeros_(self.gate.bias)


class Mixture(nn.Module):
    """Heads d -> ff -> d, summed by weights."""

    def __init__(self, width: int, ff: int, heads: int) -> None:
        super().__init__()
        self.up = nn.ModuleList(Linear(width, ff, bias=True) for _ in range(heads))
        self.down = nn.ModuleList(Linear(ff, width, bias=True) for _ in range(heads))

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:  # (..., d), (..., H) -> (..., d)
        pairs = zip(self.up, self.down, weights.unbind(dim=-1), strict=True)
        return sum(w[..., None] * down(F.gelu(up(x))) for up, down, w in pairs)

    def alone(self, x: Tensor) -> Tensor:
        """The only head, which nothing weighs."""
        return self.down[0](F.gelu(self.up[0](x)))


def start_gates(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, Gate):
            module.start(generator)
