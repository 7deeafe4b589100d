"""The rooms of lib: who may import whom, what knows no study, and what needs no torch."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

from lib.base.files import ROOT

LIB = ROOT / "lib"
# Ground floor first: each room may import from the rooms named, and from itself.
ROOMS = {
    "base": [],
    "params": ["base"],
    "geometry": ["base"],
    "models": ["base", "params"],
    "optim": ["base", "params"],
    "tasks": ["base", "params", "models"],
    "train": ["base", "params", "models", "optim", "tasks"],
    "measure": ["base", "params", "geometry", "models", "optim", "tasks", "train"],
    "report": ["base", "params", "geometry", "models", "optim", "tasks", "train", "measure"],
    "workflow": ["base", "params", "geometry", "models", "optim", "tasks", "train", "measure", "report"],
}
OURS = ("lib", "storyworld", "paper", "bench", "tests", "notebooks")


@cache
def module_file(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules of ours that a file imports, its functions' too; not those that are there for types alone."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = imported_from(node, path)
            inner = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if module_file(name) else module for name in inner]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] in OURS}
    return frozenset(found)


def imported_from(node: ast.ImportFrom, path: Path) -> str:
    """The full name of the module of a `from ... import`, which may be named from where the file is."""
    if not node.level:
        return node.module
    above = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*above, *([node.module] if node.module else [])])


def statements(tree: ast.AST):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from statements(node)


def files():
    return sorted(LIB.rglob("*.py"))


def room(path: Path) -> str:
    inner = path.relative_to(LIB).parts
    return inner[0] if len(inner) > 1 else ""


def test_every_folder_of_lib_is_a_room():
    assert {p.name for p in LIB.iterdir() if p.is_dir() and p.name != "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_imports_go_downwards_only(name):
    for path in files():
        if room(path) != name:
            continue
        for module in imports(path):
            where, *inner = module.split(".")
            if where == "lib" and len(inner) > 0:
                assert inner[0] in [name, *ROOMS[name]], f"{path.relative_to(ROOT)} imports {module}"
            else:  # of the rest of the project only the generator of stories, and that only the tasks
                assert (where, name) == ("storyworld", "tasks"), f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from lib.train.loop import train", "lib.train.loop"),
        ("from ..train.loop import train", "lib.train.loop"),
        ("from ..train import loop", "lib.train.loop"),
        ("from .. import train", "lib.train"),
        ("from .sgd import build", "lib.optim.sgd"),
        ("from . import sgd", "lib.optim.sgd"),
    ],
)
def test_an_import_is_seen_however_it_is_written(tmp_path, monkeypatch, line, module):
    monkeypatch.setattr("tests.test_rooms.ROOT", tmp_path)
    for name in ("lib/__init__", "lib/train/__init__", "lib/train/loop", "lib/optim/sgd", "lib/optim/own"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)
    module_file.cache_clear()
    try:
        assert imports(path) == {module}
    finally:
        module_file.cache_clear()


@pytest.mark.parametrize("name", ["models", "optim", "tasks"])
def test_what_a_member_imports_stands_in_its_text(name):
    """What it trains with could not be known from a name that is made up when it runs."""
    for path in sorted((LIB / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.split(".")[-1] in ("import_module", "__import__"):
                assert isinstance(node.args[0], ast.Constant), f"{path.relative_to(ROOT)}, line {node.lineno}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {path: {module_file(m) for m in imports(path)} - {None, path} for path in files()}
    done: set[Path] = set()

    def visit(path: Path, above: tuple[Path, ...]) -> None:
        assert path not in above, " -> ".join(str(p.relative_to(ROOT)) for p in (*above, path))
        if path not in done and path in graph:
            for other in graph[path]:
                visit(other, (*above, path))
            done.add(path)

    for path in graph:
        visit(path, ())


def test_the_generator_of_stories_imports_nothing_of_ours():
    for path in sorted((ROOT / "storyworld").rglob("*.py")):
        assert {m.split(".")[0] for m in imports(path)} <= {"storyworld"}, path


def test_only_those_who_train_read_a_record_as_it_stands():
    """To every other room it is `lib.train.run_record.RunRecord`."""
    others = [path for path in files() if room(path) != "train"]
    others += [path for home in ("paper", "notebooks", "bench") for path in sorted((ROOT / home).rglob("*.py"))]
    assert [path for path in others if "read_record" in path.read_text(encoding="utf-8")] == []


# ------------------------------------------------------------------------------------------------------- no study


# The studies of this repository: a word of lib that is the name of one speaks of it.
SHIPPED = ("beta2", "grokking", "optimizers", "robustness")
# Words that are more than the name of a study, and the files that may say them in text.
MEANINGS = {"beta2": ("lib/optim/adamw.py", "lib/geometry/null.py", "lib/report/tex.py")}  # of Adam, and its symbol
PLAIN = {"optimizers"}  # words of any text: such a study is named by a text that is nothing else, or by a path


def own_names() -> list[str]:
    """Studies that were added to params/."""
    return sorted({path.stem for path in (ROOT / "params").glob("*.yaml")} - set(SHIPPED))


@cache
def parameter_names() -> set[str]:
    """The last parts of parameters' names, of which a study may have one: optim.beta2."""
    from lib.params.run import Params, dotted_names

    return {name.split(".")[-1] for name in dotted_names(Params)}


