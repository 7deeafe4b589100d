"""Study + profile + overrides -> the runs, each with its complete parameters.

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
from lib.base.yaml_text import parse_yaml, read_yaml
from lib.params.dotted import flatten, unflatten
from lib.params.run import (
    Count,
    NonNegative,
    Params,
    Positive,
    Steps,
    Strict,
    dotted_names,
    run_name,
    validate,
)
from lib.params.scaling import scale, scaled

PARAMS_FOLDER = Path(__file__).resolve().parents[2] / "params"
BASE_STUDY = PARAMS_FOLDER / "beta2.yaml"
DEFAULT_PROFILE = "laptop"
MOST_RUNS = 1000
LONGEST_SET = 100_000  # characters; splitting more takes minutes
LONGEST_NAME = 200  # bytes of a run's name; file systems take 255, and files beside the run's add to it

# What each variant sets, unless it is set by name.
VARIANTS = {
    "executed": {
        "batch.pad_targets": "count",
        "probe.answer_mask": "bare",
        "probe.duplicates": "keep",
        "probe.filler": "random",
        "eval.crops": "fresh",
    },
    "corrected": {
        "batch.pad_targets": "ignore",
        "probe.answer_mask": "inserted",
        "probe.duplicates": "drop",
        "probe.filler": "story",
        "eval.crops": "fixed",
    },
}


class Analysis(Strict):
    interference_steps: list[Steps]
    interference_batches: Count
    fisher_steps: list[Steps]
    fisher_batches: Annotated[list[Count], Field(min_length=3, max_length=3)]  # empirical, sampled, gradients


class Reheat(Strict):
    beta2: list[float]
    snapshots: list[Steps]
    lr: list[Positive]
    steps: Steps
    warmup: Steps
    eval_every: Steps
    lambda_probe: NonNegative
    protocol: Literal["pilot", "one_process"]


class Profile(Strict):
    profile: str
    time_scale: int | str
    context_scale: int | str
    set: dict[str, Any]
    analysis: dict[str, Any] = {}


class StudyFile(Strict):
    """A user's grid needs only `study` and `axes`; the rest is that of `params/beta2.yaml`."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=100)]
    question: str = ""
    axes: dict[str, Annotated[list[Any], Field(min_length=1)]]
    set: dict[str, Any] = {}
    params: dict[str, Any] | None = None
    analysis: dict[str, Any] | None = None
    reheat: dict[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    name: str
    params: Params
    point: dict[str, Any]  # the axes' values


@dataclass(frozen=True)
class Study:
    name: str
    profile: str
    question: str
    runs: list[Run]
    analysis: Analysis
    reheat: Reheat | None
    time_scale: Fraction

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.profile}"


def load_study(
    study: str, profile: str = DEFAULT_PROFILE, overrides: str = "", axes: dict[str, list[Any]] | None = None
) -> Study:
    """The resolved study.

    `study` is a name in params/ or a path, `overrides` is 'optim.lr=6e-4 seed=271', and `axes` stands in for
    those of the study (none at all is a single run, as the pilot command wants it).
    """
    path = study_path(study)
    file = validate(StudyFile, read_yaml(path, "study"), str(path))
    base = base_study()
    prof = load_profile(profile)
    time, tokens = (scale(getattr(prof, f"{kind}_scale"), kind, profile) for kind in ("time", "context"))
    where = f"{path} with profile {profile}"

    # Dotted names are put into their sections first, so that they scale like the others.
    nested = base["params"] if file.params is None else unflatten(flatten(file.params, f"{path}, params"), where)
    values = flatten(scaled(nested, Params, time, tokens, where))
    values = apply(values, flatten(prof.set), f"params/profiles/{profile}.yaml")
    own = flatten(file.set, f"{path}, set")
    values = apply(values, own, f"{path}, set")
    ours, beside = split_overrides(parse_overrides(overrides))
    alone = axes is not None  # one run, whatever the study's axes and reheats are
    axes = file.axes if axes is None else axes
    for name in own:
        if name in axes:
            raise BadInput(f"{path}: {name} is in set and in axes; one of them is meant")
    for name in ours:
        if name in axes:
            raise BadInput(
                f"SET names {name}, an axis of {path} with the values {shown(axes[name])}; "
                "a grid of your own (make grid PARAMS=my.yaml) chooses other values"
            )
    analysis = validate(
        Analysis,
        {
            **scaled(file.analysis or base["analysis"], Analysis, time, tokens, where),
            **prof.analysis,
            **beside["analysis"],
        },
        f"{where}, analysis",
    )
    reheat = None
    if file.reheat is not None and not alone:
        values_ = {**scaled(file.reheat, Reheat, time, tokens, where), **beside["reheat"]}
        reheat = validate(Reheat, values_, f"{where}, reheat")
    elif beside["reheat"]:
        raise BadInput(f"SET names reheat.{next(iter(beside['reheat']))}, and {path} has no reheat")

    size = math.prod(map(len, axes.values()))
    if size > MOST_RUNS:
        raise BadInput(f"{path}: its axes make a grid of {size} runs, and a study has at most {MOST_RUNS}")
    runs = []
    for point in grid(axes):
        at = apply(apply(values, point, f"{path}, axes"), ours, "SET")
        params = complete(at, where)
        runs.append(Run(run_name(params) + axis_suffix(point), params, point))
    study_ = Study(file.study, profile, file.question.strip(), runs, analysis, reheat, time)
    check_study(study_, where)
    return study_


