"""The record of a run as others read it: everything that is written, and nothing that is not what it should be."""

import json
from dataclasses import fields

import pytest

from lib.base.files import json_text
from lib.train.events import SPIKE
from lib.train.loop import train
from lib.train.run_record import Divergence, Event, Identity, Machine, RunRecord, run_record
from tests.modular_run import modular_params

EVENT = {"step": 20, "what": SPIKE, "at": 18, "from": 0.5, "to": 2.0}
DIVERGED = {"step": 30, "reason": "non-finite loss", "finite": False}
DAMAGED = (None, True, -1.5, "text", [], [1], {}, {"a": 1})


@pytest.fixture
def written(tmp_path):
    return lambda **content: (tmp_path / "run.json").write_text(json_text(content))


def test_every_field_of_a_trained_run_is_read(tmp_path):
    run = tmp_path / "study" / "run"
    train(modular_params("batch.size=4 optim.lr=0.05 events.spike=1.05"), run, tmp_path / "data")
    found, record = json.loads((run / "run.json").read_text()), run_record(run)
    for part, kind, inside in ((record, RunRecord, found), (record.identity, Identity, found["identity"])):
        assert inside.keys() <= {field.name for field in fields(kind)}
        for name in inside.keys() - {"identity", "machine", "events", "diverged"}:
            assert getattr(part, name) == inside[name], name
    assert vars(record.machine) == found["machine"]
    assert [(e.step, e.what, e.before, e.after) for e in record.events] == [
        (e["step"], e["what"], e["from"], e["to"]) for e in found["events"]
    ]
    assert record.ended and record.events and record.diverged is None


def test_what_happened_is_read(tmp_path, written):
    jump = {"step": 40, "what": "jump of test_acc", "from": 0.1, "to": 0.9}
    written(state="diverged", step=30, diverged=DIVERGED, events=[EVENT, jump])
    record = run_record(tmp_path)
    assert record.diverged == Divergence(30, "non-finite loss", False)
    assert record.events == (Event(20, SPIKE, 18, 0.5, 2.0), Event(40, "jump of test_acc", 40, 0.1, 0.9))
    assert (record.step, record.steps, record.seconds, record.machine) == (30, None, None, Machine())


def test_where_there_is_no_record_it_is_empty(tmp_path, written):
    assert run_record(tmp_path) == RunRecord()
    written(state="asleep", step=3)
    assert run_record(tmp_path) == RunRecord()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("step", None),
        ("seconds", "9"),
        ("seconds_left", True),
        ("identity", []),
        ("data_files", "text"),
        ("events", [{"step": None}]),
        ("events", 3),
        ("diverged", {"step": "3"}),
    ],
)
def test_what_training_would_go_on_from_makes_or_breaks_a_record(tmp_path, written, name, wrong):
    whole = {"state": "diverged", "step": 30, "diverged": DIVERGED}
    written(**whole)
    assert run_record(tmp_path).ended
    written(**whole | {name: wrong})
    assert run_record(tmp_path) == RunRecord()


@pytest.mark.parametrize("wrong", DAMAGED, ids=str)
@pytest.mark.parametrize("name", [field.name for field in fields(RunRecord)])
def test_a_damaged_value_is_no_value(tmp_path, written, name, wrong):
    """Either it has its default, or there is no record at all; of a number any is one, of a text any text."""
    whole = {"state": "diverged", "step": 30, "diverged": DIVERGED, "events": [EVENT], "machine": {"cores": 2}}
    written(**whole | {name: wrong})
    record, empty = run_record(tmp_path), RunRecord()
    value, default = getattr(record, name), getattr(empty, name)
    assert record == empty or value == default or type(value) in (type(default), int, float)
    assert all(isinstance(event, Event) for event in record.events) and isinstance(record.machine, Machine)


def test_damaged_parts_of_a_part_have_their_defaults(tmp_path, written):
    written(
        state="done", machine={"processor": 3, "cores": True, "threads": 4}, identity={"versions": [], "code": 1}
    )
    record = run_record(tmp_path)
    assert (record.machine, record.identity) == (Machine(threads=4), Identity())
