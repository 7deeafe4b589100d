"""What a metric that is measured inside the loop may look at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from lib.params.run import Params


@dataclass
class Look:
    """A run after a step, its gradients still there. Whoever looks changes nothing of it.

    task    the task's module
    lr      of the step
    kept    what metrics made once and look at again
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    task: ModuleType
    data: Any
    p: "Params"
    step: int = 0
    lr: float = 0.0
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def random(self) -> torch.Generator:
        """For probes: of the run's seed, and the same at every step."""
        return torch.Generator().manual_seed(self.p.seed)

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for the run."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]
