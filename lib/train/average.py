"""The running average of a run's weights, which its snapshots hold where snapshots.average asks for it.

    theta_bar_0 = theta_0,        theta_bar_t = theta_bar_{t-1} + (theta_t - theta_bar_{t-1}) / steps

Training and evaluation go on with the weights themselves, so that such a run takes the same steps as one without.
"""

import torch
from torch import Tensor, nn


class Average:
    """The average of every parameter of a model by name; empty, and free, without a number of steps."""

    def __init__(self, model: nn.Module, steps: int | None) -> None:
        self.steps = steps
        self.weights = dict(model.named_parameters()) if steps else {}
        self.tensors: dict[str, Tensor] = {}
        self.restart()

    def restart(self) -> None:
        """Begin with the weights as they are."""
        self.tensors = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after a step."""
        if self.steps:
            torch._foreach_lerp_(list(self.tensors.values()), list(self.weights.values()), 1 / self.steps)

    def of(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """These weights as a snapshot has them: averaged, or as they are."""
        return {name: self.tensors.get(name, weight) for name, weight in weights.items()}
