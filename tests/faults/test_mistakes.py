"""What make says when something is wrong: one sentence for a mistake, a summary for a stage that failed."""

import re
import subprocess
import sys

import pytest

from lib.base.files import ROOT
from lib.params.study import load_study
from tests.workflow.tiny_study import RUN, STUDY, make


def test_a_failing_run_is_summed_up_and_stops_nothing_else(tmp_path):
    stories = tmp_path / "stories.jsonl"
    stories.write_text('{"text": "too short"}\n' * 3)
    own = tmp_path / "own.yaml"
    own.write_text(
        STUDY.replace("tiny", "own").replace(
            "{optim.beta2: [0.95, 0.0]}", "{task.corpus.source: [storyworld, file], optim.beta2: [0.95]}"
        )
        + "stages: {01_train: {}, 02_pca: {needs: [01_train]}}\n"
    )
    text = own.read_text().replace("machine.checkpoint_seconds: 0.01", f"task.corpus.path: '{stories}'")
    own.write_text(text)
    said = make("grid", study=own, outputs=tmp_path / "outputs", check=False)
    assert said.returncode != 0
    assert re.search(r"FAILED  .*corpus\.sourcefile", said.stderr)
    assert "no usable train story" in said.stderr
    assert "make lab RUN=" in said.stderr
    assert "Traceback" not in said.stderr
    assert re.search(r"storyworld +0\.95 +done", said.stdout)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["all", "SET=optim.bta2=0.9"], "unknown parameter optim.bta2 (did you mean optim.beta2?)"),
        (["all", "SET=model.heads=5"], "model.heads = 5 does not divide model.width = 32"),
        (["all", "SET=schedule.warmup=400"], "schedule.warmup = 400 must end before schedule.steps"),
        (["grid", "PARAMS="], "make grid needs PARAMS=my.yaml"),
        (["lab"], "make lab needs RUN="),
        (["lab", "RUN=nothing"], "RUN=nothing is no trained run"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, words, sentence):
    study = tmp_path / "tiny.yaml"
    study.write_text(STUDY)
    said = make(*words, study=study, outputs=tmp_path / "outputs", check=False)
    assert said.returncode != 0
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "outputs").exists()


def test_unknown_profile_and_study():
    for words, sentence in (
        (["PROFILE=laptp"], "unknown profile; params/beta2.yaml has smoke, laptop, paper (did you mean laptop?)"),
        (["STUDY=beta"], "did you mean beta2?"),
    ):
        command = ["make", "status", f"PYTHON={sys.executable}", *words]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert said.returncode != 0
        assert sentence in said.stderr


def test_help_is_the_default():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    for word in ("make all", "make test", "make grid", "make lab", "make status", "make why", "SET=", "LAUNCH="):
        assert word in said


def test_the_paper_says_what_a_failed_stage_left_out(tmp_path):
    """One notebook fails after it measured: the rest finishes, and the paper is told what not to rely on."""
    from lib.report.numbers import missing
    from lib.report.reader import collect
    from paper.beta2.numbers import wanted

    study_file, outputs = tmp_path / "one.yaml", tmp_path / "outputs"
    study_file.write_text(STUDY.replace("tiny", "one").replace("[0.95, 0.0]", "[0.95]"))
    study = load_study(str(study_file), "smoke")
    folder = outputs / study.folder_name

    def said():
        results = collect(study, folder)
        return missing(results, lambda run: wanted(results, run))

    in_the_way = folder / RUN / "figures" / "03_fisher_anisotropy.png"
    in_the_way.mkdir(parents=True)
    assert make("grid", study=study_file, outputs=outputs, check=False).returncode != 0
    assert (folder / RUN / "05_interference.done").is_file()
    assert not (folder / RUN / "03_fisher.done").exists()
    assert "the curvature" in said()
    in_the_way.rmdir()
    make("grid", study=study_file, outputs=outputs)
    assert "the curvature" not in said()
