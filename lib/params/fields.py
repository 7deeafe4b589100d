"""The types that parameters are made of. Nothing has a value that is not checked, and nothing is changed in place.

Fields marked `Steps` shrink with a profile's time scale, fields marked `Tokens` with its context scale. A field
marked `UNASKED` is not written down where it has its default: what was trained before there was such a field is the
same run as ever.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

if TYPE_CHECKING:
    from lib.params.run import Params

LARGEST = 10**9  # of any count: what is larger is a slip of the keyboard, and no memory holds it

Steps = Annotated[int, Field(ge=1, le=LARGEST), "steps"]
Tokens = Annotated[int, Field(ge=1, le=LARGEST), "tokens"]
Share = Annotated[float, Field(ge=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Number = Annotated[int, Field(ge=0, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # no path can hold the null character


UNASKED = "unasked"
Metric = Annotated[str, "metric"]  # the name of one, as the key of a mapping


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_serializer(mode="wrap")
    def _asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unasked = {n for n, f in fields.items() if UNASKED in f.metadata and getattr(self, n) == f.get_default()}
        return {name: value for name, value in handler(self).items() if name not in unasked}


class Member(Strict):
    """The parameters of one task, model or optimizer; `name` says which, and is the name of its file."""

    def check(self, p: "Params") -> None:
        """Raise ValueError, in one sentence, where these do not go together with the run's other parameters."""


class OptimizerParameters(Member):
    """What the training loop itself asks of every optimizer."""

    lr: Positive = Field(description="peak learning rate; the schedule multiplies it")
    clip: Positive = Field(description="largest norm of the whole gradient; a longer one is scaled down to it")


class MatrixParameters(OptimizerParameters):
    """What every optimizer is asked whose steps are the polar factor of a matrix's momentum."""

    momentum: Below1 = Field(0.95, description="memory of the gradient of a matrix")
    momentum_rule: Literal["heavy_ball", "lerp"] = Field(
        "heavy_ball", description="a gradient enters the memory whole, or with the weight 1 - momentum"
    )
    nesterov: bool = Field(False, description="step from where the memory alone would lead")
    polar: Literal["eigh", "svd", "quintic"] = Field(
        "eigh",
        description="the polar factor: exact by the smaller Gram matrix or by svd, or five Newton-Schulz steps",
    )
    shape_scale: Literal["none", "tall", "adam"] = Field(
        "none", description="of an m x n step: 1, sqrt(max(1, m/n)), or 0.2 sqrt(max(m, n)) as long as AdamW's"
    )
    matrices: Literal["hidden", "all2d"] = Field(
        "hidden",
        description="which are matrices: the model's hidden ones, or (as executed) embeddings and head too",
    )
    weight_decay: NonNegative = Field(
        0.0, description="share of a matrix that a step of learning rate 1 would take off"
    )
    adam_lr: Positive = Field(3e-4, description="peak learning rate of AdamW, which all the rest is left to")
    adam_schedule: bool = Field(
        True, description="AdamW's learning rate follows the schedule; false: constant, as executed"
    )
    adam_memory: Below1 = Field(0.9, description="AdamW's memory of the gradient")
    adam_square_memory: Below1 = Field(0.95, description="AdamW's memory of the squared gradient")
    adam_eps: Positive = Field(1e-8, description="added to the root of AdamW's second moment")
    adam_weight_decay: NonNegative = Field(0.01, description="AdamW's decoupled decay")
    adam_decays: Literal["matrices", "all"] = Field(
        "matrices", description="what AdamW's decay is for: embeddings and head, or (as executed) vectors too"
    )


def _annealing(given: Any) -> Any:
    """By its name; `false` and `true` are the published commands' words."""
    return {False: "constant", True: "exponential"}[given] if isinstance(given, bool) else given


class NoisyMatrixParameters(MatrixParameters):
    """Of these, those that add noise to the momentum: how much, when, and of which matrices."""

    alpha: NonNegative = Field(1e-2, description="amplitude of the noise, of the norm of a matrix's gradient")
    anneal: Annotated[Literal["exponential", "linear", "constant"], BeforeValidator(_annealing)] = Field(
        "exponential", description="how alpha falls from the first step on; false: constant, true: exponential"
    )
    half_life: Positive = Field(
        301.03,
        description="own steps after which alpha has half its way behind it; linear: it ends after two of them",
    )
    alpha_end: NonNegative = Field(0.0, description="alpha does not fall below it")
    adaptive: bool = Field(True, description="noise only where the effective rank is below rank_threshold")
    rank_threshold: Positive = Field(0.5, description="effective rank below which a matrix gets noise, as a share")
    rank_of: Literal["gaussian", "side"] = Field(
        "gaussian",
        description="what it is a share of: a Gaussian matrix's effective rank, or (as executed) min(m, n)",
    )
    noise_start: Number | None = Field(
        None, description="own steps without noise; null: until the learning rate has reached its peak"
    )


@dataclass(frozen=True)
class Score:
    """A number of every evaluation that speaks for a run at a glance: its key there, and what a reader calls it."""

    key: str
    name: str
    largest: bool = False  # the best is the largest, and is told beside the last
    curve: str = ""  # drawn on a run's card, from 0 to 1: strong, or soft and then only drawn

    @property
    def told(self) -> bool:
        return self.curve != "soft"


@dataclass(frozen=True)
class Event:
    """The first evaluation at which a number has come so far: what it is called, its key there, the least value."""

    name: str
    key: str
    least: float


class TaskParameters(Member):
    """What make itself asks of every task."""

    def scores(self) -> tuple[Score, ...]:
        """What the table after make and the report tell of a run, out of all that its evaluations hold."""
        return (Score("val_loss", "validation loss"),)

    def events(self) -> tuple[Event, ...]:
        """What may happen to a run once, which runs are compared by and aligned on."""
        return ()

    def epoch(self, p: "Params") -> float | None:
        """Own steps that read as many examples as there are to train on; None where parameters do not say it."""
        return None

    def data_key(self) -> str:
        """A hash of everything that the data are made from, besides the parameters and the code of the task."""
        return ""
