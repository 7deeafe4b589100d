"""The geometry of a trajectory: digest and presets against the SVD of stacked drifts, at three sizes."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from bench.measure import Pair, agree, interleaved
from bench.plain_geometry import SINGLE, Trajectory, common, measure_plainly
from lib.base.provenance import ROOT
from lib.base.snapshots import open_snapshots
from lib.base.tensors import write_snapshot
from lib.geometry.gram import digest
from lib.geometry.presets import measure
from lib.params.cadence import snapshot_steps
from lib.params.study import load_study

TOLERANCE = 1e-6
BETA2_TABLE = ("G1", "R1", "U1")
ALL = ("G0", *BETA2_TABLE, "G2", "G2raw", "G3", "G3all", "G3raw", "R0", "R2", "R3", "R4", "U2", "P0")


@dataclass(frozen=True)
class Size:
    """A trajectory: the snapshots of a profile's schedule, of a trunk of this width."""

    name: str
    profile: str
    layers: int
    width: int
    presets: tuple[str, ...]
    pairs: int  # 0: as many as asked for
    until: int | None = None  # the last step that the plain way reads; ours reads all

    @property
    def weights(self) -> int:
        return 12 * self.layers * self.width**2

    @property
    def trunk(self) -> dict[str, tuple[int, int]]:
        w = self.width
        shapes = {
            "attn.out_proj": (w, w),
            "attn.qkv": (3 * w, w),
            "mlp.w_down": (w, 4 * w),
            "mlp.w_up": (4 * w, w),
        }
        return {f"blocks.{i}.{name}.weight": shape for i in range(self.layers) for name, shape in shapes.items()}

    def schedule(self) -> tuple[list[int], Fraction]:
        study = load_study("beta2", self.profile)
        return snapshot_steps(study.runs[0].params), 1 / Fraction(study.time_scale)

    def memory(self) -> float:
        """GB that the SVD way needs: the snapshots, and five times the drifts of the longest window in float64.

        Those are the drifts, the same normalised, two copies of them inside the SVD, and V^T; numpy's SVD of
        float32 takes as much (measured: 12 GB for 28 drifts of 9.8 M).
        """
        every = any(name not in SINGLE for name in self.presets)
        longest = self.plain_steps() if every else [s for s in self.plain_steps() if 600 < s <= 2000]
        return self.weights * (4 * len(self.plain_steps()) + 5 * 8 * len(longest)) / 1e9

    def plain_steps(self) -> list[int]:
        return [step for step in self.schedule()[0] if self.until is None or step <= self.until]


SIZES = {
    size.name: size
    for size in (
        Size("laptop", "laptop", 2, 96, ALL, 0),
        Size("middle", "paper", 8, 176, (*BETA2_TABLE, "G2"), 1),
        Size("large", "paper", 8, 320, ("G1", "R1"), 1, until=2000),
        Size("paper", "paper", 8, 512, ("G1", "R1"), 1, until=2000),
    )
}


def write_trajectory(folder: Path, size: Size) -> None:
    """A walk with a direction and weight decay, seeded; each snapshot a file like those of a run."""
    rng = np.random.default_rng(size.width)
    steps, _ = size.schedule()
    last = max(steps)
    start = rng.standard_normal(size.weights, dtype=np.float32) * 0.02
    theta, along = start.copy(), rng.standard_normal(size.weights, dtype=np.float32)
    for before, step in zip([0, *steps], steps, strict=False):
        part = np.float32((step - before) / last)
        theta *= 1 - part
        theta += 0.02 * part * along + 0.03 * np.sqrt(part) * rng.standard_normal(size.weights, dtype=np.float32)
        tensors, at = {}, 0
        for name, shape in size.trunk.items():
            count = shape[0] * shape[1]
            tensors[name] = torch.from_numpy(theta[at : at + count].reshape(shape).copy())
            at += count
        write_snapshot(folder, step, tensors, "bench", list(tensors))


