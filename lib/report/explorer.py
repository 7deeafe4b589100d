"""What the report's page carries so that a reader can ask again: every run's Gram matrix, and what its nulls need.

All trajectory geometry is algebra on the total Gram matrix of a run's snapshots, and each of its nulls follows from
that matrix, the schedule and the two numbers of the memory. So the page has these and no more, and its script
(backbone.js, plot.js, explorer.js) does again what lib/geometry does. Steps are the run's own.
"""

import base64
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import finite
from lib.geometry.backbone import Window, whole
from lib.geometry.gram import Digest, load_digest
from lib.geometry.presets import PRESETS, Alignment, Backbone
from lib.params.members import member
from lib.params.run import run_hash
from lib.report.panels import coloured
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.scores import scores_of
from lib.report.template import Script, script_of

SCRIPTS = [Path(__file__).with_name(name) for name in ("backbone.js", "plot.js", "explorer.js")]
FEWEST = 3  # snapshots; fewer are no trajectory
EVERY = "all"  # the window that any run has: every snapshot from its first


def script() -> Script:
    return script_of(SCRIPTS)


def explorer(results: StudyResults) -> dict[str, Any]:
    """Windows and runs for the page's script, as JSON knows them; without runs where no run has a digest."""
    runs = list(_runs(results))
    longest = max((run["steps"] for run in runs), key=len, default=[])
    return {
        "timeScale": results.time_scale,
        "windows": list(_windows(results.length)),
        "lag": _lag(results.length),
        "steps": longest,
        "baseline": next((i for i, run in enumerate(runs) if run["name"] == results.baseline.name), 0),
        "runs": runs,
    }


def packed(symmetric: np.ndarray) -> str:
    """The upper triangle of a matrix, row by row, in float64 as base64."""
    upper = symmetric[np.triu_indices(len(symmetric))]
    return base64.b64encode(upper.astype("<f8").tobytes()).decode()


def _windows(scale: Fraction) -> Iterator[dict[str, Any]]:
    """The backbones of the table of presets that runs of this length have, and the whole run."""
    for name, preset in {**PRESETS, EVERY: Backbone(Window())}.items():
        if not isinstance(preset, Backbone):
            continue
        try:
            w = preset.window.scaled(scale)
        except BadInput:  # its stride is no whole number of these runs' steps
            continue
        limits = {"lo": float(w.lo), "hi": None if w.hi is None else float(w.hi), "stride": w.stride}
        yield {"name": name, **limits, "normalise": preset.normalise, "components": preset.components}


def _lag(scale: Fraction) -> int | None:
    """The steps of an update by the default definition; None, from snapshot to snapshot, where no integer."""
    default = PRESETS["U0in"]
    assert isinstance(default, Alignment) and default.lag
    try:
        return whole(default.lag, scale, "lag")
    except BadInput:
        return None


def _runs(results: StudyResults) -> Iterator[dict[str, Any]]:
    for colour, _, label, members in coloured(results):
        for run in members:
            digest = run_gram(run)
            # The page has one set of windows, in steps: those of a run at another time scale would be others.
            if digest is not None and run.length == results.length:
                named = {"name": run.name, "group": label, "seed": run.params.seed, "colour": colour}
                yield {**named, "title": results.label(run, seed=len(results.seeds) > 1), **_content(run, digest)}


def run_gram(run: RunResults) -> Digest | None:
    """The digest on disk of a run that has a trajectory; None without one."""
    if run.stopped:
        return None
    try:
        found = load_digest(run.folder / "digest.npz", run_hash(run.params))
    except (BadInput, OSError):
        return None
    return found if len(found.steps) >= FEWEST else None


def _content(run: RunResults, digest: Digest) -> dict[str, Any]:
    p = run.params
    memory = run.backbone.get("memory")
    memory = memory if isinstance(memory, dict) else {}
    share, constant = finite(memory.get("share")), finite(memory.get("time_constant"))
    return {
        "steps": digest.steps.tolist(),
        "gram": packed(digest.total),
        "schedule": {"peak": p.optim.lr, **p.schedule.model_dump()},
        "decay": member("optim", p.optim.name).decay(1.0, p.optim),
        "memory": None if share is None else {"share": share, "timeConstant": constant},
        "scores": [_score(run, s.key, s.name) for s in scores_of(p, run.evaluations)],
    }


def _score(run: RunResults, key: str, name: str) -> dict[str, Any]:
    rows = [(row["step"], value) for row in run.evaluations if (value := finite(row.get(key))) is not None]
    return {"name": name, "steps": [step for step, _ in rows], "values": [value for _, value in rows]}
