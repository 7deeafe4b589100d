"""Tensors on disk: written whole or not at all, checked when read, never pickled."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import xxhash
from torch import Tensor

from lib.base.errors import BadInput
from lib.base.files import snapshot_path, write_atomically
from lib.base.snapshots import about_file, first_line, label, same_place, seal

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


def tensors_digest(tensors: dict[str, Tensor]) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(tensors):
        digest.update(label(name, DTYPES[tensors[name].dtype], tensors[name].shape))
        digest.update(tensors[name].contiguous().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """Write tensors with a digest of their bytes in the header, itself sealed; returns the digest."""
    on_cpu = {name: t.detach().contiguous().cpu() for name, t in tensors.items()}
    digest = tensors_digest(on_cpu)
    # One key only: the library writes several in random order, and equal runs have equal bytes.
    about = {**metadata, "digest": digest}
    header = {"about": json.dumps({**about, "seal": seal(about)}, sort_keys=True)}
    write_atomically(path, safetensors.torch.save(on_cpu, header))
    return digest


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of a file, refused when it is truncated or its bytes are not those written."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = about_file(file)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file") from None
    except (OSError, safetensors.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise BadInput(f"{path}: this file is truncated or damaged ({first_line(error)})") from None
    known = all(t.dtype in DTYPES for t in tensors.values())
    if not known or metadata.get("digest") != tensors_digest(tensors):
        raise BadInput(f"{path}: the bytes of this file are not those that were written to it")
    return tensors, metadata


def load_snapshot(path: Path, step: int, run: str) -> dict[str, Tensor]:
    """The tensors of a file that must be the snapshot of this run at this step."""
    tensors, metadata = load_tensors(path)
    same_place(path, metadata, step, run)
    return tensors


def write_snapshot(folder: Path, step: int, tensors: dict[str, Tensor], run: str, trunk: list[str]) -> None:
    """One snapshot of a run; `trunk` names the tensors of its trunk in their registered order."""
    save_tensors(snapshot_path(folder, step), tensors, {"step": str(step), "run": run, "trunk": " ".join(trunk)})
