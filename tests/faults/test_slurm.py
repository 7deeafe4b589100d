"""The grid on a real Slurm of one node: the same bytes through srun and sbatch, whatever happens to its jobs.

tests/slurm/start.sh starts munge and Slurm on 127.0.0.1; where it cannot, everything here that needs it skips.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.base.errors import BadInput
from lib.base.locks import hold
from lib.workflow.launch import job_count
from tests.faults.tools import ROOT, RUN, make, results, start_make

SCRIPTS = ROOT / "tests" / "slurm"
# No state is saved by the clock: what a stopped job has left to go on from, it saved because it was told.
STUDY = """\
study: one
axes: {optim.beta2: [0.95]}
set: {batch.size: 16, machine.checkpoint_seconds: 600}
"""
SRUN, SBATCH = "LAUNCH=srun -n1 -c1", "LAUNCH=cluster/sbatch-wait.sh --cpus-per-task=1"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The folder of a running Slurm; its commands find it by SLURM_CONF."""
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
            patch.delenv(name)  # these tests may themselves run in a job
        try:
            said = subprocess.run([SCRIPTS / "start.sh", folder], capture_output=True, text=True, timeout=600)
            if said.returncode:
                pytest.skip(said.stderr.strip() or "no Slurm here")
            patch.setenv("SLURM_CONF", said.stdout.strip())
            yield folder
        finally:
            subprocess.run([SCRIPTS / "stop.sh", folder], timeout=60)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "one.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def undisturbed(study):
    """The outputs of a grid without LAUNCH."""
    outputs = study.parent / "undisturbed"
    make("grid", "-j2", study=study, outputs=outputs)
    return outputs


def everything(outputs: Path) -> dict[str, bytes]:
    """Every byte that a run's results consist of, training's and the measurements'."""
    run = outputs / "one-smoke" / RUN
    files = [run / "digest.npz", *sorted(run.glob("analysis/*.json"))]
    return results(run) | {path.name: path.read_bytes() for path in files}


def differing(outputs: Path, expected: Path) -> list[str]:
    ours, theirs = everything(outputs), everything(expected)
    assert ours.keys() == theirs.keys()
    return [name for name in ours if ours[name] != theirs[name]]


