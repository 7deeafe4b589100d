"""Which numbers of an evaluation speak for a run at a glance: in the table after make, on the report's cards."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lib.base.files import finite


@dataclass(frozen=True)
class Score:
    """A number of every evaluation: its key there, and what a reader calls it."""

    key: str
    name: str
    largest: bool = False  # the best is the largest, and is told beside the last
    curve: str = ""  # drawn on a run's card, from 0 to 1: strong, or soft and then only drawn

    @property
    def told(self) -> bool:
        return self.curve != "soft"


# Of every run whose evaluations have these keys.
SCORES = (
    Score("val_loss", "validation loss"),
    Score("probe_ood_acc", "p_ood", largest=True, curve="strong"),
    Score("probe_in_acc", "p_in", curve="soft"),
)


def scores_of(evaluations: Iterable[dict[str, Any]]) -> list[Score]:
    """Those that are there."""
    keys = {key for row in evaluations for key in row}
    return [score for score in SCORES if score.key in keys]


def best(evaluations: Iterable[dict[str, Any]], score: Score) -> tuple[float, int] | None:
    """The largest value, and the first step that has it; None where there is none."""
    known = [(value, row["step"]) for row in evaluations if (value := finite(row.get(score.key))) is not None]
    return max(known, key=lambda pair: pair[0], default=None)
