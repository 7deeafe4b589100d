"""A study's file + profile + overrides -> the study: its runs with complete parameters, and its stages.

The study's own values are in published units and shrink with the profile's scales; what a profile, a study's
`set`, an axis or the command line set is taken as it is written. Everything is checked here, before any
kernel starts.
"""

import itertools
import math
import os
import re
import shlex
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.base.files import ROOT
from lib.base.yaml_text import parse_yaml, read_yaml
from lib.params.dotted import flatten, unflatten
from lib.params.fields import LARGEST, Steps, Strict
from lib.params.members import ROOMS, parameters_of
from lib.params.names import axis_suffix, folder_name, name_of
from lib.params.run import Params, dotted_names, validate
from lib.params.scaling import each, exactly, scale, scaled

PARAMS_FOLDER, NOTEBOOKS = ROOT / "params", ROOT / "notebooks"
DEFAULT_PROFILE = "laptop"
MOST_RUNS = 1000
LONGEST_SET = 100_000  # characters; splitting more takes minutes
STEPS_NAME = re.compile(r"(.*_)?steps$")  # parameters of stages that are published steps

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=100)]
StageName = Annotated[str, Field(pattern=r"^[0-9]{2}_[a-z0-9_]+$", max_length=50)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]
Chosen = dict[str, Annotated[list[Any], Field(min_length=1)]]


class StageFile(Strict):
    of: Literal["run", "study"] = Field("run", description="what the notebook is executed for")
    notebook: FileName = Field("", description="below notebooks/, where it is not the study's own of this name")
    needs: list[StageName] = Field([], description="stages whose results it reads")
    makes: list[FileName] = Field([], description="files that it leaves, besides the notebook and its figures")
    where: Chosen = Field({}, description="values of parameters: only runs that have one of them")
    branches: str = Field("", description="the branches that it trains")
    alone: bool = Field(False, description="a job of its own, beside those of the run's other stages")
    parameters: dict[str, Any] = Field({}, description="of the notebook; those named steps are published steps")


class BranchFile(Strict):
    """Short runs that start from snapshots of a run, with a fresh optimizer: one for every value of `vary`."""

    where: Chosen = Field({}, description="values of parameters: only runs that have one of them")
    name: str = Field(description="pattern of a branch's folder; {step} is the snapshot's")
    snapshots: list[Steps] = Field(description="steps they start from")
    vary: Chosen = Field({}, description="parameters that differ between the branches")
    steps: Steps
    warmup: Steps
    eval_every: Steps
    set: dict[str, Any] = Field({}, description="parameters that differ from the parent's")


class ProfileFile(Strict):
    time_scale: int | str
    context_scale: int | str = 1
    set: dict[str, Any] = {}
    stages: dict[str, dict[str, Any]] = Field({}, description="parameters of stages")


class StudyFile(Strict):
    """A params file. A user's grid needs only `study` and `axes`; the rest is that of the study named `base`."""

    study: Name
    main: bool = Field(False, description="the study that is meant where none is named")
    base: Name | None = Field(None, description="the study it is laid over; without one the main study")
    question: str = ""
    axes: Chosen
    set: dict[str, Any] = {}
    params: dict[str, Any] | None = None
    run_name: str | None = None
    profiles: dict[str, ProfileFile] | None = None
    stages: dict[StageName, StageFile] | None = None
    branches: dict[str, BranchFile] = {}


@dataclass(frozen=True)
class Run:
    name: str
    params: Params
    point: dict[str, Any]  # the axes' values


@dataclass(frozen=True)
class Stage:
    """A notebook that is executed for every run, or once for the study.

    name        as in the study's file
    notebook    the jupytext file
    needs       names of the stages whose results it reads
    makes       files that it leaves, relative to the folder of the run or of the study
    parameters  of the notebook, in the run's own steps
    """

    name: str
    notebook: Path
    of_study: bool
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    where: dict[str, list[Any]]
    branches: str
    alone: bool
    parameters: dict[str, Any]

    @property
    def trains(self) -> bool:
        """The stage that everything else needs is the one that trains."""
        return not self.needs and not self.of_study


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

    def points(self) -> list[dict[str, Any]]:
        return grid(self.vary)