def slurm_says(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def queue() -> list[str]:
    """The ids of all jobs that are waiting, running or just leaving."""
    return slurm_says("squeue", "--noheader", "--format=%i").split()


def wait_until(condition, seconds: float = 60, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at_step(process: subprocess.Popen, outputs: Path, step: int) -> str:
    """Wait for a snapshot of the run; returns the id of the job that trains it."""
    snapshot = outputs / "one-smoke" / RUN / "snapshots" / f"{step:06d}.safetensors"
    wait_until(snapshot.exists, process=process)
    (job,) = queue()
    return job


def saved_step(outputs: Path) -> int:
    """The step of the newest full state; fails where there is none."""
    run = outputs / "one-smoke" / RUN
    assert (run / "checkpoint.safetensors").is_file()
    return json.loads((run / "run.json").read_text())["step"]


def test_srun_saves_at_a_notice_and_ends_with_the_same_bytes(slurm, study, undisturbed, tmp_path, monkeypatch):
    """The notice before a preemption: SIGTERM to every process of the job. The same command then goes on."""
    there = tmp_path / ("a" * 120)  # a site's TMPDIR, too long a path for a socket
    there.mkdir()
    monkeypatch.setenv("TMPDIR", str(there))
    outputs = tmp_path / "outputs"
    process = start_make("grid", "-j2", SRUN, study=study, outputs=outputs)
    job = at_step(process, outputs, 12)
    slurm_says("scancel", "--signal=TERM", job)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "interrupted; the same command goes on" in err
    assert 12 <= saved_step(outputs) < 80
    assert queue() == []

    before = len(slurm.joinpath("jobs.txt").read_text().splitlines())
    said = make("grid", "-j2", SRUN, study=study, outputs=outputs).stdout
    assert re.search(r"resuming after step \d+ of 80", said)
    assert differing(outputs, undisturbed) == []
    # Slurm's own book: the run was one job of it, with all of its stages.
    (job,) = slurm.joinpath("jobs.txt").read_text().splitlines()[before:]
    assert "JobState=COMPLETED" in job


def test_sbatch_goes_on_by_itself_and_ends_with_the_same_bytes(slurm, study, undisturbed, tmp_path):
    """A job that runs into its time limit, and is then killed and requeued: nobody types anything."""
    outputs = tmp_path / "outputs"
    process = start_make("grid", "-j2", SBATCH, study=study, outputs=outputs)
    job = at_step(process, outputs, 12)
    slurm_says("scancel", "--batch", "--signal=USR1", job)  # what Slurm sends a minute before the limit
    assert at_step(process, outputs, 40) == job
    first = saved_step(outputs)
    assert 12 <= first < 40
    for line in slurm_says("scontrol", "listpids", job).splitlines()[1:]:  # the node goes down, so to speak
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    slurm_says("scontrol", "requeue", job)
    wait_until(lambda: "Restarts=2" in slurm_says("scontrol", "show", "job", job), process=process)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert out.count(f"resuming after step {first} of 80") == 2, out + err
    assert "01_train done in" in out
    assert differing(outputs, undisturbed) == []
    assert queue() == []
    assert not list((ROOT / "outputs" / "slurm").glob("job-*"))


@pytest.mark.parametrize(("launch", "saves"), [(SRUN, False), (SBATCH, True)])
def test_an_interrupted_make_leaves_no_job(slurm, study, tmp_path, launch, saves):
    """Ctrl-C reaches make and srun alike, and srun by itself would only say so."""
    # A long training: one that would soon be over by itself shows nothing.
    process = start_make("grid", launch, "SET=schedule.steps=2000", study=study, outputs=tmp_path / "outputs")
    at_step(process, tmp_path / "outputs", 12)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "interrupted; the same command goes on" in err
    wait_until(lambda: queue() == [], seconds=3)
    if saves:
        assert saved_step(tmp_path / "outputs") >= 12


@pytest.mark.parametrize("launch", [SRUN, SBATCH])
def test_a_failing_stage_says_so_and_make_fails(slurm, tmp_path, launch):
    own = tmp_path / "own.yaml"
    own.write_text(
        STUDY.replace("batch.size: 16", f"task.corpus.source: file, task.corpus.path: '{tmp_path}/stories.jsonl'")
    )
    (tmp_path / "stories.jsonl").write_text('{"text": "too short"}\n' * 3)
    said = make("grid", launch, study=own, outputs=tmp_path / "outputs", check=False)
    assert said.returncode != 0
    assert (said.stdout + said.stderr).count("no usable train story") == 1
    assert "Traceback" not in said.stdout + said.stderr
    assert f"not done: {RUN} 01_train" in said.stderr


def test_a_job_that_outlived_its_make_is_named(slurm, study, tmp_path):
    """kill -9 of make and srun leaves the job; the next make waits a moment, then says who is at work."""
    outputs = tmp_path / "outputs"
    process = start_make("grid", SRUN, "SET=schedule.steps=2000", study=study, outputs=outputs)
    wait_until(lambda: list(outputs.glob("one-smoke/*/metrics.jsonl")), process=process)
    (job,) = queue()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert queue() == [job]
    said = make("grid", "SET=schedule.steps=2000", study=study, outputs=outputs, check=False)
    slurm_says("scancel", job)
    assert said.returncode != 0
    assert re.search(r"error: .*: process \d+ on \S+ since \S+ is working here", said.stderr)


@pytest.mark.parametrize(
    ("launch", "sentence"),
    [
        ("sruun -n1", "there is no command sruun here (did you mean srun?)"),
        (
            "sbatch --gres=gpu:1",
            "returns before it ran; use LAUNCH='cluster/sbatch-wait.sh ...'",
        ),
        ("srun --comment='a b", "not a command line (no closing quotation)"),
    ],
)
def test_a_wrong_launch_gets_one_sentence(study, tmp_path, launch, sentence):
    said = make("grid", f"LAUNCH={launch}", study=study, outputs=tmp_path / "outputs", check=False)
    assert said.returncode != 0
    assert sentence in said.stderr
    assert said.stderr.count("error:") == 1 and "Traceback" not in said.stderr
    assert not (tmp_path / "outputs").exists()


def test_an_option_that_is_no_command_gets_one_sentence():
    command = ["cluster/sbatch-wait.sh", "--time", "4:00:00", sys.executable, "-c", "pass"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2
    assert "no command '4:00:00' here; options of sbatch are written as --name=value" in said.stderr


def test_words_reach_the_job_as_they_are(slurm):
    awkward = ["two words", "$HOME", "it's", 'a "b"', "*", "back\\slash", ""]
    code = "import sys; print(sys.argv[1:]); sys.exit(3)"
    command = ["cluster/sbatch-wait.sh", "--cpus-per-task=1", sys.executable, "-c", code, *awkward]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert said.returncode == 3, said.stderr
    assert said.stdout == f"{awkward}\n"


def test_a_job_is_over_when_its_command_is(slurm):
    """sbatch --wait looks after 2, 10 and 42 seconds: that would be half a minute lost for a stage of as much."""
    started = time.monotonic()
    subprocess.run(
        ["cluster/sbatch-wait.sh", "--cpus-per-task=1", "sleep", "2.5"], cwd=ROOT, check=True, timeout=30
    )
    assert time.monotonic() - started < 7


def test_a_requeued_job_is_waited_for(slurm, tmp_path):
    """Its command ends with a code that is not yet the job's."""
    wait_until(lambda: queue() == [])
    mark = tmp_path / "mark"
    again = f"if [ -e {mark} ]; then echo twice; exit 5; fi"
    script = f"trap 'exit 130' TERM; {again}; touch {mark}; sleep 60 & wait"
    command = ["cluster/sbatch-wait.sh", "--cpus-per-task=1", "sh", "-c", script]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_until(mark.exists)
    slurm_says("scontrol", "requeue", *queue())
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "REQUEUE" in out and out.endswith("twice\n")


def test_a_job_that_slurm_ends_is_an_error_that_says_so(slurm, tmp_path):
    wait_until(lambda: queue() == [])
    command = ["cluster/sbatch-wait.sh", "--cpus-per-task=1", "--time=5", "sleep", "90"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: slurm_says("squeue", "--noheader", "--states=RUNNING").strip())
    slurm_says("scancel", *queue())
    _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, 130)
    assert re.search(r"error: Slurm ended job \d+: CANCELLED", err)


def test_a_job_that_is_cancelled_while_it_saves_before_its_time_is_over_is_not_requeued(slurm):
    wait_until(lambda: queue() == [])
    saving = "trap '' TERM; sleep 4; exit 1"
    command = ["cluster/sbatch-wait.sh", "--cpus-per-task=1", "sh", "-c", saving]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: slurm_says("squeue", "--noheader", "--states=RUNNING").strip())
    time.sleep(1)  # until its own shell listens
    slurm_says("scancel", "--batch", "--signal=USR1", *queue())  # as a minute before the time limit
    time.sleep(1)
    slurm_says("scancel", *queue())
    _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, 130)
    assert re.search(r"error: Slurm ended job \d+: CANCELLED", err)


def test_behind_launch_every_run_is_submitted(monkeypatch, tmp_path):
    """The login machine's cores and its GPU say nothing of the cluster; a given -j is what it was."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    assert job_count(40, "srun") == (40, False)
    assert job_count(40, "") == (1, False)
    monkeypatch.setenv("MAKEFLAGS", " -j3 --jobserver-auth=3,4")
    assert job_count(40, "srun") == (3, True)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, number):
    def flock(*_) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(BadInput, match="this file system has no locks"):
        hold(tmp_path / ".lock", tmp_path, patience=0)


def test_start_says_why_it_cannot(tmp_path):
    """The reason of a skip is start.sh's last line, whatever is missing."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "uname", "id", "dirname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    environment = {"PATH": str(tmp_path / "bin")}
    said = subprocess.run(
        [SCRIPTS / "start.sh", tmp_path / "home"], capture_output=True, text=True, env=environment
    )
    assert said.returncode == 77
    assert "no Slurm here: " in said.stderr
