"""Every parameter of a run, said once: its name, meaning, default and what it may be. For the command and docs/.

All of it is read from the models of the parameters: a new field, task, model or optimizer describes itself.
"""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from lib.params.dotted import flatten
from lib.params.fields import LARGEST, Member, Metric
from lib.params.members import ROOMS, members, metric_names
from lib.params.run import Params

WIDTH = 100
NO_DEFAULT = "has to be named"


@dataclass(frozen=True)
class Described:
    """One parameter, as a reader needs it."""

    name: str  # dotted
    flags: tuple[str, ...]  # shorter names of it
    meaning: str
    allowed: str
    default: str


@dataclass(frozen=True)
class Group:
    """The parameters under one heading."""

    heading: str
    about: str
    parameters: list[Described]


def described(p: Params, flags: dict[str, str]) -> list[Group]:
    """Every parameter there is, by section, with the defaults of `p`.

    Args:
        flags: short name -> dotted name.
    """
    values = flatten(p.model_dump(mode="json"))
    short: dict[str, list[str]] = {}
    for flag, name in flags.items():
        short.setdefault(name, []).append(flag)

    def rows(model: type[BaseModel], prefix: str, without: Iterable[str], used: bool) -> list[Described]:
        """The leaves of a model; `used` when the run has this one, and not another member of the union."""
        found = []
        schema = model.model_json_schema()
        for key, field in model.model_fields.items():
            name = prefix + key
            if key in without:
                continue
            if is_section(field.annotation):
                found += rows(field.annotation, f"{name}.", (), used)
                continue
            if Metric in get_args(field.annotation):
                may = allowed(schema["properties"][key]["additionalProperties"], {})
                for metric, about in metric_names().items():
                    default = _default(values.get(f"{name}.{metric}"))
                    found.append(Described(f"{name}.{metric}", (), f"{field.description}: {about}", may, default))
                continue
            default = _default(field.default) if not field.is_required() else NO_DEFAULT
            if used and name in values:
                default = _default(values[name])
            may = allowed(schema["properties"][key], schema.get("$defs", {}))
            others = tuple(flag for flag in short.get(name, ()) if flag != name)
            found.append(Described(name, others, field.description or "", may, default))
        return found

    fields = Params.model_fields
    sections = [name for name, field in fields.items() if name in ROOMS or is_section(field.annotation)]
    groups = [Group("the run", "", rows(Params, "", sections, True))]
    for section in sections:
        prefix = f"{section}."
        if section not in ROOMS:
            groups.append(Group(section, "", rows(fields[section].annotation, prefix, (), True)))
            continue
        kinds = members(section)
        common = common_fields(list(kinds.values()))
        used = type(getattr(p, section))
        name = Described(
            f"{section}.name",
            (),
            f"a file of lib/{ROOMS[section]}/",
            _either(list(kinds)),
            values[f"{section}.name"],
        )
        own = [key for key in used.model_fields if key not in common]
        groups.append(Group(section, "", [name, *rows(used, prefix, own, True)]))
        for kind, cls in kinds.items():
            about = cls.model_fields["name"].description or ""
            mine = rows(cls, prefix, ["name", *common], cls is used)
            groups.append(Group(f"{section}.name = {kind}", about, mine))
    return groups


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def common_fields(classes: list[type[Member]]) -> tuple[str, ...]:
    """Names of the fields that all members of a union have from the class they are made of."""
    bases = set.intersection(*(set(cls.__mro__[1:]) for cls in classes))
    return tuple(dict.fromkeys(n for b in bases if issubclass(b, Member) for n in b.model_fields))


def allowed(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a JSON schema lets through, in words."""
    if "anyOf" in schema:
        return " or ".join(allowed(one, definitions) for one in schema["anyOf"])
    if "$ref" in schema:
        return f"a mapping of {', '.join(definitions[schema['$ref'].rpartition('/')[2]]['properties'])}"
    if "const" in schema or "enum" in schema:
        return _either(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind == "array":
        many = f"a list of {schema['minItems']}" if "minItems" in schema else "a list"
        return f"{many}, each {allowed(schema['items'], definitions)}"
    if kind in ("integer", "number"):
        return _number("a whole number" if kind == "integer" else "a number", schema)
    return {"boolean": "true or false", "null": "null", "string": "text"}.get(kind, "any value")


def _number(what: str, schema: dict[str, Any]) -> str:
    bounds = {"minimum": " from", "exclusiveMinimum": " above", "maximum": " to", "exclusiveMaximum": ", below"}
    given = [f"{word} {schema[key]:.12g}" for key, word in bounds.items() if schema.get(key, LARGEST) != LARGEST]
    return what + "".join(given)


def _either(values: list[Any]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}" if first else last


def _default(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, str) or not value else value


# ------------------------------------------------------------------------------------------------------- as text


def as_text(groups: list[Group]) -> str:
    lines = []
    for group in groups:
        lines += ["", group.heading + (f": {group.about}" if group.about else "")]
        for one in group.parameters:
            names = ", ".join(f"--{name}" for name in (one.name, *one.flags))
            lines.append(f"  {names:44} {one.default}")
            said = f"{one.meaning} ({one.allowed})"
            lines += textwrap.wrap(said, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines[1:])


def as_markdown(groups: list[Group]) -> str:
    parts = []
    for group in groups:
        rows = []
        for one in group.parameters:
            flags = "".join(f", `--{flag}`" for flag in one.flags)
            rows.append(f"| `{one.name}`{flags} | {one.meaning} | {one.allowed} | {one.default} |")
        table = ["| parameter | meaning | what it may be | default |", "|---|---|---|---|", *rows] if rows else []
        about = [f"{group.about[0].upper()}{group.about[1:]}.", ""] if group.about else []
        parts.append("\n".join([f"## {group.heading}", "", *about, *table]))
    return "\n\n".join(parts) + "\n"
