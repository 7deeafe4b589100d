"""Branches: short runs that start from a snapshot of a run, with a fresh optimizer and a schedule of their own."""

from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import snapshot_path
from lib.base.snapshots import snapshot_digest
from lib.params.arms import ARM
from lib.params.dotted import flatten, unflatten
from lib.params.names import name_of
from lib.params.run import Params, load_params, validate
from lib.params.stages import Branches
from lib.params.study import fitting
from lib.train.loop import train
from lib.train.places import BRANCHES, results_place
from lib.train.prepare import prepare_run


def branch(parent: Path, step: int, changes: dict[str, Any], place: Path) -> dict[str, Any]:
    """Train from the parent's snapshot at `step` with changed parameters, in the folder `place`; the run's record.

    A branch shares nothing with others but its parent: leaving one out changes no other. What another branch
    left in its folder is set aside.
    """
    params = branch_params(parent, step, changes)
    prepare_run(place, params)
    return train(params, place)


def branch_params(parent: Path, step: int, changes: dict[str, Any]) -> Params:
    """The parameters of a branch: the parent's with `changes` by dotted name, from its snapshot at `step`."""
    p = load_params(parent / "params.yaml")
    path = snapshot_path(parent, step)
    if not path.is_file() or step not in [*p.snapshots.whole, p.schedule.steps]:
        whole = sorted({*p.snapshots.whole, p.schedule.steps})
        raise BadInput(f"{parent.name} has no whole-model snapshot at step {step}; it has them at {whole}")
    start = {"snapshot": str(path.resolve()), "step": step, "digest": snapshot_digest(path)}
    values = flatten(p.model_dump(mode="json"))
    # A branch with another optimizer does not mean the parameters of its parent's.
    values = fitting(values, values | changes, keep=set()) | changes | {"start": start}
    return validate(Params, unflatten(values), f"a branch of {parent.name} at step {step}")


def branch_changes(b: Branches, point: dict[str, Any]) -> dict[str, Any]:
    """What differs from the parent in one branch of a study: its schedule, its cadence, and what it varies."""
    return {
        "schedule.steps": b.steps,
        "schedule.warmup": b.warmup,
        "eval.every": b.eval_every,
        "snapshots.dense_every": b.eval_every,
        "snapshots.dense_from": b.eval_every,
        "snapshots.dense_to": b.steps,
        "snapshots.sparse_every": b.eval_every,
        "snapshots.sparse_from": b.eval_every,
        "snapshots.whole": [],
        **b.set,
        **{name: value for name, value in point.items() if name != ARM},
    }


def branches(parent: Path, b: Branches) -> list[Path]:
    """Train every branch that the run has snapshots for; returns their folders, in order.

    A parent that diverged before a snapshot has no branch from there.
    """
    places = []
    for step in b.snapshots:
        if not snapshot_path(parent, step).exists():
            continue
        for point in b.points():
            changes = branch_changes(b, point)
            arm = {ARM: point[ARM]} if ARM in point else {}
            place = results_place(parent) / BRANCHES / branch_name(parent, step, changes, b.name, **arm)
            branch(parent, step, changes, place)
            places.append(place)
    return places


def branch_name(parent: Path, step: int, changes: dict[str, Any], pattern: str, **named: str) -> str:
    return name_of(branch_params(parent, step, changes), pattern, step=step, **named)
