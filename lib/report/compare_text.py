"""Runs side by side as text, within the width of a terminal: scores, events, parameters that differ."""

import textwrap
from collections import Counter
from collections.abc import Sequence

import numpy as np

from lib.base.errors import BadInput, nearest, plain_name
from lib.report.compare import Entry, differing, happened, outcomes, qualities, value_text
from lib.report.series import Course, error_of

WIDTH = 100
BESIDE = 6  # runs that stand beside each other; more stand one below another
LONGEST = 30  # characters of a cell
MARKS = {"high": "+", "middling": "o", "low": "-"}


def compare_text(found: Sequence[Entry], known: Sequence[dict[str, Course]], metrics: Sequence[str]) -> str:
    """Numbered runs, how they ended, what they differ in, and what the marks mean.

    Args:
        known: the courses of every run.
        metrics: of these, those whose last value is told.
    """
    names, axes = differing(found)
    values = {name: [value_text(entry.flat, name) for entry in found] for name in names}
    few = len(found) <= BESIDE
    shown = {name: values[name] for name in names[:axes]} | _outcomes(found)
    shown |= {f"last {metric}": [_number(_last(one.get(metric))) for one in known] for metric in metrics}
    shown |= values if few else {}
    rows = [
        ["run", *(str(n) for n in range(1, len(found) + 1))],
        *([name, *cells] for name, cells in shown.items()),
    ]
    lines = [f"{n:>3}  {entry.name}" for n, entry in enumerate(found, 1)]
    lines += ["", *_blocks(rows if few else [list(row) for row in zip(*rows, strict=True)])]
    if not few:
        lines += ["", *(line for name in names[axes:] for line in _counted(name, values[name]))]
    same = len({name for entry in found for name in entry.flat} - set(names))
    told = [
        f"{len(names)} parameters differ, {same} are the same in all. Steps are published ones; > N: not by step N."
    ]
    told += [f"Quality by {one.rule}." for one in qualities(found)[:1]]
    return "\n".join([*lines, "", *(line for text in told for line in textwrap.wrap(text, WIDTH))])


def _outcomes(found: Sequence[Entry]) -> dict[str, list[str]]:
    """How every run ended, by column."""
    columns = {"state": [_state(entry) for entry in found]}
    for one in qualities(found)[:1]:
        columns["quality"] = [_quality(one.of.get(entry.name, "")) for entry in found]
    ended, events = [outcomes(entry) for entry in found], [happened(entry) for entry in found]
    columns |= {name: [_number(one.get(name)) for one in ended] for name in _union(ended)}
    steps = {name: [_step(*one.get(name, (None, None))) for one in events] for name in _union(events)}
    return columns | {f"step: {name}": cells for name, cells in steps.items()}


def _counted(name: str, values: Sequence[str]) -> list[str]:
    """A parameter with its values, and of how many runs each is."""
    counts = Counter(values)
    told = ", ".join(f"{_cut(value)} ({count})" for value, count in counts.items())
    return textwrap.wrap(f"{name}: {told}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def find_columns(asked: str, there: Sequence[str]) -> list[str]:
    """The columns that METRIC names, by commas: each whole, or by words that only it has.

    Raises: BadInput for one that there is not, or that fits several.
    """
    found = []
    for text in (part.strip() for part in asked.split(",") if part.strip()):
        fits = [text] if text in there else [name for name in there if all(w in name for w in text.split())]
        errors = {error_of(name) for name in fits}
        fits = [name for name in fits if name not in errors]
        if len(fits) != 1:
            problem = "fits several" if fits else "is none of these runs' numbers"
            names = "; ".join((fits or there)[:12]) + (" and more" if (fits or there)[12:] else "")
            raise BadInput(f"METRIC={plain_name(text)} {problem}; there are: {names}{nearest(text, there)}")
        found += fits
    return list(dict.fromkeys(found))


def _union(rows: Sequence[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _state(entry: Entry) -> str:
    run = entry.run
    step = run.record.step
    if step is None or (run.state == "done" and step == run.params.schedule.steps):
        return run.state
    return f"{run.state} {entry.published(step):g}"


def _quality(level: str) -> str:
    return f"{MARKS[level]} {level}" if level else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _step(step: float | None, until: float | None) -> str:
    if step is not None:
        return f"{step:g}"
    return "–" if until is None else f"> {until:g}"


def _last(course: Course | None) -> float | None:
    if course is None or not np.isfinite(course[1]).any():
        return None
    return float(course[1][np.isfinite(course[1])][-1])


def _blocks(rows: list[list[str]]) -> list[str]:
    """A table whose first column comes again in every block that fits the width."""
    columns = [[_cut(cell) for cell in column] for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    lines: list[str] = []
    at = 1
    while at < len(columns):
        end, used = at, widths[0]
        while end < len(columns) and (end == at or used + 2 + widths[end] <= WIDTH):
            used += 2 + widths[end]
            end += 1
        taken = [0, *range(at, end)]
        for n in range(len(rows)):
            cells = [columns[c][n].rjust(widths[c]) if c else columns[c][n].ljust(widths[c]) for c in taken]
            lines.append("  ".join(cells).rstrip())
        lines += [""] if end < len(columns) else []
        at = end
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
