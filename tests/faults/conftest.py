"""A small disk, an interpreter that faults can be put into, a trained run."""

import shutil
import subprocess

import pytest

from tests.faults.tiny_run import finish_runs
from tests.faults.tools import execute, faulty_python, trained_run, write_study


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def faulty(tmp_path_factory):
    return faulty_python(tmp_path_factory.mktemp("python"))


@pytest.fixture(scope="session")
def finished(once):
    """The folder of a trained run of the tiny study, below an outputs folder; to be copied, not changed."""
    home = once("finished", lambda home: trained_run(write_study(home / "tiny.yaml"), home / "outputs"))
    return next(home.glob("outputs/*/pilot_*"))


@pytest.fixture(scope="session")
def measured(finished, once):
    """The same run with its geometry measured; to be copied, not changed."""

    def fill(home):
        shutil.copytree(finished.parents[2], home, dirs_exist_ok=True)
        said = execute("02_pca", home / finished.relative_to(finished.parents[2]))
        assert said.returncode == 0, said.stderr

    return once("measured", fill) / finished.relative_to(finished.parents[2])


@pytest.fixture(scope="session")
def two_runs(once):
    """(run, run, corpus) of a dozen steps, the runs alike but for their seed; to be copied, not changed."""
    home = once("two", finish_runs)
    return *sorted(home.glob("study/run*")), next(home.glob("corpora/*/"))


@pytest.fixture
def run(two_runs, tmp_path):
    """A copy of the first of two runs to do damage to."""
    return shutil.copytree(two_runs[0], tmp_path / "run")
