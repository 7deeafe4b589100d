"""Whose code a result is made by: what is reached counts, what computes nothing does not.

Every edit is made in a copy of the tree, whose own code answers there which stages are stale.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.base.code_tree import SERVER, Tree


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Iterator[Tree]:
    tree = Tree(tmp_path_factory.mktemp("tree"))
    yield tree
    tree.process.stdin.close()
    tree.process.wait()


@pytest.fixture
def tree(copied) -> Iterator[Tree]:
    yield copied
    copied.restore()


def stale(tree: Tree, now: dict) -> set[str]:
    return {name for name, inputs in now["stages"].items() if inputs != tree.first["stages"][name]}


def retrained(tree: Tree, now: dict) -> set[str]:
    return {name for name, table in now["training"].items() if table != tree.first["training"].get(name)}


# -------------------------------------------------------------------------------------------------- what is reached

ALL = {"01_train", "02_pca", "03_fisher", "04_reheat", "05_interference"}
MEASURED = ALL - {"01_train"}


def test_a_copy_has_the_code_of_the_original(tree):
    from lib.params.study import load_study
    from lib.train.identity import member_paths, training_definitions

    p = load_study("beta2", "smoke").runs[0].params
    assert tree.first["training"]["adamw"] == training_definitions(member_paths(p))


def test_an_unchanged_tree_is_not_stale(tree):
    now = tree.ask()
    assert (stale(tree, now), retrained(tree, now)) == (set(), set())


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("lib/train/branch.py", '"schedule.warmup": b.warmup,', '"schedule.warmup": b.warmup + 1,', {"04_reheat"}),
        ("paper/beta2/reheat.py", "p_ood.max() - p_ood[0]", "p_ood.max() - p_ood.min()", {"04_reheat"}),
        ("lib/geometry/rotation.py", "100 * values[:, 0] ** 2", "99 * values[:, 0] ** 2", MEASURED),
        ("lib/geometry/ladder.py", "DRAWS, SHUFFLES = 50, 200", "DRAWS, SHUFFLES = 50, 300", MEASURED),
        ("lib/geometry/fisher.py", "import numpy as np\n", "import numpy as np\n\nUNUSED = 3\n", set()),
        ("lib/train/checkpoint.py", "os.replace(folder / CURRENT", "os.rename(folder / CURRENT", ALL),
        ("lib/report/style.py", '"savefig.dpi": 200', '"savefig.dpi": 100', set()),
    ],
)
def test_an_edit_makes_stale_what_runs_it_and_nothing_else(tree, file, old, new, expected):
    assert stale(tree, tree.edit(file, old, new)) == expected


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/params/cadence.py", "return step == 1 or step %", "return step == 2 or step %"),
        ("lib/params/cadence.py", "sorted({0, 1, p.schedule", "sorted({0, 2, p.schedule"),
        ("lib/train/divergence.py", "def judge(", "def judge(also=0, *"),
        ("lib/base/tensors.py", "digest = tensors_digest(on_cpu)", "digest = tensors_digest(tensors)"),
        ("lib/optim/schedules.py", "0.5 * (1.0 + math.cos", "0.6 * (1.0 + math.cos"),
    ],
)
def test_an_edit_of_what_every_training_runs_trains_all_again(tree, file, old, new):
    now = tree.edit(file, old, new)
    assert retrained(tree, now) == {"adamw", "sgd", "modular"}
    assert stale(tree, now) == ALL


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("lib/optim/adamw.py", "fused=True", "fused=False", {"adamw", "modular"}),
        ("lib/optim/sgd.py", "kind = torch.optim.SGD", "kind = torch.optim.ASGD", {"sgd"}),
        ("lib/models/gpt.py", "INIT_STD = 0.02", "INIT_STD = 0.03", {"adamw", "sgd"}),
        ("lib/models/mlp.py", "def build(", "EXTRA = 1\n\n\ndef build(", set()),
        ("lib/tasks/modular/task.py", "EXAMPLES = 1", "EXAMPLES = 2", {"modular"}),
        ("lib/tasks/modular/data.py", "int(share", "round(share", {"modular"}),
        ("lib/tasks/stories/probe.py", "import", "X = 3\nimport", set()),
    ],
)
def test_an_edit_of_a_member_trains_only_its_runs_again(tree, file, old, new, expected):
    assert retrained(tree, tree.edit(file, old, new)) == expected


TASK = '''"""A task of several files."""

from lib.tasks.nested import memory
from lib.tasks.nested.deeper.store import LENGTH
from lib.tasks.stories.task import evaluate, solved, training_loss, weights


def prepare(p, store):
    return memory.keep(p, LENGTH)


def batch(data, p, step, micro=0):
    return data[step]
'''
PARAMS = """from typing import Literal

