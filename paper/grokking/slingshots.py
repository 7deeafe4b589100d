"""Slingshots: spikes of the training loss after memorisation, and what the path does around them.

Spikes are the events of that name that the run recorded. With `HALF` = w evaluations to either side of an
evaluation at t, s_i the ways between neighbouring ones there and v_b the backbone of the whole path:

    straight  |theta_{t+w} - theta_{t-w}| / sum |s_i|            1 on a line
    across    1 - sum <s_i, v_b>^2 / sum |s_i|^2                 the share of the ways that leads past the backbone
    back      1 - |theta_{t+2w} - theta_t| / max_{u <= 2w} |theta_{t+u} - theta_t|    1 where it is back after 2w, 0
                                                                 where it is then farthest away

A path that is thrown aside is less straight; one that makes a loop also comes back. t is the last evaluation before
the spike. The control is the same path at evaluations far from every spike; the null is noise's path at the same t.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.geometry.backbone import Window, pca
from lib.geometry.gram import Digest
from lib.geometry.null import fitted_null
from lib.measure.trajectory import run_digest, schedule, write_analysis
from lib.params.members import member
from lib.params.run import load_params
from lib.train.events import SPIKE
from lib.train.records import read_evaluations
from lib.train.run_record import Event, run_record
from paper.grokking.transition import transition

HALF = 4  # evaluations
NAMES = ("straight", "across", "back")


@dataclass(frozen=True)
class Ways:
    """Steps of evaluations, and what the path does around each; nan where it ends too soon."""

    steps: np.ndarray
    straight: np.ndarray
    across: np.ndarray
    back: np.ndarray


def spikes(events: Sequence[Event], memorised: int | None, every: int) -> list[int]:
    """Steps of the spikes after memorisation; those within an evaluation of the one before are one."""
    steps = sorted(e.at for e in events if e.what == SPIKE)
    first = [step for n, step in enumerate(steps) if not n or step - steps[n - 1] > every]
    return [step for step in first if memorised is not None and step > memorised]


def ways(digest: Digest, every: int) -> Ways:
    """What the path does around every step of the digest that is a multiple of `every`, in order."""
    places = [n for n, step in enumerate(digest.steps) if step % every == 0]
    steps, points = np.asarray(digest.steps)[places], np.eye(len(digest.total))[places]
    if len(points) <= 2 * HALF or (np.diff(steps) != every).any():
        return Ways(*(np.empty(0) for _ in range(4)))
    gram, backbone = digest.total, pca(digest, Window(stride=every)).backbone
    moved = np.diff(points, axis=0)
    squares = np.einsum("ij,jk,ik->i", moved, gram, moved).clip(0)
    along = (moved @ gram @ backbone) ** 2 / (backbone @ gram @ backbone)
    found = np.full((3, len(points)), np.nan)
    for n in range(len(points)):
        inside = slice(n - HALF, n + HALF)
        if HALF <= n < len(points) - HALF:
            chord = points[n + HALF] - points[n - HALF]
            found[0, n] = np.sqrt(chord @ gram @ chord) / np.sqrt(squares[inside]).sum()
            found[1, n] = 1 - along[inside].sum() / squares[inside].sum()
        if n < len(points) - 2 * HALF:
            away = points[n + 1 : n + 2 * HALF + 1] - points[n]
            distances = np.sqrt(np.einsum("ij,jk,ik->i", away, gram, away).clip(0))
            found[2, n] = 1 - distances[-1] / distances.max()
    return Ways(steps, *found)


def slingshots(folder: Path) -> dict[str, Any]:
    """Spikes of a run and its path around them, into analysis/slingshots.json; nan where there is none."""
    p, digest = load_params(folder / "params.yaml"), run_digest(folder)
    memorised, every = transition(read_evaluations(folder)).memorised, p.eval.every
    there = spikes(run_record(folder).events, memorised, every)
    seen = ways(digest, every)
    decay = member("optim", p.optim.name).decay(1.0, p.optim)
    noise = ways(fitted_null(digest, schedule(p), decay), every) if len(seen.steps) else seen
    before = np.isin(seen.steps, [every * ((step - 1) // every) for step in there])
    distance = np.abs(seen.steps[:, None] - np.array([there or [np.inf]]))
    far = (distance > 2 * HALF * every).all(axis=1) & (seen.steps > (memorised or 0))
    means = {
        f"{name}_{where}": _mean(getattr(ways_there, name)[chosen])
        for name in NAMES
        for where, ways_there, chosen in (("at", seen, before), ("elsewhere", seen, far), ("null", noise, before))
    }
    whole = {"spikes": there, "period": _mean(np.diff(there)), **means, "steps": seen.steps}
    return write_analysis(folder, "slingshots", whole | {name: getattr(seen, name) for name in NAMES})


def _mean(values: np.ndarray) -> float:
    known = np.asarray(values)[np.isfinite(values)] if len(values) else np.empty(0)
    return float(known.mean()) if len(known) else float("nan")
