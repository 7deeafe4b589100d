"""What a run is: strict, complete parameters, their hash, and the name of the folder they own.

No field has a default: the published values live in `params/beta2.yaml`, the sizes in `params/profiles/`,
and `lib.params.study` resolves them. Fields marked `Steps` shrink with a profile's time scale, fields marked
`Tokens` with its context scale.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.base.files import content_hash
from lib.base.yaml_text import dump_yaml, read_yaml

M = TypeVar("M", bound=BaseModel)
LARGEST = 10**9  # of any count: what is larger is a slip of the keyboard, and no memory holds it
MOST_SNAPSHOTS = 100_000
MOST_FAULTS = 20  # told at once

Steps = Annotated[int, Field(ge=1, le=LARGEST), "steps"]
Tokens = Annotated[int, Field(ge=1, le=LARGEST), "tokens"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # no path can hold the null character


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ModelParams(Strict):
    layers: Count
    width: Count
    heads: Count
    ff: Count
    context: Tokens

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "ModelParams":
        if self.width % self.heads:
            raise ValueError(f"model.heads = {self.heads} does not divide model.width = {self.width}")
        return self


class CorpusParams(Strict):
    source: Literal["storyworld", "tinystories", "file"]
    path: Text  # source "file": the training stories, or a local copy of the data set
    validation_path: Text  # source "file": the validation stories; empty: `holdout` or the last stories
    text_field: Text
    holdout: Text  # source "file": "field=value" of the rows that are validation, e.g. version=V2-GPT4-valid
    train_stories: Count
    validation_stories: Count
    min_chars: Annotated[int, Field(ge=0, le=LARGEST)]
    seed: Seed  # of the generator; the same for every run of a study


class TokenizerParams(Strict):
    kind: Literal["gpt2", "bpe"]
    path: Text  # a local tokenizer.json; empty: the hub for gpt2, trained on the corpus for bpe
    vocab: Annotated[int, Field(ge=300, le=65536)]  # size to train a bpe to; the size itself for gpt2


class ProbeParams(Strict):
    p: Share  # share of training examples that carry a probe
    codewords: Count
    codeword_seed: Seed
    gap_in: Annotated[list[Tokens], Field(min_length=2, max_length=2)]
    gap_ood: Annotated[list[Tokens], Field(min_length=2, max_length=2)]
    prefix_eval: Annotated[list[Tokens], Field(min_length=2, max_length=2)]
    eval_examples: Count
    answer_mask: Literal["bare", "inserted"]
    duplicates: Literal["keep", "drop"]
    filler: Literal["random", "story"]

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "ProbeParams":
        for name in ("gap_in", "gap_ood", "prefix_eval"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"probe.{name} = [{low}, {high}] must be [smallest, largest]")
        return self


class BatchParams(Strict):
    size: Count  # sequences in one micro-batch
    accumulate: Count  # micro-batches in one optimizer step
    pad_targets: Literal["count", "ignore"]


class OptimParams(Strict):
    name: Literal["adamw"]
    lr: Positive
    beta1: Annotated[float, Field(ge=0, lt=1)]
    beta2: Annotated[float, Field(ge=0, lt=1)]
    eps: Positive
    weight_decay: NonNegative
    clip: Positive


class ScheduleParams(Strict):
    steps: Steps
    warmup: Steps
    min_lr_ratio: Share
    decay: Literal["clamped", "affine"]
    lambda_probe: NonNegative
    lambda_probe2: NonNegative | None
    lambda_step: Steps

    @model_validator(mode="after")
    def _warmup_ends(self) -> "ScheduleParams":
        if self.warmup >= self.steps:
            raise ValueError(f"schedule.warmup = {self.warmup} must end before schedule.steps = {self.steps}")
        return self


class TrainParams(Strict):
    precision: Literal["fp32", "bf16"]  # of the matrix products on a GPU; master weights are always float32
    threads: Count  # at most, on a CPU: their number decides the order of sums, and so the last bits
    on_divergence: Literal["stop", "continue"]
    early_stop: bool


class EvalParams(Strict):
    every: Steps
    stories: Count  # validation stories behind val_loss
    crops: Literal["fixed", "fresh"]


class SnapshotParams(Strict):
    dense_every: Steps
    dense_from: Steps
    dense_to: Steps
    sparse_every: Steps
    sparse_from: Steps
    whole: list[Steps]  # steps at which a later stage needs the whole model, not only the trunk


class MachineParams(Strict):
    """Where and how fast, never what: the only section outside the run's hash."""

    device: Literal["auto", "cpu", "cuda"]
    compile: bool
    checkpoint_seconds: Positive
    processes: Count  # of one run, on as many devices of one machine


