"""The types that parameters are made of. Nothing has a value that is not checked, and nothing is changed in place.

Fields marked `Steps` shrink with a profile's time scale, fields marked `Tokens` with its context scale.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

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


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Member(Strict):
    """The parameters of one task, model or optimizer; `name` says which, and is the name of its file."""

    def check(self, p: "Params") -> None:
        """Raise ValueError, in one sentence, where these do not go together with the run's other parameters."""


class OptimizerParameters(Member):
    """What the training loop itself asks of every optimizer."""

    lr: Positive = Field(description="peak learning rate; the schedule multiplies it")
    clip: Positive = Field(description="largest norm of the whole gradient; a longer one is scaled down to it")


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


class TaskParameters(Member):
    """What make itself asks of every task."""

    def scores(self) -> tuple[Score, ...]:
        """What the table after make and the report tell of a run, out of all that its evaluations hold."""
        return (Score("val_loss", "validation loss"),)

    def data_key(self) -> str:
        """A hash of everything that the data are made from, besides the parameters and the code of the task."""
        return ""
