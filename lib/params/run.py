"""What a run is: strict, complete parameters, and their hash.

A study's file gives every value (`params/`), `lib.params.study` resolves them. The task, the model and the
optimizer have parameters of their own, told apart by `name`: they stand in the file of each.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.base.files import content_hash
from lib.base.yaml_text import dump_yaml, read_yaml
from lib.params.cadence import cadences, snapshot_steps
from lib.params.fields import UNASKED, Count, Metric, Number, Positive, Seed, Share, Steps, Strict, Text
from lib.params.members import ROOMS, home, members, metric_names, union

M = TypeVar("M", bound=BaseModel)
MOST_SNAPSHOTS = 100_000
MOST_FAULTS = 20  # told at once
RESTORED = "start.state"  # of a branch: whether its optimizer begins with the memory that it had


class BatchParams(Strict):
    size: Number = Field(description="examples in one micro-batch; 0: all there are, for tasks that can")
    accumulate: Count = Field(description="micro-batches in one optimizer step")


class ScheduleParams(Strict):
    steps: Steps = Field(description="optimizer steps")
    warmup: Steps = Field(description="steps over which the learning rate rises to its peak")
    min_lr_ratio: Share = Field(description="floor of the learning rate, as a share of the peak")
    decay: Literal["clamped", "affine", "constant"] = Field(
        description="after the warm-up: a cosine cut off at the floor (as executed), one that ends there, or none"
    )

    @model_validator(mode="after")
    def _warmup_ends(self) -> "ScheduleParams":
        if self.warmup >= self.steps:
            raise ValueError(f"schedule.warmup = {self.warmup} must end before schedule.steps = {self.steps}")
        return self


class TrainParams(Strict):
    precision: Literal["fp32", "bf16"] = Field(
        description="of the matrix products on a GPU; master weights are always float32"
    )
    threads: Count = Field(
        description="at most, on a CPU: their number decides the order of sums, and so the last bits"
    )
    on_divergence: Literal["stop", "continue"] = Field(description="what a run does whose loss runs away")
    early_stop: bool = Field(description="end the run once its task counts as solved")
    stop_after: Annotated[Steps | None, UNASKED] = Field(
        None, description="with early_stop: steps that a run still goes on once its task is solved; null: none"
    )
    watch_every: Steps | None = Field(
        None, description="steps between looks at what a step does to every matrix, into watch.parquet; null: none"
    )
    watch: Annotated[dict[Metric, Steps | None], UNASKED] = Field(
        {}, description="steps between measurements of the whole model, into watch.parquet; null: none"
    )
    watch_early: Annotated[Steps | None, UNASKED] = Field(
        None, description="step up to which every metric is measured at log-spaced steps too; null: none"
    )

    @field_validator("watch")
    @classmethod
    def _without_null(cls, watch: dict[str, int | None]) -> dict[str, int | None]:
        return {name: every for name, every in watch.items() if every}


class EvalParams(Strict):
    every: Steps = Field(description="steps between evaluations")


class SnapshotParams(Strict):
    dense_every: Steps = Field(description="steps between snapshots from dense_from to dense_to")
    dense_from: Steps = Field(description="first step of the dense cadence")
    dense_to: Steps = Field(description="last step of the dense cadence")
    sparse_every: Steps = Field(description="steps between snapshots from sparse_from on")
    sparse_from: Steps = Field(description="first step of the sparse cadence")
    whole: list[Steps] = Field(description="steps at which a later stage needs the whole model, not only the trunk")
    log_to: Annotated[Steps | None, UNASKED] = Field(
        None, description="step up to which there are snapshots at log-spaced steps too; null: none"
    )
    state: Annotated[list[Steps], UNASKED] = Field(
        [], description="steps at which all weights and the optimizer's memory are kept, in states/"
    )
    average: Steps | None = Field(
        None, description="steps that the weights in a snapshot are averaged over, exponentially; null: as they are"
    )


class EventParams(Strict):
    """What nobody can plan: a run leaves a full state in states/ where it happens, and looks closer for a while."""

    jump: Share | None = Field(
        None, description="change of an accuracy between two evaluations that is one when exceeded; null: none is"
    )
    spike: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(
        None, description="training loss that is one, in times the lowest since the last evaluation; null: none is"
    )
    watch_every: Steps | None = Field(
        None, description="steps between measurements of every metric after one; null: as ever"
    )
    watch_for: Steps | None = Field(None, description="steps after one in which they are; null: none")


class MachineParams(Strict):
    """Where and how fast, never what: outside the run's hash."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: a GPU where there is one")
    compile: bool = Field(description="compile the model, on a GPU")
    checkpoint_seconds: Positive = Field(description="seconds between saved states")
    processes: Count = Field(description="processes of one run, on as many devices of one machine")


class StartParams(Strict):
    """A branch starts from the whole-model snapshot of another run, its optimizer fresh or as it was there."""

    snapshot: Text = Field(description="path of the snapshot file; in a params.yaml from its own folder on")
    step: Number = Field(description="its step")
    digest: Text = Field(description="hash of its tensors, so that another file of the same name is another run")
    state: Annotated[bool, UNASKED] = Field(
        False, description="the file has the optimizer's state too, which is restored; false: a fresh optimizer"
    )


