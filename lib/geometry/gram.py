"""One streaming pass over a run's snapshots: the digest, from which all trajectory geometry follows.

With theta_i the snapshots, theta_0 the reference and Delta_i = theta_i - theta_0 the drifts, the digest holds

    K[n] = Y_n Y_n^T,    Y_n = [Delta_0; ...; Delta_{T-1}; theta_0] restricted to tensor n,

a (T+1) x (T+1) matrix per tensor. A vector of weight space that is a combination of snapshots is a
coefficient vector c over these rows, and every inner product is c1^T K c2. K adds over tensors, so any subset
is one sum.

The drift is subtracted before multiplying: the Gram matrix of uncentred float32 weights loses the drift to
rounding.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from lib.base.errors import BadInput, nearest
from lib.base.files import write_atomically

FORMAT = "digest-2"
BLOCK = 1 << 15  # parameters per block: long enough for the BLAS, short enough that memory stays at tens of MB


class Snapshots(Protocol):
    """What `digest` reads: ascending steps, the trunk's tensors in registered order, rows of one tensor."""

    steps: list[int]
    shapes: dict[str, tuple[int, ...]]

    def rows(self, step: int, name: str, lo: int, hi: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Digest:
    """The Gram matrices of a run.

    steps    (T,) int64, ascending; the first is the reference (step 0, the true theta_0, where the run has
             it)
    dropped  steps of snapshots left out because they hold non-finite values
    tensors  names in registered order, N of them
    sizes    (N,) int64, parameters per tensor
    gram     (N, T+1, T+1) float64; rows are the drifts in the order of `steps`, then theta_0 itself
    """

    steps: np.ndarray
    dropped: np.ndarray
    tensors: tuple[str, ...]
    sizes: np.ndarray
    gram: np.ndarray

    @cached_property
    def total(self) -> np.ndarray:
        """K summed over the tensors, (T+1, T+1)."""
        return self.gram.sum(axis=0)

    @property
    def start_norm(self) -> float:
        """||theta_0||."""
        return float(np.sqrt(self.total[-1, -1]))

    @property
    def drift_norms(self) -> np.ndarray:
        """||theta_t - theta_0|| at every step."""
        return np.sqrt(np.diag(self.total)[:-1])

    def select(self, names: Iterable[str]) -> Digest:
        """The same digest restricted to some tensors.

        Raises: BadInput for a name that the digest does not hold, with the nearest one.
        """
        index = {name: i for i, name in enumerate(self.tensors)}
        names = tuple(names)
        for name in names:
            if name not in index:
                raise BadInput(f"the digest holds no tensor {name!r} among its {len(index)}{nearest(name, index)}")
        keep = [index[name] for name in names]
        return Digest(self.steps, self.dropped, names, self.sizes[keep], self.gram[keep])


def digest(snapshots: Snapshots) -> Digest:
    """The digest of a run, in one pass with memory independent of the number of parameters.

    A snapshot with a non-finite value is dropped and its step recorded. Products and sums are float64, in
    which the squares of float32 values cannot overflow; a non-finite value therefore shows on the diagonal
    and nowhere else than in the row and column of its own snapshot.

    Raises: BadInput if no snapshot is finite.
    """
    steps, dropped = list(snapshots.steps), []
    while steps and not _is_finite(snapshots, steps[0]):
        dropped.append(steps.pop(0))
    if not steps:
        raise BadInput(
            f"none of the {len(dropped)} snapshots is finite: there is no reference to measure drift from"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        gram = np.stack([_tensor_gram(snapshots, steps, name) for name in snapshots.shapes])
        finite = np.isfinite(np.einsum("nii->ni", gram).sum(axis=0))
    kept = np.flatnonzero(finite)
    dropped += [step for step, ok in zip(steps, finite, strict=False) if not ok]
    return Digest(
        steps=np.array(steps, dtype=np.int64)[kept[:-1]],
        dropped=np.array(dropped, dtype=np.int64),
        tensors=tuple(snapshots.shapes),
        sizes=np.array([int(np.prod(shape)) for shape in snapshots.shapes.values()], dtype=np.int64),
        gram=gram[:, kept[:, None], kept],
    )


def materialise(snapshots: Snapshots, source: Digest, coefficients: np.ndarray) -> dict[str, np.ndarray]:
    """The weight-space vector sum_i c_i Delta_i + c_T theta_0, tensor by tensor, as float32.

    Args:
        snapshots: the run that `source` was made from.
        coefficients: (T+1,) over the rows of the digest, e.g. a direction of `backbone.pca`.
    """
    # In terms of snapshots the reference collects what the drifts subtract.
    weights = np.array(coefficients[:-1])
    weights[0] = coefficients[-1] - coefficients[1:-1].sum()
    vector = {}
    for name, shape in snapshots.shapes.items():
        out = np.empty(shape, dtype=np.float32)
        for lo, hi in _blocks(shape):
            parts = (
                w * snapshots.rows(int(s), name, lo, hi).astype(np.float64)
                for w, s in zip(weights, source.steps, strict=True)
            )
            out[lo:hi] = sum(parts)
        vector[name] = out
    return vector


def _blocks(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    rows = shape[0]
    height = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    return [(lo, min(lo + height, rows)) for lo in range(0, rows, height)]


def _tensor_gram(snapshots: Snapshots, steps: list[int], name: str) -> np.ndarray:
    shape = snapshots.shapes[name]
    blocks = _blocks(shape)
    width = int(np.prod(shape[1:]))
    gram = np.zeros((len(steps) + 1, len(steps) + 1))
    buffer = np.empty((len(steps) + 1, max((hi - lo for lo, hi in blocks), default=0) * width))
    for lo, hi in blocks:
        rows = buffer[:, : (hi - lo) * width]
        start = rows[-1]
        start[:] = snapshots.rows(steps[0], name, lo, hi).reshape(-1)
        rows[0] = 0.0
        for drift, step in zip(rows[1:-1], steps[1:], strict=True):
            np.subtract(snapshots.rows(step, name, lo, hi).reshape(-1), start, out=drift)
        gram += rows @ rows.T
    return gram


def _is_finite(snapshots: Snapshots, step: int) -> bool:
    return all(
        np.isfinite(snapshots.rows(step, name, lo, hi)).all()
        for name, shape in snapshots.shapes.items()
        for lo, hi in _blocks(shape)
    )


def save_digest(path: str | os.PathLike, source: Digest, run: str = "") -> None:
    """Write atomically: a reader sees the old file or the new one. The same digest gives the same bytes.

    Args:
        run: the hash of the run's parameters.
    """
    arrays = {
        "steps": source.steps,
        "dropped": source.dropped,
        "tensors": np.array(source.tensors, dtype=np.str_),
        "sizes": source.sizes,
        "gram": source.gram,
        "run": np.array(run, dtype=np.str_),
    }
    packed = io.BytesIO()
    np.savez(packed, format=np.array(FORMAT), checksum=np.array(_checksum(arrays)), **arrays)
    write_atomically(Path(path), packed.getvalue())


def load_digest(path: str | os.PathLike, run: str | None = None) -> Digest:
    """Read a digest and verify it.

    Raises: BadInput, one sentence, if the file is not a whole and consistent digest, or not that of `run`.
    """
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            # Nothing in it is compressed when it is written: what would unpack to more is no digest.
            if sum(member.file_size for member in file.zip.infolist()) > os.fstat(handle.fileno()).st_size:
                raise ValueError("it would unpack to more than it is")
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    # What numpy and zipfile raise on damaged files; a file with one bare array has no `files`.
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        AttributeError,
        RuntimeError,
        MemoryError,
        TypeError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        problem = " ".join(str(error).split())[:200]
        raise BadInput(f"{path} is not a readable digest ({problem}); make it again from the snapshots") from error
    fault = _fault(arrays)
    if not fault and run is not None and str(arrays["run"]) != run:
        fault = "it is of a run with other parameters"
    if fault:
        raise BadInput(f"{path} is not a valid digest: {fault}; make it again from the snapshots")
    return Digest(
        steps=arrays["steps"],
        dropped=arrays["dropped"],
        tensors=tuple(str(name) for name in arrays["tensors"]),
        sizes=arrays["sizes"],
        gram=arrays["gram"],
    )


def _fault(arrays: Mapping[str, np.ndarray]) -> str | None:
    """What is wrong with the content of a digest file, or None."""
    kinds = {
        "steps": "i",
        "dropped": "i",
        "tensors": "U",
        "sizes": "i",
        "gram": "f",
        "run": "U",
        "checksum": "U",
        "format": "U",
    }
    for name, kind in kinds.items():
        if name not in arrays:
            return f"it holds no {name}"
        if not isinstance(arrays[name], np.ndarray):
            return f"its {name} is no array"
        if arrays[name].dtype.kind != kind:
            return f"{name} has type {arrays[name].dtype}"
    if str(arrays["format"]) != FORMAT:
        return f"its format is {arrays['format']}, expected {FORMAT}"
    steps, tensors, gram = arrays["steps"], arrays["tensors"], arrays["gram"]
    if not steps.ndim == tensors.ndim == arrays["dropped"].ndim == 1:
        return "its steps or its tensors are no list"
    expected = (len(tensors), len(steps) + 1, len(steps) + 1)
    if gram.shape != expected or arrays["sizes"].shape != tensors.shape:
        return f"gram has shape {gram.shape}, expected {expected}"
    if len(steps) == 0 or np.any(np.diff(steps) <= 0):
        return "its steps do not ascend"
    if not np.isfinite(gram).all():
        return "gram holds non-finite values"
    content = {name: arrays[name] for name in kinds if name not in ("checksum", "format")}
    if str(arrays["checksum"]) != _checksum(content):
        return "its checksum does not match its content"
    return None


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        total.update(array.tobytes())
    return total.hexdigest()
