"""What is measured in a process of its own: peak memory of one geometry, and training next to another run."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from bench.geometry import SIZES, our_way, plain_way
from bench.measure import Clock, peak_memory
from bench.training import OurRun, setting
from lib.measure.trajectory import plain as as_json


def geometry(way: str, folder: str, size: str) -> None:
    with suppress(OSError):  # should memory run out after all, this process goes and no other
        Path("/proc/self/oom_score_adj").write_text("1000")
    before, start = peak_memory(), time.perf_counter()
    numbers = {"plain": plain_way, "ours": our_way}[way](Path(folder), SIZES[size])
    took, peak = time.perf_counter() - start, peak_memory()
    if way == "plain":
        numbers = plain_way(Path(folder), SIZES[size], exact=True)
    print(json.dumps({"seconds": took, "peak": peak, "before": before, "numbers": as_json(numbers)}))


def training(profile: str, corpora: str) -> None:
    """Train as many steps as each line of standard input says, and answer with the seconds they took."""
    run = OurRun(setting(profile, Path(corpora)))
    clock = Clock()
    run.step(1, clock)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for step in range(1, int(line) + 1):
            run.step(step, clock)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"geometry": geometry, "training": training}[sys.argv[1]](*sys.argv[2:])
