"""Places that cannot be written to are named in one sentence, and nothing in them changes."""

import os
import shutil
import subprocess

import pytest

from tests.faults.tools import copied_tree, execute, library, make, one_sentence, pilot, write_study


@pytest.fixture
def read_only():
    """A function that makes folders read-only until the test ends: by a mount as root, else by permissions."""
    closed = []

    def close(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            bound = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True)
            if bound.returncode:
                pytest.skip("root without the right to mount writes everywhere")
            closed.append(folder)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        else:
            closed.append(folder)
            folder.chmod(0o555)

    yield close
    for folder in closed:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        else:
            folder.chmod(0o755)


def test_make_names_the_outputs(tmp_path, read_only):
    read_only(tmp_path / "outputs")
    said = make("grid", study=write_study(tmp_path / "tiny.yaml"), outputs=tmp_path / "outputs", check=False)
    one_sentence(said, "error: ", str(tmp_path / "outputs"), "make this folder writable", "OUTPUTS=")


def test_pilot_names_the_folder(tmp_path, read_only):
    read_only(tmp_path / "study")
    one_sentence(pilot(tmp_path / "study"), "error: ", str(tmp_path / "study"), "make this folder writable")


def test_a_corpus_folder_is_named(tmp_path, read_only):
    read_only(tmp_path / "corpora")
    one_sentence(pilot(tmp_path / "study"), "error: ", str(tmp_path / "corpora"), "make this folder writable")


@pytest.mark.parametrize("part", ["", "analysis", "figures", "notebooks"])
def test_a_stage_names_the_part_of_the_run(tmp_path, finished, read_only, part):
    shutil.copytree(finished.parent, tmp_path / "study")
    run = tmp_path / "study" / finished.name
    read_only(run / part)
    said = execute("02_pca", run)
    one_sentence(said, str(run / part), "make this folder writable")


def test_a_finished_study_can_be_read_there(tmp_path, measured, read_only):
    """status and why write nothing."""
    shutil.copytree(measured.parents[2], tmp_path / "home")
    read_only(tmp_path / "home")
    words = ["--profile", "smoke", "--study", str(tmp_path / "home" / "tiny.yaml")]
    for command in ("status", "why"):
        said = library(command, *words, "--outputs", str(tmp_path / "home" / "outputs"))
        assert said.returncode == 0, said.stderr


def test_the_papers_folder_is_named(tmp_path, measured, read_only):
    tree = copied_tree(tmp_path / "tree")
    shutil.copytree(measured.parents[2], tmp_path / "home")
    read_only(tree / "paper")
    words = ["paper", "--profile", "smoke", "--study", str(tmp_path / "home" / "tiny.yaml")]
    said = library(*words, "--outputs", str(tmp_path / "home" / "outputs"), root=tree)
    one_sentence(said, "error: ", str(tree / "paper"), "make this folder writable")
