"""4,000 parameters files with faults in them: each is read rightly or refused in one sentence a fault."""

import random
import re
import subprocess
import sys

import pytest

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.params.run import dump_params, load_params
from lib.params.study import load_study
from lib.params.study_file import PARAMS_FOLDER
from lib.workflow.cli import main
from tests.faults.damage import TooSlow, at_most, mutated_yaml
from tests.faults.reread import misread_run, misread_study, unclear

SECONDS = 3.0  # of a processor, for one file; the slowest that are read take a few tenths
CHUNKS, CHUNK = 4, 1000  # of which the last tenth are resolved files
MAIN = PARAMS_FOLDER / "beta2.yaml"
SMALL = """study: mine
question: does it matter?
axes:
  optim.beta2: [0.9, 0.95]
set: {seed: 7, optim: {lr: 6e-4}, machine.compile: false}
"""
NESTED = """study: mine
axes:
  seed: [1]
  task.probe.gap_in: [[2, 8], [3, 8]]
set:
  task:
    corpus.source: file
    corpus:
      path: "stories.jsonl"   # where they are
  model: {layers: 1, width: 32, heads: 2, ff: 64}
  schedule: {steps: 400, warmup: 100}
  eval.every: 20
  snapshots: {whole: []}
stages:
  01_train: {}
  02_pca: {needs: [01_train]}
branches:
  short: {name: "b{step}", snapshots: [200], vary: {seed: [1, 2]}, steps: 20, warmup: 2, eval_every: 4}
"""


@pytest.fixture(scope="module")
def sources():
    """Study files to begin with, most of them short, and one resolved file of a run."""
    one = load_study("beta2", "paper", "", axes={}).runs[0].params
    return [SMALL] * 12 + [NESTED] * 7 + [MAIN.read_text()], dump_params(one)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_study_file_is_read_rightly_or_refused(chunk, sources, tmp_path):
    studies, resolved = sources
    path = tmp_path / "mine.yaml"
    accepted = 0
    for index in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        rng = random.Random(index)
        whole_run = index % 10 == 9
        path.write_bytes(mutated_yaml(resolved if whole_run else rng.choice(studies), rng))
        try:
            with at_most(SECONDS):
                found = load_params(path) if whole_run else load_study(str(path), "paper")
        except BadInput as error:
            wrong = unclear(str(error), path)
        except (Exception, TooSlow) as error:
            wrong = f"{type(error).__name__}: {error}"
        else:
            accepted += 1
            wrong = misread_run(found, path) if whole_run else misread_study(found, path)
        assert not wrong, f"file {index}: {wrong[:500]}\n{path.read_bytes()[:3000]!r}"
    assert CHUNK / 50 < accepted < CHUNK / 2  # a fuzz that is always refused, or never, looks at nothing


