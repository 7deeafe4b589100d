"""Files written whole or not at all, JSON in one spelling, and where things lie. Nothing heavy is imported."""

import errno
import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from lib.errors import BadInput

CURRENT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"  # a run's two last full states

ENDS = 1 << 16  # bytes at either end of a large file that its fingerprint takes


def snapshot_path(folder: Path, step: int) -> Path:
    return folder / "snapshots" / f"{step:06d}.safetensors"


def write_atomically(path: Path, data: bytes | str) -> None:
    """`path` holds the old bytes or the new ones at every moment, also after a power loss."""
    payload = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadInput(
                f"{path}: the disk is full ({len(payload) / 1e6:.1f} MB did not fit); what was there before is "
                "untouched: make room, then run the same command again to go on"
            ) from None
        raise
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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


def read_json(path: Path) -> Any:
    """The content of a JSON file; None when there is none, or it is not JSON as it is written here."""
    try:
        return json.loads(path.read_bytes(), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError):
        return None


def _no_number(token: str) -> NoReturn:
    raise ValueError(f"JSON has no {token}")


def fingerprint(path: Path) -> str:
    """Length and hash of a file; of a large one the hash of its two ends, where a write that was cut off shows."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = hashlib.blake2b(file.read(ENDS), digest_size=8)
        file.seek(max(0, size - ENDS))
        found.update(file.read())
    return f"{size} {found.hexdigest()}"
