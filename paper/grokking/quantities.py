"""The study's own quantities, by name.

test.final, train.final    shares of pairs answered right, the median of the last five evaluations: the last
                           may be in a spike
test.kept                  share of evaluations from the grok step on with 95 % of the held-out pairs right
memorised.step, grok.step  first evaluations with 98 % of the training and 95 % of the held-out pairs right; a run
                           that had not grokked by its end has no step
turn.at_grok               angle between the ways into and out of the grok step, in degrees; its null is noise's
turn.rank                  share of other steps after memorisation that turn less: 0.5 for a step like any other
phases.cosine              |cosine| of the first directions of the path before and after the grok step; with null
half.<step|way>.<column>   the step at which a measurement has gone half of its way from memorisation to the
                           end, and that way: halfway.py
circuit.<column>.<when>    of the logits at the first whole snapshot after memorisation, or the last: share,
                           restricted, excluded, strongest and random (the losses without as many other components,
                           those with most power or any), keys, how many frequencies those are, and rest, the
                           power of all that is not the operation's over what is
reheat.<column>.<decay>    mean over branches from before the grok step, of those with this decay: gain
sling.<name>               spikes of the training loss after memorisation: count, period (mean distance of two, in
                           steps); straight, across and back of the path, each _at them, _elsewhere and of the
                           _null: slingshots.py
cosine.<pair>              of two directions, mean over whole snapshots between memorisation and the grok step; its
                           null is 0, and what random directions stay below is in the figure
"""

from statistics import fmean
from typing import Any

import numpy as np

from lib.report.quantities import Estimate, Quantity, estimate, minus
from lib.report.run import RunResults
from lib.tasks.modular.phases import GROKKED
from paper.grokking.halfway import halfway
from paper.grokking.transition import transition

LAST = 5  # evaluations


def final(run: RunResults, part: str, which: str) -> Estimate:
    """The share of pairs that the run answers right at its end."""
    values = run.evaluated(f"{which}_acc")[-LAST:]
    return estimate(float(np.median(values))) if len(values) else Estimate(None, why="no evaluation")


def kept(run: RunResults, part: str) -> Estimate:
    grokked = transition(run.evaluations).grokked
    if grokked is None:
        return Estimate(None, why="it had not grokked")
    later = run.evaluated("test_acc")[run.evaluated("step") >= grokked]
    return estimate(float(np.mean(later >= GROKKED)))


def step(run: RunResults, part: str, which: str) -> Estimate:
    found = transition(run.evaluations)
    reached = getattr(found, which)
    return estimate(reached) if reached is not None else Estimate(None, why=f"not by step {found.last}")


def of_turn(run: RunResults, part: str, name: str) -> Estimate:
    found = run.analysis.get("turn") or {}
    seen, null = found.get(name), found.get(f"null_{name}")
    values = {"observed": seen, "null": null, "excess": minus(seen, null)}
    if part not in values:
        return Estimate(None, why="no such null is defined")
    if found and found.get("grokked") is None:
        return Estimate(None, why="it had not grokked")
    return estimate(values[part])


def of_slingshots(run: RunResults, part: str, name: str) -> Estimate:
    found = run.analysis.get("slingshots") or {}
    value = len(found["spikes"]) if name == "count" and found else found.get(name)
    return estimate(value) if value is not None else Estimate(None, why="no evaluation there with enough beside it")


def of_half(run: RunResults, part: str, which: str, column: str) -> Estimate:
    found = halfway(run, column)
    return estimate(getattr(found, which)) if found else Estimate(None, why="not measured after memorisation")


def of_circuit(run: RunResults, part: str, column: str, when: str) -> Estimate:
    points = run.entries("circuits", "points")
    memorised = transition(run.evaluations).memorised
    if when == "memorised":
        points = [p for p in points if memorised is not None and p["step"] >= memorised][:1]
    if not points:
        return Estimate(None, why="no whole snapshot")
    point = points[-1]
    if column == "keys":
        return estimate(len(point["keys"]))
    if column == "rest":
        return estimate(1 / point["share"] - 1 if point["share"] else None)
    return estimate(point["random"]["mean"] if column == "random" else point.get(column))


def of_reheat(run: RunResults, part: str, column: str, decay: str) -> Estimate:
    found = [e for e in run.entries("reheat") if not e["grokked"] and e["decay"] == float(decay)]
    known = [e[column] for e in found if e[column] is not None]
    return estimate(fmean(known)) if known else Estimate(None, why="no branch from before the grok step")


def of_cosine(run: RunResults, part: str, first: str, second: str) -> Estimate:
    found = transition(run.evaluations)
    known = [p["pairs"][f"{first}|{second}"]["cosine"] for p in between(run.entries("named_gradients"), found)]
    return estimate(fmean(known)) if known else Estimate(None, why="no whole snapshot before the grok step")


def between(points: list[dict[str, Any]], found: Any) -> list[dict[str, Any]]:
    """The points from memorisation to the grok step, or to the end of a run without one."""
    if found.memorised is None:
        return []
    end = found.last if found.grokked is None else found.grokked
    return [p for p in points if found.memorised <= p["step"] <= end]


QUANTITIES = {
    "test.final": Quantity(lambda run, part: final(run, part, "test"), null=False),
    "train.final": Quantity(lambda run, part: final(run, part, "train"), null=False),
    "test.kept": Quantity(kept, null=False),
    "memorised.step": Quantity(lambda run, part: step(run, part, "memorised"), null=False, digits=0, complete=True),
    "grok.step": Quantity(lambda run, part: step(run, part, "grokked"), null=False, digits=0, complete=True),
    "turn.at_grok": Quantity(lambda run, part: of_turn(run, part, "at_grok"), digits=1),
    "turn.rank": Quantity(lambda run, part: of_turn(run, part, "rank"), null=False),
    "phases.cosine": Quantity(lambda run, part: of_turn(run, part, "phases"), digits=2),
    "sling": Quantity(of_slingshots, null=False, digits=2),
    "half": Quantity(of_half, null=False, digits=2),
    "circuit.keys.last": Quantity(lambda run, part: of_circuit(run, part, "keys", "last"), null=False, digits=1),
    "circuit": Quantity(of_circuit, null=False, digits=3),
    "reheat": Quantity(of_reheat, null=False, digits=3),
    "cosine": Quantity(of_cosine, null=False, digits=3),
}
