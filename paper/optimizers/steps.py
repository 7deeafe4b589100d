"""What was measured of a run's steps: means after the warm-up, by group of matrices and over groups."""

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from IPython.display import Markdown

from lib.base.files import WATCH
from lib.measure.trajectory import write_analysis
from lib.params.run import Params, load_params
from lib.report.run_tables import table, value
from lib.train.watch import read_rows

COLUMNS = {  # what is shown of a row, in words, and its decimals
    "gradient_rank": ("rank of the gradient", 2),
    "memory_rank": ("rank of the memory", 2),
    "update_rank": ("rank of the step", 2),
    "unevenness": ("unevenness", 2),
    "memory_cosine": ("cosine with the memory", 3),
    "noise_ratio": ("noise over memory", 3),
    "fired": ("fired", 2),
    "failures": ("stood still", 2),
    "update_rms": ("RMS of the step", 5),
}
OF_GROUP = "group"
COUNTED = ("fired", "failures")


def watched(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's table; none where it has no table."""
    return read_rows(folder) if (folder / WATCH).exists() else []


def measured_steps(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's table, and into analysis/steps.json their means."""
    rows = watched(folder)
    write_analysis(folder, "steps", means_of(rows, load_params(folder / "params.yaml")))
    return rows


def means_of(rows: list[dict[str, Any]], p: Params) -> dict[str, Any]:
    """Means of every column over steps after the warm-up: of every group of matrices, and of all groups.

    What is counted from the start on becomes the share of those steps that it happened in.
    """
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[OF_GROUP]].append(row)
    means = []
    for group, found in groups.items():
        late = [row for row in found if row["step"] > p.schedule.warmup]
        before = [row for row in found if row["step"] <= p.schedule.warmup]
        if late:
            start = before[-1] if before else {"step": 0}
            means.append({OF_GROUP: group} | _means(late) | _shares(start, late[-1]))
    return {"groups": means, "all": _means(means)}


def _shares(start: dict[str, Any], end: dict[str, Any]) -> dict[str, float]:
    steps = end["step"] - start["step"]
    return {name: (end[name] - start.get(name, 0)) / steps for name in COUNTED if name in end}


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of every column, over the rows that have it."""
    columns = dict.fromkeys(key for row in rows for key in row if key not in (OF_GROUP, "step"))
    return {name: fmean(row[name] for row in rows if name in row) for name in columns}


def by_group(found: dict[str, Any]) -> Markdown:
    """A row a group of matrices."""
    if not found["groups"]:
        return Markdown("No step after the warm-up was measured: train.watch_every says how often.")
    cells = [
        [f"`{means[OF_GROUP]}`", *(value(means.get(name), digits) for name, (_, digits) in COLUMNS.items())]
        for means in found["groups"]
    ]
    return Markdown(table(["matrices", *(title for title, _ in COLUMNS.values())], cells))
