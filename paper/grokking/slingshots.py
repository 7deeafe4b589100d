"""Slingshots: spikes of the training loss after memorisation, and whether the path makes a loop around them.

Around an evaluation at t, with `HALF` evaluations to either side, s_i the ways between neighbouring evaluations
there and v_b the backbone of the whole path:

    straightness  |theta_{t+w} - theta_{t-w}| / sum |s_i|     1 on a line, 0 where the path comes back
    across        1 - sum <s_i, v_b>^2 / sum |s_i|^2          the share of the ways that leads past the backbone

A loop across the path is less straight than the path elsewhere and leads past its backbone more. The control is the
same path at evaluations that are far from every spike; the null is noise's path at the spikes' own steps.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.geometry.backbone import pca
from lib.geometry.gram import Digest
from lib.geometry.null import fitted_null
from lib.measure.trajectory import run_digest, schedule, write_analysis
from lib.params.members import member
from lib.params.run import load_params
from lib.train.records import read_evaluations
from paper.grokking.transition import transition

HALF = 4  # evaluations to either side
TIMES = 10  # a loss above this times the median of `BEFORE` evaluations is a spike
BEFORE = 5


@dataclass(frozen=True)
class Ways:
    """Steps of evaluations, and what the path does around each."""

    steps: np.ndarray
    straightness: np.ndarray
    across: np.ndarray


def spikes(evaluations: list[dict[str, Any]]) -> list[int]:
    """Steps after memorisation at which the training loss begins to be more than ten times what it was."""
    memorised = transition(evaluations).memorised
    losses = [e["train_nll"] for e in evaluations]
    above = [
        n >= BEFORE
        and memorised is not None
        and e["step"] > memorised
        and losses[n] > TIMES * float(np.median(losses[n - BEFORE : n]))
        for n, e in enumerate(evaluations)
    ]
    return [e["step"] for n, e in enumerate(evaluations) if above[n] and not above[n - 1]]


def ways(digest: Digest, every: int) -> Ways:
    """What the path does around every step of the digest that has `HALF` multiples of `every` to either side."""
    places = [n for n, step in enumerate(digest.steps) if step % every == 0]
    steps = np.asarray(digest.steps)[places]
    points = np.eye(len(digest.total))[places]
    if len(points) <= 2 * HALF or (np.diff(steps) != every).any():
        return Ways(*(np.empty(0) for _ in range(3)))
    gram, backbone = digest.total, pca(digest).backbone
    moved = np.diff(points, axis=0)
    squares = np.einsum("ij,jk,ik->i", moved, gram, moved)
    along = (moved @ gram @ backbone) ** 2 / (backbone @ gram @ backbone)
    found = []
    for n in range(HALF, len(points) - HALF):
        inside = slice(n - HALF, n + HALF)
        chord = points[n + HALF] - points[n - HALF]
        length = np.sqrt(squares[inside].clip(0)).sum()
        found.append(
            (steps[n], np.sqrt(chord @ gram @ chord) / length, 1 - along[inside].sum() / squares[inside].sum())
        )
    return Ways(*np.array(found).T)


def slingshots(folder: Path) -> dict[str, Any]:
    """Spikes of a run and the path around them, into analysis/slingshots.json; nan where there is none."""
    p, digest = load_params(folder / "params.yaml"), run_digest(folder)
    evaluations = read_evaluations(folder)
    there, memorised = spikes(evaluations), transition(evaluations).memorised
    seen = ways(digest, p.eval.every)
    decay = member("optim", p.optim.name).decay(1.0, p.optim)
    noise = ways(fitted_null(digest, schedule(p), decay), p.eval.every) if len(seen.steps) else seen
    distance = np.abs(seen.steps[:, None] - np.array([there or [-np.inf]]))
    at = (distance <= p.eval.every).any(axis=1)  # a spike is seen at the evaluation after it began
    far = (distance > 2 * HALF * p.eval.every).all(axis=1) & (seen.steps > (memorised or 0))
    return write_analysis(
        folder,
        "slingshots",
        {
            "spikes": there,
            "period": _mean(np.diff(there)),
            "straight_at": _mean(seen.straightness[at]),
            "straight_elsewhere": _mean(seen.straightness[far]),
            "null_straight_at": _mean(noise.straightness[at]),
            "across_at": _mean(seen.across[at]),
            "across_elsewhere": _mean(seen.across[far]),
            "steps": seen.steps,
            "straightness": seen.straightness,
            "across": seen.across,
        },
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
