"""`python -m lib pilot --help` and docs/parameters.md: every parameter once, from the models' own words."""

import re
import subprocess
import sys

import pytest

from lib.base.files import ROOT
from lib.params.help import NO_DEFAULT, allowed, described
from lib.params.members import ROOMS, members
from lib.params.run import Params, dotted_names
from lib.params.study import load_study
from lib.workflow.pilot import PILOT_FLAGS, help_text
from tests.faults.tools import clean_environment

PAGE = ROOT / "docs" / "parameters.md"
WRITES_IT = "python -m lib pilot --help --markdown > docs/parameters.md"
NAME = re.compile(r"^  --([\w.]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def groups(paper):
    return {group.heading: group.parameters for group in described(paper, PILOT_FLAGS)}


def defaults(groups, heading):
    return {one.name: one.default for one in groups[heading]}


def test_the_page_is_current():
    if PAGE.read_text(encoding="utf-8") != help_text(["--help", "--markdown"]):
        pytest.fail(
            f"docs/parameters.md is not of the parameters that there are; {WRITES_IT} writes it", pytrace=False
        )


@pytest.mark.parametrize("page", ["parameters.md", "extending.md"])
def test_the_command_that_writes_it_stands_where_it_is_needed(page):
    assert WRITES_IT in (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_every_parameter_is_there_with_meaning_and_range(groups):
    everything = [one for parameters in groups.values() for one in parameters]
    assert {one.name for one in everything} == set(dotted_names(Params))
    for one in everything:
        assert one.meaning and one.allowed and one.default, one


def test_each_once_under_its_heading(groups):
    for heading, parameters in groups.items():
        names = [one.name for one in parameters]
        assert len(names) == len(set(names)), heading
    for section in ROOMS:
        shared = {one.name for one in groups[section]}
        for kind in members(section):
            assert not shared & {one.name for one in groups[f"{section}.name = {kind}"]}


def test_the_authors_flags_stand_beside_what_they_mean(groups):
    beside = {flag: one.name for parameters in groups.values() for one in parameters for flag in one.flags}
    assert beside == {flag: name for flag, name in PILOT_FLAGS.items() if flag != name}


def test_defaults_are_those_of_the_profile_that_is_named():
    for profile, steps in (("paper", "4000"), ("laptop", "1600"), ("smoke", "80")):
        assert re.search(rf"--schedule.steps, --steps +{steps}\n", help_text(["--profile", profile, "-h"]))
    assert re.search(r"--task.p +11\n", help_text(["--help", "--study", "grokking", "--profile", "smoke"]))


def test_a_member_that_the_run_does_not_have_shows_its_own_defaults(groups):
    assert defaults(groups, "optim.name = adamw")["optim.weight_decay"] == "0.5"
    assert defaults(groups, "optim.name = sgd")["optim.weight_decay"] == "0.0"
    assert defaults(groups, "task.name = modular")["task.p"] == NO_DEFAULT
    sgd = load_study("beta2", "paper", "optim.name=sgd", axes={}).runs[0].params
    taken = {group.heading: group.parameters for group in described(sgd, {})}
    assert defaults(taken, "optim.name = adamw")["optim.beta2"] == NO_DEFAULT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("optim.beta2", "a number from 0, below 1"),
        ("optim.lr", "a number above 0"),
        ("seed", "a whole number from 0, below 4294967296"),
        ("schedule.decay", "clamped, affine or constant"),
        ("task.probe.gap_in", "a list of 2, each a whole number from 1"),
        ("task.lambda_probe2", "a number from 0 or null"),
        ("machine.compile", "true or false"),
        ("task.corpus.path", "text"),
        ("start", "a mapping of snapshot, step, digest, state or null"),
    ],
)
def test_what_it_may_be_in_words(groups, name, words):
    (found,) = {one.allowed for parameters in groups.values() for one in parameters if one.name == name}
    assert found == words


def test_a_type_without_words_of_its_own_is_no_error():
    assert allowed({}, {}) == "any value"


def test_the_text_says_what_the_page_says():
    text, page = help_text(["--help"]), PAGE.read_text(encoding="utf-8")
    assert NAME.findall(text) == re.findall(r"^\| `([\w.]+)`", page, re.MULTILINE)


def test_help_imports_no_torch():
    code = (
        "import sys; from lib.workflow.cli import main; main(['pilot', '--help']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0


def test_a_mistake_beside_help_gets_its_sentence():
    command = [sys.executable, "-m", "lib", "pilot", "--help", "--profile", "lap"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2 and "did you mean laptop?" in said.stderr


@pytest.mark.parametrize("section", list(ROOMS))
def test_an_unknown_member_is_answered_with_those_there_are_and_its_place(section):
    make = ["make", "why", f"SET={section}.name=mine", f"PYTHON={sys.executable}"]
    pilot = [sys.executable, "-m", "lib", "pilot", f"--{section}.name", "mine"]
    known = ", ".join(members(section))
    for command in (make, pilot):
        said = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
        assert said.returncode == 2
        (line,) = [line for line in said.stderr.splitlines() if f"{section}.name = mine" in line]
        assert f"there are {known}" in line and f"a new one goes into lib/{ROOMS[section]}/mine.py" in line
        assert "Traceback" not in said.stderr
