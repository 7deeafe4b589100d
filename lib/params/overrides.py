"""SET='optim.lr=6e-4 seed=271': values by dotted name, over those that a study has."""

import shlex
from typing import Any

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.base.yaml_text import parse_yaml
from lib.params.run import Params, dotted_names

LONGEST_SET = 100_000  # characters; splitting more takes minutes


def apply(values: dict[str, Any], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """`values` with `overrides`, every name checked against the parameters there are."""
    known = [*dotted_names(Params), *values]
    for name in overrides:
        if name not in known:
            raise BadInput(f"{where}: unknown parameter {plain_name(name)}{nearest(name, known)}")
    return {**values, **overrides}


def parse_overrides(text: str) -> dict[str, Any]:
    """'optim.lr=6e-4 seed=271' -> {'optim.lr': 0.0006, 'seed': 271}; the values are YAML."""
    if len(text) > LONGEST_SET:
        raise BadInput(f"SET={shown(text)}: at most {LONGEST_SET} characters are taken, this has {len(text)}")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadInput(f"SET={shown(text)}: unbalanced quotes ({error})") from None
    overrides = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise BadInput(
                f"SET={shown(text)}: expected name=value, got {shown(word)}; "
                "for example SET='optim.lr=6e-4 seed=271'"
            )
        overrides[name] = parse_yaml(value, f"SET, {name}")
    return overrides


def split_overrides(overrides: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Parameters of the runs, and those of the study's stages and branches: `branches.reheat.steps`."""
    beside: dict[str, dict[str, Any]] = {"stages": {}, "branches": {}}
    ours = {}
    for name, value in overrides.items():
        section, _, rest = name.partition(".")
        if section in beside:
            owner, _, leaf = rest.partition(".")
            if not leaf:
                raise BadInput(f"SET: {plain_name(name)}: expected {section}.NAME.PARAMETER")
            beside[section].setdefault(owner, {})[leaf] = value
        else:
            ours[name] = value
    return ours, beside
