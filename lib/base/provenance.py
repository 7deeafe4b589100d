"""Where a result comes from: fingerprints of the code that made it, versions, device, commit.

Code is fingerprinted by what it does: the syntax trees of a file and of every `lib` module it imports,
directly or not, without docstrings. A comment, a blank line or a `touch` changes nothing.
"""

import ast
import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from lib.base.files import content_hash

ROOT = Path(__file__).resolve().parents[2]
# How runs are named, checked, launched and reported. What they are told is hashed as parameters instead.
PLUMBING = {
    "cli",
    "dotted",
    "errors",
    "finish",
    "kernels",
    "memory",
    "params",
    "play",
    "processes",
    "provenance",
    "rules",
    "runner",
    "scaling",
    "status",
    "study",
    "yaml_text",
}


OTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")

# How results look. A colour redraws the paper's figures; it makes no run, and no measurement of one, stale.
PRESENTATION = {"behaviour_figures", "figures", "geometry_figures", "paper_figures", "run_figures"}


@functools.cache  # of hundreds of runs, each asks for the same few
def imported_modules(path: Path, presentation: bool = False) -> list[Path]:
    """`path` and every lib module it imports, directly or through others, in a stable order.

    Plumbing is left out, and how results look unless `presentation` asks for it.
    """
    without = PLUMBING if presentation else PLUMBING | PRESENTATION
    seen: dict[Path, None] = {}
    todo = [path]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen[at] = None
        todo += [p for p in _imports(at) if p.stem not in without]
    return sorted(seen)


@functools.cache
def _imports(path: Path) -> list[Path]:
    found = []
    for node in _read(path)[1]:
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{name}" for name in names)] if node.module else []
        names = [name for name in names if name.split(".")[0] == "lib"]
        for name in names:
            base = ROOT.joinpath(*name.split("."))
            found += [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()]
    return found


@functools.cache
def module_hash(path: Path) -> str:
    """Hash of what a Python file does, blind to comments, layout and docstrings."""
    return _read(path)[0]


@functools.cache
def _read(path: Path) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    """(`module_hash`, import statements) of a file, from one walk: of hundreds of files it is felt."""
    tree, imports = ast.parse(path.read_text(encoding="utf-8"), str(path)), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return content_hash(ast.dump(tree)), imports


@functools.cache
def code_hashes(path: Path, presentation: bool = False) -> dict[str, str]:
    """Module -> hash for a file and everything it really uses."""
    return {str(p.relative_to(ROOT)): module_hash(p) for p in imported_modules(path, presentation)}


def training_code() -> str:
    """One hash of the code that a training run executes."""
    return content_hash(code_hashes(ROOT / "lib" / "train" / "loop.py"))


def versions() -> dict[str, str]:
    names = ("torch", "numpy", "tokenizers", "safetensors")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def commit() -> tuple[str, bool]:
    """(commit, dirty) of the checkout; ('unknown', True) outside one."""
    try:
        head = git("rev-parse", "HEAD")
        return head, bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def git(*arguments: str) -> str:
    """What git says of this checkout, whatever repository the environment names (that of a hook, say)."""
    command = ["git", "-C", str(ROOT), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def machine() -> dict[str, str | int]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
