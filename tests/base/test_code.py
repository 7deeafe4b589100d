"""Fingerprints of code see what it does and nothing else."""

import ast
import os
import shutil
import subprocess
import sys

import pytest

from lib.base import provenance
from lib.base.provenance import PLUMBING, ROOT, code_hashes, module_hash, versions

CODE = '''"""A module."""

import math


class Thing:
    """A thing."""

    size = 1


def area(r):
    """Of a circle."""
    return math.pi * r**2  # squared


def nothing():
    """Does nothing."""
'''


@pytest.fixture
def hash_of(tmp_path):
    """The hash of a text, each in a file of its own."""
    count = iter(range(1000))

    def function(text):
        path = tmp_path / f"m{next(count)}.py"
        path.write_text(text)
        return module_hash(path)

    return function


SAME = {
    "a comment": ("# squared", "# the area"),
    "no comment": ("  # squared", ""),
    "blank lines": ("\n\n\n", "\n\n\n\n\n"),
    "another docstring": ("Of a circle.", "Of a disc, really."),
    "no docstring": ('    """Of a circle."""\n', ""),
    "no class docstring": ('    """A thing."""\n\n', ""),
    "no module docstring": ('"""A module."""\n\n', ""),
    "a body that was only a docstring": ('    """Does nothing."""', "    pass"),
    "layout": ("math.pi * r**2", "(math.pi\n        * r ** 2)"),
}
OTHER = {
    "a number": ("r**2", "r**3"),
    "a name": ("size", "length"),
    "an import": ("import math", "import cmath as math"),
    "a default": ("area(r)", "area(r=1)"),
    "a string that is no docstring": ("size = 1", "size = 'one'"),
    "order": ("math.pi * r**2", "r**2 * math.pi"),
}


@pytest.mark.parametrize("change", SAME)
def test_the_hash_is_blind_to(change, hash_of):
    assert CODE.replace(*SAME[change]) != CODE
    assert hash_of(CODE.replace(*SAME[change])) == hash_of(CODE)


@pytest.mark.parametrize("change", OTHER)
def test_the_hash_sees(change, hash_of):
    assert CODE.replace(*OTHER[change]) != CODE
    assert hash_of(CODE.replace(*OTHER[change])) != hash_of(CODE)


def test_training_uses_these_modules_and_not_the_figures():
    used = set(code_hashes(ROOT / "lib" / "train" / "loop.py"))
    for name in "model optim batches probe corpus stories tokenizer templates storyworld evaluate".split():
        assert any(path.startswith(f"lib/{name}") for path in used), name
    assert {"lib/train/loop.py", "lib/base/snapshots.py", "lib/train/checkpoint.py"} <= used
    assert not used & {f"lib/{name}.py" for name in [*PLUMBING, "figures"]}
    assert not [path for path in used if path.startswith("lib/geometry")]


def test_a_path_gives_one_hash_a_module():
    hashes = code_hashes(ROOT / "lib" / "tasks" / "stories" / "batches.py")
    assert hashes["lib/tasks/stories/batches.py"] == module_hash(ROOT / "lib" / "tasks" / "stories" / "batches.py")
    assert list(hashes) == sorted(hashes)


def test_imports_in_lib_are_absolute():
    # the only kind that the fingerprint follows
    for path in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_training_code_in_a_copy(tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__", ".*"))

    def ask():
        code = "from lib.base.provenance import *; print(training_code(), *commit())"
        environment = {
            **os.environ,
            "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    def append(name, text):
        path = tmp_path / "lib" / f"{name}.py"
        path.write_text(path.read_text() + text)

    first, *outside = ask()
    assert first == provenance.training_code()  # wherever the checkout lies
    assert outside == ["unknown", "True"]
    append("figures", "\nSTYLE = 3\n")
    append("runner", "\nX = 3\n")
    append("model", "\n# a remark\n")
    assert ask()[0] == first
    append("model", "\nINIT_STD = 0.03\n")
    second = ask()[0]
    assert second != first
    append("stories", "\nX = 3\n")  # used through another module
    assert ask()[0] not in (first, second)


def test_versions_are_those_installed():
    import numpy
    import torch

    found = versions()
    assert (found["torch"], found["numpy"]) == (torch.__version__, numpy.__version__)
    assert found["python"] == sys.version.split()[0]


def test_machine_has_cores():
    machine = provenance.machine()
    assert machine["cores"] >= 1 and machine["processor"] and machine["system"]
