"""One list of pinned packages behind pip, conda and pyproject; and the house style."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml

from lib.base.files import ROOT

LONGEST_FILE = 350


def python_files():
    for folder in ("lib", "notebooks", "paper", "bench", "tests"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_requirement_is_pinned_torch_first(pins):
    for line in pins:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line), line
    assert pins[0] == "torch==2.13.0"
    names = [canonical(line.split("==")[0]) for line in pins]
    assert len(set(names)) == len(names)


def test_every_import_is_pinned(pins):
    names = {canonical(line.split("==")[0]) for line in pins}
    provided = packages_distributions()
    for path in python_files():
        local = {p.stem for p in (*path.parent.glob("*.py"), *path.parent.parent.glob("*.py"))}
        local |= {"lib", "bench", "paper", "tests", "storyworld"}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module.split(".")[0]]
            else:
                continue
            for module in set(modules) - sys.stdlib_module_names - local:
                found = {canonical(name) for name in provided.get(module, [])}
                assert found & names, f"{path}: {module} is not in requirements.txt"


def test_conda_installs_exactly_these_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *packages, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.txt"]}
    names = {re.split(r"[=<>]", package)[0]: package for package in packages}
    assert names["python"] == "python=3.11"
    assert {"make", "git", "pip"} <= set(names)
    assert set(names) & {"tectonic", "texlive-core"}
    # nothing that requirements.txt already pins comes from another source
    pinned = {line.split("==")[0].lower() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert not set(names) & pinned


def test_pyproject_takes_its_dependencies_from_the_pins(project):
    assert "dependencies" not in project["project"]
    assert project["project"]["dynamic"] == ["dependencies"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}
    assert project["project"]["requires-python"] == ">=3.11"


def test_files_that_pyproject_names_exist(project):
    assert (ROOT / project["project"]["readme"]).is_file()
    assert (ROOT / "LICENSE").is_file()


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_text_files_name_no_machine():
    # a path into somebody's home works for nobody else
    for path in python_files():
        assert not re.search(r"/(?:home|Users)/\w", path.read_text()), path


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_style(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "lib", "bench", "paper", "tests", "notebooks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
