"""`make compare` and `make watch` as a user calls them: runs of one study and of several, mistakes, live runs.

The first comparison and what make and the shell might misread are real commands; the rest are their answers.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.params.study import load_study
from lib.report.compare_text import WIDTH
from lib.workflow.cli import main
from lib.workflow.compare import find_runs
from tests.compare_runs import grokking_rows, modular_study, write_grokking, write_run
from tests.faults.tools import clean_environment
from tests.study_folder import smoke_study, write_study

PATIENCE = 60.0


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Two studies side by side."""
    home = tmp_path_factory.mktemp("outputs")
    study = smoke_study()
    write_study(home / study.folder_name, study)
    write_grokking(home)
    return home


def make(outputs, *words):
    command = ["make", *words, "PROFILE=smoke", f"OUTPUTS={outputs}", f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)


@pytest.fixture
def answer(outputs, capsys):
    """What the command that `make compare` calls prints and ends with, in this process."""

    def answer(*options, outputs=outputs):
        code = main(["compare", "--profile=smoke", f"--outputs={outputs}", *options])
        return subprocess.CompletedProcess(options, code, *capsys.readouterr())

    return answer


def test_runs_of_a_study_as_table_figure_and_page(outputs):
    said = make(outputs, "compare", "RUNS=b20.95 b20.80", "METRIC=probe ood, val_loss")
    assert said.returncode == 0, said.stderr
    assert max(map(len, said.stdout.splitlines())) <= WIDTH
    assert "optim.beta2" in said.stdout and "b20.90" not in said.stdout and "last probe_ood_acc" in said.stdout
    for kind, first in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("html", b"<!DOCTYPE html>")):
        path = outputs / "compare" / f"compare.{kind}"
        assert path.read_bytes().startswith(first) and path.name in said.stdout


def test_runs_of_two_studies(answer):
    other = modular_study()
    said = answer(f"--runs=b20.95 {other.runs[0].name}")
    assert said.returncode == 0, said.stderr
    assert f"  1  {smoke_study().folder_name}/" in said.stdout
    assert f"  2  {other.folder_name}/{other.runs[0].name}\n" in said.stdout
    assert "task.name" in said.stdout and "step: grokked" in said.stdout


def test_all_runs_of_a_study_where_none_is_named(answer):
    said = answer()
    assert all(run.name in said.stdout for run in smoke_study().runs) and "diverged" in said.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--runs=b20.97"], "RUNS=b20.97 is no trained run; there are: .*did you mean b20.9"),
        (["--runs=b20.95", "--metric=val_los"], "METRIC=val_los|val_loss"),
        (
            ["--runs=b20.95", "--metric=accuracy"],
            "METRIC=accuracy is none of these runs' numbers; there are: .*val_loss",
        ),
        (["RUNS='"], "No closing quotation"),
        (["STUDY=beta3"], "did you mean beta2"),
    ],
)
def test_mistakes_get_a_sentence(outputs, answer, words, sentence):
    said = answer(*words) if words[0].startswith("--") else make(outputs, "compare", *words)
    assert "Traceback" not in said.stderr
    assert re.search(sentence, said.stderr + said.stdout, re.DOTALL), said.stderr
    assert said.returncode == (0 if "--metric=val_los" in words else 2)


def test_a_word_is_a_folder_a_study_or_a_part_of_names(outputs):
    study = smoke_study()
    here = outputs / study.folder_name
    run = study.runs[0].name
    assert find_runs(str(here / run), here, outputs) == [here / run]
    assert find_runs(f"{here.name}/{run}", here, outputs) == [here / run]
    assert len(find_runs(here.name, here, outputs)) == len(study.runs)
    assert find_runs(f"{run} {run} {here.name}", here, outputs)[0] == here / run
    assert len(find_runs(f"{run} {run}", here, outputs)) == 1
    other = modular_study()
    assert find_runs(other.runs[1].name[1:], here, outputs) == [outputs / other.folder_name / other.runs[1].name]
    with pytest.raises(BadInput, match="there are no runs yet"):
        find_runs("", outputs / "nothing-smoke", outputs)


def test_watching_writes_the_page_when_runs_move_and_ends_with_an_interrupt(tmp_path):
    study = load_study("beta2", "smoke")
    folder = tmp_path / study.folder_name
    rows = [{"step": n, "val_loss": 5.0 - n / 40, "probe_ood_acc": 0.1} for n in (20, 40)]
    place = write_run(folder, study.runs[0], rows, state="training")
    page = folder / "report" / "compare.html"
    command = ["make", "watch", "PROFILE=smoke", f"OUTPUTS={tmp_path}", f"PYTHON={sys.executable}"]
    flags = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    watching = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), **flags)
    try:
        _until(page.is_file)
        first = page.read_text()
        time.sleep(0.1)
        rows.append({"step": 60, "val_loss": 1.25, "probe_ood_acc": 0.5})
        (place / "pilot_metrics.json").write_text(json.dumps(rows))
        _until(lambda: page.read_text() != first)
        time.sleep(0.5)  # its line is told after the page is written
    finally:
        os.killpg(watching.pid, signal.SIGINT)
        out, err = watching.communicate(timeout=PATIENCE)
    told = [line for line in out.splitlines() if "1 training" in line]
    assert len(told) == 2 and "no longer watching" in out and "Traceback" not in err
    assert not list(page.parent.glob(".*"))


def test_a_study_without_results_is_not_watched(tmp_path):
    said = make(tmp_path, "watch")
    assert said.returncode == 2 and "no results yet" in said.stderr


def _until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_under_way_stands_beside_finished_ones(answer, tmp_path):
    study, _ = write_grokking(tmp_path)
    place = tmp_path / study.folder_name / study.runs[0].name
    record = json.loads((place / "run.json").read_text()) | {"state": "training", "step": 400}
    (place / "run.json").write_text(json.dumps(record))
    (place / "pilot_metrics.json").write_text(json.dumps(grokking_rows(200, None, last=400)))
    said = answer(f"--runs={study.folder_name}", outputs=tmp_path)
    assert said.returncode == 0 and "training" in said.stdout
