"""Names of runs and branches, by the pattern that a study's file gives."""

import re
from typing import Any

from lib.base.errors import BadInput, shown
from lib.params.dotted import flatten
from lib.params.run import Params

LONGEST_NAME = 200  # bytes of a run's name; file systems take 255, and files beside the run's add to it
FIELD = re.compile(r"\{([^{}:]+)(:2)?\}")
FOLDER = re.compile(r"[\w+-][\w.+-]*")  # a name of one that make, shells and people can type
BETWEEN = re.compile(r"_(?![^{}]*\})")  # parts of a pattern


def name_of(p: Params, pattern: str, **more: Any) -> str:
    """A run's name by the study's pattern; parts whose parameter the run does not have are left out.

    `{optim.beta2:2}` has at least two decimals, but for zero.
    """
    values = flatten(p.model_dump(mode="json")) | more
    parts = []
    for part in BETWEEN.split(pattern):
        if all(found[1] in values for found in FIELD.finditer(part)):
            parts.append(FIELD.sub(lambda found: _text(values[found[1]], bool(found[2])), part))
    return "_".join(parts)


def folder_name(name: str, where: str) -> str:
    """The name, which must do for a folder; a pattern may have made anything of a run's parameters."""
    if not FOLDER.fullmatch(name):
        raise BadInput(f"{where}: {shown(name)} is no name for a folder: it has letters, digits and _ + - . alone")
    if len(name.encode()) > LONGEST_NAME:
        raise BadInput(f"{where}: {shown(name)} is too long a name for a folder")
    return name


def two_decimals(value: float) -> str:
    """0.99, 0.95, 0.90, 0.80 and 0.0: at least two decimals, but for zero."""
    return _text(float(value), True)


def _text(value: Any, padded: bool) -> str:
    text = value if isinstance(value, str) else repr(value)
    return f"{value:.2f}" if padded and value and len(text) <= 3 else text


def axis_suffix(point: dict[str, Any], pattern: str) -> str:
    """The parts of a run's name that the study's pattern has no place for."""
    named = {found[1] for found in FIELD.finditer(pattern)}
    parts = [f"{key}{value}" for key, value in point.items() if key not in named]
    # Make takes `=` in a target for an assignment, and shells take brackets and spaces for something else.
    return "".join("_" + re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in parts)
