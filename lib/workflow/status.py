"""What is going on in a study, from its files alone: nothing here starts or waits for anything."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from lib.base.clock import clock
from lib.params.fields import Score
from lib.params.study import Study
from lib.report.axis import level_text
from lib.report.scores import best, scores_of
from lib.train.records import read_evaluations
from lib.train.run_record import RunRecord, run_record
from lib.workflow.finish import Step
from lib.workflow.plan import DRAW, Pending, Target

SILENT_SECONDS = 120.0  # a training run that has not written for so long is not running


def stage_state(target: Target, waiting: Pending | None) -> str:
    """One cell of the status table."""
    # run.json speaks of training; the other stages are done, stale, failed or not there.
    record = run_record(target.folder) if target.stage.trains else RunRecord()
    failed = (target.folder / "notebooks" / f"{target.name}.failed.ipynb").exists()
    if waiting is None:
        return record.state or "done"
    known = ["?" if step is None else str(step) for step in (record.step, record.steps)]
    reached = f"step {'/'.join(known)}"
    if record.state == "training" and not _silent(record):
        pace, to_come = record.tokens_per_second, record.seconds_left
        rate = f", {pace:,} {record.unit}/s" if pace is not None else ""
        left = f", {clock(to_come)} left" if to_come is not None else ""
        return f"{reached}{rate}{left}"
    if failed:
        return "failed"
    if target.done.exists():
        return f"{waiting.kind} again"
    if record.state in ("training", "failed"):
        return f"stopped at {reached}"
    return "-"


def _silent(record: RunRecord) -> bool:
    try:
        # Either way: a clock that was set back makes what was written before it lie in the future.
        return abs(time.time() - datetime.fromisoformat(record.updated).timestamp()) > SILENT_SECONDS
    except ValueError:
        return True


def status_table(every: list[Target], waiting: list[Pending], study: list[Step]) -> str:
    stages = sorted({t.name for t in every})
    stale = {p.target.done: p for p in waiting}
    states: dict[str, dict[str, str]] = {}
    for target in every:
        states.setdefault(target.run.name, {})[target.name] = stage_state(target, stale.get(target.done))
    rows = [["run", *stages]]
    rows += [[run, *(found.get(stage, "") for stage in stages)] for run, found in states.items()]
    made = [f"{step.name}: {_step_state(step)}" for step in study]
    return "\n".join([table(rows), *(["   ".join(made)] if made else [])])


def _step_state(step: Step) -> str:
    if not step.reasons():
        return "done"
    return f"{DRAW} again" if step.done.exists() else "-"


def why_text(waiting: list[Pending], study: list[Step]) -> str:
    """What make would do and because of what: train, measure or draw."""
    lines = []
    for p in waiting:
        again = " again" if p.target.done.exists() else ""
        lines.append(f"{p.target.run.name}  {p.target.name}  will {p.kind}{again}:")
        lines += [f"    {reason}" for reason in p.reasons]
    for step in study:
        found = step.reasons()
        if found:
            lines.append(f"{step.folder.name}  {step.name}  will {DRAW}{' again' if step.done.exists() else ''}:")
            lines += [f"    {reason}" for reason in found]
    return "\n".join(lines) or "Everything is up to date."


def runs_table(study: Study, folder: Path) -> str:
    """The table that ends `make all` and `make grid`: one line a run, with what came of it."""
    rows, notes = runs_rows(study, folder)
    return "\n".join([table(rows), *notes])


def runs_rows(study: Study, folder: Path) -> tuple[list[list[str]], list[str]]:
    """A head and one row a run, and a note on every run that has one."""
    found = [(run, run_record(folder / run.name), read_evaluations(folder / run.name)) for run in study.runs]
    scores = {score: None for run, _, rows in found for score in scores_of(run.params, rows) if score.told}
    rows = [[*study.axes, "state", "steps", *(name for s in scores for name in _score_names(s)), "time"]]
    for run, record, evaluations in found:
        rows.append(
            [
                *(level_text(level) for level in run.point.values()),
                record.state or "not trained",
                "" if record.step is None else str(record.step),
                *(cell for score in scores for cell in _score_cells(score, evaluations)),
                clock(record.seconds) if record.seconds else "",
            ]
        )
    return rows, [f"{run.name}: {record.reason}" for run, record, _ in found if record.reason]


def _score_names(score: Score) -> list[str]:
    best = [f"best {score.name}", "at step"] if score.largest else []
    return [*best, f"final {score.name}"]


def _score_cells(score: Score, evaluations: list[dict[str, Any]]) -> list[str]:
    final = _number(evaluations[-1].get(score.key)) if evaluations else ""
    if not score.largest:
        return [final]
    value, step = best(evaluations, score) or (None, "")
    return [_number(value), str(step), final]


def claims_table(folder: Path) -> str:
    """The verdicts of summary/claims.json, one claim after another."""
    claims = json.loads((folder / "summary" / "claims.json").read_text())["claims"]
    lines = [f"{c['verdict'].upper():12} {c['claim']}\n{'':12} {c['why']}{_of_null(c)}" for c in claims]
    return "\n".join(lines) or f"{folder.name}: this study makes no claims"


def _of_null(claim: dict[str, Any]) -> str:
    return f"\n{'':12} the null with memory: {claim['null']}" if claim.get("null") else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3f}"


def table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
