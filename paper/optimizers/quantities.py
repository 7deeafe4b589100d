"""The study's own quantities, by name.

val.final       validation loss of the last evaluation
loss.early      validation loss a fifth into the run, where the plan looks for early stability
loss.rise       its largest rise from one evaluation to the next after that
steps.<column>  mean of what was measured of steps after the warm-up, over groups of matrices: analysis/steps.json
"""

import itertools

from lib.report.quantities import Estimate, Quantity, estimate
from lib.report.run import RunResults

EARLY = 0.2  # of the run: step 100 of the plan's 500


def _late(run: RunResults) -> list[float]:
    """Validation losses from a fifth of the run on."""
    found = [row["val_loss"] for row in run.evaluations if row["step"] >= EARLY * run.params.schedule.steps]
    return [loss for loss in found if loss is not None]


def final(run: RunResults, part: str) -> Estimate:
    return estimate(run.evaluations[-1]["val_loss"]) if run.evaluations else Estimate(None, why="no evaluation")


def early(run: RunResults, part: str) -> Estimate:
    return estimate(next(iter(_late(run)), None))


def rise(run: RunResults, part: str) -> Estimate:
    losses = _late(run)
    return estimate(max((b - a for a, b in itertools.pairwise(losses)), default=None))


def of_steps(run: RunResults, part: str, column: str) -> Estimate:
    return estimate((run.analysis.get("steps") or {}).get("all", {}).get(column))


QUANTITIES = {
    "val.final": Quantity(final, null=False, digits=3),
    "loss.early": Quantity(early, null=False, digits=3),
    "loss.rise": Quantity(rise, null=False, digits=3),
    "steps": Quantity(of_steps, null=False, digits=3),
}
