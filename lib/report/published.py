"""The published numbers, `params/published.yaml`, checked strictly."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.base.yaml_text import read_yaml
from lib.params.fields import Strict
from lib.params.run import validate

PUBLISHED_FILE = Path(__file__).resolve().parents[2] / "params" / "published.yaml"

Status = Literal["sound", "conflict", "void"]
Text = Annotated[str, Field(min_length=1)]


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


class Quantity(Marked):
    """One quantity at each beta2; null where it was not published or does not exist."""

    name: Text
    digits: Annotated[int, Field(ge=0, le=6)]
    beta2: dict[str, float | None]
    above: dict[str, float] = {}  # where only a lower bound was published

    def at(self, beta2: float) -> float | None:
        return _at(self.beta2, beta2)

    def bound(self, beta2: float) -> float | None:
        return _at(self.above, beta2)


def _at(values: dict[str, float | None], beta2: float) -> float | None:
    found = [value for key, value in values.items() if float(key) == beta2]
    return None if not found or found[0] is None else float(found[0])


class PublishedReheat(Marked):
    """The best of the learning rates that were tried from one snapshot; lr null: all gave the same."""

    beta2: float
    step: int
    lr: float | None
    peak: float
    gain: float


class Fault(Strict):
    fault: Text
    effect: Text


class Published(Strict):
    reference: Text
    sources: dict[str, Text]
    quantities: dict[str, Quantity]
    reheat: list[PublishedReheat]
    faults: list[Fault]

    @model_validator(mode="after")
    def _sources_exist(self) -> "Published":
        for name, entry in [*self.quantities.items(), *((f"reheat {r.beta2}", r) for r in self.reheat)]:
            if entry.source not in self.sources:
                raise ValueError(f"{name}: unknown source {entry.source}; there are {', '.join(self.sources)}")
        return self

    def at(self, quantity: str, beta2: float) -> float | None:
        entry = self.quantities.get(quantity)
        return entry.at(beta2) if entry else None

    def reheated(self, beta2: float, step: int) -> PublishedReheat | None:
        return next((r for r in self.reheat if r.beta2 == beta2 and r.step == step), None)


def load_published(path: Path = PUBLISHED_FILE) -> Published:
    return validate(Published, read_yaml(path, "published numbers"), str(path))
