"""The quantities that only the beta2 study has, each a function, found by name in the table at the end.

val.final  p_ood.best  p_ood.best_step  p_ood.last  p_ood.fall      evaluations
F.<filler>.<ood|in|prefix|fall|dose>                                the last whole snapshot by filler
F.<gain|tokens|gap|margin>                                          what parts two of them
reheat.<gain|area|moved|across>.<step>[.<lr>]                       that condition; the one with the largest gain
"""

import math
from typing import Any

from lib.base.files import finite
from lib.report.quantities import Estimate, Quantity, estimate, minus, preset_steps
from lib.report.run import RunResults

# ----------------------------------------------------------------------------------------------------- evaluations


def final_loss(run: RunResults, part: str) -> Estimate:
    return estimate(run.evaluations[-1]["val_loss"]) if _scored(run) else NO_EVALUATION


def best_p_ood(run: RunResults, part: str) -> Estimate:
    scored = _scored(run)
    return _accuracy(run, _best(scored)["probe_ood_acc"]) if scored else NO_EVALUATION


def step_of_best_p_ood(run: RunResults, part: str) -> Estimate:
    scored = _scored(run)
    return estimate(_best(scored)["step"] * run.time_scale) if scored else NO_EVALUATION


def last_p_ood(run: RunResults, part: str) -> Estimate:
    return _accuracy(run, run.evaluations[-1]["probe_ood_acc"]) if _scored(run) else NO_EVALUATION


def fall_of_p_ood(run: RunResults, part: str) -> Estimate:
    """From its best to its last value."""
    scored = _scored(run)
    if not scored:
        return NO_EVALUATION
    best, last = _best(scored)["probe_ood_acc"], run.evaluations[-1]["probe_ood_acc"]
    return estimate(minus(best, last), math.hypot(_binomial(run, best), _binomial(run, last)))


NO_EVALUATION = Estimate(None, why="no evaluation")


def _scored(run: RunResults) -> list[dict[str, Any]]:
    return [row for row in run.evaluations if row["probe_ood_acc"] is not None]


def _best(scored: list[dict[str, Any]]) -> dict[str, Any]:
    return max(scored, key=lambda row: row["probe_ood_acc"])


def _accuracy(run: RunResults, p: float | None) -> Estimate:
    return estimate(p, _binomial(run, p))


def _binomial(run: RunResults, p: float | None) -> float:
    return math.sqrt(p * (1 - p) / run.params.task.probe.eval_examples) if p is not None else math.nan


# --------------------------------------------------------------------------------------------------------- fillers


PARTED = {  # what to multiply accuracies by, at the last whole snapshot
    "gain": {"ood_story": 1, "ood_random": -1},
    "tokens": {"ood_seen": 1, "ood_random": -1},
    "gap": {"in_seen": 1, "ood_seen": -1},
    "margin": {"ood_seen": 2, "ood_random": -1, "in_seen": -1},
}


def by_filler(run: RunResults, part: str, which: str, what: str = "ood") -> Estimate:
    """With a filler: the accuracy in a cell, how far p_ood has fallen from its best, the dose of unread tokens.

    p_ood with random filler misses what p_in with tokens often read has by two parts: what the tokens cost at the
    long gap (`tokens`), and what the long gap costs with tokens often read (`gap`). `margin` is the first minus
    the second, `gain` what story text adds to random filler.
    """
    points = run.analysis.get("fillers") or []
    if not points:
        return Estimate(None, why="no whole snapshot")
    last = points[-1]
    if which in PARTED:
        return _combined([(last, name, factor) for name, factor in PARTED[which].items()])
    if what == "dose":
        return estimate(last[f"dose_{which}"])
    if what == "fall":
        best = max(points, key=lambda point: point[f"ood_{which}"])
        return _combined([(best, f"ood_{which}", 1), (last, f"ood_{which}", -1)])
    return _combined([(last, f"{what}_{which}", 1)])


def _combined(terms: list[tuple[dict[str, Any], str, int]]) -> Estimate:
    """A sum of accuracies, each times a factor, with the errors that they have each by themselves."""
    value = sum(factor * point[name] for point, name, factor in terms)
    return estimate(value, math.hypot(*(factor * point[f"{name}_se"] for point, name, factor in terms)))


# ------------------------------------------------------------------------------------------------------- reheating

AXES = {"moved": "along", "across": "across"}


def reheating(run: RunResults, part: str, kind: str, step: str, lr: str = "") -> Estimate:
    """Of the condition with the largest gain, which is chosen by what it is to show; or of one learning rate."""
    condition = reheated(run, step, float(lr) if lr else None)
    if not condition:
        return Estimate(None, why="not reheated from that snapshot")
    if kind in ("gain", "area"):
        errors = [_binomial(run, finite(condition.get(key))) for key in ("start_p_ood", "peak_p_ood")]
        return estimate(condition.get(kind) if part == "observed" else None, math.hypot(*errors))
    values = {p: finite(condition.get(f"{q}{AXES[kind]}")) for p, q in (("observed", ""), ("null", "null_"))}
    if kind == "moved":  # along v_b, in units of the backbone coordinate that training had built up
        a = _coordinate(run, float(step))
        values = {p: v / a if v is not None and a else None for p, v in values.items()}
    values["excess"] = minus(values["observed"], values["null"])
    return estimate(values.get(part))


def _coordinate(run: RunResults, step: float) -> float | None:
    """a(t) of the default backbone at a published step."""
    found = run.analysis.get("backbone") or {}
    a = found.get("observed", {}).get("G0.a") or []
    steps = preset_steps(found.get("steps", []), "G0", run.time_scale)
    at = dict(zip(steps, a, strict=True)) if len(steps) == len(a) else {}
    return finite(at.get(round(step / run.time_scale)))


def reheats(run: RunResults, step: str) -> list[dict[str, Any]]:
    """Every condition that starts from the snapshot of a published step."""
    found = run.analysis.get("reheat") or []
    return [c for c in found if c["ckpt_step"] * run.time_scale == float(step)]


def reheated(run: RunResults, step: str, lr: float | None = None) -> dict[str, Any] | None:
    """The condition with the largest gain, as published; or the one of a learning rate."""
    known = [c for c in reheats(run, step) if finite(c.get("gain")) is not None and (lr is None or c["lr"] == lr)]
    return max(known, key=lambda c: c["gain"], default=None)


# ------------------------------------------------------------------------------------------------------- by name

QUANTITIES = {
    "val.final": Quantity(final_loss, null=False, sampled=True),
    "p_ood.best": Quantity(best_p_ood, null=False, sampled=True, early=True),
    "p_ood.best_step": Quantity(step_of_best_p_ood, null=False, sampled=True, early=True),
    "p_ood.last": Quantity(last_p_ood, null=False, sampled=True),
    "p_ood.fall": Quantity(fall_of_p_ood, null=False, sampled=True),
    "F": Quantity(by_filler, null=False, sampled=True),
    "reheat": Quantity(reheating, sampled=True),
}
