"""Tensors on disk: written whole or not at all, checked when read, never pickled.

A run's snapshots are `snapshots/000600.safetensors`, one file a step, with the trunk in its registered order
(the whole model where a later stage needs it). Folders of `ckpt_000600.pt` files written by other code open
through the same interface.
"""

import json
import pickle
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
import xxhash
from torch import Tensor

from lib.errors import BadInput
from lib.files import snapshot_path, write_atomically

# Of everything that is written here, by its name in a file's header.
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
CHUNK = 1 << 20  # bytes read at once
FOREIGN_TRUNK = re.compile(r"(.*\.)?blocks\.(\d+)\.(attn\.out_proj|attn\.qkv|mlp\.w_down|mlp\.w_up)\.weight$")


# ---------------------------------------------------------------------------------------------------- writing


def tensors_digest(tensors: dict[str, Tensor]) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(tensors):
        digest.update(_label(name, DTYPES[tensors[name].dtype], tensors[name].shape))
        digest.update(tensors[name].contiguous().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _label(name: str, dtype: str, shape: Iterable[int]) -> bytes:
    return f"{name} {dtype} {list(shape)} ".encode()


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """Write tensors with a digest of their bytes in the header, itself sealed; returns the digest."""
    on_cpu = {name: t.detach().contiguous().cpu() for name, t in tensors.items()}
    digest = tensors_digest(on_cpu)
    # One key only: the library writes several in random order, and equal runs have equal bytes.
    about = {**metadata, "digest": digest}
    header = {"about": json.dumps({**about, "seal": _seal(about)}, sort_keys=True)}
    write_atomically(path, safetensors.torch.save(on_cpu, header))
    return digest


def _seal(about: dict[str, str]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(about, sort_keys=True).encode())


def _about(file: safetensors.safe_open) -> dict[str, str]:
    return _unsealed((file.metadata() or {}).get("about", "{}"))


def _unsealed(text: str) -> dict[str, str]:
    about = json.loads(text)
    if about and (not isinstance(about, dict) or about.pop("seal", None) != _seal(about)):
        raise ValueError("its header has changed")
    return about or {}


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of a file, refused when it is truncated or its bytes are not those written."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = _about(file)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file") from None
    except (OSError, safetensors.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise BadInput(f"{path}: this file is truncated or damaged ({_first_line(error)})") from None
    known = all(t.dtype in DTYPES for t in tensors.values())
    if not known or metadata.get("digest") != tensors_digest(tensors):
        raise BadInput(f"{path}: the bytes of this file are not those that were written to it")
    return tensors, metadata


def load_snapshot(path: Path, step: int, run: str) -> dict[str, Tensor]:
    """The tensors of a file that must be the snapshot of this run at this step."""
    tensors, metadata = load_tensors(path)
    _same_place(path, metadata, step, run)
    return tensors


def _same_place(path: Path, about: dict[str, str], step: int, run: str | None) -> None:
    if about.get("step") != str(step) or (run is not None and about.get("run") != run):
        raise BadInput(f"{path}: this is not the snapshot of this run at step {step}, but of another run or step")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def write_snapshot(folder: Path, step: int, tensors: dict[str, Tensor], run: str) -> None:
    save_tensors(snapshot_path(folder, step), tensors, {"step": str(step), "run": run})


def snapshot_digest(path: Path) -> str:
    """The digest in a snapshot's header, without reading its tensors."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return _about(file)["digest"]
    except (OSError, KeyError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise BadInput(f"{path}: this is not a whole-model snapshot of a run ({_first_line(error)})") from None


# ---------------------------------------------------------------------------------------------------- reading


class Snapshots:
    """Snapshots opened lazily: `rows` reads a slice of one tensor at one step and nothing else."""

    def __init__(self, steps: list[int], shapes: dict[str, tuple[int, ...]], read: Callable) -> None:
        self.steps = steps
        self.shapes = shapes
        self._read = read

    def rows(self, step: int, name: str, low: int, high: int) -> np.ndarray:
        """Rows low:high (first axis) of a tensor at a step, float32."""
        return self._read(step, name, low, high)


def open_snapshots(folder: Path, trunk: list[str], run: str | None = None) -> Snapshots:
    """The snapshots of a run; `trunk` is the registered order of its tensors, `run` the hash it must be of.

    A file's bytes are checked when they are first read: opening takes the headers alone.
    """
    named = sorted((folder / "snapshots").glob("*.safetensors"))
    paths = {int(path.stem): path for path in named if path.stem.isdigit()}
    if not paths:
        raise BadInput(f"{folder / 'snapshots'}: there is no snapshot")
    files = {step: _open_snapshot(path, step, run) for step, path in paths.items()}
    first = files[min(files)]
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
                digest.update(_label(name, place.dtype, place.shape))
                file.seek(place.start)
                for at in range(place.start, place.end, CHUNK):
                    digest.update(file.read(min(CHUNK, place.end - at)))
        if self.about.get("digest") != digest.hexdigest():
            raise BadInput(f"{self.path}: the bytes of this file are not those that were written to it")


def check_snapshot(path: Path, step: int, run: str) -> None:
    """Refuse a file that is not, byte by byte, the snapshot that this run wrote at this step."""
    _open_snapshot(path, step, run).check()


def _open_snapshot(path: Path, step: int, run: str | None) -> SnapshotFile:
    try:
        with safetensors.safe_open(path, framework="np"):
            pass  # the library's own check of header, offsets and length
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        about = _unsealed(header.pop("__metadata__", {}).get("about", "{}"))
    except (OSError, ValueError, AttributeError, RecursionError, safetensors.SafetensorError) as error:
        raise BadInput(f"{path}: this snapshot is truncated or damaged ({_first_line(error)})") from None
    _same_place(path, about, step, run)
    places = {
        name: Place(entry["dtype"], tuple(entry["shape"]), *(8 + size + offset for offset in entry["data_offsets"]))
        for name, entry in header.items()
    }
    return SnapshotFile(path, about, places)


def open_checkpoints(folder: Path) -> Snapshots:
    """A folder of `ckpt_XXXXXX.pt` files ({"step", "model_state_dict"}) written by other code.

    Mask buffers, the tied head and everything that is not trunk are ignored. Only tensors are unpickled
    (`weights_only=True`); anything else in a file is refused, not run.
    """
    paths = {
        int(m[1]): path for path in folder.glob("ckpt_*.pt") if (m := re.fullmatch(r"ckpt_(\d+)\.pt", path.name))
    }
    if not paths:
        raise BadInput(f"{folder}: there is no ckpt_XXXXXX.pt file")
    states = {step: _foreign_state(path) for step, path in sorted(paths.items())}
    names = sorted(
        (name for name in states[min(states)] if FOREIGN_TRUNK.match(name)),
        key=lambda name: (int(FOREIGN_TRUNK.match(name)[2]), FOREIGN_TRUNK.match(name)[3]),
    )
    if not names:
        raise BadInput(f"{folder}: no trunk weights (blocks.i.attn.qkv.weight, ...) in these checkpoints")
    shapes = {name: tuple(states[min(states)][name].shape) for name in names}
    for step, state in states.items():
        for name in names:
            if name not in state or tuple(state[name].shape) != shapes[name]:
                raise BadInput(f"{paths[step]}: {name} is missing or of another shape than at step {min(states)}")

    def read(step: int, name: str, low: int, high: int) -> np.ndarray:
        return states[step][name][low:high].float().numpy()

    return Snapshots(sorted(states), shapes, read)


def foreign_model(folder: Path, step: int) -> dict[str, Tensor]:
    """The weights of one foreign checkpoint under our names, without mask buffers and the tied head."""
    state = _foreign_state(folder / f"ckpt_{step:06d}.pt")
    return {
        name: t.float() for name, t in state.items() if name != "lm_head.weight" and not name.endswith("attn.bias")
    }


def _foreign_state(path: Path) -> dict[str, Tensor]:
    try:
        # mmap keeps a folder of large files out of memory until their rows are read.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = content["model_state_dict"]
        return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    except Exception as error:  # torch.load raises many unrelated types on foreign bytes
        reason = _first_line(error)
        if isinstance(error, pickle.UnpicklingError):  # whose text tells how to open the file all the same
            reason = "what else is in it may run anything when it is opened, and is not"
        raise BadInput(
            f"{path}: not a checkpoint of tensors alone ({{'step', 'model_state_dict'}}): {reason}"
        ) from None
