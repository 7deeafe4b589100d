"""What make keeps of every stage: everything that goes in (`.inputs`), and what came out (`.done`)."""

from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import fingerprint, read_json

KEPT = ".make"  # in a study's folder: make's own files, beside the results
CODE = "code"  # in it: tables of definitions by their hash


def read_done(path: Path) -> dict[str, Any] | None:
    """What went into a stage, and the files that came out by fingerprint; None when there is no such marker."""
    record = read_json(path)
    whole = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("inputs", "outputs"))
    return record if whole else None


def read_inputs(path: Path) -> dict[str, Any]:
    """What make wrote down of everything that goes into a stage."""
    inputs = read_json(path)
    parts = ("parameters", "stage")
    if not isinstance(inputs, dict) or not all(isinstance(inputs.get(part), dict) for part in parts):
        raise BadInput(f"{path}: this file is damaged, or make has not written it; run make again")
    return inputs


def is_current(marker: Path, inputs: dict[str, Any]) -> bool:
    """Whether the stage's result is on disk, whole, and made from these inputs."""
    done = read_done(marker)
    return bool(done) and done["inputs"] == inputs and not lost_outputs(marker.parent, done)


def lost_outputs(home: Path, done: dict[str, Any]) -> list[str]:
    """What became of files that a stage left: one phrase for each that is gone or is not what it was."""
    found = []
    for name, was in done["outputs"].items():
        path = home / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif fingerprint(path) != was:
            found.append(f"{name} is not as it was made")
    return found


def table_path(study: Path, digest: str) -> Path:
    """Where a table of definitions is kept, so that a later make can say which of them differs."""
    return study / KEPT / CODE / f"{digest}.json"


def read_table(study: Path, digest: Any) -> dict[str, str] | None:
    table = read_json(table_path(study, digest)) if isinstance(digest, str) else None
    return table if isinstance(table, dict) else None
