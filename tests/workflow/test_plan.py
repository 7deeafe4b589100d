"""What make says of a stale stage: whether it trains, measures or draws again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lib.base.files import fingerprint, json_text, write_atomically
from lib.params.study import load_study
from lib.workflow.done import table_path
from lib.workflow.plan import Target, pending, targets


@pytest.fixture
def stages(tmp_path) -> dict[str, Target]:
    """The stages of a run that has branches, each done and current; of the branches one file is there."""
    study = load_study("beta2", "smoke")
    every = [t for t in targets(study, tmp_path) if t.run.name.endswith("b20.95_s42")]
    for target in every:
        leave(target, target)
    return {target.name: target for target in every}


def leave(target: Target, made_from: Target) -> None:
    """The done marker of a stage that was made from the inputs and the code of another state of it."""
    files = [target.folder / "branches" / "one" / "run.json"] if target.stage.branches else []
    for path in files:
        write_atomically(path, "{}")
    outputs = {str(path.relative_to(target.folder)): fingerprint(path) for path in files}
    write_atomically(target.done, json_text({"inputs": made_from.inputs, "outputs": outputs}))
    write_atomically(table_path(target.folder.parent, made_from.inputs["code"]), json_text(made_from.code))


def earlier(target: Target, definition: str) -> Target:
    """A stage before an edit of a definition that it runs."""
    assert definition in target.code
    return replace(target, inputs=target.inputs | {"code": definition}, code=target.code | {definition: "another"})


def said(stages: dict[str, Target]) -> dict[str, str]:
    return {p.target.name: p.kind for p in pending(stages.values())}


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ("lib/measure/branches.py: displacement", "measure"),
        ("paper/beta2/reheat.py: reheat", "measure"),
        ("lib/train/branch.py: branch_changes", "train"),
        ("lib/params/branches.py: Branches", "train"),
        ("lib/train/loop.py: _loop", "train"),
        ("lib/models/gpt.py: build", "train"),
    ],
)
def test_branches_are_trained_again_only_for_an_edit_of_what_trains_them(stages, definition, kind):
    assert said(stages) == {}
    reheat = stages["04_reheat"]
    leave(reheat, earlier(reheat, definition))
    assert said(stages) == {"04_reheat": kind}


def test_branches_are_measured_again_after_a_measurement_that_they_need(stages):
    reheat = stages["04_reheat"]
    leave(reheat, replace(reheat, inputs=reheat.inputs | {"needs": {"02_pca": "another"}}))
    assert said(stages) == {"04_reheat": "measure"}


@pytest.mark.parametrize("name", ["01_train", "02_pca", "04_reheat"])
def test_a_stage_whose_results_are_shown_otherwise_is_drawn_again_and_nothing_else(stages, name):
    target = stages[name]
    shown = next(iter(target.drawing))
    was = replace(target, inputs=target.inputs | {"drawing": shown})
    leave(target, was)
    write_atomically(table_path(target.folder.parent, shown), json_text(target.drawing | {shown: "another"}))
    (waiting,) = pending(stages.values())
    file, _, definition = shown.partition(": ")
    assert (waiting.target.name, waiting.kind) == (name, "draw")
    assert waiting.reasons == [f"{file}: {definition} changed"]


def other_steps(reheat: Target) -> None:
    parameters = reheat.inputs["parameters"]
    protocol = parameters["protocol"] | {"steps": 3}
    leave(reheat, replace(reheat, inputs=reheat.inputs | {"parameters": parameters | {"protocol": protocol}}))


def other_run(reheat: Target) -> None:
    leave(reheat, replace(reheat, inputs=reheat.inputs | {"params": reheat.inputs["params"] | {"seed": 1}}))


def other_data(reheat: Target) -> None:
    leave(reheat, replace(reheat, inputs=reheat.inputs | {"data": "other"}))


def no_marker(reheat: Target) -> None:
    reheat.done.unlink()


def no_table(reheat: Target) -> None:
    leave(reheat, earlier(reheat, "lib/measure/branches.py: displacement"))
    table_path(reheat.folder.parent, "lib/measure/branches.py: displacement").unlink()


def no_branch(reheat: Target) -> None:
    Path(reheat.folder / "branches" / "one" / "run.json").unlink()


@pytest.mark.parametrize("change", [other_steps, other_run, other_data, no_marker, no_table, no_branch])
def test_branches_are_trained_again_for_whatever_else_may_change_them(stages, change: Callable[[Target], None]):
    change(stages["04_reheat"])
    assert said(stages)["04_reheat"] == "train"
