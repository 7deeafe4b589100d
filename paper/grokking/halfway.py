"""When has each measurement gone half of its way from memorisation to the end of a run?

With x the value (the logarithm of its size, or itself where it is a share), x_m the first one from memorisation on
and x_e the median of those in the last third of the run, it is the first step from memorisation on at which

    (x - x_m) / (x_e - x_m) >= 1/2

and stays so for the next measurement too. What announced that a network is about to grok would be half done before
the held-out accuracy is, and would not be half done at that time in a network that memorises and never groks. Noise
about x_m passes half of a way now and then: the control is that other network, and the interval over seeds.
"""

from dataclasses import dataclass

import numpy as np

from lib.report.run import RunResults
from paper.grokking.transition import transition

LEAST = 0.2  # of a share, or of a logarithm to base 10: less is no way of which half could be gone
MEASURED = {
    "test_acc": "held-out pairs right",
    "train_nll": "training loss",
    "weight_hessian_trace": "trace of the Hessian",
    "fisher_trace": "trace of the Fisher matrix",
    "gradient_norm": "norm of the gradient",
    "jacobian_norm": "squared Jacobian by the input",
    "hessian_trace": "size of the trace of the Hessian by the input",
    "adam_rate_mean": "Adam's mean rate",
    "operation_share": "operation's share of the logits",
}
EVALUATED = ("test_acc", "train_nll")
SHARES = ("operation_share", "test_acc")


@dataclass(frozen=True)
class Halfway:
    """The step, nan where there is no way or half of it is never passed, and the way x_e - x_m."""

    step: float
    way: float


def halfway(run: RunResults, column: str) -> Halfway | None:
    """Of one of MEASURED; None for a run that has not memorised, or not measured it."""
    memorised = transition(run.evaluations).memorised
    if memorised is None:
        return None
    if column in EVALUATED:
        steps, values = run.evaluated("step"), run.evaluated(column)
    else:
        table = run.watched()
        if column not in table:
            return None
        known = table[table["group"] == "model"][["step", column]].dropna()
        steps, values = (known[name].to_numpy(float) for name in ("step", column))
    return half_of_the_way(steps, np.abs(values), memorised, logarithm=column not in SHARES)


def half_of_the_way(steps: np.ndarray, values: np.ndarray, memorised: int, *, logarithm: bool) -> Halfway | None:
    """Of one run's measurements, in order; None of fewer than three after memorisation."""
    after = (steps >= memorised) & np.isfinite(values) & ((values > 0) | (not logarithm))
    steps, values = np.asarray(steps)[after], np.asarray(values)[after]
    if len(steps) < 3:
        return None
    x = np.log10(values) if logarithm else values
    way = float(np.median(x[steps > 2 / 3 * steps[-1]]) - x[0])
    if abs(way) < LEAST:
        return Halfway(float("nan"), way)
    gone = (x - x[0]) / way >= 0.5
    both = np.nonzero(gone[:-1] & gone[1:])[0]
    return Halfway(float(steps[both[0]]) if len(both) else float("nan"), way)
