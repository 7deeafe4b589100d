"""What happened to a run once, and when: the events that its task names, its best scores, its divergence."""

from lib.base.files import finite
from lib.report.run import RunResults
from lib.report.scores import best, scores_of

DIVERGED = "diverged"


def events_of(run: RunResults) -> dict[str, int | None]:
    """Own step of every event that a run can have; None where it has not come by the last evaluation."""
    found: dict[str, int | None] = {}
    for event in run.params.task.events():
        known = ((row["step"], finite(row.get(event.key))) for row in run.evaluations)
        found[event.name] = next((step for step, x in known if x is not None and x >= event.least), None)
    for score in scores_of(run.params, run.evaluations):
        if score.largest:
            found[f"best {score.name}"] = (best(run.evaluations, score) or (0.0, None))[1]
    diverged = run.record.diverged
    return found | {DIVERGED: diverged.step if diverged else None}


def last_evaluated(run: RunResults) -> int:
    """The own step up to which it is known what has not happened."""
    return run.evaluations[-1]["step"] if run.evaluations else 0
