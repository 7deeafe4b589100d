"""The pilot command: the author's flags, reheats, and one sentence for every mistake."""

import re
import subprocess
import sys

import pytest

from lib.workflow.cli import main
from tests.faults.tools import PILOT, ROOT, results


def told(capsys, *words):
    """The command's exit code and what it says in this very process, to which an error it did not expect comes."""
    code = main(["pilot", *map(str, words)])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "this corpus file is empty"),
        ('{"text": "short"}\n' * 5, "no usable train story"),
        ('{"txt": "a story without its field"}\n', "no text in the field 'text' (task.corpus.text_field)"),
        ('{"text": "not closed\n', "line 1: this is not readable JSON"),
    ],
)
def test_broken_stories_get_one_sentence(tmp_path, capsys, content, sentence):
    stories = tmp_path / "stories.jsonl"
    stories.write_text(content)
    place = ["--out_dir", tmp_path / "study", "--task.corpus.source", "file", "--task.corpus.path", stories]
    code, said = told(capsys, *PILOT, *place)
    assert code == 2
    assert sentence in said
    assert str(stories) in said
    assert said.startswith("error: ") and said.count("\n") == 1


def test_missing_stories_name_the_file(tmp_path, capsys):
    place = ["--out_dir", tmp_path / "study", "--task.corpus.source", "file", "--task.corpus.path"]
    code, said = told(capsys, *PILOT, *place, tmp_path / "none.jsonl")
    assert code == 2
    assert "none.jsonl" in said and "Traceback" not in said


def test_offline_hub_names_the_two_ways_out(tmp_path):
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty"), "PATH": ""}
    command = [sys.executable, "-m", "lib", "pilot", *PILOT, "--out_dir", str(tmp_path), "--task.corpus.source"]
    said = subprocess.run([*command, "tinystories"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert said.returncode == 2
    for way in ("go online once", "task.corpus.source=storyworld", "task.corpus.path=FILE"):
        assert way in said.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--beta", "0.9"], "unknown argument --beta (did you mean --beta2?)"),
        (["--optim.esp", "1e-8"], "did you mean --optim.eps?"),
        (["--lr"], "--lr needs a value"),
        (["--lr", "fast"], "optim.lr = 'fast'"),
        (["--resume_from", "nowhere:20"], "expected RUN:STEP"),
        (["--profile", "lap"], "did you mean laptop?"),
    ],
)
def test_pilot_mistakes_get_one_sentence(tmp_path, capsys, words, sentence):
    code, said = told(capsys, "--out_dir", tmp_path, *words)
    assert code == 2
    assert sentence in said
    assert said.startswith("error: ") and said.count("\n") == 1


def test_the_authors_command_word_for_word(tmp_path):
    """Every flag of the published command, underscores or dashes, means what the author meant."""
    from lib.params.study import load_study
    from lib.workflow.pilot import parse_pilot

    flags = (
        "--seed 42 --wd 0.5 --lr 0.001 --beta2 0.80 --steps 4000 --warmup 1500 --min_lr_ratio 0.1 --grad-clip 1.0 "
        "--eval_every 200 --save_ckpt_every 50 --save_ckpt_dense_from 600 --save-ckpt-dense-to 2000 "
        "--save_ckpt_sparse_every 100 --save_ckpt_sparse_from 2000"
    )
    _, values = parse_pilot(flags.split())
    given = load_study("beta2", "paper", " ".join(f"{k}={v}" for k, v in values.items()), axes={}).runs[0]
    published = next(r for r in load_study("beta2", "paper").runs if r.params.optim.beta2 == 0.80)
    assert given.params == published.params
    assert given.name == "pilot_wd0.5_lr0.001_lp2.0_b20.80_s42"


FAMILY = "--alpha 1e-2 --no-anneal --no-adaptive --rank-threshold 0.5 --gate tanh --scale 0.9"


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        (
            "orthonoise",
            {"alpha": 1e-2, "anneal": "constant", "adaptive": False, "rank_threshold": 0.5},
            ["gate", "scale"],
        ),
        ("isotropic", {"alpha": 1e-2, "anneal": "constant", "adaptive": False}, ["gate", "scale"]),
        ("nolah", {"gate": "tanh", "damping": 0.9}, ["alpha", "no_anneal", "no_adaptive", "rank_threshold"]),
        ("muon", {}, ["alpha", "no_anneal", "no_adaptive", "rank_threshold", "gate", "scale"]),
    ],
)
def test_one_command_for_the_whole_muon_family(name, values, left_out, capsys):
    """The flags of the published comparison: each optimizer takes its own, and says which it does without."""
    from lib.params.study import load_study
    from lib.workflow.pilot import as_overrides, parse_pilot

    _, given = parse_pilot(["--optim.name", name, *FAMILY.split()])
    o = load_study("beta2", "smoke", as_overrides(given), axes={}).runs[0].params.optim
    assert (o.name, {key: getattr(o, key) for key in values}) == (name, values)
    said = capsys.readouterr().err
    assert re.findall(r"has no --(\w+); it is left out", said) == sorted(
        left_out, key=FAMILY.replace("-", "_").find
    )


def test_annealing_is_switched_on_and_off_as_published_commands_do():
    from lib.params.study import load_study

    for word, meant in (("false", "constant"), ("true", "exponential"), ("linear", "linear")):
        run = load_study("beta2", "smoke", f"optim.name=orthonoise optim.anneal={word}", axes={}).runs[0]
        assert run.params.optim.anneal == meant


def test_what_adamw_does_not_have_is_a_mistake(tmp_path, capsys):
    for words, sentence in (
        (["--alpha", "0.1"], "unknown key optim.alpha"),
        (["--optim.name", "muon", "--optim.gate", "tanh"], "unknown key optim.gate"),
        (["--no-anneal=yes"], "--no_anneal takes no value"),
        (["--no-anneal", "--optim.anneal", "linear"], "--optim.anneal is given twice"),
    ):
        code, said = told(capsys, "--out_dir", tmp_path, *words)
        assert (code, sentence in said, said.count("\n")) == (2, True, 1), said


def test_reheat_runs_and_resumes_from_a_mid_snapshot(tmp_path, capsys):
    run = tmp_path / "study"
    assert told(capsys, *PILOT, "--out_dir", run)[0] == 0
    parent = next(run.glob("pilot_*"))

    def reheat(step):
        words = ["--resume_from", f"{parent}:{step}", "--lr", "6e-4", "--machine.checkpoint_seconds", "0.001"]
        return told(capsys, *words)

    assert reheat(40)[0] == 0
    folder = parent / "branches" / "reheat_ckpt40_lr0.0006"
    first = results(folder)
    (folder / "run.json").unlink()
    (folder / "checkpoint.safetensors").unlink()
    assert reheat(40)[0] == 0
    assert results(folder) == first
    start, same = (folder / "snapshots" / "000000.safetensors", parent / "snapshots" / "000040.safetensors")
    from lib.base.tensors import load_tensors

    ours, theirs = load_tensors(start)[0], load_tensors(same)[0]
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert "no whole-model snapshot at step 13" in reheat(13)[1]
