"""Too little memory is told as that: by the system's killer, by torch, by numpy, on the CPU and on a GPU."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base.memory import ran_out
from tests.faults.tools import (
    RUN,
    TRAINING_ALONE,
    clean_environment,
    execute,
    library,
    processes_with,
    start_make,
    wait_for,
    write_study,
)

ROOT_OF_LIMITS = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")]
HUGE = "model.ff=40000000"  # a weight matrix of 5 GB


def record_of(outputs, run=RUN):
    return json.loads((outputs / "tiny-smoke" / run / "run.json").read_text())


def kernels_of(mark):
    """The processes that are kernels at work."""
    return [pid for pid in processes_with(mark) if Path(f"/proc/{pid}/comm").read_text() == "kernel\n"]


def test_a_killed_kernel_is_reported_and_the_other_run_goes_on(tmp_path):
    study = write_study(tmp_path / "tiny.yaml", {"[0.95]": "[0.95, 0.9]"}, TRAINING_ALONE)
    outputs = tmp_path / "outputs"
    process = start_make("grid", "-j1", study=study, outputs=outputs, FAULT_MARK=str(tmp_path))
    wait_for(lambda: list(outputs.glob(f"*/{RUN}/snapshots/000008*")), process)
    os.kill(*kernels_of(str(tmp_path)), signal.SIGKILL)
    _out, err = process.communicate(timeout=240)
    assert process.returncode != 0
    assert len(re.findall(r"cause +its kernel was killed from outside \(SIGKILL\), most often by the", err)) == 1
    assert re.search(r"memory had reached 0\.[1-9] GB of this machine's \d+", err)
    assert "batch.accumulate" in err and "make -j1" in err
    assert "Traceback" not in err
    record = record_of(outputs)
    assert record["state"] == "failed" and record["reason"].startswith("its kernel was killed from outside")
    assert record_of(outputs, RUN.replace("0.95", "0.90"))["state"] == "done"
    assert execute("01_train", outputs / "tiny-smoke" / RUN).returncode == 0
    assert record_of(outputs)["state"] == "done"


def limited(command, **environment):
    """A command whose processes may each have 4 GB of address space."""
    return subprocess.run(
        command,
        env=clean_environment(**environment),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_torch_without_memory_is_one_sentence_of_a_stage(tmp_path):
    study = write_study(tmp_path / "tiny.yaml")
    words = ["make", "--runs-only", "--study", str(study), "--profile", "smoke", "--set", HUGE]
    said = limited([sys.executable, "-m", "lib", *words, "--outputs", str(tmp_path / "outputs")])
    assert said.returncode == 1
    assert re.search(
        r"cause +out of memory: this process, asked for 5\.1 GB more, memory had reached .* GB .*; take a smaller "
        r"batch.size with a batch.accumulate larger by the same factor, or fewer stages at a time \(make -j1\)",
        said.stderr,
    )
    assert "Traceback" not in said.stderr
    record = record_of(tmp_path / "outputs")
    assert record["state"] == "failed" and record["reason"].startswith("out of memory: ")


def test_torch_without_memory_is_one_sentence_of_pilot(tmp_path):
    command = [sys.executable, "-m", "lib", "pilot", "--profile", "smoke", "--model.ff=40000000"]
    said = limited([*command, "--out_dir", str(tmp_path / "study")])
    assert said.returncode == 2
    assert said.stderr.startswith("error: out of memory: this process, asked for 5.1 GB more")
    assert said.stderr.count("\n") == 1


@pytest.fixture
def little_memory():
    """A control group of 500 MB; its file of members."""
    for parent in ROOT_OF_LIMITS:
        if not (parent / "cgroup.procs").exists():
            continue
        group = parent / f"faults-{os.getpid()}"
        limit = "memory.limit_in_bytes" if parent.name == "memory" else "memory.max"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(500 << 20))
        except OSError:
            group.rmdir()
            continue
        yield group / "cgroup.procs"
        wait_for(lambda group=group: not (group / "cgroup.procs").read_text(), seconds=10)
        group.rmdir()
        return
    pytest.skip("limiting the memory of a group of processes needs root and control groups")


def test_the_systems_killer_is_named(tmp_path, little_memory):
    study = write_study(tmp_path / "tiny.yaml")
    words = ["make", "--runs-only", "--study", str(study), "--profile", "smoke", "--set", "model.ff=1000000"]
    command = [sys.executable, "-m", "lib", *words, "--outputs", str(tmp_path / "outputs")]
    said = subprocess.run(
        ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(little_memory), *command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert said.returncode == 1, said.stderr
    assert re.search(
        r"cause +out of memory: the system killed its kernel, memory had reached 0\.\d GB", said.stderr
    )
    assert record_of(tmp_path / "outputs")["reason"].startswith("out of memory: the system killed")
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (
            "OutOfMemoryError",
            "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB",
            "out of memory: the GPU, asked for 2.50 GiB more",
        ),
        (
            "_ArrayMemoryError",
            "Unable to allocate 7.45 GiB for an array with shape (10, 100000000)",
            "7.45 GiB more",
        ),
        ("MemoryError", "", "out of memory: this process, memory had reached"),
        (
            "RuntimeError",
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 512000000 bytes.",
            "0.5 GB",
        ),
    ],
)
def test_every_way_of_saying_it_is_known(kind, text, sentence):
    assert sentence in ran_out(kind, text)


def test_other_errors_are_left_as_they_are():
    assert ran_out("RuntimeError", "shapes (2, 3) and (4, 5) do not fit") == ""
    assert library("execute", "01_train", "nowhere").returncode == 2
