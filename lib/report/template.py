"""What a page is filled from: a template of this folder, its data as JSON, and the one script that it runs.

A page needs nothing but itself: images inside it, formulas as MathML, no script but the one that its content
security policy names by hash, and a browser holds it to that.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def templates() -> Environment:
    """The templates beside this file; what is put into them is escaped unless it is HTML already."""
    return Environment(
        loader=PackageLoader("lib.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )


def render(template: str, **values: Any) -> str:
    """A template of this folder, filled."""
    return templates().get_template(template).render(**values)


@dataclass(frozen=True)
class Script:
    """The page's one script, and the hash by which its content security policy knows it."""

    text: str
    hash: str


def script_of(paths: Iterable[Path]) -> Script:
    """Files that make one script of a page."""
    text = "\n" + "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return Script(text, base64.b64encode(sha256(text.encode()).digest()).decode())


def page_json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
