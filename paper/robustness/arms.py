"""The arms of the study by what claims.yaml calls them, and which of them differ in size alone."""

from pathlib import Path

from lib.report.claims_file import axis_in
from lib.report.reader import StudyResults
from lib.report.run import RunResults

BASE = "base"
TRUNKS = ("small", "base", "large")
LENGTHS = ("half", "base", "double")


def named(level: str) -> str:
    return axis_in(Path(__file__).parent).text(level)


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
