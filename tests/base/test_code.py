"""Whose code a result is made by: what is reached counts, what computes nothing does not.

Every edit is made in a copy of the tree, whose own code answers there which stages are stale.
"""

import json
import subprocess
import sys

import pytest

from tests.base.code_tree import SERVER, Tree, retrained, stale

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
        ("lib/params/branches.py", "in grid(self.vary)]", "in grid(self.vary)][1:]", {"04_reheat"}),
        ("lib/params/branches.py", "dict(zip(axes, values", "dict(zip(reversed(axes), values", {"04_reheat"}),
        ("lib/params/branches.py", "not in foreign - keep", "not in foreign", {"04_reheat"}),
        ("lib/params/stages.py", "checked.warmup >= checked.steps", "checked.warmup > checked.steps", set()),
        ("paper/beta2/reheat.py", "p_ood.max() - p_ood[0]", "p_ood.max() - p_ood.min()", {"04_reheat"}),
        ("notebooks/02_pca.py", "# %% [markdown]\n# #", "# %% [markdown]\n# # About", {"02_pca"}),
        ("notebooks/02_pca.py", "import os\n", "import os  # for folders\n", {"02_pca"}),
        ("notebooks/02_pca.py", "tuple(draws))", "tuple(draws)) | {}", MEASURED),
        ("notebooks/03_fisher.py", "# %% [markdown]\n# #", "# %% [markdown]\n# # About", {"03_fisher"}),
        ("lib/geometry/rotation.py", "100 * values[:, 0] ** 2", "99 * values[:, 0] ** 2", MEASURED),
        ("lib/geometry/ladder.py", "DRAWS, SHUFFLES = 50, 200", "DRAWS, SHUFFLES = 50, 300", MEASURED),
        ("lib/geometry/fisher.py", "import numpy as np\n", "import numpy as np\n\nUNUSED = 3\n", set()),
        ("lib/train/checkpoint.py", "os.replace(folder / CURRENT", "os.rename(folder / CURRENT", ALL),
        (
            "lib/report/run_figures.py",
            'for part in ("observed", "null"))',
            'for part in ("null", "null"))',
            {"02_pca"},
        ),
        ("lib/report/run_tables.py", '"mean cosine"', '"cosine"', {"05_interference"}),
        ("lib/report/run.py", "def read_run(", "def read_run(other=0, *", set()),
        ("paper/beta2/figures.py", "def reheats(", "def reheats(other=0, *", {"04_reheat"}),
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


WAYS = {  # of having `keep` from lib/tasks/nested/memory.py
    "a name": ("from lib.tasks.nested.memory import keep", "keep"),
    "the module": ("from lib.tasks.nested import memory", "memory.keep"),
    "a name, from here": ("from .memory import keep", "keep"),
    "the module, from here": ("from . import memory as store", "store.keep"),
    "a name, from above": ("from ..nested.memory import keep as kept", "kept"),
    "all names": ("from lib.tasks.nested.memory import *", "keep"),
    "all names, from here": ("from lib.tasks.stories.task import *\nfrom .memory import *", "keep"),
    "in full": ("import lib.tasks.nested.memory", "lib.tasks.nested.memory.keep"),
    "two in full": ("import lib.tasks.nested.memory\nimport lib.base.files", "lib.tasks.nested.memory.keep"),
    "two in one line": ("import lib.tasks.nested.memory, lib.base.files", "lib.tasks.nested.memory.keep"),
    "in full, renamed": ("import lib.tasks.nested.memory as store", "store.keep"),
    "by a text": ("import importlib", 'importlib.import_module("lib.tasks.nested.memory").keep'),
    "by a text, from here": (
        "from importlib import import_module",
        'import_module(".memory", "lib.tasks.nested").keep',
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_own_task_imports_counts_however_it_is_imported(tree, way):
    nested(tree)
    lines, keep = WAYS[way]
    text = TASK.replace("from lib.tasks.nested import memory", lines).replace("memory.keep(p", f"{keep}(p")
    tree.write("lib/tasks/nested/task.py", text)
    was = tree.ask()["training"]
    now = tree.edit("lib/tasks/nested/memory.py", "[p] * length", "[p, p] * length")["training"]
    assert {name for name in now if now[name] != was[name]} == {"nested"}


def test_what_the_own_task_has_from_a_module_with_all_its_names_counts_where_it_is_asked(tree):
    nested(tree)
    tree.write("lib/tasks/nested/task.py", TASK[: TASK.index("def batch")] + "from .batches import *\n")
    tree.write(
        "lib/tasks/nested/batches.py",
        "from .task import *\n\n\ndef batch(data, p, step, micro=0):\n    return data[step]\n",
    )
    was = tree.ask()["training"]
    now = tree.edit("lib/tasks/nested/batches.py", "data[step]", "data[step - 1]")["training"]
    assert {name for name in now if now[name] != was[name]} == {"nested"}


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
    path = tree.root / "lib" / "base" / "computing.py"
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
