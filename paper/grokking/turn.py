"""Where a path turns: angles between the ways into and out of every snapshot, beside those of its null.

With theta at even distances of w steps, the angle at t is that between theta_t - theta_{t-w} and theta_{t+w} -
theta_t. A random walk turns by 90 degrees everywhere, a straight line nowhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.geometry.backbone import Window, cosines, pca
from lib.geometry.gram import Digest
from lib.geometry.null import fitted_null
from lib.measure.trajectory import run_digest, schedule, write_analysis
from lib.params.members import member
from lib.params.run import load_params
from lib.train.records import read_evaluations
from lib.train.run_record import run_record
from paper.grokking.slingshots import spikes
from paper.grokking.transition import transition

WINDOW = 20  # of a run is the way that is taken for a direction: this share of its steps


@dataclass(frozen=True)
class Angles:
    """Steps and angles there, in degrees."""

    steps: np.ndarray
    angles: np.ndarray

    def at(self, step: int | None) -> float:
        """The angle at the snapshot nearest to a step; nan where there is none within a window of it."""
        if step is None or not len(self.steps):
            return float("nan")
        near = int(np.argmin(np.abs(self.steps - step)))
        spacing = np.diff(self.steps).max(initial=0)
        return float(self.angles[near]) if abs(self.steps[near] - step) <= spacing else float("nan")


def turning(digest: Digest, window: int, every: int = 1) -> Angles:
    """The angle at every step of the digest, a multiple of `every`, with snapshots `window` before and after it."""
    places = {int(step): n for n, step in enumerate(digest.steps)}
    points = np.eye(len(digest.total))
    steps, angles = [], []
    for step, n in places.items():
        before, after = places.get(step - window), places.get(step + window)
        if step % every or before is None or after is None:
            continue
        cosine = cosines(digest.total, (points[n] - points[before])[None], points[after] - points[n])[0]
        steps.append(step)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    return Angles(np.array(steps, dtype=int), np.array(angles))


def phases_cosine(digest: Digest, step: int | None, every: int = 1) -> float:
    """|cosine| of the first directions before and after a step, each of the drifts from its own first snapshot."""
    if step is None:
        return float("nan")
    early, late = pca(digest, Window(0, step, stride=every)), pca(digest, Window(step, stride=every))
    if len(early.steps) < 2 or len(late.steps) < 2:
        return float("nan")
    return float(abs(cosines(digest.total, early.backbone[None], late.backbone)[0]))


def turn(folder: Path) -> dict[str, Any]:
    """Angles along a run's path and its null's, and both at the grok step, into analysis/turn.json.

    `rank` is the share of steps around the grok step whose angle is below that there, 0.5 on average where it is
    a step like those: from half of it, after memorisation, to twice it, but for a window around it and around
    spikes of the training loss.
    """
    p, digest = load_params(folder / "params.yaml"), run_digest(folder)
    found = transition(read_evaluations(folder))
    window = max(1, p.schedule.steps // WINDOW)
    decay = member("optim", p.optim.name).decay(1.0, p.optim)
    null = fitted_null(digest, schedule(p), decay) if len(digest.steps) > 2 else digest
    # Evenly: around memorisation there are more snapshots, which are not to count for more.
    seen, expected = turning(digest, window, p.eval.every), turning(null, window, p.eval.every)
    here = seen.at(found.grokked)
    others = np.empty(0)
    if found.grokked is not None and found.memorised is not None:
        apart = [found.grokked, *spikes(run_record(folder).events, found.memorised, p.eval.every)]
        far = (abs(seen.steps[:, None] - np.array([apart])) > window).all(axis=1)
        around = (seen.steps > max(found.memorised, found.grokked / 2)) & (seen.steps <= 2 * found.grokked)
        others = seen.angles[far & around]
    return write_analysis(
        folder,
        "turn",
        {
            "window": window,
            "memorised": found.memorised,
            "grokked": found.grokked,
            "steps": seen.steps,
            "angles": seen.angles,
            "null_angles": expected.angles,
            "at_grok": here,
            "null_at_grok": expected.at(found.grokked),
            "rank": float(np.mean(others < here)) if len(others) and np.isfinite(here) else float("nan"),
            "phases": phases_cosine(digest, found.grokked, p.eval.every),
            "null_phases": phases_cosine(null, found.grokked, p.eval.every),
        },
    )
