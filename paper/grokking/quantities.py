"""The quantities of the modular study."""

from lib.report.quantities import Estimate, Quantity, estimate
from lib.report.run import RunResults


def final(run: RunResults, part: str, which: str) -> Estimate:
    """The share of pairs that the run answers right at its end."""
    rows = run.evaluations
    return estimate(rows[-1].get(f"{which}_acc")) if rows else Estimate(None, why="no evaluation")


QUANTITIES = {
    "test.final": Quantity(lambda run, part: final(run, part, "test"), null=False),
    "train.final": Quantity(lambda run, part: final(run, part, "train"), null=False),
}
