"""What a computation really runs: the top-level definitions that its code reaches, each with a hash.

From a notebook or a function the names it uses are followed through the project's modules: a definition that is
not reached does not count, in however large a file it stands. A hash is blind to what computes nothing: comments,
layout, docstrings, annotations of functions, the wording of errors and of what is printed.

The run's task, model and optimizer are imported by name. Of them counts what is reached by attribute: the
functions whose names the code asks of any module, and so the methods of their parameters.
"""

import ast
import contextlib
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import ROOT, content_hash, read_json, write_atomically

PACKAGES = ("lib", "storyworld", "paper")
EVERYTHING = "*"  # a whole module
METHOD = "Parameters."  # of the class of a member's parameters, whose fields are hashed as values
LOOSE = "(module)"  # statements of a module that define nothing: they run whenever it is imported
# Modules that tell, check, lock and name, and compute nothing; what they are told is hashed as parameters instead.
TELLING = {
    *(f"lib/base/{name}.py" for name in ("clock", "code", "disk", "errors", "interrupts", "locks", "memory")),
    *(f"lib/base/{name}.py" for name in ("provenance", "sentence", "yaml_text")),
    *(
        f"lib/params/{name}.py"
        for name in ("arguments", "dotted", "fields", "help", "members", "names", "overrides")
    ),
    *(f"lib/params/{name}.py" for name in ("run", "scaling", "stages", "study", "study_file")),
    "lib/train/identity.py",
    "lib/train/progress.py",
}
SAYING = ("print", "say", "display")

Place = tuple[Path, str]  # a definition: file and name


@dataclass(frozen=True)
class Definition:
    """A top-level definition: its hash, the definitions it names, and every attribute it asks for."""

    hash: str
    uses: frozenset[Place]
    attributes: frozenset[str]


def reached(roots: Iterable[Place], members: Iterable[Path] = (), without: tuple[str, ...] = ()) -> dict[str, str]:
    """'file: name' -> hash of every definition that the roots reach, themselves included, in a stable order.

    Args:
        members: modules that the code imports by name: of each counts what is asked of it by attribute.
        without: folders, relative to the project, whose modules do not count.
    """
    found: dict[Place, Definition] = {}
    asked: set[str] = set()
    answered: set[Place] = set()
    waiting = list(members)
    todo = list(roots)
    while todo:
        path, name = todo.pop()
        for place in _places(path, name):
            if place in found or _tells(place[0], without):
                continue
            definition = definitions(place[0])[place[1]]
            found[place] = definition
            asked |= definition.attributes
            todo += definition.uses
            if LOOSE in definitions(place[0]):
                todo.append((place[0], LOOSE))
        if not todo:  # whatever is asked by now; what it asks in its turn comes round again
            names = asked | {METHOD + name for name in asked}
            todo = [(m, name) for m in waiting for name in _offered(m) & names if (m, name) not in answered]
            answered |= set(todo)
    _keep()
    return {f"{path.relative_to(ROOT)}: {name}": d.hash for (path, name), d in sorted(found.items())}


def modules(table: dict[str, str]) -> list[str]:
    """The files of a table of definitions."""
    return sorted({name.split(":")[0] for name in table})


def _places(path: Path, name: str) -> list[Place]:
    """Where a name that is asked of a module is really defined; nothing for names that are not ours."""
    known = definitions(path)
    if name == EVERYTHING:
        return [(path, each) for each in known]
    if name in known:
        return [(path, name)]
    target = _module(path).imports.get(name)  # a name that the module has from another one
    return _places(*target) if target else []


def _offered(path: Path) -> set[str]:
    """The names that a module answers to: what it defines, and what it has from another one."""
    taken = (name for name, (_, inner) in _module(path).imports.items() if inner != EVERYTHING)
    return {*definitions(path), *taken}


def _tells(path: Path, without: tuple[str, ...]) -> bool:
    name = str(path.relative_to(ROOT))
    return name in TELLING or name.startswith(without)


@dataclass(frozen=True)
class Module:
    """A file's top-level definitions by name, and where the names come from that it imports."""

    definitions: dict[str, Definition]
    imports: dict[str, Place]


def definitions(path: Path) -> dict[str, Definition]:
    """The top-level definitions of a file by name; several assignments to a name are one."""
    return _module(path).definitions


@functools.cache
def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    key = content_hash([text, _listing(), _rules()])
    name = str(path.relative_to(ROOT))
    kept_key, module = _kept().get(name, (None, None))
    if kept_key != key:
        groups, imports = _parsed(path, text)
        found = {name: _definition(path, nodes, groups, imports) for name, nodes in groups.items()}
        module = Module(found, imports)
        _fresh[name] = key, module
    return module


def _definition(
    path: Path, nodes: list[ast.stmt], groups: dict[str, list[ast.stmt]], imports: dict[str, Place]
) -> Definition:
    uses: set[Place] = set()
    attributes: set[str] = set()
    own = dict(imports)
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Import | ast.ImportFrom):
                own |= _imported(part)
    for node in nodes:
        taken = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute):
                attributes.add(part.attr)
                module = own.get(part.value.id) if isinstance(part.value, ast.Name) else None
                if module and module[1] == EVERYTHING:
                    uses.add((module[0], part.attr))
                    taken.add(part.value)
            elif isinstance(part, ast.Name) and part not in taken:
                if part.id in own:
                    uses.add(own[part.id])
                elif part.id in groups:
                    uses.add((path, part.id))
    dumped = [ast.dump(node) for node in nodes]
    return Definition(content_hash(dumped), frozenset(uses), frozenset(attributes))