def load_reheat(parent: Params) -> Reheat:
    """The published reheating protocol, its step counts scaled as the parent run's are."""
    base = base_study()
    time = Fraction(base["params"]["schedule"]["steps"], parent.schedule.steps)
    where = f"a reheat of a run of {parent.schedule.steps} steps"
    return validate(Reheat, scaled(base["reheat"], Reheat, time, Fraction(1), where), where)


@cache
def base_study() -> dict[str, Any]:
    """What every study file is laid over, read once; nobody writes into it."""
    return read_yaml(BASE_STUDY, "study")


def study_path(study: str) -> Path:
    if study.endswith((".yaml", ".yml")):
        return Path(study)
    path = Path(os.path.relpath(PARAMS_FOLDER / f"{study}.yaml"))  # as a reader of messages knows it
    if not path.is_file():
        raise BadInput(f"STUDY={study}: {path} does not exist{nearest(study, _names(PARAMS_FOLDER))}")
    return path


def load_profile(name: str) -> Profile:
    folder = PARAMS_FOLDER / "profiles"
    path = folder / f"{name}.yaml"
    known = _names(folder)
    if name not in known:  # also for one by way of ../, whose outputs would lie outside of OUTPUTS
        raise BadInput(f"PROFILE={name}: unknown profile; there are {', '.join(known)}{nearest(name, known)}")
    return validate(Profile, read_yaml(path, "profile"), str(path))


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def grid(axes: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def axis_suffix(point: dict[str, Any]) -> str:
    """The parts of a run's name that the author's scheme has no place for."""
    named = {"optim.weight_decay", "optim.lr", "schedule.lambda_probe", "optim.beta2", "seed"}
    parts = [f"{key}{value}" for key, value in point.items() if key not in named]
    # Make takes `=` in a target for an assignment, and shells take brackets and spaces for something else.
    return "".join("_" + re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in parts)


def complete(values: dict[str, Any], where: str) -> Params:
    """Validated parameters, with whatever the variant decides filled in."""
    variant = values.get("variant")
    if variant in VARIANTS:
        values = {**VARIANTS[variant], **values}
    return validate(Params, unflatten(values, where), where)


def check_study(study: Study, where: str) -> None:
    """Combinations that only show when the whole study is seen."""
    names = [run.name for run in study.runs]
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise BadInput(f"{where}: the run {shown(name)} has too long a name for a folder")
        if [other.lower() for other in names].count(name.lower()) > 1:  # which is one folder on some systems
            raise BadInput(
                f"{where}: two points of the grid have the name {name}; an axis repeats a value, "
                "or has two that differ in capitals or signs alone"
            )
    steps = [*study.analysis.interference_steps, *study.analysis.fisher_steps]
    steps += study.reheat.snapshots if study.reheat else []
    for run in study.runs:
        for step in sorted(set(steps)):
            if step <= run.params.schedule.steps and step not in run.params.snapshots.whole:
                raise BadInput(
                    f"{where}: a later stage needs the whole model at step {step}, which is not in "
                    f"snapshots.whole = {shown(run.params.snapshots.whole)}"
                )
    if study.reheat:
        betas = sorted({run.params.optim.beta2 for run in study.runs})
        for beta2 in study.reheat.beta2:
            if beta2 not in betas:
                raise BadInput(f"{where}: reheat.beta2 = {beta2} is not in the grid, which has {shown(betas)}")
        if study.reheat.warmup >= study.reheat.steps:
            raise BadInput(f"{where}: reheat.warmup = {study.reheat.warmup} must end before reheat.steps")


def reheat_params(run: Params, reheat: Reheat, lr: float, start: dict[str, Any]) -> Params:
    """One reheat condition: the parent's parameters from a snapshot, a fresh optimizer and a short schedule."""
    values = flatten(run.model_dump(mode="json"))
    values |= {
        "optim.lr": lr,
        "schedule.steps": reheat.steps,
        "schedule.warmup": reheat.warmup,
        "schedule.lambda_probe": reheat.lambda_probe,
        "schedule.lambda_probe2": None,
        "schedule.lambda_step": reheat.steps,
        "eval.every": reheat.eval_every,
        "snapshots.dense_every": reheat.eval_every,
        "snapshots.dense_from": reheat.eval_every,
        "snapshots.dense_to": reheat.steps,
        "snapshots.sparse_every": reheat.eval_every,
        "snapshots.sparse_from": reheat.eval_every,
        "snapshots.whole": [],
        "start": start,
    }
    if reheat.protocol == "one_process":
        values |= {"batch.accumulate": 1, "probe.p": 0.10}
    return validate(Params, unflatten(values), "the reheat condition")


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
    """Parameters of the runs, and those of the study's `analysis` and `reheat` sections."""
    beside: dict[str, dict[str, Any]] = {"analysis": {}, "reheat": {}}
    ours = {}
    for name, value in overrides.items():
        section, _, leaf = name.partition(".")
        if section in beside:
            beside[section][leaf] = value
        else:
            ours[name] = value
    return ours, beside
