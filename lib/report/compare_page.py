"""report/compare.html: every course of every run in one page that needs no server, and the script that draws them.

Numbers are as they were written: eight bytes each, or four where these say the same; all first bytes before all
second ones, which makes them smaller when they are packed. Courses that share their steps share them here.
"""

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.files import write_atomically
from lib.report.compare import Entry, differing, first_columns, happened, of_study, outcomes, qualities, value_text
from lib.report.reader import StudyResults
from lib.report.series import Course, courses, thinned
from lib.report.template import Script, page_json, render, script_of

SCRIPTS = ("plot", "compare_data", "compare_state", "compare_lines", "compare_draw", "compare_table", "compare")
MOST = 9_700_000  # bytes of packed numbers in a page
FEWEST = 64  # points that a course is thinned to at the most


def compare_page(title: str, found: Sequence[Entry], home: str = "") -> str:
    """The page for these runs.

    Args:
        home: the address of the page to go back to; empty: none.
    """
    return render(
        "compare.html",
        title=title,
        highlighting="",
        home=home,
        data=page_json(page_data(found)),
        count=len(found),
        script=script(),
    )


def write_compare(results: StudyResults) -> Path:
    """Write report/compare.html of a study, whole or not at all; what it says already is not written again."""
    path = results.folder / "report" / "compare.html"
    text = compare_page(f"Runs of {results.study.folder_name}", of_study(results), "index.html")
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_atomically(path, text)
    return path


def script() -> Script:
    return script_of([Path(__file__).with_name(f"{name}.js") for name in SCRIPTS])


def page_data(found: Sequence[Entry]) -> dict[str, Any]:
    """What the page's script reads."""
    known, unread = courses(entry.run for entry in found)
    names, axes = differing(found)
    numbers, points = _packed(known)
    return {
        "runs": [_run(entry, names) for entry in found],
        "parameters": names,
        "axes": axes,
        "same": len({name for entry in found for name in entry.flat} - set(names)),
        "qualities": [{"score": q.score, "of": q.of, "rule": q.rule} for q in qualities(found)],
        "first": first_columns(found, (name for one in known for name in one)),
        "unread": unread,
        "thinned": points,
        **numbers,
    }


def _run(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    run = entry.run
    return {
        "name": entry.name,
        "title": entry.title,
        "group": entry.group,
        "state": run.state,
        "step": run.record.step,
        "steps": run.params.schedule.steps,
        "scale": run.time_scale,
        "epoch": run.params.task.epoch(run.params),
        "diverged": run.diverged,
        "parameters": [value_text(entry.flat, name) for name in names],
        "outcomes": outcomes(entry),
        "events": {name: [step, until] for name, (step, until) in happened(entry).items()},
    }


# ------------------------------------------------------------------------------------------------------ packing


def _packed(known: Sequence[dict[str, Course]]) -> tuple[dict[str, Any], int]:
    """The numbers of all courses, and to how many points they had to be thinned, 0 where to none."""
    found, most = _pack(known), 0
    size = max((len(values) for one in known for _, values in one.values()), default=0)
    while _size(found) > MOST and (most or size) > FEWEST:
        most = int((most or size) * min(0.9, MOST / _size(found)))
        found = _pack([{name: thinned(*c, most) for name, c in one.items()} for one in known])
    return found, most


def _size(found: dict[str, Any]) -> int:
    return sum(len(found[name]) for name in ("stepBytes", "narrow", "wide"))


def _pack(known: Sequence[dict[str, Course]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(name for one in known for name in one))
    grids: dict[bytes, int] = {}
    lengths: list[int] = []
    series: list[list[int]] = []
    numbers: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for at, column in enumerate(columns):
        for n, one in enumerate(known):
            if column not in one:
                continue
            steps, values = one[column]
            grid = steps.astype("<u4").tobytes()
            if grid not in grids:
                grids[grid] = len(grids)
                lengths.append(len(steps))
            with np.errstate(over="ignore"):
                wide = not np.array_equal(values, values.astype("<f4").astype("<f8"), equal_nan=True)
            numbers[wide].append(values)
            series.append([n, at, grids[grid], int(wide)])
    return {
        "columns": columns,
        "series": [number for entry in series for number in entry],
        "grids": lengths,
        "stepBytes": _text(b"".join(grids), 4),
        "narrow": _text(_bytes(numbers[False], "<f4"), 4),
        "wide": _text(_bytes(numbers[True], "<f8"), 8),
    }


def _bytes(parts: Sequence[np.ndarray], kind: str) -> bytes:
    return np.concatenate(parts).astype(kind).tobytes() if parts else b""


def _text(data: bytes, size: int) -> str:
    """Numbers of `size` bytes, all first bytes before all second ones, packed, as text."""
    shuffled = np.frombuffer(data, np.uint8).reshape(-1, size).T.tobytes()
    return base64.b64encode(zlib.compress(shuffled, 6)).decode()
