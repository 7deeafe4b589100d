"""The scores of a run, which its task names: in the table after make and on the report's cards."""

from collections.abc import Iterable
from typing import Any

from lib.base.files import finite
from lib.params.fields import Score
from lib.params.run import Params


def scores_of(p: Params, evaluations: Iterable[dict[str, Any]]) -> list[Score]:
    """Those that the evaluations have."""
    keys = {key for row in evaluations for key in row}
    return [score for score in p.task.scores() if score.key in keys]


def best(evaluations: Iterable[dict[str, Any]], score: Score) -> tuple[float, int] | None:
    """The largest value, and the first step that has it; None where there is none."""
    known = [(value, row["step"]) for row in evaluations if (value := finite(row.get(score.key))) is not None]
    return max(known, key=lambda pair: pair[0], default=None)
