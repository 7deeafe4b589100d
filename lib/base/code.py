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
from pathlib import Path
from typing import NamedTuple

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

Place = str  # a definition, 'file: name'; thousands are followed in every command, and a Path is slow to make


class Definition(NamedTuple):
    """A top-level definition: its hash, the definitions it names, and every attribute it asks for."""

    hash: str
    uses: list[Place]
    attributes: list[str]


class Module(NamedTuple):
    """A file's top-level definitions by name, and where the names come from that it imports."""

    imports: dict[str, Place]
    definitions: dict[str, Definition]
    key: str  # a hash of what they were found from


def reached(
    roots: Iterable[tuple[Path, str]], members: Iterable[Path] = (), without: tuple[str, ...] = ()
) -> dict[str, str]:
    """'file: name' -> hash of every definition that the roots reach, themselves included, in a stable order.

    Args:
        roots: files and the names in them; `EVERYTHING` is all names.
        members: modules that the code imports by name: of each counts what is asked of it by attribute.
        without: folders, relative to the project, whose modules do not count.
    """
    found: dict[Place, str] = {}
    asked: set[str] = set()
    answered: set[Place] = set()
    waiting = [_relative(path) for path in members]
    todo = [_place(_relative(path), name) for path, name in roots]
    while todo:
        for place in _places(todo.pop()):
            file, _, name = place.partition(": ")
            if place in found or file in TELLING or file.startswith(without):
                continue
            definition = definitions(file)[name]
            found[place] = definition.hash
            asked.update(definition.attributes)
            todo += definition.uses
            if LOOSE in definitions(file):
                todo.append(_place(file, LOOSE))
        if not todo:  # whatever is asked by now; what it asks in its turn comes round again
            names = asked | {METHOD + name for name in asked}
            todo = list({_place(file, name) for file in waiting for name in _offered(file) & names} - answered)
            answered.update(todo)
    _keep()
    return dict(sorted(found.items()))


def modules(table: dict[str, str]) -> list[str]:
    """The files of a table of definitions."""
    return sorted({name.split(":")[0] for name in table})


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _place(file: str, name: str) -> Place:
    return f"{file}: {name}"


@functools.cache
def _places(asked: Place) -> list[Place]:
    """Where a name that is asked of a module is really defined; nothing for names that are not ours."""
    file, _, name = asked.partition(": ")
    known = definitions(file)
    if name == EVERYTHING:
        return [_place(file, each) for each in known]
    if name in known:
        return [asked]
    target = _module(file).imports.get(name)  # a name that the module has from another one
    return _places(target) if target else []


def _offered(file: str) -> set[str]:
    """The names that a module answers to: what it defines, and what it has from another one."""
    taken = (name for name, place in _module(file).imports.items() if not _is_module(place))
    return {*definitions(file), *taken}


def _is_module(place: Place) -> bool:
    return place.endswith(f": {EVERYTHING}")


def definitions(file: str) -> dict[str, Definition]:
    """The top-level definitions of a file by name; several assignments to a name are one."""
    return _module(file).definitions


@functools.cache
def _module(file: str) -> Module:
    text = (ROOT / file).read_text(encoding="utf-8")
    key = content_hash([text, _listing(), _rules()])
    kept = _kept().get(file)
    if kept and kept.key == key:
        return kept
    groups, imports = _parsed(file, text)
    module = Module(
        imports, {name: _definition(file, nodes, groups, imports) for name, nodes in groups.items()}, key
    )
    _fresh[file] = module
    return module


def _definition(
    file: str, nodes: list[ast.stmt], groups: dict[str, list[ast.stmt]], imports: dict[str, Place]
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
                if module and _is_module(module):
                    uses.add(_place(module.partition(": ")[0], part.attr))
                    taken.add(part.value)
            elif isinstance(part, ast.Name) and part not in taken:
                if part.id in own:
                    uses.add(own[part.id])
                elif part.id in groups:
                    uses.add(_place(file, part.id))
    dumped = [ast.dump(node) for node in nodes]
    return Definition(content_hash(dumped), sorted(uses), sorted(attributes))


def _parsed(file: str, text: str) -> tuple[dict[str, list[ast.stmt]], dict[str, Place]]:
    """(name -> statements that define it, name -> where it is imported from) of a file."""
    tree = ast.parse(text, file)
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
                found[alias.asname or alias.name] = _place(inner, EVERYTHING)
            elif outer:
                found[alias.asname or alias.name] = _place(outer, alias.name)
        elif file := _file(alias.name):
            found[alias.asname or alias.name.split(".")[0]] = _place(file, EVERYTHING)
    return found


@functools.cache
def _file(module: str) -> str | None:
    """The file of a module of ours."""
    if module.split(".")[0] not in PACKAGES:
        return None
    base = module.replace(".", "/")
    return next((file for file in (f"{base}.py", f"{base}/__init__.py") if (ROOT / file).is_file()), None)


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
_fresh: dict[str, Module] = {}


@functools.cache
def _listing() -> str:
    """Which files there are: a new one can change what an import means."""
    return content_hash(sorted(str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.py")))


@functools.cache
def _rules() -> str:
    return content_hash(Path(__file__).read_text(encoding="utf-8"))


@functools.cache
def _kept() -> dict[str, Module]:
    found = read_json(KEPT)
    try:
        return {
            file: Module(imports, {name: Definition(*parts) for name, parts in definitions.items()}, key)
            for file, (imports, definitions, key) in found.items()
            if (ROOT / file).is_file()
        }
    except (LookupError, TypeError, ValueError, AttributeError):  # whatever somebody else wrote there
        return {}


def _keep() -> None:
    """Write what is new, with what of the old still stands; where nothing can be written, the next call parses."""
    if _fresh:
        _kept().update(_fresh)
        _fresh.clear()
        with contextlib.suppress(OSError, BadInput):
            write_atomically(KEPT, json.dumps(_kept()))
