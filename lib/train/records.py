"""What a run's folder says of itself, believed only as far as it is whole."""

import json
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import (
    CURRENT,
    WATCH,
    content_hash,
    fingerprint,
    json_text,
    read_json,
    snapshot_path,
    state_path,
)
from lib.params.cadence import snapshot_steps
from lib.params.run import Params, run_hash

STATES = ("training", "done", "diverged", "failed")


def training_files(folder: Path, p: Params) -> list[str]:
    """Every file that a run's training is answerable for, up to the step it reached."""
    record = read_record(folder) or {}
    last = record.get("step", p.schedule.steps)
    names = ["params.yaml", "run.json", "pilot_metrics.json", "metrics.jsonl", *record.get("data_files", ())]
    if p.train.watch_every or p.train.watch:
        names.append(WATCH)
    steps = [snapshot_path(folder, step) for step in snapshot_steps(p) if step <= last]
    steps += [state_path(folder, step) for step in state_steps(p, last, record.get("events", []))]
    return names + [str(path.relative_to(folder)) for path in steps]


def state_steps(p: Params, last: int, events: list[dict[str, Any]]) -> list[int]:
    """The steps up to `last` of which a run keeps a full state."""
    return [step for step in sorted({*p.snapshots.state, *(e["step"] for e in events)}) if step <= last]


def lost_file(folder: Path, p: Params) -> str:
    """The first of a finished run's files that is gone or is not what was written, in words; else nothing."""
    from lib.base.tensors import load_tensors  # torch takes seconds to import

    for name in training_files(folder, p):
        if not (folder / name).exists():
            return f"{name} is missing"
    evaluations = read_evaluations(folder)
    if not evaluations:
        return "pilot_metrics.json is damaged"
    if not metrics_agree(folder, evaluations, to_the_end=True):
        return "metrics.jsonl and pilot_metrics.json do not agree"
    for name, was in (read_record(folder) or {}).get("data_files", {}).items():
        if fingerprint(folder / name) != was:
            return f"{name} is damaged"
    if (folder / CURRENT).exists():
        try:
            load_tensors(folder / CURRENT)
        except BadInput as error:
            return str(error)
    reached = (read_record(folder) or {}).get("step", p.schedule.steps)
    return lost_before(folder, p, reached, evaluations, (read_record(folder) or {}).get("events", []))


def lost_before(
    folder: Path, p: Params, step: int, evaluations: list[dict[str, Any]], events: list[dict[str, Any]]
) -> str:
    """The first thing up to a step that training went through and that is not on disk as it was written."""
    from lib.base.snapshots import check_snapshot
    from lib.train.watch import lost_rows

    if evaluations and not metrics_agree(folder, evaluations):
        return "metrics.jsonl does not hold the evaluations so far"
    try:
        # A run that stopped early has one more, at the step where it did.
        there = [int(path.stem) for path in (folder / "snapshots").glob("*.safetensors") if path.stem.isdecimal()]
        for earlier in sorted({*snapshot_steps(p), *there}):
            if earlier <= step:
                check_snapshot(snapshot_path(folder, earlier), earlier, run_hash(p))
        for earlier in state_steps(p, step, events):
            check_snapshot(state_path(folder, earlier), earlier, run_hash(p))
    except BadInput as error:
        return str(error)
    return lost_rows(folder, p, step)


def metrics_agree(folder: Path, evaluations: list[dict[str, Any]], to_the_end: bool = False) -> bool:
    """Whether metrics.jsonl begins with these evaluations, or holds nothing else, each line as it was written."""
    try:
        lines = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        rows = [json.loads(line) for line in lines[: None if to_the_end else len(evaluations)]]
        known = json.loads(json_text(evaluations))
        whole = len(rows) == len(known) and all(line.endswith(b"\n") for line in lines[: len(rows)])
        return whole and all(e.keys() == known[0].keys() for e in known) and all(map(_is_line_of, rows, known))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _is_line_of(row: dict[str, Any], evaluation: dict[str, Any]) -> bool:
    return row.pop("seal") == content_hash(row) and evaluation == {name: row[name] for name in evaluation}


def read_record(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder; None when there is none or it is not one."""
    record = read_json(folder / "run.json")
    if not isinstance(record, dict) or record.get("state") not in STATES:
        return None
    numbers = [record.get(key, 0) for key in ("step", "steps", "seconds", "seconds_left", "tokens_per_second")]
    diverged = record.get("diverged") if record["state"] == "diverged" else {"step": 0}
    whole = (
        all(map(_is_number, numbers))
        and isinstance(record.get("identity", {}), dict)
        and isinstance(record.get("data_files", {}), dict)
        and all(isinstance(e, dict) and _is_number(e.get("step")) for e in _listed(record.get("events", [])))
        and isinstance(diverged, dict)
        and _is_number(diverged.get("step"))
    )
    return record if whole else None


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """The evaluations of a run, in order; empty when there are none, or the file holds something else."""
    found = read_json(folder / "pilot_metrics.json")
    rows = found if isinstance(found, list) else []
    return rows if all(map(_is_evaluation, rows)) else []


def _is_evaluation(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("step"), int)
        and "val_loss" in row
        and all(value is None or _is_number(value) for value in row.values())
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
