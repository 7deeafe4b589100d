"""A queue that took a job and then never answers is not waited for without end."""

import subprocess

from tests.faults.tools import ROOT, clean_environment


def test_a_queue_that_says_nothing_is_given_up(tmp_path):
    places = tmp_path / "bin"
    places.mkdir()
    for name, text in (("sbatch", "echo 7"), ("scontrol", "exit 1"), ("squeue", "exit 1"), ("scancel", "exit 1")):
        (places / name).write_text(f"#!/bin/sh\ncat >/dev/null </dev/null\n{text}\n")
        (places / name).chmod(0o755)
    environment = clean_environment(SLURM_PATIENCE="2")
    environment["PATH"] = f"{places}:{environment['PATH']}"
    said = subprocess.run(
        [ROOT / "cluster" / "sbatch-wait.sh", "true"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert said.returncode == 1
    assert "error: nothing was heard of job 7 for 2 seconds" in said.stderr
    assert list((tmp_path / "outputs" / "slurm").iterdir()) == []
