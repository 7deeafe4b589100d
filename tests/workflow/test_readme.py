"""README.md does what it says: its blocks, in order, in a copy of the tree; its links; its length."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base.files import ROOT
from lib.params.study import load_study
from tests.faults.tools import clean_environment, copied_package
from tests.study_folder import write_study

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
MOST_WORDS = 900
MADE = ("paper/build/", "outputs/")  # what make makes cannot be linked to before

NOT_RUN = {
    "make all": "minutes; faults/test_new_study.py makes a study whole, test_make.py the runs of one with SET",
    "make test": "this is a part of it",
    "make lab": "opens a browser; test_by_hand.py runs notebooks in its server",
    "make grid": "minutes on the laptop profile; `python -m lib why` is asked instead whether it is understood",
}
INSTEAD = {"make grid PARAMS=width.yaml -j2": "python -m lib why --study width.yaml"}

# A training loop of somebody else's, around the line of README that saves.
TRAINING = """
import torch
from pathlib import Path
from lib.models.gpt import Parameters, build_model

model = build_model(Parameters(name="gpt", layers=1, width=32, heads=2, ff=32, context=64), vocab=300, seed=0)
Path("mine").mkdir()
for step in (0, 1, *range(200, 4001, 200)):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape))
    {line}
"""

# What was added has all that measuring asks for.
MEASURED = """
from pathlib import Path
from lib.measure.models import optimizer_direction
from lib.measure.trajectory import geometry
from lib.params.run import load_params

runs = {}
for path in Path("outputs").glob("*/*/params.yaml"):
    p = load_params(path)
    runs |= dict.fromkeys((p.optim.name, p.model.name, p.task.name), path.parent)
for name in ("lion", "quadratic", "largest"):
    tensors = geometry(runs[name], (2, 4))["tensors"]
    assert optimizer_direction(runs[name], list(tensors))[2].keys() == tensors.keys()
"""


def blocks():
    return BLOCK.findall(README.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the tree, with a `python` and with results that can be opened."""
    home = copied_package(tmp_path_factory.mktemp("project"))
    (home / "bin").mkdir()
    (home / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (home / "bin" / "python").chmod(0o755)
    study = load_study("beta2", "laptop")
    write_study(home / "outputs" / study.folder_name, study)
    return home


def run(project: Path, *words: str) -> str:
    environment = clean_environment(PYTHON=sys.executable)
    environment["PATH"] = f"{project / 'bin'}:{environment['PATH']}"
    said = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, f"{words}\n{said.stdout}\n{said.stderr}"
    return said.stdout


def commands(block: str) -> list[str]:
    lines = [line.split("  #")[0].strip() for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line]


def test_every_block_does_what_it_says(project):
    for kind, text in blocks():
        file = re.match(r"# ([\w/]+\.(?:py|yaml))\n", text)
        if file:
            assert not (project / file[1]).exists(), f"{file[1]} is there already: it is no example of a new one"
            (project / file[1]).write_text(text)
        elif kind == "python":
            run(project, "python", "-c", TRAINING.format(line=text.strip()) if "torch.save" in text else text)
        elif kind == "sh":
            for command in commands(text):
                left_out = any(command.startswith(words) for words in NOT_RUN)
                instead = INSTEAD.get(command, "" if left_out else command)
                said = run(project, "sh", "-c", instead) if instead else ""
                if "lib pilot" in instead:
                    assert ": done at step " in said
        else:
            raise AssertionError(f"a block of {kind}, and nothing here runs it")
    run(project, "python", "-c", MEASURED)
    assert list((project / "outputs" / "explore" / "mine" / "figures").glob("02_pca_*.png"))


def test_examples_in_docs(project):
    for page in sorted((ROOT / "docs").glob("*.md")):
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == "python":
                run(project, "python", "-c", text)
            elif kind == "yaml":
                file = re.match(r"# (\w+\.yaml)\n", text)[1]
                (project / file).write_text(text)
                assert "01_train  will train" in run(project, "python", "-m", "lib", "why", "--study", file)


def test_what_is_not_run_is_in_it():
    lines = [command for kind, text in blocks() if kind == "sh" for command in commands(text)]
    for words in NOT_RUN:
        assert any(line.startswith(words) for line in lines), words


def test_it_is_short():
    assert len(README.read_text(encoding="utf-8").split()) < MOST_WORDS


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(MADE):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
