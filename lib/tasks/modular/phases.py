"""When a run had learnt its training pairs by heart, and when it generalised: steps of its evaluations.

A run that has not got there by its last evaluation is censored at that step: it would have taken longer.
"""

from dataclasses import dataclass
from typing import Any

MEMORISED, GROKKED = 0.98, 0.95  # accuracies, of the training and of the held-out pairs


@dataclass(frozen=True)
class Reached:
    """The first evaluated step with an accuracy, or the last evaluated step of a run that never had it.

    after       the evaluated step before, at which it did not have it yet: what lies between is not known
    censored    it was not reached
    """

    step: int
    after: int
    censored: bool


def first_reached(evaluations: list[dict[str, Any]], key: str, wanted: float) -> Reached | None:
    """When `key` is `wanted` or more for the first time; None without evaluations."""
    before = 0
    for row in evaluations:
        if (value := row.get(key)) is not None and value >= wanted:
            return Reached(row["step"], before, False)
        before = row["step"]
    return Reached(before, before, True) if evaluations else None


def memorised(evaluations: list[dict[str, Any]]) -> Reached | None:
    """The step from which on the training pairs are known."""
    return first_reached(evaluations, "train_acc", MEMORISED)


def grokked(evaluations: list[dict[str, Any]]) -> Reached | None:
    """The step from which on the held-out pairs are."""
    return first_reached(evaluations, "test_acc", GROKKED)
