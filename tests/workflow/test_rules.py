"""make's rules on their own: the real make, and a LAUNCH that only leaves the markers of the stages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.base.files import ROOT
from lib.params.study import load_study
from lib.workflow.launch import run_rules
from lib.workflow.plan import targets
from lib.workflow.rules import write_rules

# LAUNCH: what follows it is `python -m lib execute STAGE... RUN`. It writes down what it was asked, and leaves the
# markers of every stage but those that FAIL names, and but those that come after one that is to last.
STAND_IN = """\
import os, sys, time
from pathlib import Path
stages, run = sys.argv[5:-1], Path(sys.argv[-1])
with open(os.environ["ASKED"], "a") as log:
    log.write(f"{run.name} {' '.join(stages)}\\n")
failed = []
for stage in stages:
    if stage == os.environ.get("LAST"):
        time.sleep(60)
    if stage in os.environ.get("FAIL", "").split() or stage == "02_pca" and "01_train" in failed:
        failed.append(stage)
    else:
        run.mkdir(exist_ok=True)
        (run / f"{stage}.done").touch()
sys.exit(1 if failed else 0)
"""
TOGETHER = "01_train 02_pca 03_fisher 05_interference"


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """(rules, launch, folder of the study, file of what was asked): two runs, one of them with branches."""
    study = load_study("beta2", "smoke")
    study.runs[:] = [run for run in study.runs if run.params.optim.beta2 in (0.99, 0.95)]
    folder = tmp_path / "a $tudy"
    rules = write_rules("grid", folder, targets(study, folder))
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    return rules, f"{sys.executable} {tmp_path}/stand_in.py", folder, tmp_path / "asked"


def made(grid) -> tuple[int, list[str]]:
    """(exit code of make, the commands that it ran), two at a time."""
    rules, launch, _, asked = grid
    asked.unlink(missing_ok=True)
    lock = os.open(os.devnull, os.O_RDONLY)
    code = run_rules(rules, launch, 2, lock)
    os.close(lock)
    return code, asked.read_text().splitlines() if asked.exists() else []


def done(folder: Path, beta2: str) -> set[str]:
    return {path.stem for path in folder.glob(f"*b2{beta2}_s42/*.done")}


def test_one_command_a_run_and_one_for_a_stage_of_its_own(grid):
    code, asked = made(grid)
    assert code == 0
    assert [line.split(" ", 1)[1] for line in asked] == [TOGETHER, TOGETHER, "04_reheat"]
    assert asked[2].split()[0].endswith("b20.95_s42")
    assert made(grid) == (0, [])


def test_a_marker_that_is_missing_asks_for_its_own_command_alone(grid):
    made(grid)
    next(grid[2].glob("*b20.95*/04_reheat.done")).unlink()
    _, asked = made(grid)
    assert [line.split(" ", 1)[1] for line in asked] == ["04_reheat"]
    next(grid[2].glob("*b20.95*/03_fisher.done")).unlink()
    _, asked = made(grid)
    assert [line.split(" ", 1)[1] for line in asked] == [TOGETHER]
    assert made(grid) == (0, [])  # what only has to wait for it is not older than it


@pytest.mark.parametrize(
    ("fails", "others"), [("03_fisher", {"04_reheat"}), ("02_pca", set()), ("01_train", set())]
)
def test_a_failed_stage_stops_the_commands_that_need_it(grid, monkeypatch, fails, others):
    monkeypatch.setenv("FAIL", fails)
    _, asked = made(grid)
    assert len(asked) == 2 + len(others)  # the other run goes on, too
    assert fails not in done(grid[2], "0.95")
    assert ("04_reheat" in done(grid[2], "0.95")) == bool(others)
    monkeypatch.delenv("FAIL")
    code, asked = made(grid)
    assert code == 0
    assert done(grid[2], "0.95") == {*TOGETHER.split(), "04_reheat"}


def test_an_old_marker_does_not_stand_for_what_failed_before_it(grid, monkeypatch):
    """02 is as it was, but its training failed: 04 does not begin."""
    made(grid)
    (run,) = grid[2].glob("*b20.95*")
    for name in ("01_train", "04_reheat"):
        (run / f"{name}.done").unlink()
    monkeypatch.setenv("FAIL", "01_train")
    code, asked = made(grid)
    assert code != 0
    assert [line.split(" ", 1)[1] for line in asked] == [TOGETHER]


def test_a_failed_run_is_told_where_nothing_waits_for_it(grid, monkeypatch):
    monkeypatch.setenv("FAIL", "05_interference")
    code, _ = made(grid)
    assert code != 0


def test_an_interrupt_leaves_the_markers_of_finished_stages(grid, monkeypatch):
    monkeypatch.setenv("LAST", "03_fisher")
    rules, launch, folder, _ = grid
    command = ["make", "--no-print-directory", "-k", "-f", str(rules), "all", f"LAUNCH={launch}", "-j2"]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not all({"02_pca"} <= done(folder, beta2) for beta2 in ("0.95", "0.99")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    for beta2 in ("0.95", "0.99"):
        assert done(folder, beta2) == {"01_train", "02_pca"}
