"""The study's own quantities, by name.

val.final       validation loss of the last evaluation
scaled.final    the same of the larger model of the third phase
loss.early      validation loss a fifth into the run, where the plan looks for early stability
loss.rise       its largest rise from one evaluation to the next after that
steps.<column>  mean of what was measured of steps after the warm-up, over groups of matrices, of those that moved:
                analysis/steps.json; none where more than half of the steps stood still. lost is 1 where any did
matched.<name>  pc1, k95, align (updates with the backbone of the rest), step and the memory's time of the path up
                to one loss, and steps.<column> of the steps to there: analysis/matched.json
restart.gain    loss after a restart without momentum above that with it, in percent: analysis/restart.json
finetune.<arm>  loss that Muon fine-tunes to above an arm's, in percent of it: analysis/finetune.json
"""

import itertools

from lib.base.files import finite
from lib.report.quantities import BEYOND, Estimate, Quantity, estimate, minus
from lib.report.run import RunResults
from paper.optimizers.steps import COUNTED

LARGER = 192  # width of the third phase's model
MOST = 0.5  # of the steps of hidden matrices: with more of them lost, those that are left are no mean
EARLY = 0.2  # of the run: step 100 of the plan's 500


def _late(run: RunResults) -> list[float]:
    """Validation losses from a fifth of the run on."""
    found = [row["val_loss"] for row in run.evaluations if row["step"] >= EARLY * run.params.schedule.steps]
    return [loss for loss in found if loss is not None]


def final(run: RunResults, part: str) -> Estimate:
    return estimate(run.evaluations[-1]["val_loss"]) if run.evaluations else Estimate(None, why="no evaluation")


def scaled(run: RunResults, part: str) -> Estimate:
    """The same of the larger model alone, which the third phase is about."""
    if run.params.model.width != LARGER:
        return Estimate(None, why="of the third phase alone, PROFILE=scale")
    return final(run, part)


def early(run: RunResults, part: str) -> Estimate:
    return estimate(next(iter(_late(run)), None))


def rise(run: RunResults, part: str) -> Estimate:
    losses = _late(run)
    return estimate(max((b - a for a, b in itertools.pairwise(losses)), default=None))


def of_steps(run: RunResults, part: str, column: str) -> Estimate:
    return _of_those_that_moved((run.analysis.get("steps") or {}).get("all", {}), column)


def _of_those_that_moved(found: dict[str, float], column: str) -> Estimate:
    still = finite(found.get("failures")) or 0.0
    if column == "lost":
        return estimate(float(still > 0) if "failures" in found else None)
    if still > MOST and column not in COUNTED:
        return Estimate(None, why=f"{100 * still:.0f} % of the steps stood still")
    return estimate(found.get(column))


def matched(run: RunResults, part: str, name: str, column: str = "") -> Estimate:
    """Of the path up to one loss: what is observed, a rung's, or what is observed beyond a rung's."""
    found = run.analysis.get("matched") or {}
    if found.get("why"):
        return Estimate(None, why=found["why"])
    if name in ("step", "time"):
        value = finite(found.get("step" if name == "step" else "memory_time"))
        return estimate(None if value is None or part != "observed" else value * run.time_scale)
    if name == "steps":
        known = found.get("steps", {}) if part == "observed" else {}
        return _of_those_that_moved(known, column)
    seen = finite(found.get("observed", {}).get(name))
    if part == "observed":
        return estimate(seen)
    rung = found.get("rungs", {}).get({"null": "schedule"}.get(part) or BEYOND.get(part, part), {})
    value = finite(rung.get("values", {}).get(name))
    return estimate(minus(seen, value) if part in BEYOND else value, rung.get("errors", {}).get(name))


def restarted(run: RunResults, part: str, what: str) -> Estimate:
    last = {c["restored"]: finite(c["losses"][-1]) for c in run.entries("restart") if c["state"] == "done"}
    return _percent_above(last.get(False), last.get(True))


def finetuned(run: RunResults, part: str, arm: str) -> Estimate:
    last = {c["arm"]: finite(c["losses"][-1]) for c in run.entries("finetune") if c["state"] == "done"}
    return _percent_above(last.get("muon"), last.get(arm))


def _percent_above(loss: float | None, other: float | None) -> Estimate:
    return (
        Estimate(None, why="no such branch")
        if loss is None or other is None
        else estimate(100 * (loss / other - 1))
    )


QUANTITIES = {
    "val.final": Quantity(final, null=False, digits=3),
    "scaled.final": Quantity(scaled, null=False, digits=3),
    "loss.early": Quantity(early, null=False, digits=3),
    "loss.rise": Quantity(rise, null=False, digits=3),
    "steps": Quantity(of_steps, null=False, digits=3),
    "matched": Quantity(matched, ladder=True, digits=1),
    "restart": Quantity(restarted, null=False),
    "finetune": Quantity(finetuned, null=False),
}
