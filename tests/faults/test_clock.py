"""A wall clock that jumps, and files from the future or from long ago: results and reports depend on neither."""

import json
import os
import re
import shutil
import time

import pytest

from lib.train.run_record import run_record
from tests.faults.tools import RUN, execute, library, make, pilot, results, write_study

YEARS = 10 * 365 * 86400
JUMPS = {
    "back": f"t - {YEARS} if os.path.exists('AFTER') else t",
    "forward": f"t + {YEARS} if os.path.exists('AFTER') else t",
    "to and fro": f"t + {YEARS} * (-1) ** int(passed * 7)",
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_changes_no_result(tmp_path, finished, faulty, jump):
    study = write_study(tmp_path / "tiny.yaml")
    (tmp_path / "corpora").symlink_to(finished.parents[1] / "corpora")
    words = ["--profile", "smoke", "--beta2", "0.95", "--study", str(study), "--out_dir", str(tmp_path / "study")]
    after = tmp_path / "study" / RUN / "snapshots" / "000008.safetensors"
    said = library("pilot", *words, python=faulty, FAULT_CLOCK=JUMPS[jump].replace("AFTER", str(after)))
    assert said.returncode == 0, said.stderr
    (run,) = (tmp_path / "study").glob("pilot_*")
    assert results(run) == results(finished)
    for rate, left in re.findall(r"([-\d,]+) tok/s +(\S+) left", said.stdout):
        assert int(rate.replace(",", "")) > 0
        assert re.fullmatch(r"\d+:\d\d", left)
    record = run_record(run)
    assert 0 < record.seconds < 240
    assert record.tokens_per_second > 0 and (record.seconds_left is None or record.seconds_left >= 0)


def test_checkpoints_keep_their_pace_when_the_clock_goes_back(tmp_path, finished, faulty):
    """One is due at nearly every step; a clock that stands in the past must not put them off."""
    study = write_study(tmp_path / "tiny.yaml")
    (tmp_path / "corpora").symlink_to(finished.parents[1] / "corpora")
    log = tmp_path / "log"
    fault = {"FAULT_PATH": r"checkpoint\.safetensors", "FAULT_AT": "lines", "FAULT_NTH": "0", "FAULT_LOG": str(log)}
    said = pilot(
        tmp_path / "study", "--study", str(study), python=faulty, FAULT_CLOCK=f"t - {YEARS} * passed", **fault
    )
    assert said.returncode == 0, said.stderr
    assert len(re.findall(r"^rename .*checkpoint\.safetensors$", log.read_text(), re.MULTILINE)) >= 40


def test_a_stage_on_a_jumping_clock_measures_the_same(tmp_path, measured, faulty):
    shutil.copytree(measured.parent, tmp_path / "study")
    run = tmp_path / "study" / measured.name
    (run / "02_pca.done").unlink()
    said = execute("02_pca", run, faulty, FAULT_CLOCK=JUMPS["to and fro"])
    assert said.returncode == 0, said.stderr
    assert re.search(r"02_pca done in \d:\d\d$", said.stdout, re.MULTILINE)
    assert (run / "analysis" / "backbone.json").read_bytes() == (
        measured / "analysis" / "backbone.json"
    ).read_bytes()


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """(study file, outputs) of a study whose every stage is done."""
    home = tmp_path_factory.mktemp("grid")
    study = write_study(home / "tiny.yaml")
    make("grid", "-j2", study=study, outputs=home / "outputs")
    return study, home / "outputs"


@pytest.mark.parametrize("shift", [-40 * 365 * 86400, YEARS], ids=["long ago", "in the future"])
def test_times_of_files_decide_nothing(tmp_path, grid, shift):
    study, outputs = grid
    shutil.copytree(outputs, tmp_path / "outputs")
    at = time.time() + shift
    for number, path in enumerate(sorted((tmp_path / "outputs").rglob("*"))):
        then = at + (number if shift > 0 else -number)  # markers after what they are made from, or before it
        os.utime(path, (then, then))
    places = {"study": study, "outputs": tmp_path / "outputs"}
    assert "all 4 stages are up to date" in make("grid", **places).stdout
    # A stage that is stale runs although its marker lies in the future, and it alone.
    change = "SET=stages.05_interference.batches=2"
    assert re.findall(r"(\S+)  will (.*):", make("why", change, **places).stdout) == [
        ("05_interference", "measure again")
    ]
    said = make("grid", change, **places)
    assert re.findall(r": (0\d_\w+) done in", said.stdout) == ["05_interference"]
    done = json.loads(next((tmp_path / "outputs").glob("*/pilot_*/05_interference.done")).read_text())
    assert done["inputs"]["parameters"]["batches"] == 2
    assert "Everything is up to date." in make("why", change, **places).stdout


@pytest.mark.parametrize("age", [-YEARS, -10, 10, YEARS])
def test_only_a_fresh_record_counts_as_running(tmp_path, finished, age):
    """A run killed before the clock was set back is not shown as running for years."""
    from datetime import UTC, datetime

    shutil.copytree(finished.parents[1], tmp_path / "outputs")
    run = tmp_path / "outputs" / finished.parent.name / finished.name
    record = json.loads((run / "run.json").read_text())
    record |= {"state": "training", "step": 12, "tokens_per_second": 900, "seconds_left": 61}
    record["updated"] = datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="seconds")
    (run / "run.json").write_text(json.dumps(record))
    words = ["status", "--study", str(write_study(tmp_path / "tiny.yaml")), "--profile", "smoke"]
    said = library(*words, "--outputs", str(tmp_path / "outputs")).stdout
    assert ("step 12/40, 900 tok/s, 1:01 left" in said) == (abs(age) < 60)
    assert ("stopped at step 12/40" in said) == (abs(age) > 60)
