"""make in odd folders and environments, with odd values: what was typed is read, nothing of it is run."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base import provenance
from lib.base.errors import BadInput
from lib.params.study import load_study
from lib.workflow.plan import targets
from lib.workflow.rules import refuse_place, write_rules
from tests.faults.tools import ROOT, clean_environment, execute, one_sentence


def front_door(*words, cwd=ROOT, **environment):
    """make with these words, every value of theirs as one word."""
    environment = clean_environment(**environment)
    return subprocess.run(["make", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


# ------------------------------------------------------------------------------------------ what is given to make

VALUES = ("x'; touch {0}; '", '"$(touch {0})`touch {0}`', "$(shell touch {0})", "a\\b $$HOME # c", "--help")
PLACES = (
    ("status", "STUDY"),
    ("status", "PROFILE"),
    ("why", "SET"),
    ("clean", "OUTPUTS"),
    ("grid", "PARAMS"),
    ("paper", "FROM"),
    ("pack", "TO"),
    ("explore", "CKPTS"),
    ("lab", "RUN"),
    ("lab", "NOTEBOOK"),
    ("bench", "SIZES"),
    ("help", "OUTPUTS"),
)


@pytest.mark.parametrize(("target", "name"), PLACES)
def test_a_value_reaches_python_as_it_was_typed(target, name, tmp_path):
    canary = tmp_path / "it_ran"
    show = "from sys import argv; print(argv[1:])"
    for value in (text.format(canary) for text in VALUES):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{show}' \"$@\"\n")
        python.chmod(0o755)
        also = [f"{n}=x" for n in ("RUN", "PARAMS", "CKPTS") if n != name]
        said = front_door(target, f"PYTHON={python}", f"{name}={value}", *also)
        assert not canary.exists(), value
        assert said.returncode == 0, said.stderr
        assert value in said.stdout if target == "help" else repr(value)[1:-1] in said.stdout, said.stdout


def test_a_value_is_one_line(tmp_path):
    said = front_door("status", "PYTHON=echo", f"SET=seed=1\ntouch {tmp_path / 'it_ran'}")
    one_sentence(said, "SET has a line break")
    assert not (tmp_path / "it_ran").exists()


ODD_NAMES = ("a b  c", 'it\'s "x"', "größe-数据", "a#b", "a$b$(x)${HOME}", "lr=6e-4", "a:b", "a%b%c", "f(x)*[y]?")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_make_finds_its_way_in_an_odd_folder(name, tmp_path):
    """Real make on the real rules; what stands for a stage leaves its marker and nothing else."""
    study, folder = load_study("beta2", "smoke"), tmp_path / name / "beta2-smoke"
    every = targets(study, folder)
    refuse_place(folder)
    rules = write_rules(study.folder_name, folder, every)
    for target in every:
        target.folder.mkdir(exist_ok=True)
    # ... -m lib execute STAGE... FOLDER
    mark = 'for run; do :; done; shift 3; for s; do [ "$$s" = "$$run" ] || touch "$$run/$$s.done"; done'
    launch = f"LAUNCH=sh -c '{mark}'"
    said = front_door("-f", str(rules), launch, "all")
    assert said.returncode == 0, said.stderr
    assert all(target.done.is_file() for target in every)
    assert front_door("-q", "-f", str(rules), launch, "all").returncode == 0


@pytest.mark.parametrize("name", ["~", "~x/y", "a;b", "a|b", "a\\b", "a\tb", "a\nb", "a\udcff"])
def test_a_folder_that_make_cannot_name_is_refused(name):
    with pytest.raises(BadInput, match=r"make cannot have .* another place for the results"):
        refuse_place(Path(name))


def test_a_profile_is_one_of_the_profiles():
    with pytest.raises(BadInput, match="unknown profile"):
        load_study("beta2", "../profiles/smoke")


# -------------------------------------------------------------------------------------------------- environments


def test_a_stage_is_the_same_in_any_environment(measured, tmp_path):
    """Settings of the user's own for matplotlib, IPython and python, and a umask that hides files."""
    home, canary = tmp_path / "home", tmp_path / "it_ran"
    profile = home / ".ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    touch = f"open({str(canary)!r}, 'w')\n"
    for path in (profile / "startup" / "00.py", profile / "ipython_kernel_config.py", home / "start.py"):
        path.write_text(touch)
    (home / "matplotlibrc").write_text("font.size: 40\nsavefig.dpi: 7\ntext.usetex: True\nlines.linewidth: 9\n")
    shutil.copytree(measured.parents[1], tmp_path / "outputs")
    run = tmp_path / "outputs" / measured.parent.name / measured.name
    (run / "02_pca.done").unlink()
    mask = os.umask(0o077)
    try:
        said = execute(
            "02_pca",
            run,
            HOME=str(home),
            MATPLOTLIBRC=str(home / "matplotlibrc"),
            MPLBACKEND="module://nonsense",
            PYTHONSTARTUP=str(home / "start.py"),
            TMPDIR="/nonexistent",
            LC_ALL="C",
        )
    finally:
        os.umask(mask)
    assert said.returncode == 0, said.stderr
    assert not canary.exists()
    for folder in ("figures", "analysis"):
        for path in sorted((measured / folder).iterdir()):
            assert (run / folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert stat.S_IMODE((run / "02_pca.done").stat().st_mode) == 0o600


def test_git_is_asked_about_this_checkout(tmp_path, monkeypatch):
    here = provenance.commit()
    words = ["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "another"]
    for command in (["init", "-q"], words):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert provenance.commit()[0] == here[0]


def test_too_few_open_files_are_told_before_a_stage_is(tmp_path):
    command = f"ulimit -n 40; exec '{sys.executable}' -m lib make --profile smoke --outputs '{tmp_path}'"
    said = subprocess.run(["sh", "-c", command], cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
    one_sentence(said, "error: ulimit -n 40: a stage has up to")


def test_an_environment_half_made_is_made_anew(tmp_path):
    """What stands for python3 says what it is asked; its venv runs."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    made = 'mkdir -p .venv/bin; rm -f .venv/bin/python; cp "$0" .venv/bin/python'
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in "-m venv --clear .venv") echo made; {made};; esac\n')
    python.chmod(0o755)
    broken = tmp_path / ".venv" / "bin" / "python"
    path = f"{tmp_path}:{os.environ['PATH']}"
    for leave in ("nothing", "a python that is gone", "ready, but for a python that is gone"):
        shutil.rmtree(tmp_path / ".venv", ignore_errors=True)
        broken.parent.mkdir(parents=True)
        if leave != "nothing":
            broken.symlink_to("/nonexistent/python3")
        if leave.startswith("ready"):
            (tmp_path / ".venv" / "ready").write_text("")
        said = front_door("setup", cwd=tmp_path, PATH=path)
        assert said.returncode == 0 and "made" in said.stdout, (leave, said.stderr)
        assert "made" not in front_door("setup", cwd=tmp_path, PATH=path).stdout
