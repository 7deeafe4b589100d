"""Files written whole or not at all, JSON in one spelling, and where things lie. Nothing heavy is imported."""

import contextlib
import glob
import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from lib.base.disk import disk_trouble
from lib.base.errors import BadInput
from lib.base.locks import take

ROOT = Path(__file__).resolve().parents[2]  # of the project
CURRENT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"  # a run's two last full states
WATCH = "watch.parquet"  # what a run measured of its steps
UMASK = os.umask(0o077)  # it can only be read by setting it
os.umask(UMASK)

LONGEST_NUMBER = 300  # digits in JSON; no float is longer
ENDS = 1 << 16  # bytes at either end of a large file that its fingerprint takes


def snapshot_path(folder: Path, step: int) -> Path:
    return folder / "snapshots" / f"{step:06d}.safetensors"


def state_path(folder: Path, step: int) -> Path:
    return folder / "states" / f"{step:06d}.safetensors"


def write_atomically(path: Path, data: bytes | str) -> None:
    """`path` holds the old bytes or the new ones at every moment, also after a power loss."""
    payload = data.encode() if isinstance(data, str) else data
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, name = _open_part(path)
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~UMASK)
            os.replace(name, path)
    except BaseException as error:
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name)
        trouble = disk_trouble(error, path, f" ({len(payload) / 1e6:.1f} MB did not fit)")
        if trouble:
            raise BadInput(trouble) from None
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_part(path: Path) -> tuple[int, str]:
    """A temporary file beside `path`, locked for as long as its writer lives."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        take(handle, math.inf)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # taken for a leftover before it was locked


def _remove_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; the file of a writer that lives is locked."""
    for name in glob.glob(f".{glob.escape(path.name)}.{'?' * 8}", root_dir=path.parent):
        with contextlib.suppress(OSError), open(path.parent / name, "rb") as file:
            if take(file.fileno()):
                os.unlink(path.parent / name)


def json_text(data: object) -> str:
    """JSON in one stable spelling; non-finite numbers, which JSON does not have, become null."""
    return json.dumps(_finite(data), indent=1, allow_nan=False) + "\n"


def _finite(data: object) -> object:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


def finite(value: Any) -> float | None:
    """A value from JSON as a number; None for anything else."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def read_json(path: Path) -> Any:
    """The content of a JSON file; None when there is none, or it is not JSON as it is written here."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        return json.loads(path.read_bytes(), parse_constant=_no_number, parse_int=_whole)
    except (OSError, ValueError, RecursionError):
        return None


def _no_number(token: str) -> NoReturn:
    raise ValueError(f"JSON has no {token}")


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def fingerprint(path: Path) -> str:
    """Length and hash of a file; of a large one the hash of its two ends, where a write that was cut off shows."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = hashlib.blake2b(file.read(ENDS), digest_size=8)
        file.seek(max(ENDS, size - ENDS))
        found.update(file.read())
    return f"{size} {found.hexdigest()}"


def content_hash(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
