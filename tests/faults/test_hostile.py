"""What a hostile user gives: nothing in it is run, nothing on disk is lost. docs/hostile.md has the list."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest
import zstandard

from lib.base.errors import BadInput, nearest
from lib.params.study import load_study
from lib.report.page import notebook_body
from lib.report.paper import build_paper
from lib.report.paper_folder import PAPERS, PaperFolder
from lib.report.reader import collect
from lib.report.tex import tex
from lib.tasks.stories import sources
from lib.tasks.stories.corpus import build_corpus
from lib.tasks.stories.corpus_key import corpus_key
from lib.train import prepare
from lib.train.folder import hold
from lib.workflow.cli import main
from lib.workflow.pack import MANIFEST, pack, read_manifest
from tests.faults.tools import ROOT, clean_environment
from tests.study_folder import smoke_study, write_reheat, write_study

ARGUMENTS = {"study": "beta2", "profile": "smoke", "overrides": ""}


# -------------------------------------------------------------------------------------------------- parameters


def test_a_letter_that_only_looks_right_is_named():
    assert nearest("s\u0435ed", ["seed"]) == " (did you mean seed? '\\u0435' stands in what was given)"
    assert nearest("sed", ["seed"]) == " (did you mean seed?)"


def test_runs_do_not_differ_in_capitals_alone(tmp_path):
    (tmp_path / "s.yaml").write_text("study: s\naxes: {task.corpus.path: [Text, text]}\n")
    with pytest.raises(BadInput, match="two that differ in capitals"):
        load_study(str(tmp_path / "s.yaml"), "smoke")


def test_a_million_characters_are_refused_at_once():
    with pytest.raises(BadInput, match="at most 100000 characters") as caught:
        load_study("beta2", "smoke", "a" * 10**6)
    assert len(str(caught.value)) < 300


# ------------------------------------------------------------------------------------------------------- stories

GOOD = "\n".join(json.dumps({"text": f"Once upon a time there was a small dog number {i}."}) for i in range(300))


def corpus_of(tmp_path, name, content, more=""):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    words = f"task.corpus.source=file task.corpus.path={path} task.corpus.min_chars=1 {more}"
    return build_corpus(load_study("beta2", "smoke", words, axes={}).runs[0].params, tmp_path / "corpora")


BAD_STORIES = {
    "half a letter": (f'{GOOD}\n{{"text": "\\ud800"}}', "row 301: its text has half a surrogate pair"),
    "deep": (f"{GOOD}\n{'[' * 100_000}", "line 301: this is not readable JSON"),
    "a field for terminals": ('{"\\u001b[31m": "x"}', r"the row has '\\x1b\[31m'"),
    "one story": (json.dumps({"text": "a dog " * 10**6}), "a story of 6000000 characters"),
}


@pytest.mark.parametrize("which", BAD_STORIES)
def test_odd_stories_are_refused(which, tmp_path):
    content, sentence = BAD_STORIES[which]
    with pytest.raises(BadInput, match=sentence) as caught:
        corpus_of(tmp_path, "s.jsonl", content)
    assert str(caught.value).isprintable()


def test_a_mark_before_the_first_letter_is_no_letter(tmp_path):
    plain, marked = (corpus_of(tmp_path, f"{mark}s.jsonl", mark * n + GOOD) for mark, n in (("", 0), ("\ufeff", 1)))
    assert plain.fingerprint == marked.fingerprint


@pytest.fixture
def patience():
    """Twenty seconds for a test that may wait for ever."""

    def enough(number, frame):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, enough)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_not_read(kind, tmp_path, patience):
    path = tmp_path / "s.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    words = f"task.corpus.source=file task.corpus.path={path}"
    with pytest.raises(BadInput, match="this is not a file"):
        corpus_key(load_study("beta2", "smoke", words, axes={}).runs[0].params.task)


def test_a_packed_bomb_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_UNCHECKED", 1 << 22)
    bomb = zstandard.compress(b"\0" * (1 << 28))
    with pytest.raises(BadInput, match="unpacks to more than 200 times its size"):
        corpus_of(tmp_path, "s.jsonl.zst", bomb)


def test_a_tokenizer_with_gaps_is_refused(tmp_path):
    whole = json.loads(corpus_of(tmp_path, "s.jsonl", GOOD).tokenizer.to_str())
    vocabulary = whole["model"]["vocab"]
    whole["model"]["vocab"] = {word: n + 70_000 * (n > 250) for word, n in vocabulary.items()}
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(BadInput, match="numbered without gaps"):
        corpus_of(tmp_path, "s.jsonl", None, f"task.tokenizer.path={tmp_path / 'tokenizer.json'}")


# ------------------------------------------------------------------------------------- places that are not ours


def test_pack_takes_the_place_of_nothing_but_a_packed_study(tmp_path):
    study, folder, target = smoke_study(), tmp_path / "beta2-smoke", tmp_path / "thesis"
    write_study(folder, study)
    target.mkdir()
    (target / "chapter.tex").write_text("years")
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    for place in (target, folder, tmp_path, target / "chapter.tex"):
        with pytest.raises(BadInput, match="no part of a packed study"):
            pack(study, folder, place, ARGUMENTS)
    assert (target / "chapter.tex").read_text() == "years"
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before
    for _ in range(2):  # over itself it goes
        pack(study, folder, tmp_path / "packed", ARGUMENTS)
    (tmp_path / "packed" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"notes\.txt is there"):
        pack(study, folder, tmp_path / "packed", ARGUMENTS)


@pytest.mark.parametrize("name", ["../evil", "/evil", "", ".", "summary", "a\0/b", "\ud800/b", "a/\x1b[2J"])
def test_a_packed_study_names_files_of_runs_alone(name, tmp_path):
    (tmp_path / MANIFEST).write_text(json.dumps(ARGUMENTS | {"files": {name: "0"}}))
    with pytest.raises(BadInput, match=r"lies outside the packed study|is no file of a run") as caught:
        read_manifest(tmp_path)
    assert str(caught.value).isprintable()


def test_a_manifest_that_is_none_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(BadInput, match="cannot be read"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).unlink()
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(BadInput, match="is not a file"):
        read_manifest(tmp_path)


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    (tmp_path / "thesis").write_text("years")
    (tmp_path / ".lock").symlink_to(tmp_path / "thesis")
    with pytest.raises(OSError, match="symbolic links"):
        hold(tmp_path / ".lock", tmp_path, 0.0)
    assert (tmp_path / "thesis").read_text() == "years"


def test_a_holders_name_moves_no_cursor(tmp_path):
    handle = hold(tmp_path / ".lock", tmp_path, 0.0)
    os.pwrite(handle, b"\x1b[2J\xff evil", 0)
    with pytest.raises(BadInput, match="is working here") as caught:
        hold(tmp_path / ".lock", tmp_path, 0.0)
    os.close(handle)
    assert str(caught.value).isprintable()


def test_a_pipe_is_no_record(tmp_path):
    os.mkfifo(tmp_path / "run.json")
    command = f"import pathlib, lib.base.files as f; f.read_json(pathlib.Path({str(tmp_path)!r}, 'run.json'))"
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=clean_environment(), check=True, timeout=20)


def test_a_name_too_long_is_one_sentence(tmp_path, capsys):
    assert main(["lab", "x" * 5000, "--outputs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.endswith("this name is too long\n") and len(said) < 300


# ------------------------------------------------------------------------------------------------ runs set aside


@pytest.fixture
def place(tmp_path):
    """(folder, params) of a run that was begun with another optim.eps than `params` has."""
    was, now = (load_study("beta2", "smoke", f"optim.eps={eps}", axes={}).runs[0].params for eps in (1e-8, 1e-7))
    run = tmp_path / "study" / "run"
    prepare.prepare_run(run, was)
    (run / "weights").write_text("the run's")
    return run, now


def test_runs_set_aside_are_numbered_past_what_is_left(place):
    run, now = place
    (run.parent / "superseded" / "run.2").mkdir(parents=True)  # its owner has removed run.1
    prepare.prepare_run(run, now)
    assert (run.parent / "superseded" / "run.3" / "weights").read_text() == "the run's"


def test_a_run_that_trains_is_not_set_aside(place, monkeypatch):
    run, now = place
    monkeypatch.setattr(prepare, "LOCK_PATIENCE", 0.0)
    training = hold(run / ".lock", run, 0.0)
    with pytest.raises(BadInput, match="is working here"):
        prepare.prepare_run(run, now)
    assert (run / "weights").exists() and not (run.parent / "superseded").exists()
    os.close(training)


# ------------------------------------------------------------------------------------------ the paper and the page

EVIL = r"""<script>x</script>\write18{x}\input{/etc/passwd} $x^^5c & # % ~ _ { } 数据 β \end{document}"""