def plain_way(folder: Path, size: Size, exact: bool = False) -> dict:
    trajectory = Trajectory(folder, size.plain_steps(), list(size.trunk))
    return measure_plainly(trajectory, size.presets, size.schedule()[1], exact)


def our_way(folder: Path, size: Size) -> dict:
    _, scale = size.schedule()
    return measure(digest(open_snapshots(folder)), size.presets, time_scale=scale)


def same_geometry(plain: dict, ours: dict) -> float:
    """The largest relative difference from the plain way in float64; raises `Differs` above the tolerance."""
    worst = 0.0
    for name, value in common(plain, ours).items():
        theirs, preset, quantity = plain[name], *name.split(".", 1)
        if quantity == "cosines" and preset.startswith("U"):  # signs are a convention of each way
            theirs, value = np.abs(theirs), np.abs(value)
        worst = max(worst, agree(name, theirs, value, TOLERANCE))
    return worst


def in_a_child(way: str, folder: Path, size: Size) -> dict:
    """Seconds, peak memory in MB and the numbers of one way, alone in a process of its own."""
    command = [sys.executable, "-m", "bench.child", "geometry", way, str(folder), size.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        raise MemoryError(f"the {way} way was killed, most often by the system when memory runs out")
    if done.returncode:
        raise RuntimeError(f"{way} geometry at {size.name} size ended with {done.returncode}: {done.stderr[-400:]}")
    return json.loads(done.stdout)


def at_size(size: Size, pairs: int, say: Callable[[str], None]) -> tuple[list[Pair], dict[str, float], str]:
    """(time and memory, what agreed, why it was left out if it was)."""
    steps, _ = size.schedule()
    label = f"{len(steps)} x {size.weights / 1e6:.2g} M"
    disk = 4 * size.weights * len(steps) / 1e9
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        if (free := shutil.disk_usage(home).free / 1e9) < 1.2 * disk:
            return [], {}, f"geometry, {label}: needs {disk:.0f} GB of disk, {free:.0f} are free"
        folder = Path(home)
        say(f"writing {label} weights ({disk:.1f} GB)")
        write_trajectory(folder, size)
        if (free := free_memory()) < 1.15 * size.memory():
            short = f"the SVD way needs {size.memory():.0f} GB, {free:.0f} are free"
            return [], {}, f"geometry, {label}: {short}; {ours_alone(folder, size)}"
        time = Pair(f"geometry, {label}", note=", ".join(size.presets))
        memory, worst = Pair(f"  peak memory, {label}", unit="MB"), 0.0
        for n in range(size.pairs or 1):
            try:
                found = {way: in_a_child(way, folder, size) for way in ("plain", "ours")}
            except MemoryError as error:
                return [], {}, f"geometry, {label}: {error}; {ours_alone(folder, size)}"
            exact = found["plain"]["numbers"]
            worst = max(worst, same_geometry(exact, found["ours"]["numbers"]))
            memory.plain.append(found["plain"]["peak"])
            memory.ours.append(found["ours"]["peak"])
            memory.note = f"of which {found['ours']['before']:.0f} MB is Python with its libraries"
            if size.pairs:
                time.plain.append(found["plain"]["seconds"])
                time.ours.append(found["ours"]["seconds"])
                say(f"pair {n + 1}: plain {time.plain[-1]:.1f} s, ours {time.ours[-1]:.1f} s")
        if not size.pairs:

            def check(_: dict, ours: dict) -> None:
                nonlocal worst
                worst = max(worst, same_geometry(exact, ours))

            several = interleaved(
                time.what, pairs, lambda: plain_way(folder, size), lambda: our_way(folder, size), check
            )
            time.plain, time.ours = several.plain, several.ours
    return [time, memory], {f"geometry, {label}": worst}, ""


def ours_alone(folder: Path, size: Size) -> str:
    found = in_a_child("ours", folder, size)
    return f"ours takes {found['seconds']:.1f} s and {found['peak']:.0f} MB"


def free_memory() -> float:
    """GB that a process can take without swapping; where the system does not say, as much as is asked for."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("MemAvailable")) / 1e6
    except (OSError, StopIteration):
        return float("inf")
