"""Interleaved timing, and the guard that what is timed computes the same numbers."""

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class Differs(AssertionError):
    """Two ways of computing one thing do not give one result, so that their times cannot be compared."""


def agree(what: str, plain: Any, ours: Any, tolerance: float) -> float:
    """The largest difference relative to the size of the whole; raises `Differs` above `tolerance`.

    Both sides may be arrays, numbers or mappings of them; nan agrees with nan.
    """
    if isinstance(plain, Mapping):
        if plain.keys() != ours.keys():
            raise Differs(f"{what}: plain has {sorted(plain)}, ours {sorted(ours)}")
        return max((agree(f"{what}, {k}", plain[k], ours[k], tolerance) for k in plain), default=0.0)
    a, b = np.asarray(plain, dtype=np.float64), np.asarray(ours, dtype=np.float64)
    if a.shape != b.shape:
        raise Differs(f"{what}: the plain way has shape {a.shape}, ours {b.shape}")
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        raise Differs(f"{what}: not finite in the same places")
    known = np.isfinite(a)
    size = max(np.abs(a[known]).max(initial=0.0), 1e-30)
    worst = float(np.abs(a[known] - b[known]).max(initial=0.0) / size)
    if worst > tolerance:
        at = np.unravel_index(np.abs(np.where(known, a - b, 0.0)).argmax(), a.shape)
        raise Differs(
            f"{what}: plain {a[at]:.9g}, ours {b[at]:.9g}: they differ by {worst:.2g} relative, "
            f"more than {tolerance:g}"
        )
    return worst


def spread(samples: list[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "samples": samples,
    }


def block_means(samples: list[float], blocks: int) -> list[float]:
    """Means of `blocks` consecutive stretches: what happens now and then counts as often as it happens."""
    size = max(1, len(samples) // blocks)
    return [statistics.fmean(samples[i : i + size]) for i in range(0, size * min(blocks, len(samples)), size)]


@dataclass
class Pair:
    """One thing timed both ways, sample by sample next to each other; in seconds unless `unit` says so."""

    what: str
    plain: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self) -> float:
        """Plain over ours: the median over pairs."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.plain, self.ours, strict=True)]

    def in_blocks(self, blocks: int) -> "Pair":
        """The same pair with block means for samples."""
        plain, ours = block_means(self.plain, blocks), block_means(self.ours, blocks)
        return Pair(self.what, plain, ours, self.unit, self.note)

    def record(self) -> dict[str, Any]:
        sides = {"plain": spread(self.plain), "ours": spread(self.ours), "ratio": spread(self.ratios)}
        return {"what": self.what, "unit": self.unit, "note": self.note, **sides}


def seconds(do: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def interleaved(
    what: str, count: int, plain: Callable[[], Any], ours: Callable[[], Any], check: Callable[[Any, Any], None]
) -> Pair:
    """Plain, ours, plain, ours ... `count` times; every pair of results goes through `check`.

    One pair before the first is checked and not counted: it pays for caches and lazy imports.
    """
    check(plain(), ours())
    pair = Pair(what)
    for _ in range(count):
        took, theirs = seconds(plain)
        pair.plain.append(took)
        took, mine = seconds(ours)
        pair.ours.append(took)
        check(theirs, mine)
    return pair


class Clock:
    """Seconds by part of a loop: one list entry a step."""

    def __init__(self) -> None:
        self.parts: dict[str, list[float]] = defaultdict(list)
        self._started: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        self.start(part)
        yield
        self.stop(part)

    def start(self, part: str) -> None:
        self._started[part] = time.perf_counter()

    def stop(self, part: str) -> None:
        self.parts[part].append(time.perf_counter() - self._started[part])

    def median(self, part: str, blocks: int) -> float:
        return statistics.median(block_means(self.parts[part], blocks))


def peak_memory() -> float:
    """The most memory this process has held, in MB.

    The system's ru_maxrss of a child begins at what its parent held when it started it, so the kernel's own
    high-water mark of this program comes first.
    """
    try:
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
