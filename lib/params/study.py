"""A study's file + profile + overrides -> the study: its runs with complete parameters, and its stages.

The study's own values, and those of its arms, are in published units and shrink with the profile's scales; what a
profile, a study's `set`, an axis or the command line set is taken as it is written. Everything is checked here,
before any kernel starts.
"""

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.params.arms import ARM, Arm, arms_of, check_arms
from lib.params.branches import Branches, fits, fitting, grid
from lib.params.dotted import flatten, unflatten
from lib.params.names import axis_suffix, folder_name, name_of
from lib.params.overrides import apply, parse_overrides, split_overrides
from lib.params.run import RESTORED, Params, dotted_names, validate
from lib.params.scaling import scale, scaled
from lib.params.stages import Stage, _unknown, resolved_branches, resolved_stages
from lib.params.study_file import (
    DEFAULT_PROFILE,
    MOST_SEEDS,
    base_study,
    find_profile,
    main_study,
    read_study_file,
    study_path,
)

MOST_RUNS = 1000


@dataclass(frozen=True)
class Layer:
    """Values by dotted name, in the run's own steps, and where they are from."""

    source: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A point of the grid.

    point   the axes' values
    layers  what its parameters are laid from, the weakest first
    """

    name: str
    params: Params
    point: dict[str, Any]
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Study:
    """A question at a size: runs, stages and branches, all checked.

    file      the params file it was read from
    altered   axes that are not what the file has, and what became of them
    """

    name: str
    profile: str
    question: str
    file: Path
    runs: list[Run]
    stages: list[Stage]
    branches: dict[str, Branches]
    axes: dict[str, list[Any]]
    run_name: str
    time_scale: Fraction
    altered: dict[str, str]

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.profile}"

    def stage(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise BadInput(_unknown(f"{self.file}: stage {name}", name, [s.name for s in self.stages]))

    def stages_of(self, run: Run) -> list[Stage]:
        """The stages that apply to a run, in order."""
        return [s for s in self.stages if not s.of_study and self.applies(s, run.params)]

    def branches_of(self, stage: Stage, p: Params) -> Branches:
        """What a stage trains from a run: all of it for the first seed, for others as much as the study wants."""
        found = self.branches[stage.branches]
        found = found if p.seed == self.runs[0].params.seed else found.of_further_seeds()
        return replace(found, further=None)

    def applies(self, stage: Stage, p: Params) -> bool:
        return has(p, stage.where) and (not stage.branches or has(p, self.branches[stage.branches].where))


def load_study(
    study: str = "", profile: str = DEFAULT_PROFILE, overrides: str = "", axes: dict[str, list[Any]] | None = None
) -> Study:
    """The resolved study.

    `study` is a name in params/ or a path (empty: the main study), `overrides` is 'optim.lr=6e-4 seed=271', and
    `axes` stands in for those of the study (none at all is a single run, as the pilot command wants it).
    """
    path = study_path(study or main_study())
    file = read_study_file(path)
    base = file if file.params is not None else base_study(file)
    prof = find_profile(path, file, base, profile)
    where = f"{path} with profile {profile}"
    named = f"{path}, profiles.{profile}"
    tokens = scale(prof.context_scale, "context", named)

    given = flatten(base.params or {}, f"{path}, params")
    own = flatten(file.set, f"{path}, set")
    ours, beside = split_overrides(parse_overrides(overrides))
    of_profile = (prof.time_scale, "time", named)
    of_set = {"time_scale": str(ours["time_scale"])} if "time_scale" in ours else {}
    time = scale(ours.pop("time_scale"), "time", "SET") if of_set else scale(*of_profile)
    alone = axes is not None  # one run, whatever the study's axes, arms and branches are
    arms = {} if alone else arms_of(path, file, prof, time)
    axes = file.axes if axes is None else axes
    check_axes(path, axes | ({ARM: list(arms)} if arms else {}), own)
    check_arms(path, arms, axes)
    replaced = {name: values for name, values in axes.items() if name in ours}
    axes = axes | {name: [ours[name]] for name in replaced}
    # A study laid over another chooses its own size; what SET says counts everywhere.
    several = ours.pop("seeds", prof.seeds if prof in (file.profiles or {}).values() else 1)
    members = {name: value for name, value in {**own, **ours}.items() if name.endswith(".name")}

    def in_steps(values: dict[str, Any], at: Fraction) -> dict[str, Any]:
        # Dotted names are put into their sections first, so that they scale like the others.
        return flatten(scaled(unflatten(values, where), Params, at, tokens, where)) | {"time_scale": str(at)}

    def start(arm: Arm, name: str = "") -> tuple[dict[str, Any], list[Layer]]:
        """What the runs of an arm have before axes and SET, and the layers of it."""
        published = in_steps(given, arm.time)
        values = apply(published, flatten(prof.set), f"{named}.set")
        values = apply(values, own, f"{path}, set")
        values = fitting(values, apply(values, members, "SET"), keep=mistaken(own, values))
        of_arm = in_steps(given | arm.published, arm.time)
        settings = {name: of_arm[name] for name in arm.published} | arm.written
        layers = [
            Layer("params", published),
            Layer(f"profiles.{profile}", flatten(prof.set) | {"time_scale": str(prof.time_scale)}),
            Layer("set", own),
            Layer(f"arms.{name}", settings),
        ]
        return apply(values, settings, f"{path}, arms"), layers

    values, layers = start(Arm(time, {}, {}))
    axes, left_out = fitting_axes(axes, apply(values, members, "SET"))
    altered = {name: f"has the value {shown(ours[name])} alone, by SET" for name in replaced}
    altered |= dict.fromkeys(left_out, "is left out: nothing here has that parameter")
    starts = {name: start(arm, name) for name, arm in arms.items()}
    axes = {ARM: list(arms), **axes} if arms else axes
    seeds = [] if alone else paired_seeds(several, axes, {**values, **ours}.get("seed"))
    if seeds:
        axes = {**axes, "seed": seeds}
        ours.pop("seed", None)

    run_name = file.run_name or base.run_name or ""
    runs = []
    for point in grid(axes):
        arm = arms.get(point.get(ARM))
        at, below = starts[point[ARM]] if arm else (values, layers)
        # The seeds of an arm that names one are as far from the study's, whatever these are.
        point, asked = (later(x, at.get("seed"), values.get("seed")) for x in (point, ours))
        chosen = {name: value for name, value in point.items() if not arm or name != ARM}
        at = apply(apply(at, chosen, f"{path}, axes"), asked, "SET")
        of_seeds = {"seed": chosen["seed"]} if seeds else {}
        of_axes = {name: value for name, value in chosen.items() if name not in of_seeds}
        of_axes |= replaced
        own_layers = (*below, Layer("axes", of_axes), Layer("SEEDS", of_seeds), Layer("SET", asked | of_set))
        keep = {*mistaken(own, values), *chosen, *ours, *(arm.own if arm else ())}
        params = validate(Params, unflatten(fitting(at, at, keep=keep), where), where)
        name = name_of(params, run_name, **point) + axis_suffix(point, run_name)
        runs.append(Run(name, params, point, own_layers))
    check_differences(runs, ours, arms)
    stages = resolved_stages(path, file, base, prof, time, beside["stages"])
    branches = {} if alone else resolved_branches(path, file, time, beside["branches"])
    stages = [s for s in stages if not s.branches or s.branches in branches]
    found = Study(
        name=file.study,
        profile=profile,
        question=file.question.strip(),
        file=path,
        runs=runs,
        stages=stages,
        branches=branches,
        axes=axes,
        run_name=run_name,
        time_scale=time,
        altered=altered,
    )
    check_study(found, where)
    return found


def paired_seeds(count: Any, axes: dict[str, list[Any]], first: Any) -> list[int]:
    """That many seeds from the first; none where one is meant.

    Raises: BadInput for what is no number of seeds, and where the study has seeds of its own.
    """
    if type(count) is not int or not 1 <= count <= MOST_SEEDS:
        raise BadInput(f"SEEDS={shown(count)}: expected a number of seeds from 1 to {MOST_SEEDS}")
    if count == 1:
        return []
    if "seed" in axes:
        raise BadInput(f"SEEDS={count}: this study has an axis seed with the values {shown(axes['seed'])}")
    if type(first) is not int:
        raise BadInput(f"SEEDS={count}: seed = {shown(first)} is no number to count from")
    return [first + n for n in range(count)]


def later(values: dict[str, Any], start: Any, first: Any) -> dict[str, Any]:
    """The same with its seed, where it has one, as far on as `start` is from `first`."""
    numbers = (values.get("seed"), start, first)
    if not all(type(n) is int for n in numbers):  # what is no seed is complained of with its run
        return values
    return values | {"seed": numbers[0] + start - first}


def check_axes(path: Path, axes: dict[str, list[Any]], own: dict[str, Any]) -> None:
    for name in own:
        if name in axes:
            raise BadInput(f"{path}: {name} is in set and in axes; one of them is meant")
    size = math.prod(map(len, axes.values()))
    if size > MOST_RUNS:
        raise BadInput(f"{path}: its axes make a grid of {size} runs, and a study has at most {MOST_RUNS}")


def check_differences(runs: list[Run], ours: dict[str, Any], arms: dict[str, Arm]) -> None:
    """Refuse what the command line sets where two runs, which an arm told apart, are then one."""
    set_by_arms = [name for name in ours if any(name in arm.names for arm in arms.values())]
    first: dict[str, str] = {}
    for run in runs if set_by_arms else ():
        other = first.setdefault(run.params.model_dump_json(), run.name)
        if other != run.name:
            raise BadInput(
                f"SET makes {other} and {run.name} one run, since their arms differ in {', '.join(set_by_arms)} "
                "alone; a study of your own has other arms"
            )


def mistaken(own: dict[str, Any], values: dict[str, Any]) -> set[str]:
    """Of what a study sets itself, what not even its own task, model and optimizer have: to be complained of.

    The rest goes where an arm or SET names another optimizer, like everything else of the first one.
    """
    return {name for name in own if not fits(name, values)}


def fitting_axes(axes: dict[str, list[Any]], chosen: dict[str, Any]) -> tuple[dict[str, list[Any]], list[str]]:
    """(axes, names of those left out): an axis that the chosen members have no parameter for is no axis."""
    if any(name.endswith(".name") for name in axes):
        return axes, []
    left_out = [name for name in axes if not fits(name, chosen)]
    return {name: values for name, values in axes.items() if name not in left_out}, left_out


def has(p: Params, where: dict[str, list[Any]]) -> bool:
    """Whether a run has one of the values at every name."""
    values = flatten(p.model_dump(mode="json")) if where else {}
    return all(values.get(name, missing) in wanted for name, wanted in where.items())


missing = object()


def check_study(study: Study, where: str) -> None:
    """Combinations that only show when the whole study is seen."""
    names = [run.name for run in study.runs]
    lowered = [name.lower() for name in names]
    for name in names:
        folder_name(name, f"{where}: a run")
        if lowered.count(name.lower()) > 1:  # which is one folder on some systems
            raise BadInput(
                f"{where}: two points of the grid have the name {name}; an axis repeats a value, "
                "or has two that differ in capitals or signs alone"
            )
    steps = [s for stage in study.stages for s in _steps_of(stage)]
    steps += [s for branch in study.branches.values() for s in branch.snapshots]
    scales = {run.params.time_scale for run in study.runs}
    if steps and len(scales) > 1:
        raise BadInput(f"{where}: arms with a time_scale go with no stage or branch that names steps")
    for run in study.runs:
        for step in sorted(set(steps)):
            if step <= run.params.schedule.steps and step not in run.params.snapshots.whole:
                raise BadInput(
                    f"{where}: a later stage needs the whole model at step {step}, which is not in "
                    f"snapshots.whole = {shown(run.params.snapshots.whole)}"
                )
    known = (*dotted_names(Params), RESTORED)
    for key, branch in study.branches.items():
        if any((branch.set | point).get(RESTORED) for point in branch.points()):
            for run, step in itertools.product(study.runs, branch.snapshots):
                if has(run.params, branch.where) and step not in run.params.snapshots.state:
                    raise BadInput(
                        f"{where}: branches.{key} restores the optimizer's memory at step {step}, which is not in "
                        f"snapshots.state = {shown(run.params.snapshots.state)}"
                    )
        of_arms = (name for values in branch.arms.values() for name in values)
        for name in [*branch.set, *branch.vary, *of_arms]:
            if name not in known:
                raise BadInput(
                    f"{where}: branches.{key} sets {plain_name(name)}, no parameter{nearest(name, known)}"
                )
        for run, step in itertools.product(study.runs[:1], branch.snapshots[:1]):
            folder_name(name_of(run.params, branch.name, step=step), f"{where}: branches.{key}")
    for chosen in [s.where for s in study.stages] + [b.where for b in study.branches.values()]:
        for name, wanted in chosen.items():
            if name not in known:
                raise BadInput(f"{where}: where names {plain_name(name)}, no parameter{nearest(name, known)}")
            there = study.axes.get(name)
            for value in wanted if there and name not in study.altered else []:
                if value not in there:
                    raise BadInput(
                        f"{where}: where {name} = {shown(value)} is not in the grid, which has {shown(there)}"
                    )


def _steps_of(stage: Stage) -> list[int]:
    return [
        s for key, value in stage.parameters.items() if key == "steps" and isinstance(value, list) for s in value
    ]
