"""The linear layer of every model here."""

import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """x W^T. The training loop may choose a faster `multiply`; see `lib.models.products`."""

    multiply = staticmethod(F.linear)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.multiply(x, self.weight)
