"""`make new-study`: a copy of any study that is there speaks of itself, and nothing is written over."""

import re

import pytest

from tests.faults.tools import copied_package, library, one_sentence

SOURCES = ("beta2", "grokking", "optimizers", "robustness")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copied_package(tmp_path_factory.mktemp("tree"))


def begun(tree, name, source):
    return library("new-study", "--from", source, "--", name, root=tree)


def runs_of(tree, study):
    """How many runs its smoke profile has."""
    said = library("plan", "--study", study, "--profile", "smoke", root=tree)
    assert said.returncode == 0, said.stderr
    return len(re.findall(r"^\d+ ", said.stdout, re.MULTILINE))


@pytest.mark.parametrize("source", SOURCES)
def test_a_copy_of_any_study_speaks_of_itself(tree, source):
    name = f"width_{SOURCES.index(source)}"
    said = begun(tree, name, source)
    assert said.returncode == 0, said.stderr
    files = [tree / line for line in said.stdout.splitlines() if (tree / line).is_file()]
    assert {path.relative_to(tree).parts[0] for path in files} == {"params", "notebooks", "paper"}
    place = rf"\b(paper|notebooks|params)[./]{source}\b"
    asked = rf'(load_study\(|study=|study: str = )"{source}"|STUDY={source}\b|(?<![\w.])(playground|trained)\(\)'
    for path in files:
        found = re.search(f"{place}|{asked}", path.read_text(encoding="utf-8"))
        assert not found, f"{path}: {found[0]}"
    assert runs_of(tree, name) == runs_of(tree, source) > 0


def test_a_copy_of_a_study_that_is_laid_over_another_shares_what_that_one_shares(tree):
    assert begun(tree, "other", "robustness").returncode == 0
    assert "base: beta2" in (tree / "params" / "other.yaml").read_text()
    assert [path.name for path in (tree / "notebooks" / "other").iterdir()] == ["03_study.py"]


def test_what_is_there_stays(tree):
    assert begun(tree, "mine", "grokking").returncode == 0
    (tree / "paper" / "mine" / "paper.tex").write_text("mine")
    one_sentence(begun(tree, "mine", "beta2"), "NAME=mine", "params/mine.yaml is there already")
    assert (tree / "paper" / "mine" / "paper.tex").read_text() == "mine"


def test_a_source_that_is_none_and_a_name_that_is_none(tree):
    one_sentence(begun(tree, "new", "groking"), "there is no such study", "did you mean grokking?")
    one_sentence(begun(tree, "New Study", "grokking"), "a study's name is small letters")
    assert not (tree / "params" / "new.yaml").exists()