def names_of_study(path: Path, study: str) -> list[str]:
    """Where a file of lib names a study. A parameter of that name is none: o.beta2, beta2=, optim.beta2."""
    name = str(path.relative_to(ROOT))
    word = re.compile(rf"(?<![a-z0-9]){study}(?![a-z0-9])", re.IGNORECASE)
    if study in PLAIN:
        word = re.compile(rf"^[\"']{study}[\"']$|\b(params|notebooks|paper)[./]{study}\b")
    found = []
    for line, kind, text in tokens(path):
        if study in parameter_names():
            if kind == "NAME" and text == study:
                continue
            text = re.sub(rf"\b[a-z]+\.{study}\b|^[\"']{study}[\"']$", "", text)
        if word.search(text) and not name.startswith(MEANINGS.get(study, ("nothing",))):
            found.append(f"{name}, line {line}: {text.strip()[:80]}")
    return found


def asks_of_study(path: Path, study: str) -> list[str]:
    """Where a file of lib speaks of an added study, whose name may be a word of any text."""
    name = re.escape(study)
    place = rf"(?<!lib[./])\b(params|notebooks|paper)[./]{name}\b|\bSTUDY={name}\b"
    asked = rf"\b(load_study\(|study(\.name)? *(==|!=|=|in) *\(?)[\"']{name}[\"']"
    lines = path.read_text(encoding="utf-8").splitlines()
    where = str(path.relative_to(ROOT))
    return [
        f"{where}, line {n}: {line.strip()[:80]}"
        for n, line in enumerate(lines, 1)
        if re.search(f"{place}|{asked}", line)
    ]


def tokens(path: Path) -> list[tuple[int, str, str]]:
    """(line, kind, text) of every word and text of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [(n, "TEXT", line) for n, line in enumerate(text.splitlines(), 1)]
    return [
        (token.start[0], tokenize.tok_name[token.type], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    ]


def texts_of_lib() -> list[Path]:
    return [path for path in sorted(LIB.rglob("*")) if path.suffix in (".py", ".html", ".css", ".js", ".tex")]


@pytest.mark.parametrize("study", SHIPPED)
def test_no_file_of_lib_names_a_study(study):
    assert [found for path in texts_of_lib() for found in names_of_study(path, study)] == []


# Whether or not there are such studies: a user may give one any of these names.
@pytest.mark.parametrize("study", [*own_names(), "width", "path", "run", "null", "stories", "figures"])
def test_no_file_of_lib_asks_for_an_added_study(study):
    assert [found for path in texts_of_lib() for found in asks_of_study(path, study)] == []


def test_a_study_that_a_file_names_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_rooms.ROOT", tmp_path)
    path = tmp_path / "any.py"
    for text, count in {
        'o.beta2 + f(beta2=o["beta2"])  # optim.beta2': 0,
        "# of the beta2 study": 1,
        'path = "params/beta2.yaml"': 1,
        "import paper.beta2_figures": 1,
        "BETA2_STUDY = 3": 1,
        'if study == "grokking":': 0,
    }.items():
        path.write_text(text + "\n")
        assert len(names_of_study(path, "beta2")) == count, text
    assert len(names_of_study(path, "grokking")) == 1
    for text, count in {"# all optimizers": 0, 'x = "optimizers"': 1, "# see notebooks/optimizers/03": 1}.items():
        path.write_text(text + "\n")
        assert len(names_of_study(path, "optimizers")) == count, text
    for text, count in {
        'model.width + p["width"]  # of a width': 0,
        'if study == "width":': 1,
        'if study.name in ("width", "other"):': 1,
        'found = load_study("width", "smoke")': 1,
        "# see notebooks/width/03": 1,
        "from paper.width import figures": 1,
    }.items():
        path.write_text(text + "\n")
        assert len(asks_of_study(path, "width")) == count, text


# ------------------------------------------------------------------------------------------------------- no torch

WITH_TORCH = {"directions", "fisher", "gradients", "sequences", "spectrum"}  # of lib.geometry


def imported_with(modules: list[str]) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_parameters_and_the_algebra_of_digests_need_no_torch():
    modules = [f"lib.params.{p.stem}" for p in (LIB / "params").glob("[a-z]*.py")]
    modules += [f"lib.geometry.{p.stem}" for p in (LIB / "geometry").glob("[a-z]*.py") if p.stem not in WITH_TORCH]
    assert {"lib.params.study", "lib.geometry.null", "lib.geometry.presets"} <= set(modules)
    loaded = imported_with(modules)
    assert "numpy" in loaded and "torch" not in loaded


def test_what_a_make_with_nothing_to_do_imports_needs_no_torch():
    names = ("workflow.cli", "workflow.queue", "workflow.status", "report.reader", "train.prepare")
    assert "torch" not in imported_with([f"lib.{name}" for name in names])


def test_what_draws_and_writes_a_paper_needs_no_torch():
    names = ("figures", "tables", "numbers")
    modules = [f"paper.{path.parent.name}.{path.stem}" for n in names for path in ROOT.glob(f"paper/*/{n}.py")]
    assert {"paper.beta2.figures", "paper.grokking.tables"} <= set(modules)
    assert "torch" not in imported_with(["lib.report.paper", *modules])


def test_a_command_that_only_looks_imports_nothing_that_computes(tmp_path):
    code = (
        "import sys; from lib.workflow.cli import main; "
        f"main(['why', '--profile=smoke', '--outputs={tmp_path}']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"torch", "numpy", "pandas", "tokenizers"} & set(done.stdout.splitlines()[-1].split()) == set()
