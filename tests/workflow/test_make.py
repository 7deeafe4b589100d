"""The real make on a study of two tiny runs: what it builds, what it leaves alone, and what it says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import pytest

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.params.study import load_study
from lib.train.loop import train
from lib.workflow.cli import lab_page
from tests.faults.tools import copied_tree, results
from tests.workflow.tiny_study import RUN, STUDY, make, start_make


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path, str]:
    """(study file, outputs, what make printed) of a first `make all -j2`, killed once on the way."""
    home = tmp_path_factory.mktemp("make")
    study = home / "tiny.yaml"
    study.write_text(STUDY)
    first = start_make("grid", "-j2", study=study, outputs=home / "outputs")
    deadline = time.monotonic() + 120
    while not list(home.glob(f"outputs/*/{RUN}/snapshots/000012*")):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    return study, home / "outputs", make("grid", "-j2", study=study, outputs=home / "outputs").stdout


def test_runs_are_those_of_train_itself(built, tmp_path):
    """kill -9 of make, -j2, papermill and a kernel change no byte."""
    study, outputs, printed = built
    for run in load_study(str(study), "smoke").runs:
        train(run.params, tmp_path / "study" / run.name, outputs / "corpora")
        assert results(outputs / "tiny-smoke" / run.name) == results(tmp_path / "study" / run.name)
    assert "0.95         done" in printed
    assert re.search(r"0\.0 +diverged", printed)
    assert "above 2 ln V" in printed


def test_every_arm_saw_the_same_data_and_began_with_the_same_loss(built):
    _, outputs, _ = built
    lines = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(outputs.glob("tiny-smoke/pilot*/metrics.jsonl"))
    ]
    assert len(lines) == 2
    for ours, theirs in zip(*lines, strict=False):
        assert ours["data"] == theirs["data"]
    assert lines[0][0]["train_loss"] == lines[1][0]["train_loss"]


def test_second_make_does_nothing(built):
    study, outputs, _ = built
    printed = make("grid", study=study, outputs=outputs).stdout
    assert "all 8 stages are up to date" in printed


def test_touching_sources_changes_nothing(built):
    study, outputs, _ = built
    for path in [*ROOT.glob("lib/**/*.py"), *ROOT.glob("notebooks/*.py"), *ROOT.glob("params/*.yaml"), study]:
        path.touch()
    assert "all 8 stages are up to date" in make("grid", study=study, outputs=outputs).stdout
    assert "Everything is up to date." in make("why", study=study, outputs=outputs).stdout


def test_why_names_the_parameter(built):
    study, outputs, _ = built
    said = make("why", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert said.count("optim.eps was 1e-08, now 1e-07") == 8
    status = make("status", "SET=optim.eps=1e-7", study=study, outputs=outputs).stdout
    assert (status.count("train again"), status.count("measure again")) == (2, 6)


def test_status_shows_every_run(built):
    study, outputs, _ = built
    said = make("status", study=study, outputs=outputs).stdout
    assert re.search(rf"{RUN} +done", said)
    assert re.search(r"b20\.0_s42 +diverged", said)


def test_provenance_is_in_the_executed_notebook(built):
    _, outputs, _ = built
    notebook = json.loads((outputs / "tiny-smoke" / RUN / "notebooks" / "01_train.ipynb").read_text())
    about = notebook["metadata"]["provenance"]
    assert {"commit", "versions", "machine", "params"} <= about.keys()
    assert not any("error" in str(cell.get("outputs")) and cell.get("ename") for cell in notebook["cells"])


def on_disk(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and bytes of every file below a folder, the hidden ones too."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("words", [[], ["SET=optim.eps=1e-7"]], ids=["finished", "stale"])
def test_a_rehearsal_changes_nothing_on_disk(built, words):
    study, outputs, _ = built
    before = on_disk(outputs)
    rehearsed = make("-n", "grid", *words, study=study, outputs=outputs).stdout
    asked = make("-q", "grid", *words, study=study, outputs=outputs, check=False)
    assert on_disk(outputs) == before
    stages = [line for line in rehearsed.splitlines() if " -m lib execute " in line]
    if words:
        assert len(stages) == 2
        assert all("execute 01_train 02_pca 03_fisher 05_interference" in line for line in stages)
        assert str(outputs / "tiny-smoke" / RUN) in rehearsed
        assert asked.returncode != 0
    else:
        assert stages == []
        assert "# tiny-smoke: nothing would run" in rehearsed
        assert asked.returncode == 0


def test_a_rehearsal_of_a_study_that_is_not_there_makes_no_folder(built, tmp_path):
    study, _, _ = built
    said = make("-n", "all", study=study, outputs=tmp_path / "outputs").stdout
    assert said.count(" -m lib execute 01_train 02_pca 03_fisher 05_interference") == 2
    for name in ("06_figures", "report"):
        assert f"# tiny-smoke: {name} would be made" in said
    assert make("-q", "all", study=study, outputs=tmp_path / "outputs", check=False).returncode != 0
    assert not (tmp_path / "outputs").exists()


def by_hand(*words: str, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_notebook_run_by_hand_writes_beside_what_make_made(built, tmp_path):
    study, outputs, _ = built
    run, page = outputs / "tiny-smoke" / RUN, tmp_path / "02_pca.ipynb"
    before = on_disk(outputs)
    jupytext.write(jupytext.read(ROOT / "notebooks/02_pca.py"), page)
    by_hand("papermill", "-k", "python3", "-p", "run_folder", str(run), str(page), "done.ipynb", folder=tmp_path)
    after = on_disk(outputs)
    assert {name: after[name] for name in before} == before
    place = f"tiny-smoke/{RUN}/by_hand/"
    new = {name.removeprefix(place) for name in after.keys() - before.keys()}
    assert {"analysis/backbone.json", "analysis/update_alignment.json", "figures/02_pca_spectrum.png"} <= new
    assert all(name.startswith(place) for name in after.keys() - before.keys())
    made, own = (json.loads((run / part / "analysis/backbone.json").read_text()) for part in ("", "by_hand"))
    assert made == own
    assert make("-q", "grid", study=study, outputs=outputs, check=False).returncode == 0


def test_the_page_of_make_lab_has_the_parameters_that_make_gave_and_is_then_the_users(built):
    _, outputs, _ = built
    run = outputs / "tiny-smoke" / RUN
    page = lab_page(run, "03_fisher")
    text = page.read_text()
    assert f'run_folder = \\"{run}\\"' in text and "batches = [1, 1, 4]" in text
    page.write_text("{}")
    assert lab_page(run, "03_fisher").read_text() == "{}"
    shutil.rmtree(page.parent)
    with pytest.raises(BadInput, match=r"NOTEBOOK=03_fish: .*did you mean 03_fisher\?"):
        lab_page(run, "03_fish")
    assert not page.parent.exists()


def test_a_header_that_jupytext_writes_anew_is_no_change_and_a_cell_is_one(built, tmp_path):
    study, outputs, _ = built
    tree = copied_tree(tmp_path / "tree")
    path = tree / "notebooks" / "02_pca.py"
    text = path.read_text()
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"]["display_name"] = "Another Python"
    jupytext.write(notebook, path, fmt="py:percent")  # as JupyterLab saves it
    assert "Another Python" in path.read_text() and "jupytext_version" in path.read_text()
    assert "Everything is up to date." in make("why", study=study, outputs=outputs, root=tree).stdout
    path.write_text(text.replace("tuple(draws))", "tuple(draws)) | {}"))
    said = make("why", study=study, outputs=outputs, root=tree).stdout
    assert said.count("the text of notebooks/02_pca.py changed") == 2
    assert said.count("02_pca runs again") == 4
    path.write_text(text)
    code = tree / "lib" / "geometry" / "rotation.py"
    code.write_text(code.read_text().replace("100 * values[:, 0]", "99 * values[:, 0]"))
    said = make("why", study=study, outputs=outputs, root=tree).stdout
    assert "lib/geometry/rotation.py: rotate changed" in said and "01_train" not in said


def test_what_is_drawn_otherwise_or_told_otherwise_is_made_again_alone(built, tmp_path):
    study, outputs, _ = built
    copy = tmp_path / "outputs"
    shutil.copytree(outputs, copy)
    tree = copied_tree(tmp_path / "tree")
    drawing, notebook = tree / "lib" / "report" / "run_figures.py", tree / "notebooks" / "03_fisher.py"
    drawing.write_text(drawing.read_text().replace("ax.plot(at, seen,", "ax.plot(at, -seen,"))
    notebook.write_text(notebook.read_text().replace("# %% [markdown]\n", "# %% [markdown]\n# A word.\n", 1))
    said = make("why", study=study, outputs=copy, root=tree).stdout
    assert said.count("02_pca  will draw again") == said.count("03_fisher  will measure again") == 2
    assert said.count("lib/report/run_figures.py: decomposition changed") == 2
    figure = copy / "tiny-smoke" / RUN / "figures" / "02_pca_decomposition.png"
    before = figure.read_bytes()
    printed = make("grid", study=study, outputs=copy, root=tree).stdout
    assert "4 of 8 stages to run" in printed
    assert len(re.findall(r": (02_pca|03_fisher) done in", printed)) == len(re.findall(r" done in", printed)) == 4
    assert figure.read_bytes() != before
    assert "Everything is up to date." in make("why", study=study, outputs=copy, root=tree).stdout


def test_changed_parameters_set_the_old_run_aside(built, tmp_path):
    study, outputs, _ = built
    copy = tmp_path / "outputs"
    shutil.copytree(outputs, copy)
    kept = results(copy / "tiny-smoke" / RUN)
    study = tmp_path / "tiny.yaml"  # of that one run
    study.write_text(STUDY.replace("[0.95, 0.0]", "[0.95]") + "stages: {01_train: {}}\n")
    said = make("grid", "SET=optim.eps=1e-7 schedule.steps=20 snapshots.whole=[8,20]", study=study, outputs=copy)
    assert "optim.eps, schedule.steps, snapshots.whole changed; the earlier run is kept in" in said.stdout
    assert results(copy / "tiny-smoke" / "superseded" / f"{RUN}.1") == kept
    assert not (copy / "tiny-smoke" / RUN / "snapshots" / "000040.safetensors").exists()


def test_deleted_files_come_back(built, tmp_path):
    study, outputs, _ = built
    copy = tmp_path / "outputs"
    shutil.copytree(outputs, copy)
    expected = results(copy / "tiny-smoke" / RUN)
    (copy / "tiny-smoke" / RUN / "snapshots" / "000020.safetensors").unlink()
    assert "snapshots/000020.safetensors is missing" in make("why", study=study, outputs=copy).stdout
    (copy / "tiny-smoke" / RUN / "figures" / "01_train_curves.png").unlink()
    assert "1 of 8 stages to run" in make("grid", study=study, outputs=copy).stdout
    assert results(copy / "tiny-smoke" / RUN) == expected
    assert (copy / "tiny-smoke" / RUN / "figures" / "01_train_curves.png").is_file()


def test_two_makes_name_the_holder(built):
    from lib.base.locks import hold

    study, outputs, _ = built
    held = hold(outputs / "tiny-smoke" / ".lock", outputs, patience=0)
    second = make("grid", study=study, outputs=outputs, check=False)
    os.close(held)
    assert second.returncode != 0
    assert re.search(rf"error: .*tiny-smoke: process {os.getpid()} on .* is working here", second.stderr)
