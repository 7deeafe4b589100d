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
    kept    what metrics made once and look at again in every step; `now`, what in this step
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    task: ModuleType
    data: Any
    p: "Params"
    step: int = 0
    lr: float = 0.0
    kept: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)

    def move(self, step: int, lr: float) -> None:
        """To another step."""
        self.step, self.lr, self.now = step, lr, {}

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def random(self) -> torch.Generator:
        """For probes: of the run's seed, and the same at every step."""
        return torch.Generator().manual_seed(self.p.seed)

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for the run."""
        return _made(self.kept, name, make)

    def share(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for this step."""
        return _made(self.now, name, make)


def _made(there: dict[str, Any], name: str, make: Callable[[], Any]) -> Any:
    if name not in there:
        there[name] = make()
    return there[name]
