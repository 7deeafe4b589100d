"""A study's runs before they are made: which there are, some of them alone, their parameters and what they cost."""

import re
from pathlib import Path
from typing import Any

from lib.base.clock import clock
from lib.base.errors import BadInput, nearest, shown
from lib.params.arms import ARM
from lib.params.origin import ORDER, origins
from lib.params.run import Params
from lib.params.study import Run, Study
from lib.report.axis import level_text
from lib.train.run_record import run_record
from lib.workflow.status import table

UNKNOWN = "?"
WIDEST = 44  # of a cell with values


def chosen(study: Study, only: str = "", since: str = "") -> list[Run]:
    """The runs that are meant, in the study's order.

    Args:
        only: words; of each the run of this name is taken, else all of the arm, else all with it in their names.
        since: the number of a run, from which on they are taken; the first is 1.

    Raises: BadInput for a word that no run has, and for what is no number of a run.
    """
    runs = study.runs
    if since:
        if not re.fullmatch(r"\d{1,9}", since) or not 1 <= int(since) <= len(runs):
            raise BadInput(f"SINCE={shown(since)}: expected the number of a run, from 1 to {len(runs)}")
        runs = runs[int(since) - 1 :]
    names = {name for word in only.split() for name in _meant(study, word)}
    return [run for run in runs if not only.strip() or run.name in names]


def _meant(study: Study, word: str) -> list[str]:
    names = [run.name for run in study.runs]
    for found in (
        [name for name in names if name == word],
        [run.name for run in study.runs if run.point.get(ARM) == word],
        [name for name in names if word in name],
    ):
        if found:
            return found
    arms = [str(run.point[ARM]) for run in study.runs if ARM in run.point]
    raise BadInput(
        f"ONLY={shown(word)}: no run of {study.folder_name} has it in its name{nearest(word, [*names, *arms])}"
    )


def plan_text(study: Study, folder: Path, runs: list[Run]) -> str:
    """What `make plan` prints: the runs with steps, state and time to come, and where their parameters are from."""
    times = {run.name: seconds_left(study, folder, run) for run in runs}
    numbers = {run.name: n for n, run in enumerate(study.runs, 1)}
    rows = [["no.", "run", *study.axes, "steps", "state", "training to come"]]
    for run in runs:
        left = times[run.name]
        rows.append(
            [
                str(numbers[run.name]),
                run.name,
                *(level_text(level) for level in run.point.values()),
                str(run.params.schedule.steps),
                run_record(folder / run.name).state or "-",
                UNKNOWN if left is None else clock(left),
            ]
        )
    known = [left for left in times.values() if left is not None]
    lines = [table(rows), "", _sum(known, len(times) - len(known)), "", f"Parameters, by {ORDER}:", ""]
    return "\n".join([*lines, table(parameter_rows(runs))])


def seconds_left(study: Study, folder: Path, run: Run) -> float | None:
    """Of training alone, by the pace of this run or of one like it that is on disk; None where there is none."""
    record = run_record(folder / run.name)
    if record.ended:
        return 0.0
    done = record.step or 0
    paces = [pace for other in [run, *study.runs] if (pace := _pace(folder / other.name, other.params, run.params))]
    return paces[0] * (run.params.schedule.steps - done) if paces else None


def _pace(folder: Path, theirs: Params, ours: Params) -> float | None:
    """Seconds a step of a run that is on disk, where it does in a step what ours does."""
    record = run_record(folder)
    same = all(
        getattr(theirs, part) == getattr(ours, part) for part in ("task", "model", "batch", "eval", "machine")
    )
    same &= theirs.optim.name == ours.optim.name and theirs.train == ours.train
    return record.seconds / record.step if same and record.seconds and record.step else None


def _sum(known: list[float], unknown: int) -> str:
    if not known:
        return "How long they take is not known: none like them has run yet. ONLY= and the name of one tells."
    more = f", besides {unknown} of which none like them has run yet" if unknown else ""
    return f"Training to come: {clock(sum(known))} one after another{more}; measurements come on top."


def parameter_rows(runs: list[Run]) -> list[list[str]]:
    """A head, and a row for each parameter: its values over the runs, where they are from, what they replace."""
    found: dict[str, list[Any]] = {}
    for run in runs:
        for o in origins(run):
            found.setdefault(o.name, []).append(o)
    rows = [["parameter", "value", "from", "in place of"]]
    for name, every in found.items():
        cells = [
            list(dict.fromkeys(filter(None, (str(x) for x in column))))
            for column in ([shown(o.value) for o in every], [o.source for o in every], [o.instead for o in every])
        ]
        rows.append([name, *(_short(texts) for texts in cells)])
    return rows


def _short(texts: list[str]) -> str:
    text = ", ".join(texts)
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}..."
