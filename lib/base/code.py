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

from lib.base import computing
from lib.base.computing import Computing, checks, for_types, is_text
from lib.base.errors import BadInput
from lib.base.files import ROOT, content_hash, read_json, write_atomically

PACKAGES = ("lib", "storyworld", "paper")
LOADING = ("import_module", "__import__")
EVERYTHING = "*"  # a whole module
METHOD = "Parameters."  # of the class of a member's parameters, whose fields are hashed as values
LOOSE = "(module)"  # statements of a module that define nothing: they run whenever it is imported
# Modules that tell, check, lock and name, and compute nothing; what they are told is hashed as parameters instead.
TELLING = {
    *(f"lib/base/{name}.py" for name in ("clock", "code", "computing", "disk", "errors", "interrupts")),
    *(f"lib/base/{name}.py" for name in ("locks", "memory", "provenance", "sentence", "yaml_text")),
    *(
        f"lib/params/{name}.py"
        for name in ("arguments", "dotted", "fields", "help", "members", "names", "overrides")
    ),
    *(f"lib/params/{name}.py" for name in ("run", "scaling", "stages", "study", "study_file")),
    "lib/train/identity.py",
    "lib/train/progress.py",
}

Place = str  # a definition, 'file: name'; thousands are followed in every command, and a Path is slow to make
Dotted = str  # a module or definition of ours as an import names it in full


class Definition(NamedTuple):
    """A top-level definition: its hash, the definitions it names, and every attribute it asks for."""

    hash: str
    uses: list[Place]
    attributes: list[str]


class Module(NamedTuple):
    """A file's top-level definitions by name, and what it imports."""

    imports: dict[str, Dotted]
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
    waiting = [asked]
    for place in waiting:
        file, _, name = place.partition(": ")
        known = definitions(file)
        if name == EVERYTHING:
            return [_place(file, each) for each in known]
        if name in known:
            return [place]
        imports = _module(file).imports  # a name that the module has from another one
        further = [imports[name]] if name in imports else [f"{module}.{name}" for module in _stars(imports)]
        waiting += [found for each in further if (found := _named(each)) and found not in waiting]
    return []


def _offered(file: str, asking: tuple[str, ...] = ()) -> set[str]:
    """The names that a module answers to: what it defines, and what it has from another one."""
    imports = _module(file).imports
    found = {*definitions(file), *(name for name, target in imports.items() if not _is_module(_named(target)))}
    for module in _stars(imports):
        other = _file(module)
        if other and other not in asking:
            found |= _offered(other, (*asking, file))
    return found


def _stars(imports: dict[str, Dotted]) -> list[Dotted]:
    """The modules of which all names were imported."""
    return [module for name, module in imports.items() if name.startswith(EVERYTHING)]


