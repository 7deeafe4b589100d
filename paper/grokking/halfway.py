"""When each measurement has gone half of its way from memorisation to the end of a run: what announces grokking?

With x the value (its logarithm where it is a size, itself where it is a share), x_m the first one from memorisation
on, x_e the median of those in the last tenth of the run, the step is the first from memorisation on at which

    (x - x_m) / (x_e - x_m) >= 1/2

and stays there for the next measurement too, over the run's grok step: below 1 it comes first. Beside it stands the
same step of the held-out accuracy itself, which is what would have to be announced.
"""

from dataclasses import dataclass

import numpy as np

from lib.report.run import RunResults
from paper.grokking.transition import transition

LEAST = 0.2  # of a share, or of a logarithm to base 10: less is no way of which half could be gone


@dataclass(frozen=True)
class Halfway:
    """The step over the grok step, nan where there is no way or half of it is not reached; x_e - x_m."""

    share: float
    change: float


MEASURED = {
    "test_acc": "held-out pairs right",
    "weight_hessian_trace": "trace of the Hessian",
    "fisher_trace": "trace of the Fisher matrix",
    "gradient_norm": "norm of the gradient",
    "jacobian_norm": "squared Jacobian by the input",
    "hessian_trace": "trace of the Hessian by the input",
    "adam_rate_mean": "Adam's mean rate",
    "operation_share": "operation's share of the logits",
}
SHARES = ("operation_share", "test_acc")


def halfway(run: RunResults, column: str) -> Halfway | None:
    """Of one of MEASURED; None for a run that has not grokked, or not measured it."""
    found = transition(run.evaluations)
    if found.memorised is None or found.grokked is None:
        return None
    if column == "test_acc":
        steps, values = run.evaluated("step"), run.evaluated("test_acc")
    else:
        table = run.watched()
        if column not in table:
            return None
        known = table[["step", column]].dropna().groupby("step").sum()
        steps, values = known.index.to_numpy(float), np.abs(known[column].to_numpy(float))
    return half_of_the_way(
        np.asarray(steps, dtype=float),
        np.asarray(values, dtype=float),
        found.memorised,
        found.grokked,
        logarithm=column not in SHARES,
    )


def half_of_the_way(
    steps: np.ndarray, values: np.ndarray, memorised: int, grokked: int, *, logarithm: bool
) -> Halfway | None:
    after = (steps >= memorised) & np.isfinite(values) & ((values > 0) | (not logarithm))
    steps, values = steps[after], values[after]
    if len(steps) < 3:
        return None
    x = np.log10(values) if logarithm else values
    end = np.median(x[steps >= 0.9 * steps[-1]])
    change = end - x[0]
    if abs(change) < LEAST:
        return Halfway(float("nan"), float(change))
    gone = (x - x[0]) / change >= 0.5
    both = np.nonzero(gone[:-1] & gone[1:])[0]
    return Halfway(float(steps[both[0]]) / grokked if len(both) else float("nan"), float(change))
