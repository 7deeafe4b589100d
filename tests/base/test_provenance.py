"""Where a result comes from: versions, machine and commit."""

import ast
import os
import shutil
import subprocess
import sys

from lib.base import provenance
from lib.base.files import ROOT


def test_imports_in_lib_are_absolute():
    # the only kind that the identity of code follows
    for path in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_outside_a_checkout_the_commit_is_unknown(tmp_path):
    shutil.copytree(ROOT / "lib" / "base", tmp_path / "lib" / "base")
    shutil.copy(ROOT / "lib" / "__init__.py", tmp_path / "lib")  # else a lib that this Python knows is found first
    code = "from lib.base.provenance import commit; print(*commit())"
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["unknown", "True"]


def test_versions_are_those_installed():
    import numpy
    import torch

    found = provenance.versions()
    assert (found["torch"], found["numpy"]) == (torch.__version__, numpy.__version__)
    assert found["python"] == sys.version.split()[0]


def test_machine_has_cores():
    machine = provenance.machine()
    assert machine["cores"] >= 1 and machine["processor"] and machine["system"]