@functools.cache
def _named(dotted: Dotted) -> Place | None:
    """What stands under a full name: a whole module, or a definition of the innermost module in it."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        if file := _file(".".join(parts[:n])):
            return _place(file, parts[n] if n < len(parts) else EVERYTHING)
    return None


def _is_module(place: Place | None) -> bool:
    return place is None or place.endswith(f": {EVERYTHING}")


def definitions(file: str) -> dict[str, Definition]:
    """The top-level definitions of a file by name; several assignments to a name are one."""
    return _module(file).definitions


@functools.cache
def _module(file: str) -> Module:
    text = (ROOT / file).read_text(encoding="utf-8")
    key = content_hash([text, _rules()])
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
    file: str, nodes: list[ast.stmt], groups: dict[str, list[ast.stmt]], imports: dict[str, Dotted]
) -> Definition:
    uses: set[Place | None] = set()
    attributes: set[str] = set()
    taken: set[ast.AST] = set()
    parts = [part for node in nodes for part in ast.walk(node)]
    own = dict(imports)
    for part in parts:
        own |= _imported(part, file)
    for part in parts:
        if isinstance(part, ast.Attribute):
            attributes.add(part.attr)
        if isinstance(part, ast.Call):
            uses.add(_named(_loaded(part, file)))
        if not isinstance(part, ast.Name | ast.Attribute) or part in taken:
            continue
        chain = [part]  # of `module.function` the whole, and not once more the module
        while isinstance(chain[-1], ast.Attribute):
            chain.append(chain[-1].value)
        first, *rest = reversed(chain)
        if not isinstance(first, ast.Name):
            continue
        if first.id in own:
            taken.update(chain)
            uses.add(_named(".".join([own[first.id], *(inner.attr for inner in rest)])))
        elif first.id in groups:
            uses.add(_place(file, first.id))
        else:
            uses.update(_named(f"{module}.{first.id}") for module in _stars(own))
    dumped = [ast.dump(node) for node in nodes]
    return Definition(content_hash(dumped), sorted(uses - {None}), sorted(attributes))


def _parsed(file: str, text: str) -> tuple[dict[str, list[ast.stmt]], dict[str, Dotted]]:
    """(name -> statements that define it, name -> what is imported as it) of a file."""
    tree = ast.parse(text, file)
    groups: dict[str, list[ast.stmt]] = {}
    imports: dict[str, Dotted] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node, file)
            continue
        if is_text(node) or for_types(node):
            continue
        names, within = _bound(node, file)
        imports |= within
        node = Computing().visit(node)
        for name in names or [LOOSE]:
            groups.setdefault(name, []).append(node)
        if names == [METHOD[:-1]] and isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
            groups |= {METHOD + part.name: [part] for part in methods if not checks(part)}
    return groups, imports


def _bound(node: ast.stmt, file: str) -> tuple[list[str], dict[str, Dotted]]:
    """(names that a top-level statement defines, what it imports); of an `if`, `try` or loop those inside."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [], _imported(node, file)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name], {}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)], {}
    names, imports = [], {}
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.stmt | ast.ExceptHandler):
            own, taken = _bound(part, file)
            names, imports = names + own, imports | taken
    return names, imports


def _imported(node: ast.AST, file: str) -> dict[str, Dotted]:
    """Local name -> what of ours an import binds to it; of all names of a module a star before the module's."""
    if isinstance(node, ast.Import):
        # Without `as` the name is that of the outermost package: any number of modules are reached by it.
        pairs = [
            (a.asname or a.name.split(".")[0], a.name if a.asname else a.name.split(".")[0]) for a in node.names
        ]
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), file)
        pairs = [
            (f"*{base}", base) if a.name == EVERYTHING else (a.asname or a.name, f"{base}.{a.name}")
            for a in node.names
        ]
    else:
        return {}
    return {name: target for name, target in pairs if target.split(".")[0] in PACKAGES}


def _loaded(call: ast.Call, file: str) -> Dotted:
    """The module that a call imports by a name written out; nothing for another call."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    text = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    return _absolute(text, file) if name in LOADING and isinstance(text, str) else ""


def _absolute(module: str, file: str) -> Dotted:
    """A module's full name, from how a file names it."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    return ".".join([*Path(file).parts[:-level], *([name] if name else [])]) if level else name


@functools.cache
def _file(module: str) -> str | None:
    """The file of a module of ours."""
    if module.split(".")[0] not in PACKAGES:
        return None
    base = module.replace(".", "/")
    return next((file for file in (f"{base}.py", f"{base}/__init__.py") if file in _listing()), None)


# ------------------------------------------------------------------------------------------- kept from call to call

# Parsing all modules takes half a second of the one that a make with nothing to do may take: what was found of a
# file is kept beside Python's own compiled files, with a hash of its content, the names of all files, and the rules
# above. One version of a file is kept: every command reads them all.
KEPT = ROOT / "lib" / "__pycache__" / "definitions.json"
_fresh: dict[str, Module] = {}


@functools.cache
def _listing() -> frozenset[str]:
    return frozenset(str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


@functools.cache
def _rules() -> str:
    """Which files there are, since a new one can change what an import means, and what is made of their text."""
    own = [Path(file).read_text(encoding="utf-8") for file in (__file__, computing.__file__)]
    return content_hash([own, sorted(_listing())])


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
