"""The published numbers that a study compares its own with, paper/<study>/published.yaml, checked strictly."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.base.yaml_text import read_yaml
from lib.params.fields import Strict
from lib.params.run import validate
from lib.report.axis import Level, Text, at_level

Status = Literal["sound", "conflict", "void"]


class Marked(Strict):
    """A number's source, and what is wrong with it if anything is."""

    source: Text
    status: Status = "sound"
    why: str = ""

    @model_validator(mode="after")
    def _says_why(self) -> "Marked":
        if self.status != "sound" and not self.why:
            raise ValueError(f"status {self.status} needs a why")
        return self


class PublishedQuantity(Marked):
    """One quantity at each level of the axis; null where it was not published or does not exist."""

    name: Text
    digits: Annotated[int, Field(ge=0, le=6)]
    levels: dict[str, float | None]
    above: dict[str, float] = {}  # where only a lower bound was published

    def at(self, level: Level) -> float | None:
        found = at_level(self.levels, level)
        return None if found is None else float(found)

    def bound(self, level: Level) -> float | None:
        return at_level(self.above, level)


class PublishedBranch(Marked):
    """What came of a branch from one snapshot: a reheat, a switch."""

    branch: Text
    level: Level
    step: int
    set: dict[str, Level] = {}  # the parameters at which the values were found; without, at all that were tried
    values: dict[str, float]


class Fault(Strict):
    fault: Text
    effect: Text


class Published(Strict):
    reference: str = ""
    sources: dict[str, Text] = {}
    quantities: dict[str, PublishedQuantity] = {}
    branches: list[PublishedBranch] = []
    faults: list[Fault] = []

    @model_validator(mode="after")
    def _sources_exist(self) -> "Published":
        for name, entry in [*self.quantities.items(), *((f"{b.branch} {b.level}", b) for b in self.branches)]:
            if entry.source not in self.sources:
                raise ValueError(f"{name}: unknown source {entry.source}; there are {', '.join(self.sources)}")
        return self

    def at(self, quantity: str, level: Level) -> float | None:
        entry = self.quantities.get(quantity)
        return entry.at(level) if entry else None

    def branched(self, branch: str, level: Level, step: int) -> PublishedBranch | None:
        found = (b for b in self.branches if (b.branch, b.level, b.step) == (branch, level, step))
        return next(found, None)


def load_published(path: Path) -> Published:
    return validate(Published, read_yaml(path, "published numbers"), str(path))


def comparable(published: Published, profile: str) -> dict[str, dict[str, float]]:
    """Published numbers that open markers may stand for, by quantity and level.

    What measures something else than it is said to is left out, and so is a drift where the model has
    another size: norms grow with the number of weights.
    """
    found = {}
    for name, quantity in published.quantities.items():
        if quantity.status != "void" and (profile == "paper" or not name.endswith(".drift")):
            found[name] = {key: value for key, value in quantity.levels.items() if value is not None}
    return found
