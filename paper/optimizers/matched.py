"""The path of a run up to one loss: how much of it lies along one direction when every optimizer has come as far.

After equally many steps one optimizer has learnt more than another, and a path's geometry changes as it goes on.
So it is measured again from theta_0 to the first evaluation at which the validation loss is at most `loss`, which
the study's file names, beside the same nulls: each of that part of the run alone. Snapshots are those of the
whole path's even grid. Ranks are means over the steps that were watched between the warm-up and there.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.errors import BadInput
from lib.geometry.backbone import pca
from lib.geometry.gram import Digest
from lib.geometry.ladder import climb
from lib.geometry.presets import PRESETS, measure
from lib.measure.trajectory import run_digest, schedule, steps_scale, write_analysis
from lib.params.members import member
from lib.params.run import load_params
from lib.train.records import read_evaluations
from paper.optimizers.steps import means_of, watched

FEWEST = 8  # snapshots; of a shorter path one direction always has most


def path_to_loss(folder: Path, loss: float, draws: tuple[int, int]) -> dict[str, Any]:
    """The path to a loss and its nulls, into analysis/matched.json; or why there is none.

    Of each pc1, k95, and align, the mean cosine of updates with the backbone of the rest of the path.

    Args:
        loss: of validation, the same for every run of a study.
        draws: of every null, and shuffles of the run's steps.

    The rung of the optimizer's own momentum is left out: it is one of whole runs.
    """
    p, found = load_params(folder / "params.yaml"), run_digest(folder)
    rows = [(row["step"], row["val_loss"]) for row in read_evaluations(folder)]
    step = next((step for step, at in rows if at is not None and at <= loss), None)
    told: dict[str, Any] = {"loss": loss, "step": step, "why": ""}
    if step is None:
        return write_analysis(folder, "matched", told | {"why": f"its loss is never {loss:g}"})
    part, window = until(found, step), PRESETS["G0"].window.scaled(steps_scale(p))

    def shape(path: Digest) -> dict[str, float]:
        along = pca(path, window)
        held_out = measure(path, ["U0"], time_scale=steps_scale(p), jackknife=False)["U0.mean"]
        return {"pc1": along.pc1, "k95": along.components_for(0.95), "align": held_out}

    if len(pca(part, window).steps) < FEWEST:
        return write_analysis(folder, "matched", told | {"why": f"fewer than {FEWEST} snapshots to {loss:g}"})
    lr, wd = schedule(p), member("optim", p.optim.name).decay(1.0, p.optim)
    rungs, memory = climb(part, lr, wd, None, shape, shape, p.seed, draws)
    steps = means_of([row for row in watched(folder) if row["step"] <= step], p)["all"]
    measured = {"observed": shape(part), "rungs": rungs, "memory_time": memory.time_constant, "steps": steps}
    return write_analysis(folder, "matched", told | measured)


def until(found: Digest, step: int) -> Digest:
    """The digest of a run that ended at a step.

    Raises: BadInput where no snapshot is so early.
    """
    kept = int(np.searchsorted(found.steps, step, side="right"))
    if kept == 0:
        raise BadInput(f"step {step}: the first snapshot is at step {found.steps[0]}")
    rows = [*range(kept), len(found.steps)]  # the last row is theta_0 itself
    return replace(found, steps=found.steps[:kept], gram=found.gram[:, rows][:, :, rows])
