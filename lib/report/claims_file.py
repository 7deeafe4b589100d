"""paper/<study>/claims.yaml: the axis of the study, and its claims, each a test on results with its prose."""

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


class Diverges(Strict):
    kind: Literal["diverges"]
    at: Level


class All(Strict):
    kind: Literal["all"]
    tests: Annotated[list["Test"], Field(min_length=2)]


Test = Annotated[Monotone | Within | Contrast | Compare | Diverges | All, Field(discriminator="kind")]


class Tolerance(Strict):
    value: Annotated[float, Field(ge=0)]
    relative: bool = False  # to the mean of the values compared
    why: Text


class Prose(Strict):
    """The sentence that the paper uses, without its full stop."""

    holds: Text
    fails: Text
    open: Text


class Claim(Strict):
    id: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
    claim: Text
    source: Text
    test: Test
    tolerance: Tolerance | None = None
    also: list[Named] = []
    headline: bool = False
    ours: bool = False  # not said by the published work
    prose: Prose

    @model_validator(mode="after")
    def _has_tolerance(self) -> "Claim":
        if self.tolerance is None and self.test.kind != "diverges":
            raise ValueError(f"claim {self.id}: a {self.test.kind} test needs a tolerance")
        return self


class ClaimsFile(Strict):
    axis: Axis
    claims: Annotated[list[Claim], Field(min_length=1)]


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
