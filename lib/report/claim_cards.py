"""A claim as a picture: a strip of values for every level, their nulls, what was asked of them, and both verdicts.

The picture is SVG text that needs nothing else: the report has it inside its page, and a notebook shows it by
`IPython.display.HTML(claim_card(results, verdict))`. Its ink is that of the text around it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import shorten

import numpy as np

from lib.report.axis import at_level
from lib.report.claim_words import Figure, figure_at
from lib.report.claims import Verdict
from lib.report.claims_file import All, Compare, Contrast, Diverges, Exceeds, Level, Monotone, Named, Test, Within
from lib.report.effects import effects_of
from lib.report.published import comparable
from lib.report.quantities import OF_NULL
from lib.report.reader import StudyResults
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN

WIDTH, LINE, LEFT, RIGHT = 420, 17, 64, 12  # of the picture, of a level; beside the strip, at least
HEAD, FOOT = 20, 24  # above and below the levels of a strip
LETTER = 5.9  # the width of a character, about
LONGEST, LONGEST_NAME = 58, 40  # characters of what stands beside a strip, and of a level
VALUE, NULL, ASKED, PUBLISHED = "#3584c4", "#8c8c8c", "#c4761b", "#b03a5b"  # told apart on white and on black
COLOURS = {HOLDS: "#1f9d6f", EXCLUDED: "#cf5a1e", ABSENT: "#8d6ac2", OPEN: NULL}
OF_THE_NULL = {"observed": "memory", "excess": OF_NULL}  # what the null with memory has in place of a part


@dataclass(frozen=True)
class Row:
    """A level by its name: what is found there, in single runs as well, and what of its null; or why nothing is."""

    name: str
    found: Figure | None
    runs: list[float]
    null: Figure | None
    published: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Strip:
    """One quantity at its levels; `asked` are the limits that a test names, `smallest` the least of interest."""

    title: str
    rows: list[Row]
    asked: list[float] = field(default_factory=list)
    smallest: float = 0.0


def claim_card(results: StudyResults, verdict: Verdict) -> str:
    """The picture of a claim, as SVG text.

    Args:
        verdict: one of `lib.report.summary.verdicts_of(results)`.
    """
    strips = list(_strips(results, verdict, verdict.claim.test))
    drawn, top = [], 24
    for strip in strips:
        drawn += _strip(strip, top)
        top += HEAD + LINE * len(strip.rows) + FOOT
    said = f"{verdict.claim.claim} {verdict.verdict}" + (f", of the null {verdict.null}" if verdict.null else "")
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" style="max-width:100%;height:auto"'
    look = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" fill="currentColor"'
    parts = "".join([*_verdicts(verdict), *drawn])
    return f'<svg {size} {look} role="img" aria-label="{escape(said)}">{parts}</svg>'


def _verdicts(verdict: Verdict) -> Iterator[str]:
    yield _text(0, 12, f"● {verdict.verdict}", colour=COLOURS[verdict.verdict], weight="bold")
    if verdict.null:
        yield _text(110, 12, f"◇ of the null with memory: {verdict.null}", colour=NULL)


# ----------------------------------------------------------------------------------------------- what is in a strip


def _strips(results: StudyResults, verdict: Verdict, test: Test) -> Iterator[Strip]:
    match test:
        case All():
            for part in test.tests:
                yield from _strips(results, verdict, part)
        case Diverges():
            rows = [Row(results.axis.mark(x), None, [], None, why=_states(results, x)) for x in results.levels]
            yield Strip("what became of the runs", rows)
        case Exceeds():
            rows = _rows(results, test, test.at or results.trained())
            yield Strip(_title(test, results), rows, [test.than], _smallest(verdict, results))
        case Within():
            rows = _rows(results, test, test.at or results.trained())
            limits = [limit for limit in (test.low, test.high) if limit is not None]
            yield Strip(_title(test, results), rows, limits)
        case Monotone():
            rows = _rows(results, test, results.trained())
            title = f"{_title(test, results)}: {test.direction} from the first to the last"
            yield Strip(title, rows, _values(rows[:1]), _smallest(verdict, results))
        case Compare():
            rows = _rows(results, test, [test.larger_at, test.smaller_at])
            title = f"{_title(test, results)}: larger at {results.axis.mark(test.larger_at)}"
            yield Strip(title, rows, _values(rows[1:]), _smallest(verdict, results))
        case Contrast():
            levels = test.at or results.trained()
            yield Strip(_title(test.larger, results), _rows(results, test.larger, levels))
            title = f"{_title(test.smaller, results)}: {test.factor:g} times that is less"
            yield Strip(title, _rows(results, test.smaller, levels))


def _title(named: Named, results: StudyResults) -> str:
    """In words where the published numbers have some, with the name behind."""
    entry = results.published.quantities.get(named.quantity)
    words = f"{entry.name} ({named.quantity})" if entry else named.quantity
    return words if named.part == "observed" else f"{words}, {named.part}"


def _smallest(verdict: Verdict, results: StudyResults) -> float:
    """The least that is of interest, as the verdict has it."""
    effects = effects_of(verdict.claim.test, verdict.claim.effect, results)
    return effects[0].smallest if effects else 0.0


def _values(rows: Sequence[Row]) -> list[float]:
    return [row.found.value for row in rows if row.found]


def _rows(results: StudyResults, named: Named, levels: Sequence[Level]) -> list[Row]:
    part, published = OF_THE_NULL.get(named.part), comparable(results.published, results.study.profile)
    rows = []
    for level in levels:
        name, found = results.axis.mark(level), figure_at(results, named.quantity, named.part, level)
        runs = [run.quantity(named.quantity, named.part).value for run in results.runs if run.level == level]
        null = figure_at(results, named.quantity, part, level) if part else None
        if found.value is None:
            rows.append(Row(name, None, [], None, why=results.at(level, named.quantity, named.part).why))
        else:
            known = [x for x in runs if x is not None]
            told = published.get(named.quantity, {}) if named.part == "observed" else {}
            rows.append(Row(name, found, known, null if null and null.text else None, at_level(told, level)))
    return rows


def _states(results: StudyResults, level: Level) -> str:
    return ", ".join(dict.fromkeys(run.said for run in results.runs if run.level == level))


# ------------------------------------------------------------------------------------------------------- drawing it


def _strip(strip: Strip, top: float) -> Iterator[str]:
    """Values with intervals, rings for runs and published values, diamonds for nulls, lines for what is asked."""
    yield _text(0, top + 12, shorten(strip.title, LONGEST, placeholder=" …"), weight="bold")
    known = [x for row in strip.rows for x in _reach(row)] + _limits(strip)
    upper, lower = top + HEAD, top + HEAD + LINE * len(strip.rows)
    low, high = _padded(known)
    names = [shorten(row.name, LONGEST_NAME, placeholder=" …") for row in strip.rows]
    left = max(LEFT, 8 + LETTER * max(map(len, names), default=0))

    def place(x: float) -> float:
        return left + (x - low) / (high - low) * (WIDTH - left - RIGHT)

    for limit in strip.asked:
        ends = [place(limit - strip.smallest), place(limit + strip.smallest)]
        yield f'<rect x="{ends[0]:.1f}" y="{upper}" width="{ends[1] - ends[0]:.1f}" height="{lower - upper}" '
        yield f'fill="{ASKED}" fill-opacity="0.2"/>{_line(place(limit), upper, place(limit), lower, ASKED)}'
    for at, (row, name) in enumerate(zip(strip.rows, names, strict=True)):
        y = upper + LINE * (at + 0.5)
        yield _text(left - 8, y + 4, name, anchor="end")
        if row.found:
            yield from _marked(row, y, place)
        else:
            room = int(LONGEST - (left - LEFT) / LETTER)
            yield _text(left, y + 4, shorten(row.why, room, placeholder=" …"), colour=NULL)
    if known:
        yield _line(left, lower, WIDTH - RIGHT, lower, NULL)
        for x in _ticks(low, high):
            yield _text(place(x), lower + 13, f"{x:g}", colour=NULL, anchor="middle")


def _marked(row: Row, y: float, place: Callable[[float], float]) -> Iterator[str]:
    if row.published is not None:
        yield f'<circle cx="{place(row.published):.1f}" cy="{y - 2:.1f}" r="4.6" fill="none" stroke="{PUBLISHED}"/>'
    if row.null:
        yield _line(*_ends(row.null, place, y + 3), NULL)
        yield f'<path d="M{place(row.null.value):.1f} {y - 1:.1f}l4 4l-4 4l-4 -4z" fill="none" stroke="{NULL}"/>'
    yield _line(*_ends(row.found, place, y - 2), VALUE)
    yield f'<circle cx="{place(row.found.value):.1f}" cy="{y - 2:.1f}" r="3.6" fill="{VALUE}"/>'
    for value in row.runs if len(row.runs) > 1 else []:
        yield f'<circle cx="{place(value):.1f}" cy="{y - 2:.1f}" r="1.8" fill="none" stroke="{VALUE}"/>'


def _ends(figure: Figure, place: Callable[[float], float], y: float) -> tuple[float, float, float, float]:
    low, high = _interval(figure)
    return place(low), y, place(high), y


def _interval(figure: Figure) -> list[float]:
    """The interval of a value: its error to either side."""
    return [figure.value - (figure.error or 0.0), figure.value + (figure.error or 0.0)]


def _reach(row: Row) -> list[float]:
    """Everything that a row draws, along the axis."""
    told = [] if row.published is None else [row.published]
    return row.runs + told + [x for figure in (row.found, row.null) if figure for x in _interval(figure)]


def _limits(strip: Strip) -> list[float]:
    return [limit + side * strip.smallest for limit in strip.asked for side in (-1, 1)]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers."""
    size = 10.0 ** np.floor(np.log10((high - low) / 2))
    size = next(s for s in (5 * size, 2 * size, size, size / 2) if (high - low) / s >= 3)
    return [round(float(k * size), 10) for k in range(int(np.ceil(low / size)), int(np.floor(high / size)) + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="1.3"/>'


def _text(
    x: float, y: float, text: str, *, colour: str = "currentColor", anchor: str = "start", weight: str = "normal"
) -> str:
    look = f'fill="{colour}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
