"""A run's snapshots: `snapshots/000600.safetensors`, one file a step, opened lazily and checked when first read.

Each holds the trunk in its registered order (the whole model where a later stage needs it). Its header carries
a digest of all bytes and is itself sealed. `lib.base.tensors` writes them; reading needs no torch.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import xxhash

from lib.base.errors import BadInput

CHUNK = 1 << 20  # bytes read at once


class Snapshots:
    """Snapshots opened lazily: `rows` reads a slice of one tensor at one step and nothing else."""

    def __init__(self, steps: list[int], shapes: dict[str, tuple[int, ...]], read: Callable) -> None:
        self.steps = steps
        self.shapes = shapes
        self._read = read

    def rows(self, step: int, name: str, low: int, high: int) -> np.ndarray:
        """Rows low:high (first axis) of a tensor at a step, float32."""
        return self._read(step, name, low, high)


def open_snapshots(folder: Path, run: str | None = None) -> Snapshots:
    """The trunk of a run at its snapshots, in the registered order; `run` is the hash they must be of.

    A file's bytes are checked when they are first read: opening takes the headers alone.
    """
    named = sorted((folder / "snapshots").glob("*.safetensors"))
    paths = {int(path.stem): path for path in named if path.stem.isdecimal()}
    if not paths:
        raise BadInput(f"{folder / 'snapshots'}: there is no snapshot")
    files = {step: _open_snapshot(path, step, run) for step, path in paths.items()}
    first = files[min(files)]
    trunk = first.about.get("trunk", "").split()
    if not trunk:
        raise BadInput(f"{first.path}: this snapshot does not say which of its tensors are the trunk")
    for step, file in files.items():
        for name in trunk:
            place = file.places.get(name)
            if place is None or place.dtype != "F32" or place.shape != first.places[name].shape:
                raise BadInput(f"{paths[step]}: {name} is missing or of another shape than at step {min(files)}")
    checked: set[int] = set()

    def read(step: int, name: str, low: int, high: int) -> np.ndarray:
        if step not in checked:
            files[step].check()
            checked.add(step)
        _, shape, start, _ = files[step].places[name]
        row = int(np.prod(shape[1:]))
        high = min(high, shape[0])
        # Plain reads: a memory map would count every page it touched as this process's memory.
        flat = np.fromfile(paths[step], np.float32, (high - low) * row, offset=start + 4 * low * row)
        return flat.reshape(high - low, *shape[1:])

    return Snapshots(sorted(files), {name: first.places[name].shape for name in trunk}, read)


class Place(NamedTuple):
    """Where a tensor lies in a file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class SnapshotFile:
    """A snapshot whose header has been read and found sealed."""

    path: Path
    about: dict[str, str]
    places: dict[str, Place]

    def check(self) -> None:
        """Refuse the file unless its bytes are those that were written, without holding them in memory."""
        digest = xxhash.xxh3_128()
        with self.path.open("rb") as file:
            for name, place in sorted(self.places.items()):
                digest.update(label(name, place.dtype, place.shape))
                file.seek(place.start)
                for at in range(place.start, place.end, CHUNK):
                    digest.update(file.read(min(CHUNK, place.end - at)))
        if self.about.get("digest") != digest.hexdigest():
            raise BadInput(f"{self.path}: the bytes of this file are not those that were written to it")


def check_snapshot(path: Path, step: int, run: str) -> None:
    """Refuse a file that is not, byte by byte, the snapshot that this run wrote at this step."""
    _open_snapshot(path, step, run).check()


def snapshot_digest(path: Path) -> str:
    """The digest in a snapshot's header, without reading its tensors."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return about_file(file)["digest"]
    except (OSError, KeyError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise BadInput(f"{path}: this is not a whole-model snapshot of a run ({first_line(error)})") from None


def _open_snapshot(path: Path, step: int, run: str | None) -> SnapshotFile:
    try:
        with safetensors.safe_open(path, framework="np"):
            pass  # the library's own check of header, offsets and length
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        about = _unsealed(header.pop("__metadata__", {}).get("about", "{}"))
    except (OSError, ValueError, AttributeError, RecursionError, safetensors.SafetensorError) as error:
        raise BadInput(f"{path}: this snapshot is truncated or damaged ({first_line(error)})") from None
    same_place(path, about, step, run)
    places = {
        name: Place(entry["dtype"], tuple(entry["shape"]), *(8 + size + offset for offset in entry["data_offsets"]))
        for name, entry in header.items()
    }
    return SnapshotFile(path, about, places)


def label(name: str, dtype: str, shape: Iterable[int]) -> bytes:
    return f"{name} {dtype} {list(shape)} ".encode()


def seal(about: dict[str, str]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(about, sort_keys=True).encode())


def about_file(file: safetensors.safe_open) -> dict[str, str]:
    return _unsealed((file.metadata() or {}).get("about", "{}"))


def _unsealed(text: str) -> dict[str, str]:
    about = json.loads(text)
    if about and (not isinstance(about, dict) or about.pop("seal", None) != seal(about)):
        raise ValueError("its header has changed")
    return about or {}


def same_place(path: Path, about: dict[str, str], step: int, run: str | None) -> None:
    if about.get("step") != str(step) or (run is not None and about.get("run") != run):
        raise BadInput(f"{path}: this is not the snapshot of this run at step {step}, but of another run or step")


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
