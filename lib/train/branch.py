"""Branches: short runs that start from a snapshot of a run, with a schedule of their own.

Their optimizer is fresh, or with `start.state` has the memory that it had there.
"""

from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import snapshot_path, state_path
from lib.base.snapshots import snapshot_digest
from lib.params.arms import ARM
from lib.params.branches import Branches, fitting
from lib.params.dotted import flatten, unflatten
from lib.params.names import name_of
from lib.params.run import RESTORED, Params, load_params, validate
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
    """The parameters of a branch: the parent's with `changes` by dotted name, from its snapshot at `step`.

    With `start.state` among them the optimizer has its memory of that step, which is in the run's full state.
    """
    p = load_params(parent / "params.yaml")
    changes, where = dict(changes), f"a branch of {parent.name} at step {step}"
    state = changes.pop(RESTORED, False)
    path, full = snapshot_path(parent, step), state_path(parent, step)
    whole = sorted({*p.snapshots.whole, p.schedule.steps})
    if state or not path.is_file() or step not in whole:
        path = full
    if state and not full.is_file():
        kept = sorted(int(file.stem) for file in full.parent.glob("*.safetensors"))
        raise BadInput(f"{where}: {RESTORED} needs a step of snapshots.state or of an event; they are {kept}")
    if not path.is_file():
        raise BadInput(f"{parent.name} has no whole-model snapshot at step {step}; it has them at {whole}")
    if state and (name := changes.get("optim.name", p.optim.name)) != p.optim.name:
        raise BadInput(f"{where}: {RESTORED} goes with optim.name = {p.optim.name}, and not with {name}")
    start = {"snapshot": str(path.resolve()), "step": step, "digest": snapshot_digest(path), "state": state}
    values = flatten(p.model_dump(mode="json"))
    # A branch with another optimizer does not mean the parameters of its parent's.
    values = fitting(values, values | changes, keep=set()) | changes | {"start": start}
    return validate(Params, unflatten(values), where)


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
        "snapshots.state": [],
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
    memory = "restored" if changes.get(RESTORED) else "fresh"
    return name_of(branch_params(parent, step, changes), pattern, step=step, state=memory, **named)
