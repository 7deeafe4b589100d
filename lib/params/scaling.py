"""A profile's scales: published step counts divided exactly, published token counts rounded."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from lib.base.errors import BadInput
from lib.params.members import ROOMS, parameters_of
from lib.params.run import Params


def scale(value: Any, kind: str, where: str) -> Fraction:
    try:
        fraction = Fraction(0 if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        fraction = Fraction(0)
    if fraction <= 0:
        raise BadInput(f"{where}: {kind}_scale = {value!r}: expected a number like 5 or 5/2")
    return fraction


def scaled(
    values: dict[str, Any], model: type[BaseModel], time: Fraction, tokens: Fraction, where: str
) -> dict[str, Any]:
    """`values` with step counts divided by `time`, exactly, and token counts by `tokens`, halves to even."""
    result = dict(values)
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        value = values[name]
        inner = field.annotation
        if model is Params and name in ROOMS and isinstance(value, dict):
            inner = parameters_of(name, value.get("name"))
        models = [m for m in (inner, *get_args(inner)) if isinstance(m, type) and issubclass(m, BaseModel)]
        if models and isinstance(value, dict):
            result[name] = scaled(value, models[0], time, tokens, where)
        marks = unit_marks(field.metadata, inner)
        if "steps" in marks:
            result[name] = each(value, lambda v, name=name: exactly(v, time, name, where))
        elif "tokens" in marks:
            result[name] = each(value, lambda v: max(1, round(Fraction(v) / tokens)))
    return result


def unit_marks(metadata: Iterable[Any], annotation: Any) -> set[str]:
    """The unit with which a field's type is annotated, or the items of its list or mapping, or it besides null."""
    marks = {mark for mark in metadata if isinstance(mark, str)}
    marks |= {mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, str)}
    for argument in get_args(annotation):
        if get_origin(annotation) in (list, dict, Union, UnionType):
            marks |= unit_marks((), argument)
    return marks


def each(value: Any, function: Callable[[int], int]) -> Any:
    """`function` of a whole number, or of every one in a list or a mapping."""
    if isinstance(value, dict):
        return {key: each(v, function) for key, v in value.items()}
    if isinstance(value, list):
        return [each(v, function) for v in value]
    return function(value) if isinstance(value, int) and not isinstance(value, bool) else value


def exactly(value: int, time: Fraction, name: str, where: str) -> int:
    quotient = Fraction(value) / time
    if quotient.denominator != 1:
        raise BadInput(
            f"{where}: {name} = {value} published steps is not a whole number of steps at time_scale {time}"
        )
    return int(quotient)
