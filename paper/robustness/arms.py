"""The arms of the study: what they are called, and which of them differ in size alone."""

from lib.report.reader import StudyResults
from lib.report.run import RunResults

BASE = "base"
NAMES = {
    "base": "base",
    "no_decay": "no decay",
    "matched": "decay matched",
    "constant": "constant rate",
    "no_probe": "lambda = 0",
    "no_momentum": "no momentum",
    "averaged": "averaged weights",
    "small": "smaller trunk",
    "large": "larger trunk",
    "half": "half the steps",
    "double": "twice the steps",
}
TRUNKS = ("small", "base", "large")
LENGTHS = ("half", "base", "double")


def named(level: str) -> str:
    return NAMES.get(level, level)


def there(results: StudyResults, arms: tuple[str, ...]) -> list[str]:
    """Those of some arms that trained to their end and were measured."""
    return [arm for arm in arms if arm in results.trained() and one_of(results, arm)]


def one_of(results: StudyResults, arm: str) -> RunResults | None:
    """The first run of an arm that was measured."""
    return next((run for run in results.present if run.level == arm and run.backbone.get("tensors")), None)


def weights(run: RunResults) -> float:
    """Of the trunk."""
    return float(sum(run.backbone["tensors"].values()))


def length(run: RunResults) -> float:
    """In steps of the run's own."""
    return float(run.params.schedule.steps)