@dataclass(frozen=True)
class Study:
    """A question at a size: runs, stages and branches, all checked.

    file      the params file it was read from
    left_out  axes that the chosen task, model or optimizer has no parameter for
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
    left_out: list[str]

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
    time, tokens = (scale(getattr(prof, f"{kind}_scale"), kind, named) for kind in ("time", "context"))

    # Dotted names are put into their sections first, so that they scale like the others.
    nested = unflatten(flatten(base.params or {}, f"{path}, params"), where)
    values = flatten(scaled(nested, Params, time, tokens, where)) | {"time_scale": str(time)}
    own = flatten(file.set, f"{path}, set")
    ours, beside = split_overrides(parse_overrides(overrides))
    alone = axes is not None  # one run, whatever the study's axes and branches are
    axes = file.axes if axes is None else axes
    check_axes(path, axes, own, ours)
    values = apply(values, flatten(prof.set), f"{named}.set")
    values = apply(values, own, f"{path}, set")
    values = apply(values, {}, where)
    chosen = apply(values, {n: v for n, v in {**own, **ours}.items() if n.endswith(".name")}, "SET")
    values = fitting(values, chosen, keep=set(own))
    axes, left_out = fitting_axes(axes, chosen)

    run_name = file.run_name or base.run_name or ""
    runs = []
    for point in grid(axes):
        at = apply(apply(values, point, f"{path}, axes"), ours, "SET")
        params = validate(Params, unflatten(fitting(at, at, keep={*own, *point, *ours}), where), where)
        runs.append(Run(name_of(params, run_name) + axis_suffix(point, run_name), params, point))
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
        left_out=left_out,
    )
    check_study(found, where)
    return found


# ------------------------------------------------------------------------------------------------------- files


def study_path(study: str) -> Path:
    if study.endswith((".yaml", ".yml")):
        return Path(study)
    path = Path(os.path.relpath(PARAMS_FOLDER / f"{study}.yaml"))  # as a reader of messages knows it
    if not path.is_file():
        raise BadInput(f"STUDY={study}: {path} does not exist{nearest(study, study_names())}")
    return path


def study_names() -> list[str]:
    """The studies of params/, the main one first."""
    names = sorted(path.stem for path in PARAMS_FOLDER.glob("*.yaml"))
    return sorted(names, key=lambda name: name != main_study())


@cache
def main_study() -> str:
    """The study whose file says `main: true`."""
    found = [
        path.stem
        for path in sorted(PARAMS_FOLDER.glob("*.yaml"))
        if re.search(r"^main: *true\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    if len(found) != 1:
        raise BadInput(f"{PARAMS_FOLDER}: exactly one study must say main: true, here {len(found)} do")
    return found[0]


@cache
def _read_study_file(path: Path, version: tuple[int, int]) -> StudyFile:
    return validate(StudyFile, read_yaml(path, "study"), str(path))


def read_study_file(path: Path) -> StudyFile:
    """A study's file, checked; read once for every version of it."""
    try:
        now = path.stat()
    except OSError:
        raise BadInput(f"{path}: there is no such study") from None
    return _read_study_file(path, (now.st_size, now.st_mtime_ns))


def base_study(file: StudyFile) -> StudyFile:
    base = read_study_file(study_path(file.base or main_study()))
    if base.params is None:
        raise BadInput(f"base: {base.study} has no params of its own; name the study that it is laid over")
    return base


def find_profile(path: Path, file: StudyFile, base: StudyFile, name: str) -> ProfileFile:
    profiles = (base.profiles or {}) | (file.profiles or {})
    if name not in profiles:
        raise BadInput(
            f"PROFILE={name}: unknown profile; {path} has {', '.join(profiles)}{nearest(name, profiles)}"
        )
    return profiles[name]


# ------------------------------------------------------------------------------------------------ runs and names


