"""A parameters file read a second way: what an accepted one holds that was not said, and the reverse."""

import math
import re

import yaml

from lib.base.files import json_text
from lib.base.yaml_text import parse_yaml
from lib.params.dotted import flatten
from lib.params.fields import LARGEST
from lib.params.names import LONGEST_NAME
from lib.params.run import Params, dump_params, identity, run_hash, validate
from lib.params.study import MOST_RUNS
from tests.faults.damage import FAST


def unclear(message, path):
    """Why a refusal is not one plain line a fault, each with the file's name in it."""
    lines = message.split("\n")
    if len(lines) > 21:
        return f"{len(lines)} lines at once"
    for line in lines:
        if not line.isprintable() or len(line) > 1000 or str(path) not in line:
            return f"an unclear line: {line!r}"
    return ""


def misread_run(params, path):
    """What an accepted file of one run holds that the run does not, or the other way round."""
    told, problem = as_written(path)
    if problem:
        return problem
    ours = flatten(params.model_dump(mode="json"))
    if told.keys() != ours.keys():
        return f"other keys: {set(told) ^ set(ours)}"
    for name, node in told.items():
        if not says(node, ours[name]):
            return f"{name} is {ours[name]!r}"
    return unsound(params)


def misread_study(study, path):
    """What an accepted study file says that the study does not; the profile `paper` changes no value."""
    told, problem = as_written(path)
    if problem:
        return problem
    if not 1 <= len(study.runs) <= MOST_RUNS or len({run.name for run in study.runs}) != len(study.runs):
        return "too many runs, or two of one name"
    runs = [flatten(run.params.model_dump(mode="json")) for run in study.runs]
    axes = {name.removeprefix("axes."): node for name, node in told.items() if name.startswith("axes.")}
    given = {name.removeprefix("set.") for name in told if name.startswith("set.")}
    plain = all(says(node, 1) for name, node in told.items() if name.startswith("profiles.paper."))
    for name, node in axes.items():
        if name in given:
            return f"{name} is in set and in axes"
        values = unique(run[name] for run in runs)
        if not isinstance(node, yaml.SequenceNode) or not each_says(node.value, values):
            return f"axis {name} is {values}"
    if len(study.runs) != math.prod(len(node.value) for node in axes.values()):
        return f"{len(study.runs)} runs of the axes {list(axes)}"
    for name, node in told.items():
        section, _, leaf = name.partition(".")
        overridden = section == "params" and (leaf in axes or leaf in given or not plain)
        if section in ("set", "params") and not overridden and not all(says(node, run[leaf]) for run in runs):
            return f"{name} is {runs[0][leaf]!r}"
        owner, _, what = leaf.rpartition(".")
        if section == "branches" and owner and not says(node, getattr(study.branches[owner], what)):
            return f"{name} is {getattr(study.branches[owner], what)!r}"
        if section == "stages" and what in ("parameters", "where", "needs", "makes"):
            found = [getattr(stage, what) for stage in study.stages if stage.name == owner]
            if found and not says(node, list(found[0]) if isinstance(found[0], tuple) else found[0]):
                return f"{name} is {found[0]!r}"
    if not says(told["study"], study.name) or (
        "question" in told and told["question"].value.strip() != study.question
    ):
        return "another study or question"
    return next(filter(None, (unsound(run.params) or badly_named(run.name) for run in study.runs[:2])), "")


def unsound(params):
    """Why these parameters cannot stand: they come back otherwise, or a number is out of every range."""
    again = validate(Params, parse_yaml(dump_params(params), "again"), "again")
    if again != params or run_hash(again) != run_hash(params):
        return "the dumped run is another run"
    json_text(identity(params)).encode()
    for name, value in flatten(params.model_dump(mode="json")).items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                return f"{name} = {number}"
            if isinstance(number, int) and not 0 <= number < max(2**32, LARGEST + 1):
                return f"{name} = {number}"
            if isinstance(number, str) and "\0" in number:
                return f"{name} = {number!r}, which no path can hold"
    return ""


def badly_named(name):
    return "" if re.fullmatch(r"[\w.+-]+", name) and len(name.encode()) <= LONGEST_NAME else f"the name {name!r}"


def as_written(path):
    """({dotted name: node}, problem): every leaf of a file, by the library's own reading of the text."""
    text = path.read_text(encoding="utf-8")
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, FAST)):
        return {}, "a reference was taken"
    leaves, problem = {}, ""
    todo = [("", yaml.compose(text, FAST))]
    while todo:
        name, node = todo.pop()
        sectioned = name not in ("set.start", "params.start", "start") and not re.fullmatch(WHOLE, name)
        if isinstance(node, yaml.MappingNode) and sectioned and (node.value or name in TOP):
            for key, value in node.value:
                todo.append((f"{name}.{key.value}".lstrip("."), value))
        elif name in leaves:
            problem = f"{name} was given twice"
        else:
            leaves[name] = node
    return leaves, problem


TOP = ("", "set", "axes", "params", "profiles", "stages", "branches")
# Taken as they stand.
WHOLE = r"axes\..+|stages\.[^.]+\.(parameters|where)|branches\.[^.]+\.(where|vary|set|further)"


def says(node, value):
    """Whether the text of a node means `value`, by rules written down here once more."""
    if isinstance(value, dict):
        pairs = {key.value: item for key, item in node.value} if isinstance(node, yaml.MappingNode) else {}
        return pairs.keys() == value.keys() and all(says(pairs[key], value[key]) for key in value)
    if isinstance(value, list):
        return isinstance(node, yaml.SequenceNode) and each_says(node.value, value)
    if not isinstance(node, yaml.ScalarNode):
        return False
    text = node.value
    if value is None:
        return text in ("", "~", "null", "Null", "NULL") or node.tag.endswith(":null")
    if isinstance(value, bool):
        return text.lower() in (("true", "yes", "on") if value else ("false", "no", "off"))
    if isinstance(value, str):
        return text == value
    try:
        return value == type(value)(
            int(text, 0) if re.fullmatch(r"[-+]?(0[xob])?[0-9a-fA-F_]+", text) else float(text)
        )
    except ValueError:
        return False


def each_says(nodes, values):
    return len(nodes) == len(values) and all(map(says, nodes, values))


def unique(values):
    return list({repr(value): value for value in values}.values())


# ------------------------------------------------------------------------------------------ the real command
