"""What happens in a run that nobody planned: an accuracy jumps, a loss spikes, the task is solved."""

from types import ModuleType
from typing import Any

from lib.params.run import Params
from lib.train.divergence import State

SPIKE = "spike of the training loss"


def spike(state: State, p: Params, new: int) -> dict[str, Any] | None:
    """The first of the last `new` training losses that is above `events.spike` times what had been reached.

    That is the lowest loss since the last evaluation, or where there is none yet that evaluation's mean. Of the
    spikes between two evaluations the first is told: what follows is its own way down.
    """
    since = state.evaluations[-1]["step"] if state.evaluations else 0
    told = any(e["what"] == SPIKE and e["step"] > since for e in state.events)
    if p.events.spike is None or told:
        return None
    before = state.losses[:-new] or [e["train_loss"] for e in state.evaluations[-1:]]
    lowest = min(before, default=float("inf"))
    for at, loss in enumerate(state.losses[-new:], state.step - new + 1):
        if loss > p.events.spike * lowest:
            return {"step": state.step, "what": SPIKE, "at": at, "from": lowest, "to": loss}
        lowest = min(lowest, loss)
    return None


def jumps(evaluations: list[dict[str, Any]], p: Params) -> list[dict[str, Any]]:
    """Changes of an accuracy, up or down, by more than `events.jump` from one evaluation to the next."""
    if p.events.jump is None or len(evaluations) < 2:
        return []
    before, now = evaluations[-2:]
    names = [score.key for score in p.task.scores() if score.curve and score.key in now]
    return [
        {"step": now["step"], "what": f"jump of {name}", "from": before[name], "to": now[name]}
        for name in names
        if abs(now[name] - before[name]) > p.events.jump
    ]


def solved(task: ModuleType, evaluations: list[dict[str, Any]], p: Params) -> str:
    """Why the run may end now, in words; nothing before its task was solved and it went on as long as it should.

    To be asked after every evaluation: it looks at those that have become old enough since the one before.
    """
    if not p.train.early_stop:
        return ""
    margin = p.train.stop_after or 0
    before, last = ([0, 0] + [e["step"] for e in evaluations[-2:]])[-2:]
    for count, evaluation in enumerate(evaluations, 1):
        if before < evaluation["step"] + margin <= last and (words := task.solved(evaluations[:count], p)):
            return words + (f" at step {evaluation['step']}, and {margin} steps more" if margin else "")
    return ""
