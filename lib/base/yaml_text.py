"""YAML as the parameters are written in it: plain data, each key once, nothing that reads in two ways."""

import contextlib
import re
from pathlib import Path
from typing import Any

import yaml

from lib.base.errors import BadInput, shown

LARGEST_FILE = 1_000_000  # bytes; the longest file of ours has a few thousand
READ_OTHERWISE = "\t!\ufeff"  # by libyaml, a tab inside of a word among it
LONGEST_NUMBER = 10_000  # bits; Python refuses to write integers of not many more


class _Rules:
    """YAML 1.2 numbers: `1e-8` is a float; and a key given twice is an error."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # A few nested references stand for more values than any memory holds, or for themselves.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "references (*name) are not taken, write it out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "this is no mapping", node.start_mark)
        seen: set = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} is not text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        text = self.construct_scalar(node)
        text.encode()  # half a surrogate pair, which YAML can spell, fits into no file
        return text

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        text = self.construct_scalar(node)
        # YAML 1.1 has 042 = 34 and 1:30 = 90, YAML 1.2 has not.
        if ":" in text or re.match(r"[-+]?0[0-9_]+$", text):
            problem = f"the number {shown(text)} reads differently in other YAML; write it in decimals"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if node.tag.endswith(":int"):
            number = self.construct_yaml_int(node)
            if number.bit_length() > LONGEST_NUMBER:
                problem = "a number of thousands of digits"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return number
        return self.construct_yaml_float(node)


class _Loader(_Rules, yaml.SafeLoader):
    pass


class _FastLoader(_Rules, yaml.composer.Composer, yaml.CSafeLoader):
    """The same rules where libyaml reads the text: a fifth of the time, and poorer words for a mistake."""

    def __init__(self, text: str) -> None:
        yaml.composer.Composer.__init__(self)
        yaml.CSafeLoader.__init__(self, text)


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loaders would read as a number."""


for _loader in (_Loader, _FastLoader):
    for _kind_of_number in ("int", "float"):
        _loader.add_constructor(f"tag:yaml.org,2002:{_kind_of_number}", _Rules.construct_number)
    _loader.add_constructor("tag:yaml.org,2002:str", _Rules.construct_text)
for _yaml in (_Loader, _FastLoader, _Dumper):
    _yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )


def parse_yaml(text: str, where: str) -> Any:
    """The data of a text; BadInput, with `where` and its line and column, for what is none."""
    if not any(character in text for character in READ_OTHERWISE):
        with contextlib.suppress(Exception):  # the other loader says what is wrong
            return yaml.load(text, Loader=_FastLoader)
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())
        raise BadInput(f"{place}: this is not readable YAML: {problem}") from None
    # What the library lets through of tags on values that do not fit them: `!!int ""`, `!!timestamp x`.
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise BadInput(f"{where}: this is not readable YAML: {type(error).__name__}: {error}") from None


def dump_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(f"{path}: there is no such {what}")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise BadInput(f"{path}: a {what} has at most {LARGEST_FILE} bytes, this file has {size}")
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: a {what} is UTF-8 text, and byte {error.start} of this file is not") from None
    except OSError as error:
        raise BadInput(f"{path}: this {what} cannot be read: {error.strerror}") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: a {what} is a mapping of keys to values, this file is {_kind(data)}")
    return data


def _kind(data: Any) -> str:
    return "empty" if data is None else f"a {type(data).__name__}"