def test_text_is_text_to_latex():
    assert tex("数β≥ü–\x07") == "[U+6570][U+03B2][U+2265]ü–[U+0007]"
    assert not re.search(r"(?<!\\)[$&#%_{}~^]", re.sub(r"\\text\w+\{\}", "", tex(EVIL)))


@pytest.mark.skipif(not shutil.which("latexmk"), reason="there is no latexmk here")
def test_a_text_runs_no_command_and_settings_of_the_users_own_change_nothing(tmp_path, monkeypatch):
    study, folder, source = smoke_study(), tmp_path / "study", tmp_path / "beta2"
    write_study(folder, study)
    for beta2 in (0.95, 0.80):
        write_reheat(folder, study, beta2, 0.3)
    shutil.copytree(PAPERS / "beta2", source)
    text = (source / "paper.tex").read_text()
    canary = tmp_path / "it_ran"
    command = rf"\begin{{document}}\immediate\write18{{touch {canary}}}"
    (source / "paper.tex").write_text(text.replace(r"\begin{document}", command))
    record = folder / study.runs[1].name / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"commit": EVIL}))
    (tmp_path / ".latexmkrc").write_text(f"system('touch {canary}'); $out_dir = 'elsewhere';\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("shell_escape", "t")
    results = replace(collect(study, folder), paper=PaperFolder(source))
    assert build_paper(results, tmp_path / "build", tmp_path / "beta2.pdf").is_file()
    assert not canary.exists()


def test_a_notebook_cannot_lead_away(tmp_path):
    html = '<meta http-equiv=refresh content="0;url=http://evil"><META x><base href="http://evil"><form action=x>'
    notebook = nbformat.v4.new_notebook()
    shown = nbformat.v4.new_output("display_data", data={"text/html": html})
    notebook.cells = [nbformat.v4.new_markdown_cell(html), nbformat.v4.new_code_cell("1", outputs=[shown])]
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert not re.search("<meta", notebook_body(tmp_path / "n.ipynb", "n"), re.IGNORECASE)
    policy = (ROOT / "lib" / "report" / "page.html").read_text()
    assert "base-uri 'none'" in policy and "form-action 'none'" in policy
