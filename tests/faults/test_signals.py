"""SIGINT and SIGTERM through the real make: it ends soon, leaves no process, and the work goes on from there."""

import json
import os
import re
import shutil
import signal
import time

import pytest

from tests.faults.tools import (
    RUN,
    execute,
    make,
    processes_with,
    results,
    start_make,
    trained_run,
    wait_for,
    write_study,
)

STEPS = 200
LONGER = {"schedule.steps: 40": f"schedule.steps: {STEPS}", "lambda_step: 40": f"lambda_step: {STEPS}"}
LONGER |= {"whole: [8, 20, 32, 40]": "whole: [8, 20, 32, 40, 60, 80, 200]"}
PROMPT = 10.0  # seconds


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """(study file, outputs with the run, results) of a training that nothing interrupted."""
    home = tmp_path_factory.mktemp("uninterrupted")
    study = write_study(home / "tiny.yaml", LONGER)
    return study, home / "outputs", results(trained_run(study, home / "outputs"))


def interrupted_make(tmp_path, uninterrupted, send, moment, given="corpora"):
    """(process, seconds to its end, run) of a make that was sent a signal at a moment of its run.

    Args:
        given: what of the outputs is there before: the corpus, or with "" the trained run too.
    """
    study, outputs, _ = uninterrupted
    shutil.copytree(outputs / given, tmp_path / "outputs" / given)
    process = start_make("grid", "-j2", study=study, outputs=tmp_path / "outputs", FAULT_MARK=str(tmp_path))
    run = tmp_path / "outputs" / "tiny-smoke" / RUN
    wait_for(lambda: moment(run), process)
    started = time.monotonic()
    send(process.pid)
    process.said = process.communicate(timeout=60)
    return process, time.monotonic() - started, run


@pytest.mark.parametrize(
    "send",
    [
        lambda pid: os.killpg(pid, signal.SIGINT),
        lambda pid: os.killpg(pid, signal.SIGTERM),
        lambda pid: os.kill(pid, signal.SIGINT),
        lambda pid: os.kill(pid, signal.SIGTERM),
    ],
    ids=["SIGINT to all", "SIGTERM to all", "SIGINT to make", "SIGTERM to make"],
)
def test_an_interrupted_make_saves_and_ends(tmp_path, uninterrupted, send):
    _study, _outputs, expected = uninterrupted
    process, seconds, run = interrupted_make(
        tmp_path, uninterrupted, send, lambda run: (run / "snapshots" / "000012.safetensors").exists()
    )
    out, err = process.said
    assert process.returncode != 0
    assert seconds < PROMPT, f"{seconds:.1f} s\n{out}{err}"
    wait_for(lambda: not processes_with(str(tmp_path)), seconds=2)
    (step,) = re.findall(r"interrupted; the state after step (\d+) is saved, the same command goes on", out)
    assert err.count("interrupted; ") == 1
    assert "Traceback" not in out + err
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["reason"], record["step"]) == ("failed", "interrupted", int(step))
    assert 0 < int(step) < STEPS
    again = execute("01_train", run)
    assert f"resuming after step {step}" in again.stdout, again.stderr
    assert results(run) == expected


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)])
def test_a_measuring_stage_is_interrupted_too(tmp_path, uninterrupted, signals):
    """After it make goes on; an impatient scheduler's second signal tears nothing."""

    def send(pid):
        for number in signals:
            os.killpg(pid, number)
            time.sleep(0.2)

    study, _outputs, expected = uninterrupted
    process, seconds, run = interrupted_make(
        tmp_path, uninterrupted, send, lambda run: (run / "notebooks" / ".02_pca.part.ipynb").exists(), given=""
    )
    assert process.returncode != 0
    assert seconds < PROMPT
    wait_for(lambda: not processes_with(str(tmp_path)), seconds=2)
    assert process.said[1].count("interrupted; ") == 1
    assert not (run / "02_pca.done").exists()
    assert not (run / "notebooks" / ".02_pca.part.ipynb").exists()
    if len(signals) == 1:
        make("grid", "-j2", study=study, outputs=tmp_path / "outputs")
        assert results(run) == expected
        assert (run / "05_interference.done").exists()


def test_a_killed_make_takes_its_processes_with_it(tmp_path, uninterrupted):
    """kill -9 of make alone: what it had started notices, saves, and goes."""
    _process, _, run = interrupted_make(
        tmp_path,
        uninterrupted,
        lambda pid: os.kill(pid, signal.SIGKILL),
        lambda run: (run / "snapshots" / "000012.safetensors").exists(),
    )
    wait_for(lambda: not processes_with(str(tmp_path)), seconds=PROMPT)
    record = json.loads((run / "run.json").read_text())
    assert record["reason"] == "interrupted"

    # kill -9 of everything: what a stage had said by then is in the log all the same.
    study, outputs = uninterrupted[0], tmp_path / "outputs"
    again = start_make("grid", "-j2", study=study, outputs=outputs, FAULT_MARK=str(tmp_path))
    later = record["step"] + 40
    wait_for(lambda: any(int(path.stem) > later for path in run.glob("snapshots/*.safetensors")), again)
    os.killpg(again.pid, signal.SIGKILL)
    assert f"resuming after step {record['step']}" in again.communicate()[0]
    wait_for(lambda: not processes_with(str(tmp_path)), seconds=PROMPT)
