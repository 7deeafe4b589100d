"""Which branches there are and what each of them sets: the part of a study that a stage runs itself.

What else `stages` and `study` make of a study's file are values, and those are hashed.
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from lib.params.arms import ARM
from lib.params.dotted import flatten
from lib.params.members import ROOMS, metric_names, parameters_of
from lib.params.run import Params, dotted_names


def grid(axes: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def fitting(values: dict[str, Any], chosen: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    """`values` without parameters that only another task, model or optimizer has, but for those to `keep`.

    Whoever names another optimizer does not mean the parameters that the study had for its own.
    """
    foreign = {name for name in values if not fits(name, chosen)}
    return {name: value for name, value in values.items() if name not in foreign - keep}


def fits(name: str, chosen: dict[str, Any]) -> bool:
    """Whether the chosen members have a parameter of this name, or none at all has it: that is a mistake."""
    section = name.partition(".")[0]
    if metric := name.partition("train.watch.")[2]:  # a task's own metrics are nothing that another task has
        return metric in metric_names(chosen.get("task.name")) or metric not in metric_names()
    cls = parameters_of(section, chosen.get(f"{section}.name")) if section in ROOMS else None
    return cls is None or name in dotted_names(cls, f"{section}.") or name not in dotted_names(Params)


@dataclass(frozen=True)
class Branches:
    """What `lib.train.branch` trains from a run, in the run's own steps."""

    where: dict[str, list[Any]]
    name: str
    snapshots: list[int]
    vary: dict[str, list[Any]]
    steps: int
    warmup: int
    eval_every: int
    set: dict[str, Any]
    arms: dict[str, dict[str, Any]] = field(default_factory=dict)
    further: dict[str, Any] | None = None  # what seeds after the first have of `snapshots` and `vary`

    def of_further_seeds(self) -> "Branches":
        """As much of it as the study wants of them; where SET changed the rest so that nothing is left, all."""
        wanted = self.further or {"snapshots": [], "vary": {}}
        snapshots = [step for step in self.snapshots if step in wanted["snapshots"]]
        kept = {
            name: [v for v in values if v in wanted["vary"].get(name, [])] for name, values in self.vary.items()
        }
        vary = {name: kept[name] or values for name, values in self.vary.items()}
        return replace(self, snapshots=snapshots or self.snapshots, vary=vary)

    def points(self) -> list[dict[str, Any]]:
        """What each branch sets by dotted name; where there are arms, under `arm` which it is of."""
        arms = [flatten(values) | {ARM: name} for name, values in self.arms.items()] or [{}]
        return [arm | point for arm in arms for point in grid(self.vary)]
