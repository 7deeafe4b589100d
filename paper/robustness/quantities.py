"""The quantities of the study of robustness: what decay does to a run, and what the run learns."""

import numpy as np

from lib.geometry.null import decay_factors
from lib.measure.trajectory import schedule
from lib.params.members import member
from lib.report.quantities import Estimate, Quantity, estimate
from lib.report.run import RunResults


def decay_sum(run: RunResults, part: str) -> Estimate:
    """Decay times the sum of all learning rates."""
    return estimate(_decay(run) * float(np.sum(schedule(run.params))))


def left_of_start(run: RunResults, part: str) -> Estimate:
    """What decay alone leaves of theta_0, in percent."""
    return estimate(100 * float(decay_factors(schedule(run.params), _decay(run))[-1]))


def _decay(run: RunResults) -> float:
    return member("optim", run.params.optim.name).decay(1.0, run.params.optim)


def final_loss(run: RunResults, part: str) -> Estimate:
    rows = run.evaluations
    return estimate(rows[-1]["val_loss"]) if rows else Estimate(None, why="no evaluation")


QUANTITIES = {
    "decay.sum": Quantity(decay_sum, null=False),
    "decay.left": Quantity(left_of_start, null=False),
    "val.final": Quantity(final_loss, null=False),
}
