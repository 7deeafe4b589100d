"""Where the value of every parameter of a run is from, and what it stands in place of.

    SET and SEEDS  >  axes, arms  >  the study's set  >  the profile's set  >  params  >  defaults

Where SET names what an axis or an arm has, the study is refused: nobody could say which was meant.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lib.params.arms import ARM, arms_of
from lib.params.dotted import flatten, unflatten
from lib.params.overrides import parse_overrides, split_overrides
from lib.params.run import Params
from lib.params.scaling import scale, scaled
from lib.params.study import Run, Study
from lib.params.study_file import base_study, find_profile, read_study_file

ORDER = "SET > axes, arms > the study's set > the profile's set > params > defaults"


@dataclass(frozen=True)
class Origin:
    """A parameter of a run.

    source    where its value is from
    instead   what the value stands in place of, and where that is from; empty where nothing else has it
    """

    name: str
    value: Any
    source: str
    instead: str


def origins(study: Study, run: Run, overrides: str) -> list[Origin]:
    """Every parameter of a run, in the order of the params file."""
    found = []
    layers = _layers(study, run, overrides)
    for name, value in flatten(run.params.model_dump(mode="json")).items():
        there = [(source, values[name]) for source, values in layers if name in values]
        source = there[0][0] if there else "defaults"
        instead = f"{there[1][1]} ({there[1][0]})" if len(there) > 1 else ""
        found.append(Origin(name, value, source, instead))
    return found


def _layers(study: Study, run: Run, overrides: str) -> list[tuple[str, dict[str, Any]]]:
    """(where, what it sets by dotted name), the strongest first, in the run's own steps."""
    path, file = study.file, read_study_file(study.file)
    base = file if file.params is not None else base_study(file)
    prof = find_profile(path, file, base, study.profile)
    ours, _ = split_overrides(parse_overrides(overrides))
    seeds = ours.pop("seeds", 1)
    point = {name: value for name, value in run.point.items() if name != ARM}
    arm = arms_of(path, file, prof, study.time_scale).get(run.point.get(ARM))
    tokens = scale(prof.context_scale, "context", str(path))

    def in_steps(values: dict[str, Any], time: Fraction) -> dict[str, Any]:
        return flatten(scaled(unflatten(values), Params, time, tokens, str(path)))

    own_seed = {} if seeds == 1 or "seed" in file.axes else {"seed": point.pop("seed")}
    given = flatten(base.params or {})
    of_arm = in_steps(given | arm.published, arm.time) if arm else {}
    arms = {name: of_arm[name] for name in arm.published} | arm.written if arm else {}
    return [
        ("SET", ours),
        ("SEEDS", own_seed),
        ("axes", point),
        (f"arms.{run.point.get(ARM)}", arms),
        ("set", flatten(file.set)),
        (f"profiles.{study.profile}", flatten(prof.set) | {"time_scale": str(prof.time_scale)}),
        ("params", in_steps(given, arm.time if arm else study.time_scale)),
    ]
