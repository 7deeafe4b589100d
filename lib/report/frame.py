"""A study as a pandas table: one row a run. Steps are the runs' own; an event that has not come has none."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas

from lib.base.errors import BadInput, nearest
from lib.params.dotted import flatten
from lib.report.events import events_of
from lib.report.scores import best, scores_of

if TYPE_CHECKING:
    from lib.report.reader import StudyResults


def frame(
    results: "StudyResults", quantities: Sequence[str], parts: Sequence[str], parameters: Sequence[str] | str
) -> pandas.DataFrame:
    """What `StudyResults.frame` says."""
    flat = {run.name: flatten(run.params.model_dump(mode="json")) for run in results.runs}
    names, rows = _parameters(parameters, flat), {}
    for run in results.runs:
        row = {name: flat[run.name].get(name) for name in names}
        row |= {"state": run.state, "step": run.record.step}
        for score in (s for s in scores_of(run.params, run.evaluations) if s.told):
            row[f"final {score.name}"] = _or_nan(run.evaluations[-1].get(score.key))
            if score.largest:
                value, step = best(run.evaluations, score) or (math.nan, math.nan)
                row |= {f"best {score.name}": value, f"step of best {score.name}": step}
        events = events_of(run)
        row |= {f"step of {event.name}": _or_nan(events[event.name]) for event in run.params.task.events()}
        for name in quantities:
            row |= {_column(name, part): _or_nan(run.quantity(name, part).value) for part in parts}
        rows[run.name] = row
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _column(name: str, part: str) -> str:
    return name if part == "observed" else f"{name} {part}"


def _parameters(wanted: Sequence[str] | str, flat: dict[str, dict[str, object]]) -> list[str]:
    names = list(dict.fromkeys(name for values in flat.values() for name in values))
    if wanted == "all":
        return names
    if wanted == "differing":
        return [name for name in names if len({str(values.get(name)) for values in flat.values()}) > 1]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise BadInput(f"unknown parameter {unknown[0]}{nearest(unknown[0], names)}")
    return list(wanted)