class StartParams(Strict):
    """A reheat starts from the whole-model snapshot of another run, with a fresh optimizer."""

    snapshot: Text  # path of the snapshot file
    step: Annotated[int, Field(ge=0, le=LARGEST)]
    digest: Text  # hash of its tensors, so that another file of the same name is another run


class Params(Strict):
    variant: Literal["executed", "corrected"]
    seed: Seed
    model: ModelParams
    corpus: CorpusParams
    tokenizer: TokenizerParams
    probe: ProbeParams
    batch: BatchParams
    optim: OptimParams
    schedule: ScheduleParams
    train: TrainParams
    eval: EvalParams
    snapshots: SnapshotParams
    machine: MachineParams
    start: StartParams | None

    @model_validator(mode="after")
    def _fits_together(self) -> "Params":
        # Sentences are counted at their shortest in whole-token templates (5 + 5); `lib.tasks.stories.probe` checks
        # the real lengths once a tokenizer is there.
        room = self.model.context + 1 - 10
        for name in ("gap_in", "gap_ood"):
            longest = getattr(self.probe, name)[1] + self.probe.prefix_eval[1]
            if longest > room:
                raise ValueError(
                    f"probe.{name} ends at {getattr(self.probe, name)[1]}, which with a prefix of "
                    f"{self.probe.prefix_eval[1]} and the probe's two sentences cannot fit "
                    f"model.context = {self.model.context}"
                )
        count = sum(map(len, _cadences(self)))
        if count > MOST_SNAPSHOTS:
            raise ValueError(f"the cadence of the snapshots makes {count} of them, at most {MOST_SNAPSHOTS} fit")
        missing = sorted(set(self.snapshots.whole) - set(snapshot_steps(self)))
        if missing:
            raise ValueError(
                f"snapshots.whole names step {missing[0]}, at which the cadence (eval.every = "
                f"{self.eval.every}, dense {self.snapshots.dense_from}..{self.snapshots.dense_to} by "
                f"{self.snapshots.dense_every}, sparse from {self.snapshots.sparse_from} by "
                f"{self.snapshots.sparse_every}) takes no snapshot"
            )
        return self


def snapshot_steps(p: Params) -> list[int]:
    """Every step with a snapshot: 0 (the initial weights), 1, each evaluation, and both cadences."""
    return sorted({0, 1, p.schedule.steps}.union(*_cadences(p)))


def _cadences(p: Params) -> list[range]:
    s, end = p.snapshots, p.schedule.steps
    return [
        range(p.eval.every, end + 1, p.eval.every),
        range(s.dense_from, min(s.dense_to, end) + 1, s.dense_every),
        range(s.sparse_from, end + 1, s.sparse_every),
    ]


def is_evaluation(step: int, p: Params) -> bool:
    return step == 1 or step % p.eval.every == 0 or step == p.schedule.steps


# ---------------------------------------------------------------------------------------------- identity


def identity(p: Params) -> dict[str, Any]:
    """Everything that decides what the run computes, as plain data; a start counts by content, not by place."""
    return p.model_dump(mode="json", exclude={"machine": True, "start": {"snapshot"}})


def run_hash(p: Params) -> str:
    return content_hash(identity(p))


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Dotted names at which two nested dictionaries differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = sorted(set(ours) | set(theirs))
        return [d for k in keys for d in differences(ours.get(k), theirs.get(k), f"{where}.{k}".lstrip("."))]
    return [] if ours == theirs else [where]


def format_beta2(beta2: float) -> str:
    """The author's spelling: 0.99, 0.95, 0.90, 0.80 and 0.0."""
    text = repr(float(beta2))
    return text if beta2 == 0 or len(text) > 3 else f"{beta2:.2f}"


def run_name(p: Params) -> str:
    o, s = p.optim, p.schedule
    return f"pilot_wd{o.weight_decay!r}_lr{o.lr!r}_lp{s.lambda_probe!r}_b2{format_beta2(o.beta2)}_s{p.seed}"


def reheat_name(p: Params) -> str:
    return f"reheat_ckpt{p.start.step}_lr{p.optim.lr!r}" if p.start else run_name(p)


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
    key = plain_name(".".join(str(part) for part in fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key {key}{nearest(key, dotted_names(model))}"
    if fault["type"] == "missing":
        return f"{where}: the key {key} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # our own sentences name their keys
        return f"{where}: {message}"
    return f"{where}: {key} = {shown(fault['input'])}: {message[0].lower()}{message[1:]}"


def dotted_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every leaf of a params model as a dotted name: seed, optim.beta2, ..."""
    names = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names += dotted_names(inner, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def load_params(path: Path) -> Params:
    """The resolved params.yaml of a run."""
    return validate(Params, read_yaml(path, "params file"), str(path))


def dump_params(p: Params) -> str:
    return dump_yaml(p.model_dump(mode="json"))
