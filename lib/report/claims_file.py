"""paper/<study>/claims.yaml: the axis of the study, and its claims, each a test on results with its prose."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.base.errors import BadInput
from lib.base.yaml_text import read_yaml
from lib.params.fields import Strict
from lib.params.run import validate
from lib.report.axis import Axis, Level, Text

Part = Literal[
    "observed",
    "null",
    "momentum",
    "lengths",
    "memory",
    "shuffled",
    "excess",
    "beyond-momentum",
    "beyond-lengths",
    "beyond-memory",
    "beyond-shuffled",
    "memory-excess",
]


class Named(Strict):
    quantity: Text
    part: Part = "observed"


class Monotone(Named):
    kind: Literal["monotone"]
    direction: Literal["falls", "rises"]  # from the first level to the last


class Exceeds(Named):
    kind: Literal["exceeds"]
    than: float = 0.0  # its value where there is no effect
    at: list[Level] | None = None


class Within(Named):
    kind: Literal["within"]
    low: float | None = None
    high: float | None = None
    at: list[Level] | None = None


class Contrast(Strict):
    kind: Literal["contrast"]
    larger: Named
    smaller: Named
    factor: float
    at: list[Level] | None = None


class Compare(Named):
    kind: Literal["compare"]
    larger_at: Level
    smaller_at: Level
    factor: Annotated[float, Field(gt=0)] = 1.0  # that the smaller one is multiplied by


class Diverges(Strict):
    kind: Literal["diverges"]
    at: Level


class All(Strict):
    kind: Literal["all"]
    tests: Annotated[list["Test"], Field(min_length=2)]


Test = Annotated[Monotone | Exceeds | Within | Contrast | Compare | Diverges | All, Field(discriminator="kind")]


class Size(Strict):
    """What was declared of an effect before its runs, from seeds other than those judged."""

    smallest: Annotated[float, Field(ge=0)] = 0.0  # the smallest effect of interest; a range has none
    spread: Annotated[float, Field(ge=0)]  # standard deviation from seed to seed
    relative: bool = False  # both are shares of the mean of the values compared; of `monotone` and `compare` alone
    why: Text


class Prose(Strict):
    """The sentence that the paper uses, without its full stop, for each verdict."""

    holds: Text
    excluded: Text
    reversed: Text | None = None  # in its place, where the opposite is clear
    absent: Text = ""  # a range has no such verdict
    open: Text


class Claim(Strict):
    id: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
    claim: Text
    source: Text
    test: Test
    effect: Size | None = None
    also: list[Named] = []
    headline: bool = False
    primary: bool = False  # one of the handful that are judged together, by Holm's method
    ours: bool = False  # not said by the published work
    optional: bool = False  # left out where a profile has not all the levels that it names
    prose: Prose

    @model_validator(mode="after")
    def _is_complete(self) -> "Claim":
        if self.effect is None and self.test.kind != "diverges":
            raise ValueError(f"claim {self.id}: a {self.test.kind} test needs an effect")
        if self.primary and self.effect is None:
            raise ValueError(f"claim {self.id}: without an effect it cannot be judged with the primary claims")
        if self.optional and not levels_of(self.test):
            raise ValueError(f"claim {self.id}: it is optional, and its test names no level that could be absent")
        kinds, size = _kinds(self.test), self.effect or Size(spread=0, why="none")
        if size.smallest and kinds == {"within"}:
            raise ValueError(f"claim {self.id}: a range has no smallest effect; leave effect.smallest out")
        if size.relative and not kinds <= {"monotone", "compare"}:
            named = " and ".join(sorted(kinds - {"monotone", "compare"}))
            raise ValueError(f"claim {self.id}: {named} compares no levels, so effect.relative has no meaning")
        if size.smallest and "within" not in kinds and not self.prose.absent:
            raise ValueError(f"claim {self.id}: its prose says nothing of an effect that is absent")
        return self


def _kinds(test: Test) -> set[str]:
    """The kinds of a test; of several tests those that they are made of."""
    return set().union(*map(_kinds, test.tests)) if isinstance(test, All) else {test.kind}


def levels_of(test: Test) -> set[Level]:
    """The levels that a test names."""
    match test:
        case All():
            return set().union(*map(levels_of, test.tests))
        case Compare():
            return {test.larger_at, test.smaller_at}
        case Diverges():
            return {test.at}
        case Monotone():
            return set()
    return set(test.at or [])


class ClaimsFile(Strict):
    axis: Axis
    claims: Annotated[list[Claim], Field(min_length=1)]


@cache
def axis_in(folder: Path) -> Axis:
    """The axis of the study whose paper's folder this is."""
    return load_claims(folder / "claims.yaml")[0]


def load_claims(path: Path) -> tuple[Axis, tuple[Claim, ...]]:
    """The axis, and the claims in order.

    Raises: BadInput for whatever is no axis or no claim, and for two claims of one id.
    """
    found = validate(ClaimsFile, read_yaml(path, "claims file"), str(path))
    names = [claim.id for claim in found.claims]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{path}: two claims have the id {name}")
    return found.axis, tuple(found.claims)
