"""What comes of the branches of a run: restarts with its momentum or without, and fine-tuning."""

from pathlib import Path
from typing import Any

from lib.measure.branches import displacement
from lib.measure.trajectory import write_analysis
from lib.params.branches import Branches
from lib.params.run import load_params
from lib.train.branch import branches
from lib.train.records import read_evaluations
from lib.train.run_record import run_record


def restarts(folder: Path, protocol: Branches) -> list[dict[str, Any]]:
    """Every restart of a run, into analysis/restart.json: losses, and displacement along and across v_b."""
    found = [
        outcome(place) | {"restored": load_params(place / "params.yaml").start.state} | displacement(folder, place)
        for place in branches(folder, protocol)
    ]
    return write_analysis(folder, "restart", found)


def finetuned(folder: Path, protocol: Branches) -> list[dict[str, Any]]:
    """Every optimizer that went on from a run's last weights on other stories, into analysis/finetune.json."""
    found = [outcome(place) | {"arm": place.name.split("_", 1)[1]} for place in branches(folder, protocol)]
    return write_analysis(folder, "finetune", found)


def outcome(place: Path) -> dict[str, Any]:
    """The losses of a branch, of its parent's data or of its own, by its own steps."""
    p, rows = load_params(place / "params.yaml"), read_evaluations(place)
    return {
        "from": p.start.step,
        "state": run_record(place).state,
        "steps": [row["step"] for row in rows],
        "losses": [row["val_loss"] for row in rows],
    }