def test_commands_end_with_one_line_a_fault(sources, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    codes = []
    for index in range(40):
        rng = random.Random(f"command {index}")
        path.write_bytes(mutated_yaml(rng.choice(sources[0]), rng))
        words = ["why", "--study", str(path), "--profile", "smoke", "--outputs", str(tmp_path / "outputs")]
        with at_most(10 * SECONDS):
            codes.append(main(words))
        said = capsys.readouterr()
        assert codes[-1] in (0, 2), path.read_bytes()
        assert bool(said.err) == (codes[-1] == 2), path.read_bytes()
        for line in said.err.splitlines():
            assert line.startswith("error: ") and not unclear(line, path), path.read_bytes()
    assert set(codes) == {0, 2}


@pytest.mark.parametrize(
    "content",
    [b"study: \xff\n", b"a: &a [*a]\n", b"study: x\naxes: {seed: [!!int '']}\n", b"\0", b"study: [\n"],
    ids=["bytes", "a reference to itself", "a tag", "a null byte", "not closed"],
)
def test_make_refuses_in_one_line(content, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    command = [sys.executable, "-m", "lib", "make", "--runs-only", "--study", str(path), "--profile", "smoke"]
    said = subprocess.run([*command, "--outputs", str(tmp_path / "o")], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1 and said.stderr.startswith(f"error: {path}")
    assert not (tmp_path / "o").exists()


BRANCH = "snapshots: [400], steps: 20, warmup: 2, eval_every: 4"
# Each of these was once taken for something else, or never ended.
ONCE = {
    "twice by name": (
        "axes: {seed: [1]}\nset: {seed: 2, optim.lr: 1e-3, optim.lr: 2e-3}",
        "'optim.lr' is given twice",
    ),
    "twice by section": ("axes: {seed: [1]}\nset: {optim.lr: 1e-3, optim: {lr: 2e-3}}", "optim.lr is given twice"),
    "set and axis": ("axes: {seed: [1]}\nset: {seed: 2}", "seed is in set and in axes"),
    "nothing": ("axes: {seed: [1]}\nset: {optim.lr: {}}", "optim.lr = {}"),
    "octal": ("axes: {seed: [1]}\nset: {seed: 042}", "the number '042' reads differently"),
    "base 60": ("axes: {seed: [1:30]}", "the number '1:30' reads differently"),
    "large": ("axes: {seed: [1]}\nset: {model.layers: 9999999999}", "less than or equal to 1000000000"),
    "snapshots": (
        "axes: {seed: [1]}\nset: {eval.every: 1, schedule.steps: 3000000}",
        "the cadence of the snapshots makes 3030010 of them",
    ),
    "name": ("axes: {task.corpus.path: ['" + "w" * 300 + "']}", "too long a name"),
    "null character": ('axes: {seed: [1]}\nset: {task.corpus.path: "a\\0b"}', "task.corpus.path = 'a\\x00b'"),
    "surrogate": ('axes: {seed: [1]}\nquestion: "\\ud800"', "surrogates not allowed"),
    "value and section": (
        "axes: {seed: [1]}\nparams: {model: 3, model.layers: 2}\nprofiles: {paper: {time_scale: 1}}",
        "a value and a section at once",
    ),
    "line in a name": ('axes: {seed: [1]}\n"two\\nlines": 3', "unknown key 'two\\nlines'"),
    "long value": ("axes: {seed: [1]}\nset: {task.variant: " + "w" * 5000 + "}", "task.variant = 'www"),
    "digits": (
        "axes: {seed: [1]}\nset: {model.name: 0x" + "f" * 5000 + "}",
        "a number of thousands of digits",
    ),
    "many faults": ("\n".join(f"key{i}: 1" for i in range(30)), "and 10 faults more"),
    "tag": ("axes: {seed: [!!int '']}", "not readable YAML"),
    "references": (
        "axes: {seed: &l " + str(list(range(99))) + ", batch.size: *l}",
        "references (*name) are not taken",
    ),
    "itself": ("axes: {seed: [1]}\nset: &s {optim: *s}", "references (*name) are not taken"),
    "a list for a variant": ("axes: {seed: [1]}\nset: {task.variant: [1]}", "task.variant = [1]"),
    "a list for a member": ("axes: {seed: [1]}\nset: {optim.name: [adamw]}", "optim.name = ['adamw']: there are"),
    "misspelt in params": (
        "axes: {seed: [1]}\nprofiles: {paper: {time_scale: 1}}\nparams: {optim: {name: adamw, beta2s: 0.9}}",
        "unknown key optim.beta2s (did you mean optim.beta2?)",
    ),
    "out of the folder": ("axes: {seed: [1]}\nrun_name: '../{seed}'", "'../1' is no name for a folder"),
    "text for steps": (
        "axes: {seed: [1]}\nstages: {01_train: {}, 02_pca: {needs: [01_train], parameters: {steps: [soon]}}}",
        "steps = ['soon']: expected whole numbers of steps",
    ),
    "no JSON": (
        "axes: {seed: [1]}\nstages: {01_train: {parameters: {since: 2020-01-01}}}",
        "since = datetime.date(2020, 1, 1): expected words",
    ),
    "no notebook": ("axes: {seed: [1]}\nstages: {02_pc: {}}", "there is no notebook 02_pc"),
    "parameter of a branch": (
        f"axes: {{seed: [1]}}\nbranches: {{b: {{name: x, vary: {{optim.lrr: [1.0]}}, {BRANCH}}}}}",
        "branches.b sets optim.lrr, no parameter (did you mean optim.lr?)",
    ),
    "folder of a branch": (
        f"axes: {{seed: [1]}}\nbranches: {{b: {{name: a/b, vary: {{seed: [1]}}, {BRANCH}}}}}",
        "branches.b: 'a/b' is no name for a folder",
    ),
}


@pytest.mark.parametrize("fault", ONCE)
def test_each_fault_by_its_sentence(fault, tmp_path):
    text, sentence = ONCE[fault]
    path = tmp_path / "mine.yaml"
    path.write_text(f"study: mine\n{text}\n")
    with at_most(SECONDS), pytest.raises(BadInput) as caught:
        load_study(str(path), "paper")
    assert sentence in str(caught.value) and not unclear(str(caught.value), path)


def test_a_number_that_python_does_not_write_is_told():
    with pytest.raises(BadInput, match="seed = a number of thousands of digits"):
        load_study("beta2", "paper", axes={"seed": [10**5000]})


def test_dotted_names_scale_like_the_others(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MAIN.read_text())
    nested = load_study(str(path), "smoke").runs
    text, count = re.subn(r"^  eval: {every: 200}$", "  eval.every: 200", MAIN.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)
    assert [run.params for run in load_study(str(path), "smoke").runs] == [run.params for run in nested]


def test_branches_without_axes_are_not_forgotten(tmp_path):
    path = tmp_path / "mine.yaml"
    reheat = "name: x, snapshots: [2000], vary: {optim.lr: [1e-3]}, steps: 2000, warmup: 200, eval_every: 200"
    path.write_text(f"study: mine\naxes: {{}}\nbranches: {{reheat: {{{reheat}}}}}\n")
    study = load_study(str(path), "paper")
    assert study.branches["reheat"].vary == {"optim.lr": [1e-3]}
    assert "04_reheat" in [stage.name for stage in study.stages_of(study.runs[0])]


def test_a_grid_has_a_limit(tmp_path):
    path = tmp_path / "mine.yaml"
    axis = list(range(1, 101))
    path.write_text(f"study: mine\naxes:\n  seed: {axis}\n  batch.size: {axis}\n  task.corpus.seed: {axis}\n")
    with at_most(SECONDS), pytest.raises(BadInput, match="a grid of 1000000 runs"):
        load_study(str(path), "paper")


def test_a_study_is_no_library(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine\n#" + "x" * 10**7)
    with at_most(SECONDS), pytest.raises(BadInput, match="at most 1000000 bytes, this file has 10000013"):
        load_study(str(path), "paper")
