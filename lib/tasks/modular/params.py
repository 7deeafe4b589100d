"""The parameters of the task `modular`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lib.params.fields import UNASKED, Count, Score, Seed, Share, TaskParameters

if TYPE_CHECKING:
    from lib.params.run import Params


class Parameters(TaskParameters):
    name: Literal["modular"] = Field(description="addition modulo p")
    p: Annotated[int, Field(ge=2, le=2003)] = Field(description="the modulus")
    train_share: Annotated[float, Field(gt=0, lt=1)] = Field(description="share of all pairs that is trained on")
    split_seed: Seed = Field(description="of the choice of training pairs; the same for every run of a study")

    solved_accuracy: Annotated[Share, UNASKED] = Field(
        0.99, description="test accuracy from which on the task counts as solved"
    )
    solved_evaluations: Annotated[Count, UNASKED] = Field(5, description="evaluations in a row that must have it")

    def scores(self) -> tuple[Score, ...]:
        return (
            Score("val_loss", "held-out loss"),
            Score("test_acc", "held-out accuracy", largest=True, curve="strong"),
            Score("train_acc", "training accuracy", curve="soft"),
        )

    def check(self, p: "Params") -> None:
        count = round(self.train_share * self.p**2)
        if not 0 < count < self.p**2:
            raise ValueError(
                f"task.train_share = {self.train_share} leaves nothing to train on, or nothing to test"
            )
        if p.batch.size > count:
            raise ValueError(f"batch.size = {p.batch.size} is more than the {count} training pairs; 0 takes all")
