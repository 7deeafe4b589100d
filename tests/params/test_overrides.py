"""SET: parameters of runs, stages and branches by dotted name, on the command line."""

import pytest

from lib.base.errors import BadInput
from lib.params.overrides import parse_overrides
from lib.params.study import load_study


def refusal(*arguments):
    with pytest.raises(BadInput) as caught:
        load_study(*arguments)
    return str(caught.value)


def test_overrides_are_yaml_words():
    text = "optim.lr=6e-4 seed=271 task.probe.gap_in='[2, 9]' start=null task.corpus.path='a b=c.txt' "
    text += "task.variant=executed"
    assert parse_overrides(text) == {
        "optim.lr": 6e-4,
        "seed": 271,
        "task.probe.gap_in": [2, 9],
        "start": None,
        "task.corpus.path": "a b=c.txt",
        "task.variant": "executed",
    }
    assert parse_overrides("") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr", "expected name=value, got 'optim.lr'"),
        ("optim.lr=", "expected name=value, got 'optim.lr='"),
        ("=3", "expected name=value, got '=3'"),
        ("task.corpus.path='a", "unbalanced quotes"),
        ("task.probe.gap_in=[2,", "SET, task.probe.gap_in"),
        ("optim.beta3=0.9", "unknown parameter optim.beta3 (did you mean optim.beta2?)"),
        ("lr=0.1", "unknown parameter lr (did you mean optim.lr?)"),
        ("optim=3", "unknown parameter optim"),
        ("optim.lr=fast", "optim.lr = 'fast': input should be a valid number"),
        (
            "stages.03_fisher.batch=[1,1,4]",
            "03_fisher.batch is unknown; there are steps, batches (did you mean batches?)",
        ),
        ("stages.3_fisher.batches=[1,1,4]", "stage 3_fisher is unknown"),
        ("stages.03_fisher=1", "stages.03_fisher: expected stages.NAME.PARAMETER"),
        ("branches.reheat.step=20", "branches.reheat: unknown key step (did you mean steps?)"),
        ("branches.reheats.steps=20", "SET names branches.reheats, and"),
    ],
)
def test_wrong_overrides_are_refused(text, expected):
    assert expected in refusal("beta2", "smoke", text)


def test_overrides_are_taken_as_written_and_not_scaled():
    text = "schedule.warmup=10 stages.05_interference.batches=8 branches.reheat.steps=30"
    loaded = load_study("beta2", "smoke", text)
    assert loaded.runs[0].params.schedule.warmup == 10
    assert loaded.stage("05_interference").parameters == {"steps": [32, 60], "batches": 8}
    assert loaded.branches["reheat"].steps == 30