def grid(axes: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def check_axes(path: Path, axes: dict[str, list[Any]], own: dict[str, Any], ours: dict[str, Any]) -> None:
    for name in own:
        if name in axes:
            raise BadInput(f"{path}: {name} is in set and in axes; one of them is meant")
    for name in ours:
        if name in axes:
            raise BadInput(
                f"SET names {name}, an axis of {path} with the values {shown(axes[name])}; "
                "a grid of your own (make grid PARAMS=my.yaml) chooses other values"
            )
    size = math.prod(map(len, axes.values()))
    if size > MOST_RUNS:
        raise BadInput(f"{path}: its axes make a grid of {size} runs, and a study has at most {MOST_RUNS}")


def fitting(values: dict[str, Any], chosen: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    """`values` without parameters that only another task, model or optimizer has, but for those to `keep`.

    Whoever names another optimizer does not mean the parameters that the study had for its own.
    """
    foreign = {name for name in values if not fits(name, chosen)}
    return {name: value for name, value in values.items() if name not in foreign - keep}


def fits(name: str, chosen: dict[str, Any]) -> bool:
    """Whether the chosen members have a parameter of this name, or none at all has it: that is a mistake."""
    section = name.partition(".")[0]
    cls = parameters_of(section, chosen.get(f"{section}.name")) if section in ROOMS else None
    return cls is None or name in dotted_names(cls, f"{section}.") or name not in dotted_names(Params)


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


# ----------------------------------------------------------------------------------------- stages and branches


def resolved_stages(
    path: Path, file: StudyFile, base: StudyFile, prof: ProfileFile, time: Fraction, beside: dict[str, Any]
) -> list[Stage]:
    """The stages with their parameters: the study's in published steps, the profile's and SET's as given."""
    stages = file.stages if file.stages is not None else base.stages or {}
    home = file.study if file.stages is not None else base.study
    for where, given in ((f"{path}, profiles", prof.stages), ("SET", beside)):
        for name in given:
            if name not in stages:
                raise BadInput(_unknown(f"{where}: stage {name}", name, list(stages)))
    resolved = []
    for name, stage in stages.items():
        for needed in stage.needs:
            if needed not in stages or list(stages).index(needed) >= list(stages).index(name):
                raise BadInput(f"{path}, stages.{name}: needs {needed}, which is no stage before it")
        parameters = scaled_steps(stage.parameters, time, f"{path}, stages.{name}")
        check_values(parameters, f"{path}, stages.{name}")
        for where, given in ((f"{path}, profiles", prof.stages.get(name, {})), ("SET", beside.get(name, {}))):
            for key in given:
                if key not in parameters:
                    raise BadInput(_unknown(f"{where}: stages.{name}.{key}", key, list(parameters)))
            check_values(given, f"{where}: stages.{name}")
            parameters |= given
        resolved.append(
            Stage(
                name=name,
                notebook=notebook_path(home, stage.notebook or name, f"{path}, stages.{name}"),
                of_study=stage.of == "study",
                needs=tuple(stage.needs),
                makes=tuple(stage.makes),
                where=stage.where,
                branches=stage.branches,
                alone=stage.alone,
                parameters=parameters,
            )
        )
    return resolved


def scaled_steps(parameters: dict[str, Any], time: Fraction, where: str) -> dict[str, Any]:
    """Parameters of a notebook, those named steps in the run's own steps."""
    return {
        key: each(value, lambda v, key=key: exactly(v, time, key, where)) if STEPS_NAME.match(key) else value
        for key, value in parameters.items()
    }


def notebook_path(study: str, name: str, where: str) -> Path:
    """The study's own notebook of this name, or the shared one."""
    places = [NOTEBOOKS / study / f"{name}.py", NOTEBOOKS / f"{name}.py"]
    for path in places:
        if path.is_file():
            return path
    known = sorted(p.stem for place in places for p in place.parent.glob("[0-9]*.py"))
    raise BadInput(f"{where}: there is no notebook {name}; there are {', '.join(known)}{nearest(name, known)}")


def resolved_branches(path: Path, file: StudyFile, time: Fraction, beside: dict[str, Any]) -> dict[str, Branches]:
    for name in beside:
        if name not in file.branches:
            raise BadInput(f"SET names branches.{name}, and {path} has {', '.join(file.branches) or 'no branches'}")
    found = {}
    for name, branch in file.branches.items():
        where = f"{path}, branches.{name}"
        values = scaled(branch.model_dump(), BranchFile, time, Fraction(1), where) | beside.get(name, {})
        checked = validate(BranchFile, values, where)
        if checked.warmup >= checked.steps:
            raise BadInput(f"{where}: warmup = {checked.warmup} must end before steps = {checked.steps}")
        check_values(checked.set | checked.vary, where)
        found[name] = Branches(**checked.model_dump())
    return found


def check_values(values: dict[str, Any], where: str) -> None:
    """Refuse what JSON does not have, since it is written down as that; and steps that are no whole numbers."""
    for name, value in values.items():
        steps = value if isinstance(value, list) else [value]
        if STEPS_NAME.match(name) and not all(type(step) is int for step in steps):
            raise BadInput(f"{where}: {name} = {shown(value)}: expected whole numbers of steps")
        if not is_plain(value):
            raise BadInput(
                f"{where}: {plain_name(name)} = {shown(value)}: expected words, true, false, null, numbers of at "
                f"most {LARGEST}, and lists of these"
            )


def is_plain(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    return value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def scaled_branches(study: str, time: Fraction) -> Branches:
    """The first branches of a study's file, for runs whose steps are `time` published ones."""
    path = study_path(study)
    found = resolved_branches(path, read_study_file(path), time, {})
    if not found:
        raise BadInput(f"{path}: this study names no branches")
    return next(iter(found.values()))


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
    for run in study.runs:
        for step in sorted(set(steps)):
            if step <= run.params.schedule.steps and step not in run.params.snapshots.whole:
                raise BadInput(
                    f"{where}: a later stage needs the whole model at step {step}, which is not in "
                    f"snapshots.whole = {shown(run.params.snapshots.whole)}"
                )
    known = dotted_names(Params)
    for key, branch in study.branches.items():
        for name in [*branch.set, *branch.vary]:
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
            for value in wanted if there and name not in study.left_out else []:
                if value not in there:
                    raise BadInput(
                        f"{where}: where {name} = {shown(value)} is not in the grid, which has {shown(there)}"
                    )


def _steps_of(stage: Stage) -> list[int]:
    return [
        s for key, value in stage.parameters.items() if key == "steps" and isinstance(value, list) for s in value
    ]


def _unknown(what: str, given: str, known: list[str]) -> str:
    return f"{what} is unknown; there are {', '.join(known) or 'none'}{nearest(given, known)}"


# ------------------------------------------------------------------------------------------------ overrides


def apply(values: dict[str, Any], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """`values` with `overrides`, every name checked against the parameters there are."""
    known = [*dotted_names(Params), *values]
    for name in overrides:
        if name not in known:
            raise BadInput(f"{where}: unknown parameter {plain_name(name)}{nearest(name, known)}")
    return {**values, **overrides}


def parse_overrides(text: str) -> dict[str, Any]:
    """'optim.lr=6e-4 seed=271' -> {'optim.lr': 0.0006, 'seed': 271}; the values are YAML."""
    if len(text) > LONGEST_SET:
        raise BadInput(f"SET={shown(text)}: at most {LONGEST_SET} characters are taken, this has {len(text)}")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadInput(f"SET={shown(text)}: unbalanced quotes ({error})") from None
    overrides = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise BadInput(
                f"SET={shown(text)}: expected name=value, got {shown(word)}; "
                "for example SET='optim.lr=6e-4 seed=271'"
            )
        overrides[name] = parse_yaml(value, f"SET, {name}")
    return overrides


def split_overrides(overrides: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Parameters of the runs, and those of the study's stages and branches: `branches.reheat.steps`."""
    beside: dict[str, dict[str, Any]] = {"stages": {}, "branches": {}}
    ours = {}
    for name, value in overrides.items():
        section, _, rest = name.partition(".")
        if section in beside:
            owner, _, leaf = rest.partition(".")
            if not leaf:
                raise BadInput(f"SET: {plain_name(name)}: expected {section}.NAME.PARAMETER")
            beside[section].setdefault(owner, {})[leaf] = value
        else:
            ours[name] = value
    return ours, beside
