"""What a hostile user gives: nothing in it is run, nothing on disk is lost. docs/hostile.md has the list."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import zstandard

from lib.base import provenance
from lib.base.errors import BadInput, nearest
from lib.params.study import load_study
from lib.report.page import notebook_body
from lib.report.paper import build_paper
from lib.report.paper_folder import PAPERS, PaperFolder
from lib.report.reader import collect
from lib.report.tex import tex
from lib.tasks.stories import sources
from lib.tasks.stories.corpus import build_corpus, corpus_key
from lib.train import prepare
from lib.train.folder import hold
from lib.workflow.cli import main
from lib.workflow.pack import MANIFEST, pack, read_manifest
from lib.workflow.plan import targets
from lib.workflow.rules import refuse_place, write_rules
from tests.faults.tools import ROOT, clean_environment, execute, one_sentence
from tests.study_folder import smoke_study, write_reheat, write_study

ARGUMENTS = {"study": "beta2", "profile": "smoke", "overrides": ""}


def front_door(*words, cwd=ROOT, **environment):
    """make with these words, every value of theirs as one word."""
    environment = clean_environment(**environment)
    return subprocess.run(["make", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


# ------------------------------------------------------------------------------------------ what is given to make

VALUES = ("x'; touch {0}; '", '"$(touch {0})`touch {0}`', "$(shell touch {0})", "a\\b $$HOME # c", "--help")
PLACES = (
    ("status", "STUDY"),
    ("status", "PROFILE"),
    ("why", "SET"),
    ("clean", "OUTPUTS"),
    ("grid", "PARAMS"),
    ("paper", "FROM"),
    ("pack", "TO"),
    ("explore", "CKPTS"),
    ("lab", "RUN"),
    ("lab", "NOTEBOOK"),
    ("bench", "SIZES"),
    ("help", "OUTPUTS"),
)


@pytest.mark.parametrize(("target", "name"), PLACES)
def test_a_value_reaches_python_as_it_was_typed(target, name, tmp_path):
    canary = tmp_path / "it_ran"
    show = "from sys import argv; print(argv[1:])"
    for value in (text.format(canary) for text in VALUES):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{show}' \"$@\"\n")
        python.chmod(0o755)
        also = [f"{n}=x" for n in ("RUN", "PARAMS", "CKPTS") if n != name]
        said = front_door(target, f"PYTHON={python}", f"{name}={value}", *also)
        assert not canary.exists(), value
        assert said.returncode == 0, said.stderr
        assert value in said.stdout if target == "help" else repr(value)[1:-1] in said.stdout, said.stdout


def test_a_value_is_one_line(tmp_path):
    said = front_door("status", "PYTHON=echo", f"SET=seed=1\ntouch {tmp_path / 'it_ran'}")
    one_sentence(said, "SET has a line break")
    assert not (tmp_path / "it_ran").exists()


ODD_NAMES = ("a b  c", 'it\'s "x"', "größe-数据", "a#b", "a$b$(x)${HOME}", "lr=6e-4", "a:b", "a%b%c", "f(x)*[y]?")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_make_finds_its_way_in_an_odd_folder(name, tmp_path):
    """Real make on the real rules; what stands for a stage leaves its marker and nothing else."""
    study, folder = load_study("beta2", "smoke"), tmp_path / name / "beta2-smoke"
    every = targets(study, folder)
    refuse_place(folder)
    rules = write_rules(study.folder_name, folder, every)
    for target in every:
        target.folder.mkdir(exist_ok=True)
    # ... -m lib execute STAGE... FOLDER
    mark = 'for run; do :; done; shift 3; for s; do [ "$$s" = "$$run" ] || touch "$$run/$$s.done"; done'
    launch = f"LAUNCH=sh -c '{mark}'"
    said = front_door("-f", str(rules), launch, "all")
    assert said.returncode == 0, said.stderr
    assert all(target.done.is_file() for target in every)
    assert front_door("-q", "-f", str(rules), launch, "all").returncode == 0


@pytest.mark.parametrize("name", ["~", "~x/y", "a;b", "a|b", "a\\b", "a\tb", "a\nb", "a\udcff"])
def test_a_folder_that_make_cannot_name_is_refused(name):
    with pytest.raises(BadInput, match=r"make cannot have .* another place for the results"):
        refuse_place(Path(name))


def test_a_profile_is_one_of_the_profiles():
    with pytest.raises(BadInput, match="unknown profile"):
        load_study("beta2", "../profiles/smoke")


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


# -------------------------------------------------------------------------------------------------- environments


def test_a_stage_is_the_same_in_any_environment(measured, tmp_path):
    """Settings of the user's own for matplotlib, IPython and python, and a umask that hides files."""
    home, canary = tmp_path / "home", tmp_path / "it_ran"
    profile = home / ".ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    touch = f"open({str(canary)!r}, 'w')\n"
    for path in (profile / "startup" / "00.py", profile / "ipython_kernel_config.py", home / "start.py"):
        path.write_text(touch)
    (home / "matplotlibrc").write_text("font.size: 40\nsavefig.dpi: 7\ntext.usetex: True\nlines.linewidth: 9\n")
    shutil.copytree(measured.parents[1], tmp_path / "outputs")
    run = tmp_path / "outputs" / measured.parent.name / measured.name
    (run / "02_pca.done").unlink()
    mask = os.umask(0o077)
    try:
        said = execute(
            "02_pca",
            run,
            HOME=str(home),
            MATPLOTLIBRC=str(home / "matplotlibrc"),
            MPLBACKEND="module://nonsense",
            PYTHONSTARTUP=str(home / "start.py"),
            TMPDIR="/nonexistent",
            LC_ALL="C",
        )
    finally:
        os.umask(mask)
    assert said.returncode == 0, said.stderr
    assert not canary.exists()
    for folder in ("figures", "analysis"):
        for path in sorted((measured / folder).iterdir()):
            assert (run / folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert stat.S_IMODE((run / "02_pca.done").stat().st_mode) == 0o600


def test_git_is_asked_about_this_checkout(tmp_path, monkeypatch):
    here = provenance.commit()
    words = ["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "another"]
    for command in (["init", "-q"], words):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert provenance.commit()[0] == here[0]


def test_too_few_open_files_are_told_before_a_stage_is(tmp_path):
    command = f"ulimit -n 40; exec '{sys.executable}' -m lib make --profile smoke --outputs '{tmp_path}'"
    said = subprocess.run(["sh", "-c", command], cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
    one_sentence(said, "error: ulimit -n 40: a stage has up to")


def test_an_environment_half_made_is_made_anew(tmp_path):
    """What stands for python3 says what it is asked; its venv runs."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    made = 'mkdir -p .venv/bin; rm -f .venv/bin/python; cp "$0" .venv/bin/python'
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in "-m venv --clear .venv") echo made; {made};; esac\n')
    python.chmod(0o755)
    broken = tmp_path / ".venv" / "bin" / "python"
    path = f"{tmp_path}:{os.environ['PATH']}"
    for leave in ("nothing", "a python that is gone", "ready, but for a python that is gone"):
        shutil.rmtree(tmp_path / ".venv", ignore_errors=True)
        broken.parent.mkdir(parents=True)
        if leave != "nothing":
            broken.symlink_to("/nonexistent/python3")
        if leave.startswith("ready"):
            (tmp_path / ".venv" / "ready").write_text("")
        said = front_door("setup", cwd=tmp_path, PATH=path)
        assert said.returncode == 0 and "made" in said.stdout, (leave, said.stderr)
        assert "made" not in front_door("setup", cwd=tmp_path, PATH=path).stdout


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
