"""Which tasks, models and optimizers there are, and the parameters of each.

`lib/<room>/<name>.py` holds a class `Parameters`, a folder `lib/<room>/<name>/` has it in `params.py`. There is no
list to edit: a file is a member by being there.

Of a file only the classes of parameters are run, not the rest of it: the rest imports torch, which takes 1.7 s,
and a `make` with nothing to do takes one second in all.
"""

import ast
import builtins
import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Union

from pydantic import Field

from lib.base.errors import BadInput
from lib.params.fields import Strict

LIB = Path(__file__).resolve().parents[1]
ROOMS = {"task": "tasks", "model": "models", "optim": "optim"}  # section of the parameters -> room
METRICS = LIB / "train" / "metrics.py"
CLASS = "Parameters"
# What a class of parameters may be made of.
SOURCES = ("typing", "pydantic", "fractions", "math", "lib.params.fields")


@cache
def members(section: str) -> dict[str, type[Strict]]:
    """Name -> class of parameters of every task, model or optimizer, in alphabetical order."""
    found = {}
    for path in sorted((LIB / ROOMS[section]).iterdir()):
        file = path / "params.py" if path.is_dir() else path
        if file.suffix == ".py" and file.is_file() and (cls := _parameters(file)):
            found[path.stem] = cls
    return found


def parameters_of(section: str, name: Any) -> type[Strict] | None:
    """The class of parameters of a member; None where there is no such member, whatever stands for its name."""
    return members(section).get(name) if isinstance(name, str) else None


def union(section: str) -> Any:
    """The type of a section: one of its members, told apart by `name`."""
    classes = tuple(members(section).values())
    return Annotated[Union[classes], Field(discriminator="name")]  # noqa: UP007 - made from a list


def member(section: str, name: str) -> ModuleType:
    """The module of a task, model or optimizer, with torch and all that it imports.

    Of a folder it is `<name>/<section>.py`: `lib/tasks/stories/task.py`.
    """
    room = ROOMS[section]
    inner = f".{section}" if (LIB / room / name).is_dir() else ""
    return importlib.import_module(f"lib.{room}.{name}{inner}")


def module_paths(section: str, name: str) -> list[Path]:
    """The file that `member` imports, and of a folder the one with the parameters."""
    place = LIB / ROOMS[section] / name
    return [place / f"{section}.py", place / "params.py"] if place.is_dir() else [place.with_suffix(".py")]


def metric_files(task: str) -> list[Path]:
    """Whose public functions are metrics: one file for every task, and one in the folder of a task that has it."""
    return [METRICS, *([own] if (own := LIB / "tasks" / task / "metrics.py").is_file() else [])]


@cache
def metrics_in(file: Path) -> dict[str, str]:
    """Name -> meaning of the metrics of a file: its public functions, and what their first lines say."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in public}


@cache
def metric_names(task: Any = None) -> dict[str, str]:
    """Name -> meaning of what can be measured of a whole model inside the loop: for a task, or for any."""
    files = [file for name in (members("task") if task is None else [str(task)]) for file in metric_files(name)]
    return {name: meaning for file in files for name, meaning in metrics_in(file).items()}


def metrics(task: str) -> dict[str, Callable[..., Any]]:
    """Name -> function of every metric that a task has, with torch and all that they import."""
    found = {}
    for file in metric_files(task):
        module = importlib.import_module(".".join(file.relative_to(LIB.parent).with_suffix("").parts))
        found |= {name: getattr(module, name) for name in metrics_in(file)}
    return found


def home(section: str, name: str) -> str:
    """Where a member of this name would go, as a reader of messages knows it."""
    return f"lib/{ROOMS[section]}/{name}.py"


def _parameters(file: Path) -> type[Strict] | None:
    """The class `Parameters` of a file, with the constants and classes before it that it may need."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    places = [n for n, node in enumerate(tree.body) if isinstance(node, ast.ClassDef) and node.name == CLASS]
    if not places:
        return None
    names: dict[str, Any] = {"__name__": f"lib.parameters.{file.parent.name}.{file.stem}"}
    for node in tree.body[: places[0]]:
        if _is_source(node) or (isinstance(node, ast.ClassDef | ast.Assign) and _known(node, names)):
            exec(compile(ast.Module([node], []), str(file), "exec"), names)
    try:
        exec(compile(ast.Module([tree.body[places[0]]], []), str(file), "exec"), names)
    except NameError as error:
        raise BadInput(
            f"{file}: the class {CLASS} uses {error.name}; it may use constants and classes of parameters before "
            f"it in the file, and what {', '.join(SOURCES)} have"
        ) from None
    return names[CLASS]


def _is_source(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module in SOURCES
    return isinstance(node, ast.Import) and all(alias.name in SOURCES for alias in node.names)


def _known(node: ast.stmt, names: dict[str, Any]) -> bool:
    """Whether a class or constant is made of nothing but what is there already."""
    parts = node.bases if isinstance(node, ast.ClassDef) else [node.value]
    used = {part.id for tree in parts for part in ast.walk(tree) if isinstance(part, ast.Name)}
    return all(name in names or hasattr(builtins, name) for name in used)