class Params(Strict):
    seed: Seed = Field(description="of the initial weights, the order of the data and the evaluation sets")
    time_scale: str = Field(
        pattern=r"^[1-9]\d*(/[1-9]\d*)?$",
        description="published steps for each step of this run, as 2 or 5/2; outside the run's hash",
    )
    task: union("task")
    model: union("model")
    batch: BatchParams
    optim: union("optim")
    schedule: ScheduleParams
    train: TrainParams
    eval: EvalParams
    snapshots: SnapshotParams
    events: Annotated[EventParams, UNASKED] = EventParams()
    machine: MachineParams
    start: StartParams | None = Field(
        description="the snapshot that a branch starts from, as --resume_from sets it; null: initial weights"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "Params":
        for section in ROOMS:
            getattr(self, section).check(self)
        count = sum(map(len, cadences(self)))
        if count > MOST_SNAPSHOTS:
            raise ValueError(f"the cadence of the snapshots makes {count} of them, at most {MOST_SNAPSHOTS} fit")
        if self.snapshots.state and (last := max(self.snapshots.state)) > self.schedule.steps:
            raise ValueError(f"snapshots.state names step {last}, and the run ends at {self.schedule.steps}")
        missing = sorted(set(self.snapshots.whole) - set(snapshot_steps(self)))
        if missing:
            raise ValueError(
                f"snapshots.whole names step {missing[0]}, at which the cadence (eval.every = "
                f"{self.eval.every}, dense {self.snapshots.dense_from}..{self.snapshots.dense_to} by "
                f"{self.snapshots.dense_every}, sparse from {self.snapshots.sparse_from} by "
                f"{self.snapshots.sparse_every}) takes no snapshot"
            )
        known = metric_names(self.task.name)
        for name, every in self.train.watch.items():
            if every is not None and name not in known:  # a study of several tasks may have asked for it
                raise ValueError(
                    f"train.watch.{plain_name(name)}: there is no such metric of {self.task.name}; there are "
                    f"{', '.join(known)}{nearest(name, known)}"
                )
        return self


# ---------------------------------------------------------------------------------------------- identity


def identity(p: Params) -> dict[str, Any]:
    """Everything that decides what the run computes, as plain data; a start counts by content, not by place."""
    return p.model_dump(mode="json", exclude={"machine": True, "time_scale": True, "start": {"snapshot"}})


def run_hash(p: Params) -> str:
    return content_hash(identity(p))


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Dotted names at which two nested dictionaries differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = sorted(set(ours) | set(theirs))
        return [d for k in keys for d in differences(ours.get(k), theirs.get(k), f"{where}.{k}".lstrip("."))]
    return [] if ours == theirs else [where]


# ------------------------------------------------------------------------------------- data to parameters


def validate(model: type[M], data: Any, where: str) -> M:
    """`data` as a `model`, or one line per fault: where, key, value, what was expected, nearest name."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors()
        lines = [_sentence(fault, model, where) for fault in faults[:MOST_FAULTS]]
        if faults[MOST_FAULTS:]:
            lines.append(f"{where}: and {len(faults) - MOST_FAULTS} faults more")
        raise BadInput("\n".join(lines)) from None


def _sentence(fault: Any, model: type[BaseModel], where: str) -> str:
    place = list(fault["loc"])
    section, name = place[0] if place else "", ""
    if section in ROOMS and section in model.model_fields and len(place) > 1:
        name = place.pop(1)  # the union says which of its members it took
    key = plain_name(".".join(map(str, place)))
    if fault["type"] == "extra_forbidden":
        if not name:
            return f"{where}: unknown key {key}{nearest(key, dotted_names(model))}"
        own = dotted_names(members(section)[name], f"{section}.")
        return f"{where}: unknown key {key}{nearest(key, own)}; {section}.name = {name} has {', '.join(own)}"
    if fault["type"] == "missing":
        return f"{where}: the key {key} is missing"
    if fault["type"] == "union_tag_not_found" and section in ROOMS:
        return f"{where}: the key {key}.name is missing; it is one of {', '.join(members(section))}"
    if fault["type"] == "union_tag_invalid" and section in ROOMS:
        given = str(fault["ctx"]["tag"])
        return (
            f"{where}: {key}.name = {plain_name(given)}: there {_are(list(members(section)))}"
            f"{nearest(given, members(section))}; a new one goes into {home(section, _file_name(given))}"
        )
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # our own sentences name their keys
        return f"{where}: {message}"
    return f"{where}: {key} = {shown(fault['input'])}: {message[0].lower()}{message[1:]}"


def _are(names: list[str]) -> str:
    return f"is {names[0]}" if len(names) == 1 else f"are {', '.join(names)}"


def _file_name(given: str) -> str:
    return given if given.isidentifier() else "NAME"


@cache
def dotted_names(model: type[BaseModel], prefix: str = "") -> tuple[str, ...]:
    """Every leaf of a params model as a dotted name, as optim.beta2; of a union those of all its members."""
    names: dict[str, None] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if name in ROOMS and not prefix and model is Params:
            for member in members(name).values():
                names |= dict.fromkeys(dotted_names(member, f"{name}."))
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= dict.fromkeys(dotted_names(inner, f"{prefix}{name}."))
        elif Metric in get_args(inner):
            names |= dict.fromkeys(f"{prefix}{name}.{metric}" for metric in metric_names())
        else:
            names[prefix + name] = None
    return tuple(names)


def load_params(path: Path) -> Params:
    """The resolved params.yaml of a run."""
    p = validate(Params, read_yaml(path, "params file"), str(path))
    return p if p.start is None else _starting_at(p, str((path.parent / p.start.snapshot).absolute()))


def dump_params(p: Params, folder: Path | None = None) -> str:
    """The text of params.yaml; in `folder` a start is named from there on, so that a study can be moved."""
    if p.start and folder:
        p = _starting_at(p, os.path.relpath(p.start.snapshot, folder.resolve()))
    return dump_yaml(p.model_dump(mode="json"))


def _starting_at(p: Params, snapshot: str) -> Params:
    return p.model_copy(update={"start": p.start.model_copy(update={"snapshot": snapshot})})
