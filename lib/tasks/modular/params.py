"""The parameters of the task `modular`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lib.params.fields import UNASKED, Count, Event, NonNegative, Number, Score, Seed, Share, TaskParameters

if TYPE_CHECKING:
    from lib.params.run import Params


class Parameters(TaskParameters):
    name: Literal["modular"] = Field(description="arithmetic modulo p")
    p: Annotated[int, Field(ge=2, le=2003)] = Field(description="the modulus")
    operation: Literal["add", "sub", "mul", "both"] = Field(
        "add", description="a + b, a - b, a b, or sums and products in one run"
    )
    train_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="share of all pairs that is trained on, rounded down"
    )
    split_seed: Seed = Field(description="of the choice of training pairs; the same for every run of a study")
    routing_penalty: Literal["none", "entropy", "sparsity", "gini", "consistency"] = Field(
        "none", description="what of the weights of a model that routes is added to the loss"
    )
    routing_weight: NonNegative = Field(0.01, description="what that counts for")
    spectral_weight: NonNegative = Field(
        0.0, description="what the roughness of the answers counts for; 0: nothing"
    )
    spectral_every: Count = Field(100, description="steps between those that have this penalty")
    spectral_k: Number = Field(0, description="frequencies up to it are smooth; 0: p // 4")
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

    @property
    def operations(self) -> tuple[str, ...]:
        return ("add", "mul") if self.operation == "both" else (self.operation,)

    def events(self) -> tuple[Event, ...]:
        return Event("memorised", "train_acc", 0.98), Event("grokked", "test_acc", 0.95)

    def epoch(self, p: "Params") -> float:
        count = int(self.train_share * self.p**2) * len(self.operations)
        return count / ((p.batch.size or count) * p.batch.accumulate)

    def check(self, p: "Params") -> None:
        count = int(self.train_share * self.p**2) * len(self.operations)
        if count == 0:
            raise ValueError(f"task.train_share = {self.train_share} leaves nothing to train on")
        if p.batch.size > count:
            raise ValueError(f"batch.size = {p.batch.size} is more than the {count} training pairs; 0 takes all")
        if len(self.operations) > 1 and getattr(p.model, "reads", "pair") != "sentence":
            raise ValueError(
                f"task.operation = {self.operation} needs a model that reads which operation is asked for, as "
                f"modular_transformer; {p.model.name} reads a and b alone"
            )
        if self.routing_penalty != "none" and not getattr(p.model, "routed", False):
            raise ValueError(
                f"task.routing_penalty = {self.routing_penalty}: {p.model.name} has nothing that routes"
            )
