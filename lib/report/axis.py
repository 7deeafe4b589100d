"""The axis of a study: the one parameter whose levels its tables, figures and claims compare."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from lib.base.errors import BadInput
from lib.params.arms import ARM
from lib.params.dotted import flatten
from lib.params.fields import Strict
from lib.params.names import two_decimals
from lib.params.run import Params
from lib.params.study import Study

Level = bool | int | float | str
Text = Annotated[str, Field(min_length=1)]
T = TypeVar("T")


class Axis(Strict):
    """What is compared: a parameter by dotted name, what it is called, and the order in which it is told."""

    parameter: Text  # or arm, of a study whose runs have them
    name: Text  # in sentences and tables
    symbol: Text  # in figures
    order: Literal["falling", "rising", "listed"] = "listed"  # listed: as the study's axes have it
    spacing: Literal["even", "linear", "log", "log(1-x)"] = "even"  # how far apart, where a trend is fitted
    baseline: Level | None = None  # the level that a reader takes the others to differ from
    words: dict[str, Text] = {}  # what sentences and tables call a level that is a word

    def level(self, p: Params, point: Mapping[str, Any]) -> Level | None:
        """Where a run stands, with these parameters and this place in the grid."""
        if self.parameter == ARM:
            return point.get(ARM)
        return flatten(p.model_dump(mode="json")).get(self.parameter)

    def text(self, level: Level | None) -> str:
        """A level as sentences and tables have it."""
        return self.words.get(str(level), level_text(level))

    def full(self, level: Level | None) -> str:
        """A level with what it is a level of, where it is no word."""
        return self.text(level) if str(level) in self.words else f"{self.name} = {level_text(level)}"

    def mark(self, level: Level | None) -> str:
        """A level as figures have it: in words, or as short as it can be."""
        return self.words.get(str(level), level_mark(level))

    def ordered(self, levels: Iterable[Level]) -> list[Level]:
        """Each level once."""
        found = list(dict.fromkeys(levels))
        if self.order == "listed" or not are_numbers(found):
            return found
        return sorted(found, reverse=self.order == "falling")

    def positions(self, levels: Sequence[Level]) -> list[float]:
        """Where levels lie for a trend, in their order.

        Raises: BadInput for a level that has no such place.
        """
        if self.spacing == "even":
            return [float(at) for at in range(len(levels))]
        try:
            return [PLACES[self.spacing](float(level)) for level in levels]
        except ValueError:
            what = ", ".join(level_text(level) for level in levels)
            raise BadInput(f"{self.name}: a spacing of {self.spacing} has no place for some of {what}") from None


PLACES = {"linear": float, "log": math.log, "log(1-x)": lambda x: math.log(1 - x)}


def default_axis(study: Study) -> Axis:
    """The first axis of a study's grid that is not the seed; the seed where there is no other."""
    name = next((name for name in study.axes if name != "seed"), "seed")
    return Axis(parameter=name, name=name, symbol=name)


def are_numbers(levels: Iterable[Any]) -> bool:
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)


def level_text(level: Level | None) -> str:
    """A level as text and tables have it: 0.95, 0.80, 0.0; words and whole numbers as they are."""
    return two_decimals(level) if isinstance(level, float) else str(level)


def level_mark(level: Level | None) -> str:
    """A level as figures have it, as short as it can be: 0.95, 0.8, 0."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def at_level(values: Mapping[str, T], level: Level) -> T | None:
    """The entry of a mapping from levels, which are text there, at one level."""
    return next((value for key, value in values.items() if _is_level(key, level)), None)


def _is_level(key: str, level: Level) -> bool:
    try:
        return float(key) == level
    except ValueError:
        return key == level