from pydantic import Field

from lib.params.fields import TaskParameters


class Parameters(TaskParameters):
    name: Literal["nested"] = Field(description="a task of several files")
"""


def nested(tree: Tree) -> None:
    files = {
        "params": PARAMS,
        "memory": "def keep(p, length):\n    return [p] * length\n",
        "deeper/store": "LENGTH = 4\nOTHER = 5\n",
        "task": TASK,
    }
    for name, text in files.items():
        tree.write(f"lib/tasks/nested/{name}.py", text)


def test_one_more_member_changes_nothing_for_the_others(tree):
    nested(tree)
    for room, name, new in (("optim", "sgd", "another"), ("models", "gpt", "wide")):
        text = (tree.root / "lib" / room / f"{name}.py").read_text()
        tree.write(f"lib/{room}/{new}.py", text.replace(f'"{name}"', f'"{new}"'))
    now = tree.ask()
    assert "nested" in now["training"]
    assert retrained(tree, now) == {"nested"}  # which was not there before
    assert stale(tree, now) == set()


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("memory", "def keep(p, length):\n    return [p, p] * length\n", True),
        ("deeper/store", "LENGTH = 6\nOTHER = 5\n", True),
        ("deeper/store", "LENGTH = 4\nOTHER = 6\n", False),
        ("task", TASK.replace("data[step]", "data[step - 1]"), True),
        ("task", TASK.replace("several", "some"), False),
    ],
)
def test_whatever_the_own_task_imports_counts_in_any_folder_and_of_any_name(tree, file, text, changes):
    nested(tree)
    was = tree.ask()["training"]
    tree.write(f"lib/tasks/nested/{file}.py", text)
    now = tree.ask()["training"]
    assert {name for name in now if now[name] != was[name]} == ({"nested"} if changes else set())


@pytest.mark.parametrize(("edited", "changes"), [("return 2 * step", True), ("return step  # a word", False)])
def test_a_method_of_the_own_parameters_counts_where_it_is_asked(tree, edited, changes):
    nested(tree)
    method = (
        PARAMS + "\n    def order(self, step):\n        return step\n\n    def unasked(self):\n        return 1\n"
    )
    tree.write("lib/tasks/nested/params.py", method)
    tree.write("lib/tasks/nested/task.py", TASK.replace("data[step]", "data[p.task.order(step)]"))
    was = tree.ask()["training"]
    tree.write("lib/tasks/nested/params.py", method.replace("return step", edited).replace("return 1", "return 3"))
    now = tree.ask()["training"]
    assert {name for name in now if now[name] != was[name]} == ({"nested"} if changes else set())


def test_what_the_own_task_has_from_another_one_counts(tree):
    nested(tree)
    was = tree.ask()["training"]["nested"]
    now = tree.edit("lib/tasks/stories/evaluate.py", "CHUNK = 64", "CHUNK = 32")["training"]["nested"]
    assert now != was
    assert now == tree.edit("lib/tasks/stories/task.py", "def pace", "def speed")["training"]["nested"]


def test_the_generator_of_stories_counts_with_the_data_and_not_with_the_training(tree):
    now = tree.edit("storyworld/__init__.py", 'VERSION = "1"', 'VERSION = "2"')
    assert retrained(tree, now) == set()
    assert now["data"] != tree.first["data"]
    assert stale(tree, now) == ALL


# -------------------------------------------------------------------------------------------- what computes nothing


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/train/progress.py", "  loss {loss:.3f}  {pace}", "  the loss is {loss:.4f}  {pace}"),
        ("lib/train/folder.py", "resuming after step", "going on after step"),
        ("lib/train/loop.py", "and no CUDA device is visible here", "and there is no GPU here"),
        ("lib/train/loop.py", "training from the start", "training from its beginning"),
        ("lib/base/locks.py", "    return handle", "    return int(handle)"),
        ("lib/train/loop.py", "# Steps between looks at the losses.", "# So often."),
        ("lib/train/loop.py", "Train to the end, or", "Train until all is done, or"),
        ("lib/train/loop.py", "lr: float, trunk: dict[str, float]", "lr: Any, trunk: dict[str, Any]"),
        ("lib/train/loop.py", ") -> nn.Module:", ") -> Any:"),
        ("lib/train/loop.py", "device_losses: list[Tensor] = []", "device_losses: list[Any] = []"),
        ("lib/train/loop.py", "device_norms: list[Tensor] = []", "device_norms = []"),
    ],
)
def test_what_computes_nothing_makes_nothing_stale(tree, file, old, new):
    now = tree.edit(file, old, new, count=-1)
    assert (retrained(tree, now), stale(tree, now)) == (set(), set())


CODE = '''"""A module."""

import math

try:
    import numba
except ImportError:
    LEVEL = 1


class Thing:
    """A thing."""

    size: int = 1


def area(r):
    """Of a circle."""
    half: float = 0.5
    return math.pi * r**2 * half  # squared


def nothing():
    """Does nothing."""
'''
SAME = {
    "a comment": ("# squared", "# the area"),
    "no comment": ("  # squared", ""),
    "blank lines": ("\n\n\n", "\n\n\n\n\n"),
    "another docstring": ("Of a circle.", "Of a disc, really."),
    "no docstring": ('    """Of a circle."""\n', ""),
    "no class docstring": ('    """A thing."""\n\n', ""),
    "no module docstring": ('"""A module."""\n\n', ""),
    "a body that was only a docstring": ('    """Does nothing."""', "    pass"),
    "layout": ("math.pi * r**2", "(math.pi\n        * r ** 2)"),
    "an annotation of an argument": ("area(r)", "area(r: float)"),
    "an annotation of a result": ("area(r)", "area(r) -> float"),
    "an annotation of a variable": ("half: float =", "half: int ="),
    "no annotation of a variable": ("half: float =", "half ="),
}
OTHER = {
    "a number": ("r**2", "r**3"),
    "a name": ("size", "length"),
    "a field's type": ("size: int", "size: float"),
    "a default": ("area(r)", "area(r=1)"),
    "a string that is no docstring": ("= 1\n\n\ndef", "= 'one'\n\n\ndef"),
    "order": ("math.pi * r**2", "r**2 * math.pi"),
    "what is tried": ("LEVEL = 1", "LEVEL = 2"),
}


def hashes(tree: Tree, text: str) -> dict[str, str]:
    tree.write("toy.py", text)
    return tree.ask("toy")


@pytest.mark.parametrize("change", SAME)
def test_the_hash_is_blind_to(tree, change):
    assert SAME[change][0] in CODE
    assert hashes(tree, CODE.replace(*SAME[change])) == hashes(tree, CODE)


@pytest.mark.parametrize("change", OTHER)
def test_the_hash_sees(tree, change):
    assert OTHER[change][0] in CODE
    assert hashes(tree, CODE.replace(*OTHER[change])) != hashes(tree, CODE)


def test_what_an_if_or_a_try_defines_has_a_name(tree):
    assert set(hashes(tree, CODE)) == {"LEVEL", "Thing", "area", "nothing"}


# ---------------------------------------------------------------------------------------------------- why, and kept


def test_why_names_the_definition_that_differs(tree):
    from lib.workflow.plan import changed_code

    was = tree.first["code"]["02_pca"]
    now = tree.edit("lib/geometry/rotation.py", "100 * values[:, 0]", "99 * values[:, 0]")["code"]["02_pca"]
    assert changed_code(was, now) == ["lib/geometry/rotation.py: rotate changed"]
    assert changed_code(None, now) == ["the code changed"]
    assert changed_code(was, was) == []


def test_what_is_kept_of_files_was_found_by_the_rules_of_now(tree):
    """What a definition is, is code as well: another rule is not answered from what the earlier one found."""
    path = tree.root / "lib" / "base" / "code.py"
    text = path.read_text()
    command = [sys.executable, "-c", SERVER]

    def ask() -> dict:
        done = subprocess.run(
            command,
            input="all\n",
            cwd=tree.root,
            env={"PYTHONPATH": str(tree.root)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["training"]["adamw"]

    first = ask()
    tree.before[path] = text
    path.write_text(text.replace("node.returns = None", "node.name = 'any'"))
    assert ask() != first


def test_one_version_of_a_file_is_kept(tree):
    """Every command reads what is kept: it must not grow with the edits of a checkout."""
    kept = tree.root / "lib" / "__pycache__" / "definitions.json"
    files = set(json.loads(kept.read_text()))
    tree.edit("lib/geometry/rotation.py", "100 * values[:, 0] ** 2", "98 * values[:, 0] ** 2")
    after = json.loads(kept.read_text())
    assert set(after) == files == {name for name in files if (tree.root / name).is_file()}
