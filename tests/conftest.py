"""What the tests share: smoke-sized parameters, one small corpus a session, and the optional large files.

Tests that need the real GPT-2 tokenizer or real stories take them from files that the environment names:
GPT2_TOKENIZER (a tokenizer.json, also packed) and TINYSTORIES (a .jsonl, also packed). Without they skip.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lib.base.imports import without_collection, without_unused
from lib.params.dotted import flatten, unflatten
from lib.params.run import Params, validate
from lib.params.study import load_study
from lib.tasks.stories.corpus import build_corpus
from lib.tasks.stories.probe import build_probes
from lib.train.places import MADE_BY_MAKE

# The processes that tests start, some hundreds, do not each compile what the first of them compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

with without_unused():  # before a test imports it with everything that there is
    import jupytext  # noqa: F401

# The files that take longest, of the suite and of the faults.
LONGEST = """
    test_make test_by_hand test_bench test_readme test_figures test_second_study test_parallel test_measure
    test_compare_view test_code test_explore test_sweep test_paper test_watched test_watch test_pilot test_ladder
    test_kill_in_stages test_slurm test_signals test_full_disk test_forked_kernels test_truncation
    test_changed_corpus test_two_at_once test_kill_in_training test_fuzz_params test_memory test_clock
    test_new_study test_mistakes test_resume test_read_only
""".split()


def pytest_collection_modifyitems(items):
    """The longest files first: a file stays with one worker, which may be left with it when all else is done."""
    place = {name: -len(LONGEST) + at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, 0), item.path))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    with without_collection():  # of garbage
        return (yield)


def _changed(p, **values):
    """`p` with some parameters replaced, validated anew; dots are written as double underscores."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return validate(Params, unflatten({**flatten(p.model_dump(mode="json")), **named}), "test")


def _file_from(variable):
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} names no file")
    return path


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function that gives a folder filled once for all processes of one test run; to be copied, not changed."""
    base = tmp_path_factory.getbasetemp()
    home = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def filled(name, fill):
        folder, whole = home / name, home / f"{name}.whole"
        with open(home / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return filled


@pytest.fixture
def full_disk(monkeypatch):
    """A context in which temporary files are opened as ever, and every write to one meets a full device."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    make = tempfile.mkstemp

    def mkstemp(*arguments, **named):
        handle, name = make(*arguments, **named)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, handle)
        os.close(full)
        return handle, name

    @contextlib.contextmanager
    def context():
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "mkstemp", mkstemp)
            yield

    return context


@pytest.fixture
def by_make(monkeypatch):
    """Results go where a stage that make executes puts them, over what is there."""
    monkeypatch.setenv(MADE_BY_MAKE, "test")


@pytest.fixture(scope="session")
def changed():
    return _changed


@pytest.fixture(scope="session")
def smoke():
    """The smoke profile's run at beta2 = 0.95, in the corrected variant."""
    return load_study("beta2", "smoke", "optim.beta2=0.95", axes={}).runs[0].params


@pytest.fixture(scope="session")
def paper():
    return load_study("beta2", "paper", "", axes={}).runs[0].params


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs") / "corpora"


@pytest.fixture(scope="session")
def corpus(smoke, corpora):
    return build_corpus(smoke, corpora)


@pytest.fixture(scope="session")
def probes(corpus, smoke):
    return build_probes(corpus, smoke)


@pytest.fixture(scope="session")
def gpt2_params(paper):
    """The published parameters with a few generated stories in place of TinyStories."""
    small = {
        "task__corpus__source": "storyworld",
        "task__corpus__train_stories": 200,
        "task__corpus__validation_stories": 50,
    }
    return _changed(paper, task__tokenizer__path=_file_from("GPT2_TOKENIZER"), **small)


@pytest.fixture(scope="session")
def gpt2_corpus(gpt2_params, corpora):
    return build_corpus(gpt2_params, corpora)


@pytest.fixture(scope="session")
def tinystories():
    return Path(_file_from("TINYSTORIES"))
