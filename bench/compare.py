"""Steps, evaluations and whole runs of both ways in turn, and ours beside the arithmetic limit."""

import math
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import Differs, Pair, agree, block_means, spread
from bench.sides import Side
from lib.base.tensors import load_tensors
from lib.train.records import read_evaluations

LOSSES = 1e-4  # relative, of the losses of one run computed in two ways
WEIGHTS = 1e-3  # of the way trained: AdamW makes whole steps of the smallest gradients, also of their rounding
SCORES = 1e-5  # relative, of the losses of an evaluation
BLOCKS = 5  # turns in which the steps of one measurement are taken
WARM = 3  # steps before the first that counts
ALONE = "products"  # what the limit of the bar counts
PARTS = ("data", "forward", "loss", "backward", "optimizer")


def steps(
    plain: Side, ours: Side, count: int, name: str, warm: int = WARM
) -> tuple[list[Pair], dict[str, float], float]:
    """`count` steps of both ways in turns: (pairs, median seconds of our parts, how well the losses agree)."""
    blocks = min(BLOCKS, count)
    size = count // blocks
    whole, worst = Pair(name), 0.0
    pairs = {part: Pair(f"  {part}") for part in ("data", "forward and loss", "backward", "optimizer")}
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    for block in range(-1, blocks):
        first, many = (1, warm) if block < 0 else (1 + warm + block * size, size)
        theirs, mine = plain.ask("steps", first=first, count=many), ours.ask("steps", first=first, count=many)
        for step, (a, b) in enumerate(zip(theirs["losses"], mine["losses"], strict=True), first):
            worst = max(worst, agree(f"loss of step {step}", a, b, LOSSES))
        if block < 0:
            continue
        whole.plain.append(statistics.fmean(theirs["seconds"]))
        whole.ours.append(statistics.fmean(mine["seconds"]))
        for part, pair in pairs.items():
            pair.plain += block_means(theirs["parts"][part], 1)
            pair.ours += block_means(mine["parts"][part], 1)
        for part in PARTS:
            parts[part].append(statistics.fmean(mine["parts"][part]))
    return [whole, *pairs.values()], {part: statistics.median(took) for part, took in parts.items()}, worst


def evaluations(plain: Side, ours: Side, at: int, count: int, name: str, warm: int = 1) -> tuple[Pair, float]:
    """`count` evaluations of both ways after the same steps, in turn, and how well they agree."""
    pair, worst = Pair(name), 0.0
    for turn in range(-warm, count):  # the first pays for caches and lazy imports
        theirs, mine = plain.ask("evaluate", step=at), ours.ask("evaluate", step=at)
        worst = max(worst, same_scores(theirs["scores"], mine["scores"], ours.ask("examples")))
        if turn >= 0:
            pair.plain.append(theirs["seconds"])
            pair.ours.append(mine["seconds"])
    return pair, worst


def same_scores(plain: dict[str, float], ours: dict[str, float], examples: int) -> float:
    """Losses agree; of the accuracies, one example may hang on the last bit of a tie."""
    for name in ("probe_in_acc", "probe_ood_acc"):
        if abs(plain[name] - ours[name]) > 1.5 / examples:
            raise Differs(f"{name}: plain {plain[name]:.6f}, ours {ours[name]:.6f}")
    losses = [name for name in plain if not name.endswith("acc")]
    return agree("evaluation", {n: plain[n] for n in losses}, {n: ours[n] for n in losses}, SCORES)


def whole_runs(
    plain: Side, ours: Side, steps: int, count: int, say: Callable[[str], None]
) -> tuple[Pair, dict[str, float]]:
    """Training with its evaluations and snapshots, from initial weights to the last, `count` pairs."""
    pair, worst = Pair(f"whole training, {steps} steps"), {}
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        for n in range(count):
            folders = {way: Path(home) / way for way in ("plain", "ours")}
            for folder in folders.values():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            theirs = plain.ask("whole", folder=str(folders["plain"]), steps=steps)
            mine = ours.ask("whole", folder=str(folders["ours"]), steps=steps)
            pair.plain.append(theirs["seconds"])
            pair.ours.append(mine["seconds"])
            worst = same_runs(theirs["evaluations"], folders, steps)
            say(f"pair {n + 1} of {count}: plain {pair.plain[-1]:.1f} s, ours {pair.ours[-1]:.1f} s")
    return pair, worst


def same_runs(theirs: list[dict[str, Any]], folders: dict[str, Path], steps: int) -> dict[str, float]:
    """Both runs recorded the same losses and ended at the same weights."""
    losses = 0.0
    for a, b in zip(theirs, read_evaluations(folders["ours"]), strict=True):
        for name in ("train_loss", "val_loss"):
            losses = max(losses, agree(f"{name} of step {a['step']}", a[name], b[name], LOSSES))
    first, last = (load_tensors(folders["ours"] / "snapshots" / f"{at:06d}.safetensors")[0] for at in (0, steps))
    plain, _ = load_tensors(folders["plain"] / "last.safetensors")
    return {"losses": losses, "weights": same_ends(first, plain, last)}


def same_ends(first: dict[str, Any], plain: dict[str, Any], ours: dict[str, Any]) -> float:
    """How far apart two ways of training ended, ||plain - ours|| / ||plain - first|| of all trunk weights together.

    Raises `Differs` above `WEIGHTS`.
    """

    def distance(a: dict[str, Any], b: dict[str, Any]) -> float:
        steps = (np.asarray(a[name], np.float64) - np.asarray(b[name], np.float64) for name in first)
        return math.sqrt(sum(float(np.square(step).sum()) for step in steps))

    apart = distance(plain, ours) / distance(plain, first)
    if not apart <= WEIGHTS:
        raise Differs(f"final weights: both ways end {apart:.2g} of the way trained apart, more than {WEIGHTS:g}")
    return apart


# -------------------------------------------------------------------------------------------- beside the limit


@dataclass(frozen=True)
class Shares:
    """CPU seconds of rounds, by name, as `bench.sides.Ours.shares` gives them."""

    found: dict[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.found[name])

    def of(self, limit: str, whole: str) -> dict[str, Any]:
        """limit / whole, each round by itself."""
        return spread([a / b for a, b in zip(self.found[limit], self.found[whole], strict=True)])

    def record(self, shape: str) -> list[dict[str, Any]]:
        """One row for each limit."""
        rows = (
            ("step", ALONE, "limit"),
            ("step", "products, memory", "with memory"),
            ("evaluation", ALONE, "evaluation limit"),
        )
        return [
            {
                "what": f"{whole}, {shape}",
                "counts": counts,
                "limit": self.median(limit),
                "ours": self.median(whole),
                "share": self.of(limit, whole),
            }
            for whole, counts, limit in rows
        ]

    @property
    def handicap(self) -> float:
        """What a step's products take longer by MKL than by the faster library, in steps of ours."""
        return self.of("handicap", "step")["median"]

    def rates(self) -> dict[str, dict[str, float]]:
        """Part of the model -> library -> GFLOP/s."""
        found: dict[str, dict[str, float]] = {}
        for name in self.found:
            part, _, library = name.partition(", ")
            if library in ("MKL", "oneDNN"):
                found.setdefault(part, {})[library] = self.median(name)
        return found
