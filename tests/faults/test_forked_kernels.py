"""One command a run: its kernels are forked and its own children, end with it, and measure what cold ones do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib.workflow.kernels import ENVIRONMENT, waiting_kernels
from tests.faults.test_kill_in_stages import measurements
from tests.faults.tools import ROOT, clean_environment, processes_with, start, wait_for

STAGES = ("02_pca", "03_fisher", "05_interference")
WITH_A_SECOND_THREAD = (
    "import sys, threading; from lib.workflow.cli import main; "
    "threading.Thread(target=threading.Event().wait, daemon=True).start(); sys.exit(main(sys.argv[1:]))"
)


def named(mark: str) -> dict[int, str]:
    """The processes that know `mark`: pid -> what ps shows."""
    found = {}
    for pid in processes_with(mark):
        try:
            found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
    return found


def parent(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("PPid:")))


def begun(run: Path, *stages: str, cold: bool = False) -> subprocess.Popen:
    """`execute` under way; with a second thread in it, which is not forked."""
    code = ["-c", WITH_A_SECOND_THREAD] if cold else ["-m", "lib"]
    return subprocess.Popen(
        [sys.executable, *code, "execute", *stages, str(run)],
        cwd=ROOT,
        env=clean_environment(**ENVIRONMENT, FAULT_MARK=str(run)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def all_end(mark: str) -> None:
    """Nothing that knows `mark` is there after a second; what is left is ended all the same."""
    try:
        wait_for(lambda: not named(mark), seconds=1)
    finally:
        for pid in named(mark):
            os.kill(pid, signal.SIGKILL)


def seen_until_the_end(process: subprocess.Popen, mark: str) -> list[set[str]]:
    """The names of the command's children at every look."""
    looks = []
    while process.poll() is None:
        looks.append({name for pid, name in named(mark).items() if pid != process.pid})
        time.sleep(0.02)
    return looks


def test_forked_kernels_measure_what_cold_ones_do(tmp_path, finished):
    made = {}
    for cold in (False, True):
        run = tmp_path / str(cold) / finished.parent.name / finished.name
        shutil.copytree(finished.parent.parent, run.parent.parent)
        process = begun(run, *STAGES, cold=cold)
        looks = seen_until_the_end(process, str(run))
        assert process.returncode == 0, process.communicate()
        assert any("waiting" in names for names in looks) != cold
        assert any("kernel" in names for names in looks)
        made[cold] = measurements(run), shown(run)
    assert made[False] == made[True]
    assert any("image/png" in kinds for kinds in made[True][1])


def shown(run: Path) -> list[object]:
    """What the cells of the notebooks say and show, but for times."""
    found = []
    for stage in STAGES:
        cells = json.loads((run / "notebooks" / f"{stage}.ipynb").read_text())["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        found += [output.get("data") or output.get("text") for output in outputs]
    assert found
    return found


def test_a_kernel_is_the_child_of_its_command_and_dies_with_it(tmp_path, finished):
    shutil.copytree(finished.parent.parent, tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    process = begun(run, *STAGES)
    wait_for(lambda: "kernel" in named(str(run)).values(), process)
    children = {pid: name for pid, name in named(str(run)).items() if pid != process.pid}
    assert sorted(children.values()) == ["kernel", "waiting", "waiting"]
    assert {parent(pid) for pid in children} == {process.pid}
    assert {os.getsid(pid) for pid in children} == set(children)  # Ctrl-C reaches them through the command alone
    process.kill()
    process.wait()
    all_end(str(run))


def test_a_cold_kernel_dies_with_its_command(tmp_path, finished):
    shutil.copytree(finished.parent.parent, tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    process = begun(run, "02_pca", cold=True)
    wait_for(lambda: "kernel" in named(str(run)).values(), process)
    process.kill()
    process.wait()
    all_end(str(run))


def test_an_interrupt_leaves_no_waiting_kernel(tmp_path, finished):
    shutil.copytree(finished.parent.parent, tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    process = begun(run, *STAGES)
    wait_for(lambda: "kernel" in named(str(run)).values(), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, out + err
    wait_for(lambda: not named(str(run)), seconds=1)


def test_a_waiting_kernel_that_was_killed_is_replaced(tmp_path, finished):
    """By one that starts cold: the stage is not lost."""
    shutil.copytree(finished.parent.parent, tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    process = begun(run, *STAGES[:2])
    wait_for(lambda: sorted(named(str(run)).values()).count("waiting") == 2, process)
    for pid, name in named(str(run)).items():
        if name == "waiting":
            os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err


def test_two_commands_at_once_do_not_meet(tmp_path, finished):
    runs = []
    for number in range(2):
        runs.append(tmp_path / str(number) / finished.parent.name / finished.name)
        shutil.copytree(finished.parent.parent, runs[-1].parent.parent)
    processes = [begun(run, "02_pca", "05_interference") for run in runs]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert measurements(runs[0]) == measurements(runs[1])


def test_nothing_is_forked_beside_a_second_thread(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with waiting_kernels(2, []) as kernels:
            assert kernels == []
    finally:
        over.set()
        thread.join()


NUMBERS = """
import os, random, sys
from lib.workflow.kernels import ENVIRONMENT, waiting_kernels
code = "import os, random, sys, numpy; "
code += "print(random.random(), numpy.random.random(), hash('a'), sys.argv[1:], flush=True)"
with waiting_kernels(2, ["import numpy.random"]) as kernels:
    for kernel in kernels:
        kernel.begin([sys.executable, "-c", code, "word"], os.getcwd(), dict(os.environ))
        kernel.wait()
"""


def test_forked_kernels_draw_their_own_random_numbers():
    """Those of a notebook that sets no seed; and all kernels order sets alike."""
    said = subprocess.run(
        [sys.executable, "-c", NUMBERS],
        cwd=ROOT,
        env=clean_environment(**ENVIRONMENT),
        capture_output=True,
        text=True,
    )
    lines = [line.split() for line in said.stdout.splitlines()]
    assert len(lines) == 2, said.stderr
    for draws in list(zip(*lines, strict=True))[:2]:
        assert draws[0] != draws[1]
    assert lines[0][2:] == lines[1][2:]
    assert lines[0][3] == "['word']"


@pytest.mark.parametrize("stage", ["02_pca", "03_fisher"])
def test_a_stage_that_fails_stops_those_that_need_it_alone(tmp_path, finished, stage):
    shutil.copytree(finished.parent.parent, tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    figure = {"02_pca": "02_pca_spectrum.png", "03_fisher": "03_fisher_anisotropy.png"}[stage]
    (run / "figures" / figure).mkdir(parents=True)
    process = start("execute", *STAGES, str(run))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.count("FAILED") == 1 and f"notebook  {stage}" in err
    done = {path.stem for path in run.glob("*.done")}
    assert done == ({"02_pca", "05_interference"} if stage == "03_fisher" else set())
