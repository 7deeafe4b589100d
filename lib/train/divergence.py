"""What a training run carries from step to step, and how it notices that it diverges."""

import math
from dataclasses import dataclass, field
from typing import Any

RUNAWAY_LOSS = 5.0  # times the first loss ...
RUNAWAY_STEPS = 10  # ... for this many steps in a row is a divergence with finite values


@dataclass
class State:
    """What a run carries from step to step besides weights and optimizer; saved with every checkpoint."""

    step: int = 0
    first_loss: float = math.nan
    runaway: int = 0  # consecutive steps with a runaway loss
    decay: float = 1.0  # product of (1 - lr * weight_decay): what decay alone leaves of theta_0
    data: str = ""  # hash chain over every batch so far
    losses: list[float] = field(default_factory=list)  # composite losses since the last evaluation
    norms: list[float] = field(default_factory=list)  # gradient norms, likewise
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    diverged: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def saved(self) -> dict[str, Any]:
        """As a checkpoint has it; where nothing happened it says nothing of events."""
        return {name: value for name, value in vars(self).items() if name != "events" or value}


def look(state: State, new: int) -> None:
    """Notice non-finite and runaway losses among the last `new` steps."""
    steps = range(state.step - new + 1, state.step + 1)
    for step, loss, norm in zip(steps, state.losses[-new:], state.norms[-new:], strict=True):
        if math.isnan(state.first_loss):
            state.first_loss = loss
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "loss" if not math.isfinite(loss) else "gradient"
            notice(state, step, f"non-finite {what}", finite=False)
            return
        state.runaway = state.runaway + 1 if loss > RUNAWAY_LOSS * state.first_loss else 0
        if state.runaway >= RUNAWAY_STEPS:
            notice(state, step, f"loss above {RUNAWAY_LOSS:g} times its first value for {RUNAWAY_STEPS} steps")


def judge(state: State, val_loss: float, vocab: int) -> None:
    """Notice an evaluation that is non-finite, or worse than twice a uniform guess."""
    if not math.isfinite(val_loss):
        notice(state, state.step, "non-finite validation loss", finite=False)
    elif val_loss > 2 * math.log(vocab):
        notice(state, state.step, f"validation loss {val_loss:.4g} above 2 ln V = {2 * math.log(vocab):.4g}")


def notice(state: State, step: int, reason: str, finite: bool = True) -> None:
    if state.diverged is None:
        state.diverged = {"step": step, "reason": reason, "finite": finite}
    elif not finite and state.diverged["finite"]:
        state.diverged |= {"finite": False, "then": f"{reason} at step {step}"}
