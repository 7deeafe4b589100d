"""The linear layer of every model here."""

import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """x W^T, + b with a bias. The training loop may choose a faster `multiply`; see `lib.models.products`."""

    multiply = staticmethod(F.linear)

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        found = self.multiply(x, self.weight)
        return found if self.bias is None else found + self.bias