def _parsed(path: Path, text: str) -> tuple[dict[str, list[ast.stmt]], dict[str, Place]]:
    """(name -> statements that define it, name -> where it is imported from) of a file."""
    tree = ast.parse(text, str(path))
    groups: dict[str, list[ast.stmt]] = {}
    imports: dict[str, Place] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node)
            continue
        if _is_text(node) or _for_types(node):
            continue
        names, within = _bound(node)
        imports |= within
        node = _Computing().visit(node)
        for name in names or [LOOSE]:
            groups.setdefault(name, []).append(node)
        if names == [METHOD[:-1]] and isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
            groups |= {METHOD + part.name: [part] for part in methods if not _checks(part)}
    return groups, imports


def _bound(node: ast.stmt) -> tuple[list[str], dict[str, Place]]:
    """(names that a top-level statement defines, what it imports); of an `if`, `try` or loop those inside."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [], _imported(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name], {}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)], {}
    names, imports = [], {}
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.stmt | ast.ExceptHandler):
            own, taken = _bound(part)
            names, imports = names + own, imports | taken
    return names, imports


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, Place]:
    """Local name -> module or definition of ours that an import binds to it."""
    found: dict[str, Place] = {}
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            inner, outer = _file(f"{base}.{alias.name}"), _file(base)
            if inner:
                found[alias.asname or alias.name] = (inner, EVERYTHING)
            elif outer:
                found[alias.asname or alias.name] = (outer, alias.name)
        elif file := _file(alias.name):
            found[alias.asname or alias.name.split(".")[0]] = (file, EVERYTHING)
    return found


@functools.cache
def _file(module: str) -> Path | None:
    """The file of a module of ours."""
    if module.split(".")[0] not in PACKAGES:
        return None
    base = ROOT.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _checks(method: ast.FunctionDef) -> bool:  # and so makes the values that are hashed
    return any("validator" in ast.unparse(decorator) for decorator in method.decorator_list)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


class _Computing(ast.NodeTransformer):
    """Takes out what computes nothing."""

    in_class = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node, in_class=True)

    def _body(self, node: ast.FunctionDef | ast.ClassDef, in_class: bool) -> ast.AST:
        node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        outer, self.in_class = self.in_class, in_class
        try:
            return self.generic_visit(node)
        finally:
            self.in_class = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self.in_class:  # the type of a field is checked, or decides what the field is
            return self.generic_visit(node)
        if node.value is None:
            return ast.Pass()
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value.func if isinstance(node.value, ast.Call) else None
        name = call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", None)
        return ast.Pass() if name in SAYING else self.generic_visit(node)


# ------------------------------------------------------------------------------------------- kept from call to call

# Parsing all modules takes half a second of the one that a make with nothing to do may take: what was found of a
# file is kept beside Python's own compiled files, with a hash of its content, the names of all files, and the rules
# above. One version of a file is kept: every command reads them all.
KEPT = ROOT / "lib" / "__pycache__" / "definitions.json"
Kept = tuple[str, Module]  # hash of what it was found from
_fresh: dict[str, Kept] = {}


@functools.cache
def _listing() -> str:
    """Which files there are: a new one can change what an import means."""
    return content_hash(sorted(str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.py")))


@functools.cache
def _rules() -> str:
    return Path(__file__).read_text(encoding="utf-8")


@functools.cache
def _kept() -> dict[str, Kept]:
    found = read_json(KEPT)
    try:
        return {file: (entry["key"], _from_json(entry)) for file, entry in found.items() if (ROOT / file).is_file()}
    except (LookupError, TypeError, ValueError, AttributeError):  # whatever somebody else wrote there
        return {}


def _keep() -> None:
    """Write what is new, with what of the old still stands; where nothing can be written, the next call parses."""
    if _fresh:
        entries = {file: {"key": key} | _as_json(module) for file, (key, module) in {**_kept(), **_fresh}.items()}
        with contextlib.suppress(OSError, BadInput):
            write_atomically(KEPT, json.dumps(entries))
        _kept().update(_fresh)
        _fresh.clear()


def _as_json(module: Module) -> dict[str, Any]:
    return {
        "imports": {name: _place_text(place) for name, place in module.imports.items()},
        "definitions": {
            name: [d.hash, sorted(map(_place_text, d.uses)), sorted(d.attributes)]
            for name, d in module.definitions.items()
        },
    }


def _from_json(entry: dict[str, Any]) -> Module:
    return Module(
        {
            name: Definition(digest, frozenset(map(_place, uses)), frozenset(attributes))
            for name, (digest, uses, attributes) in entry["definitions"].items()
        },
        {name: _place(text) for name, text in entry["imports"].items()},
    )


def _place_text(place: Place) -> str:
    return f"{place[0].relative_to(ROOT)}: {place[1]}"


def _place(text: str) -> Place:
    file, _, name = text.partition(": ")
    return _path(file), name


@functools.cache  # thousands of places, a hundred files
def _path(file: str) -> Path:
    return ROOT / file
