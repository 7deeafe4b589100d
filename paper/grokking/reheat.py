"""What comes of branches from before and after the transition: analysis/reheat.json."""

from pathlib import Path
from typing import Any

from lib.measure.branches import displacement
from lib.measure.trajectory import write_analysis
from lib.params.branches import Branches
from lib.params.run import load_params
from lib.tasks.modular.phases import GROKKED
from lib.train.branch import branches
from lib.train.records import read_evaluations
from lib.train.run_record import run_record
from paper.grokking.transition import transition


def reheat(folder: Path, protocol: Branches) -> list[dict[str, Any]]:
    """Every branch of a run: the gain of its test accuracy beside what the run gained in as many steps."""
    parent = read_evaluations(folder)
    return write_analysis(
        folder, "reheat", [summary(folder, parent, place) for place in branches(folder, protocol)]
    )


def summary(folder: Path, parent: list[dict[str, Any]], place: Path) -> dict[str, Any]:
    """G = largest test accuracy - that at the start, of the branch and of its parent; how the branch moved.

    The parent has no gain where it ends within the length of the branch.
    """
    p, rows = load_params(place / "params.yaml"), read_evaluations(place)
    start, end = p.start.step, p.start.step + p.schedule.steps
    before = next(row["test_acc"] for row in parent if row["step"] == start)
    later = [row["test_acc"] for row in parent if start < row["step"] <= end]
    whole = bool(parent) and parent[-1]["step"] >= end
    grokked = transition(parent).grokked
    return {
        "from": start,
        "grokked": grokked is not None and grokked <= start,
        "decay": p.optim.weight_decay,
        "state": run_record(place).state,
        "steps": [row["step"] for row in rows],
        "test_acc": [row["test_acc"] for row in rows],
        "start_acc": before,
        "gain": max(row["test_acc"] for row in rows) - before,
        "lowest": min(row["test_acc"] for row in rows),
        "parent_gain": max(later) - before if whole and later else None,
        "reaches": next((row["step"] for row in rows if row["test_acc"] >= GROKKED), None),
        **displacement(folder, place),
    }
