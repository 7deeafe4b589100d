"""Any runs side by side, of one study or of several: what they differ in, how they ended, what happened to them.

The page, the table on the command line and the figure are all made from these entries.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import finite
from lib.params.arms import ARM
from lib.params.dotted import flatten
from lib.params.fields import Score
from lib.report.events import events_of, last_evaluated
from lib.report.reader import StudyResults, open_run, open_study
from lib.report.run import RunResults
from lib.report.scores import best, scores_of

HIGH, MIDDLING = 0.90, 0.50  # of a score from 0 to 1
QUALITIES = ("high", "middling", "low")
ABSENT = "–"  # a parameter that a run does not have


@dataclass(frozen=True)
class Entry:
    """A run among others that it is compared with.

    name      tells it apart from all the others
    title     its place in the grid, as a legend has it
    group     the same of all runs that differ from it in the seed alone
    flat      every parameter by dotted name, and the arm
    """

    run: RunResults
    name: str
    title: str
    group: str
    flat: dict[str, Any]

    def scores(self) -> list[Score]:
        return scores_of(self.run.params, self.run.evaluations)

    def last(self, key: str) -> float | None:
        return finite(self.run.evaluations[-1].get(key)) if self.run.evaluations else None

    def published(self, step: float | None) -> float | None:
        return None if step is None else step * self.run.time_scale


def entries(folders: Iterable[Path]) -> list[Entry]:
    """Runs by their folders, each as a part of its study; alone where no study knows it.

    Raises: BadInput when a folder is no run's.
    """
    by_place: dict[Path, list[str]] = {}
    for folder in folders:
        by_place.setdefault(folder.resolve().parent, []).append(folder.resolve().name)
    found = []
    for place, names in by_place.items():
        before = f"{place.name}/" if len(by_place) > 1 else ""
        try:
            known = {entry.run.name: entry for entry in of_study(open_study(place), before)}
        except BadInput:
            known = {}
        found += [known.get(name) or _alone(place / name, before) for name in dict.fromkeys(names)]
    return found


def of_study(results: StudyResults, before: str = "") -> list[Entry]:
    """The runs of a study that there is anything of, in its order.

    Args:
        before: what stands before their names, among those of other studies.
    """
    return [_entry(run, before, results.label(run, seed=True), results.label(run)) for run in results.present]


def _alone(folder: Path, before: str) -> Entry:
    run = open_run(folder)
    return _entry(run, before, run.name, run.name)


def _entry(run: RunResults, before: str, title: str, group: str) -> Entry:
    flat = {ARM: run.point[ARM]} if ARM in run.point else {}
    flat |= flatten(run.params.model_dump(mode="json"))
    return Entry(run, before + run.name, _titled(before, title), _titled(before, group), flat)


def _titled(before: str, title: str) -> str:
    return f"{before.rstrip('/')}: {title}" if before else title


def differing(found: Sequence[Entry]) -> tuple[list[str], int]:
    """The parameters that are not the same in all runs, those of their grids first, and how many those are."""
    axes = dict.fromkeys(name for entry in found for name in entry.run.point)
    names = dict.fromkeys([*axes, *(name for entry in found for name in entry.flat)])
    differ = [name for name in names if len({value_text(entry.flat, name) for entry in found}) > 1]
    return differ, sum(name in axes for name in differ)


def value_text(flat: dict[str, Any], name: str) -> str:
    """A parameter as it was given, without rounding."""
    if name not in flat:
        return ABSENT
    value = flat[name]
    return value if isinstance(value, str) and value else json.dumps(value)


def outcomes(entry: Entry) -> dict[str, float | None]:
    """Last and best of every score that is told."""
    found: dict[str, float | None] = {}
    for score in (score for score in entry.scores() if score.told):
        if score.largest:
            found[f"best {score.name}"] = (best(entry.run.evaluations, score) or (None,))[0]
        found[f"final {score.name}"] = entry.last(score.key)
    return found


def happened(entry: Entry) -> dict[str, tuple[float | None, float]]:
    """Of every event its published step, None where it has not come, and up to which that is known."""
    until = entry.published(last_evaluated(entry.run)) or 0.0
    return {name: (entry.published(step), until) for name, step in events_of(entry.run).items()}


# ----------------------------------------------------------------------------------------------------- quality


@dataclass(frozen=True)
class Quality:
    """How runs ended by one score: high, middling or low by name, none of one under way; and the rule in words."""

    score: str
    of: dict[str, str]
    rule: str


def first_columns(found: Sequence[Entry], there: Iterable[str]) -> list[str]:
    """What is shown where nobody asked: the first score of the first run's task, and the main one."""
    names, known = {q.score for q in qualities(found)[:1]}, set(there)
    keys = [s.key for entry in found for n, s in enumerate(entry.scores()) if not n or s.name in names]
    return [key for key in dict.fromkeys(keys) if key in known][:2]


def qualities(found: Sequence[Entry]) -> list[Quality]:
    """By every score that these runs have, the main one first.

    That is the first score from 0 to 1 that a run has ever come half way in, else the first of all.
    """
    scores = list({score.key: score for entry in found for score in entry.scores() if score.told}.values())
    reached = [s for s in scores if s.curve and any(_best(e, s) >= MIDDLING for e in found)]
    ordered = [*reached[:1], *(score for score in scores if score not in reached[:1])]
    return [_quality(score, found) for score in ordered]


def _best(entry: Entry, score: Score) -> float:
    return (best(entry.run.evaluations, score) or (0.0,))[0]


def _quality(score: Score, found: Sequence[Entry]) -> Quality:
    last = {entry.name: entry.last(score.key) for entry in found if entry.run.state == "done"}
    known = {name: value for name, value in last.items() if value is not None}
    lost = {entry.name: "low" for entry in found if entry.run.diverged}
    if score.curve:
        rule = (
            f"final {score.name}: high from {HIGH:.2f}, middling from {MIDDLING:.2f}, low below; diverged is low, "
        )
        rule += "one under way has none"
        return Quality(score.name, lost | {name: _level(x) for name, x in known.items()}, rule)
    rank = sorted(known, key=lambda name: known[name], reverse=score.largest)
    thirds = np.array_split(np.array(rank, dtype=object), 3)
    of = {name: QUALITIES[n] for n, third in enumerate(thirds) for name in third}
    side = "largest" if score.largest else "smallest"
    rule = f"final {score.name} among the {len(rank)} runs here that have one: high is the third with the {side}, "
    return Quality(score.name, lost | of, rule + "low the third at the other end; diverged is low")


def _level(value: float) -> str:
    return "high" if value >= HIGH else "middling" if value >= MIDDLING else "low"
