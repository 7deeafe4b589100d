"""Where the value of every parameter of a run is from, and what it stands in place of.

    SET and SEEDS  >  axes, arms  >  the study's set  >  the profile's set  >  params  >  defaults

What SET names counts in every run: an axis of it has that one value, and where two arms would be one run the study
is refused.
"""

from dataclasses import dataclass
from typing import Any

from lib.params.dotted import flatten
from lib.params.study import Run

ORDER = "SET > axes, arms > the study's set > the profile's set > params > defaults"


@dataclass(frozen=True)
class Origin:
    """A parameter of a run.

    source    where its value is from
    instead   what the value stands in place of, and where that is from; empty where nothing else has it
    """

    name: str
    value: Any
    source: str
    instead: str


def origins(run: Run) -> list[Origin]:
    """Every parameter of a run, in the order of the params file."""
    found = []
    for name, value in flatten(run.params.model_dump(mode="json")).items():
        there = [(layer.source, layer.values[name]) for layer in reversed(run.layers) if name in layer.values]
        source = there[0][0] if there else "defaults"
        instead = f"{there[1][1]} ({there[1][0]})" if len(there) > 1 else ""
        found.append(Origin(name, value, source, instead))
    return found
