"""A corpus that changes under a study: no run trains on two texts, no grid on different ones."""

import json
import shutil

import pytest

from lib.params.study import load_study
from lib.tasks.stories.corpus import build_corpus
from storyworld import stories
from tests.faults.tools import (
    PILOT,
    RUN,
    execute,
    kill_when,
    library,
    results,
    start,
    start_make,
    trained_run,
    wait_for,
    write_study,
)


def write_stories(path, seed):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in stories(seed, 0, 660)))


@pytest.fixture
def own(tmp_path):
    """(study file, the text it trains on): two runs on a file of stories."""
    text = tmp_path / "stories.jsonl"
    write_stories(text, seed=1)
    changes = {"[0.95]": "[0.95, 0.9]", "study: tiny": "study: own"}
    study = write_study(tmp_path / "own.yaml", changes)
    where = f"task.corpus.source: file, task.corpus.path: '{text}', schedule.steps"
    study.write_text(study.read_text().replace("schedule.steps", where, 1))
    return study, text


def test_an_edited_text_refuses_to_resume(tmp_path, own):
    study, text = own
    words = [*PILOT, "--study", str(study), "--out_dir", str(tmp_path / "study")]
    process = start("pilot", *words)
    kill_when(process, lambda: list(tmp_path.glob("study/*/snapshots/000012*")))
    run = next((tmp_path / "study").glob("pilot_*"))
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    write_stories(text, seed=2)
    said = library("pilot", *words)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert (
        f"this run cannot go on as it began: data, fingerprint changed with the text of {text} (task.corpus.path)"
        in (said.stderr)
    )
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before


def test_a_text_edited_between_two_runs_of_a_grid_is_refused(tmp_path, own):
    study, text = own
    outputs = tmp_path / "outputs"
    process = start_make("grid", "-j1", study=study, outputs=outputs)
    first, second = (outputs / "own-smoke" / run.name for run in load_study(str(study), "smoke").runs)
    wait_for(lambda: (first / "01_train.done").exists(), process)
    write_stories(text, seed=2)
    _out, err = process.communicate(timeout=240)
    assert process.returncode != 0
    assert f"{text} (task.corpus.path): the data changed since this make began" in err
    assert "Traceback" not in err
    assert not (second / "run.json").exists()
    assert not (second / "snapshots").exists()


READ_LATER = "stages: {01_train: {}, 05_interference: {needs: [01_train]}}\n"


@pytest.fixture
def under_way(tmp_path, finished):
    """(process, run, corpus folder) of a make in the middle of its training, with two stages that read it after."""
    study = write_study(tmp_path / "tiny.yaml", more=READ_LATER)
    outputs = tmp_path / "outputs"
    corpus = build_corpus(load_study(str(study), "smoke").runs[0].params, outputs / "corpora").folder
    process = start_make("grid", "-j1", study=study, outputs=outputs)
    wait_for(lambda: list(outputs.glob(f"*/{RUN}/snapshots/000004*")), process)
    yield process, outputs / "tiny-smoke" / RUN, corpus
    process.kill()
    process.communicate()


@pytest.mark.parametrize("damage", ["deleted", "truncated", "rewritten"])
def test_a_built_corpus_that_changes_does_not_reach_the_training(under_way, finished, damage):
    process, run, corpus = under_way
    path = corpus / "train.npy"
    whole = path.read_bytes()
    if damage == "deleted":
        shutil.rmtree(corpus)
    elif damage == "truncated":
        with path.open("r+b") as file:
            file.truncate(1000)
    else:
        with path.open("r+b") as file:
            file.seek(200)
            file.write(bytes(len(whole) - 200))
    _out, err = process.communicate(timeout=240)
    assert "Traceback" not in err
    ours, theirs = results(run), results(finished)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name] and name != "params.yaml"] == []
    if damage == "deleted":
        assert process.returncode == 0, err  # the stages that needed it built it again
    else:
        assert process.returncode != 0
        assert "this packed corpus" in err and "delete the folder to rebuild it" in err
        shutil.rmtree(corpus)
        said = execute("01_train", run)
        assert said.returncode == 0, said.stderr


def test_why_names_the_corpus(tmp_path, own):
    study, text = own
    run = trained_run(study, tmp_path / "outputs")
    assert execute("01_train", run).returncode == 0
    write_stories(text, seed=2)
    words = ["--study", str(study), "--profile", "smoke", "--outputs", str(tmp_path / "outputs")]
    assert "the data changed" in library("why", *words).stdout
