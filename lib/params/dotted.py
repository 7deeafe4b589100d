"""Nested parameters and dotted names, either from the other."""

from collections.abc import Iterator
from typing import Any

from lib.base.errors import BadInput, plain_name

LEAVES = {"start"}  # null or a mapping, set only as a whole


def flatten(nested: dict[str, Any], where: str = "the parameters") -> dict[str, Any]:
    """{'optim': {'lr': 1}} -> {'optim.lr': 1}; keys that are dotted already stay."""
    flat: dict[str, Any] = {}
    for name, value in _leaves(nested, ""):
        if name in flat:
            raise BadInput(f"{where}: {plain_name(name)} is given twice, dotted and in its section")
        flat[name] = value
    return flat


def _leaves(nested: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, dict) and value and key not in LEAVES:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def unflatten(flat: dict[str, Any], where: str = "the parameters") -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, leaf = name.split(".")
        at = nested
        for section in sections:
            at = at.setdefault(section, {})
            if not isinstance(at, dict):
                break
        if not isinstance(at, dict) or leaf in at:
            raise BadInput(f"{where}: {plain_name(name)} and another name are a value and a section at once")
        at[leaf] = value
    return nested
