"""Metrics, events, kept states and stops of a run: planned, noticed, and the same after any interruption."""

import json
from itertools import pairwise

import numpy as np
import pandas
import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import WATCH, state_path
from lib.base.snapshots import open_snapshots
from lib.base.tensors import load_tensors
from lib.params.cadence import log_spaced, measured_metrics, snapshot_steps
from lib.params.run import run_hash
from lib.train.branch import branch, branch_params
from lib.train.divergence import State
from lib.train.events import SPIKE, jumps, spike
from lib.train.loop import train
from lib.train.watch import read_rows
from tests.faults.tiny_run import interrupted
from tests.modular_run import modular_params

ASKED = """
    train.watch.fisher=20 train.watch.weight_hessian=20 train.watch.jacobian=10 train.watch.weight_norms=10
    train.watch.adam=10 train.watch.smoothness=20 train.watch_early=8 snapshots.log_to=8 snapshots.state=[13]
    events.jump=0.05 events.spike=10 events.watch_every=2 events.watch_for=4
"""


def params(more=""):
    return modular_params(f"{ASKED} {more}")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def whole(home):
    """A run that nothing interrupted."""
    run = home / "study" / "whole"
    train(params(), run)
    return run


def everything(run):
    """Every byte that training is answerable for, and the events of its record."""
    files = [p for p in run.rglob("*") if p.is_file() and p.name not in (".lock", "run.json")]
    found = {str(p.relative_to(run)): p.read_bytes() for p in files}
    return found, json.loads((run / "run.json").read_text())["events"]


def test_log_spaced_steps():
    assert log_spaced(20) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 20]
    assert log_spaced(0) == [] and log_spaced(1) == [1]


def test_each_metric_at_its_own_steps_and_all_early_and_after_events(whole):
    events = [e["step"] for e in json.loads((whole / "run.json").read_text())["events"]]
    rows = [row for row in read_rows(whole) if row["group"] == "model"]
    last = None
    expected = []
    for step in range(1, 61):
        last = max((e for e in events if e < step), default=None)
        if measured_metrics(step, params(), last):
            expected.append(step)
    assert [row["step"] for row in rows] == expected
    assert set(log_spaced(8)) < set(expected) and len(events) > 2
    near = {e + 2 for e in events} - set(range(0, 61, 10))
    assert near and all(row["fisher_trace"] > 0 for row in rows if row["step"] in near)
    at = {row["step"]: row for row in rows}
    quiet = next(s for s in (50, 30) if s - max(e for e in events if e < s) > 4)
    assert "jacobian_norm" in at[quiet] and "fisher_trace" not in at[quiet]
    assert "fisher_trace" in at[40] and at[40]["fisher_trace_se"] > 0 and "weight_norm.head" in at[40]


def test_metrics_and_matrices_share_the_table(home, whole):
    run = home / "study" / "both"
    train(params("train.watch_every=20"), run)
    rows = read_rows(run)
    assert [row for row in rows if row["group"] == "model"] == read_rows(whole)
    assert [row["step"] for row in rows if row["group"] == "layers.*"] == [20, 40, 60]


def test_the_table_is_read_by_others(whole):
    table = pandas.read_parquet(whole / WATCH)
    assert table["step"].is_monotonic_increasing and (table["group"] == "model").all()
    rows = read_rows(whole)
    assert table["jacobian_norm"].dropna().tolist() == [r["jacobian_norm"] for r in rows if "jacobian_norm" in r]


def test_training_does_not_notice_it(home, whole):
    run = home / "study" / "unwatched"
    train(modular_params(), run)
    assert (run / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert not (run / WATCH).exists() and not (run / "states").exists()


def test_events_are_jumps_of_accuracies_with_a_state_that_stays(whole):
    record = json.loads((whole / "run.json").read_text())
    rows = json.loads((whole / "pilot_metrics.json").read_text())
    told = [(e["step"], e["what"]) for e in record["events"] if e["what"] != SPIKE]
    expected = [
        (now["step"], f"jump of {name}")
        for before, now in pairwise(rows)
        for name in ("test_acc", "train_acc")
        if abs(now[name] - before[name]) > 0.05
    ]
    assert told == expected and told
    kept = {int(path.stem) for path in (whole / "states").iterdir()}
    assert kept == {13, *(e["step"] for e in record["events"])}
    assert open_snapshots(whole, run_hash(params())).steps == snapshot_steps(params())  # as planned, and no more
    tensors, about = load_tensors(state_path(whole, 13))
    assert about["step"] == "13" and float(tensors["optimizer.head.weight.step"]) == 13
    assert set(record["watched"]) == {"fisher", "weight_hessian", "jacobian", "weight_norms", "adam", "smoothness"}


@pytest.mark.parametrize("step", [3, 14, 37])
def test_resumed_equals_uninterrupted_bit_for_bit(home, whole, monkeypatch, step):
    run = home / "study" / f"resumed{step}"
    interrupted(params(), run, None, monkeypatch, step)
    train(params(), run)
    assert everything(run) == everything(whole)


def test_what_is_lost_comes_back(home, whole, monkeypatch, capsys):
    """Of an interrupted run and of a finished one."""
    run = home / "study" / "lost"
    interrupted(params(), run, None, monkeypatch, 37)
    for lost in ("states/000013.safetensors", WATCH):
        (run / lost).unlink()
        train(params(), run)
        assert lost.split("/")[-1] in capsys.readouterr().out
        assert everything(run) == everything(whole)
        records = [json.loads((folder / "run.json").read_text()) for folder in (run, whole)]
        assert records[0]["identity"] == records[1]["identity"]


# ----------------------------------------------------------------------------------------------- noticing, by hand


def spiked(losses, new, evaluations=(), events=()):
    state = State(step=100, losses=list(losses), evaluations=list(evaluations), events=list(events))
    return spike(state, params(), new)


def test_a_spike_is_above_the_lowest_loss_since_the_last_evaluation():
    found = spiked([1.0, 0.1, 0.5, 1.01], 1)
    assert found == {"step": 100, "what": SPIKE, "at": 100, "from": 0.1, "to": 1.01}
    assert spiked([1.0, 0.1, 0.5, 1.0], 1) is None
    assert spiked([0.1, 1.01, 0.2], 3)["at"] == 99  # noticed later than it was
    evaluations = [{"step": 95, "train_loss": 0.01}]
    assert spiked([0.2], 1, evaluations)["from"] == 0.01
    assert spiked([0.2], 1) is None  # the first loss of a run
    assert spiked([0.1, 1.5, 1.6], 1, evaluations, [{"step": 99, "what": SPIKE}]) is None  # told already
    assert spiked([0.1, 1.5], 1, evaluations, [{"step": 95, "what": SPIKE}]) is not None


def test_a_jump_is_more_than_five_points_either_way():
    rows = [{"step": 5, "test_acc": 0.5, "train_acc": 0.9}, {"step": 10, "test_acc": 0.44, "train_acc": 0.95}]
    assert jumps(rows, params()) == [{"step": 10, "what": "jump of test_acc", "from": 0.5, "to": 0.44}]
    assert jumps(rows[:1], params()) == [] == jumps(rows, modular_params())


def test_a_spike_happens_in_a_run(home):
    """Of a few pairs a step, some of which are still answered wrongly."""
    run = home / "study" / "spiked"
    record = train(params("batch.size=4 optim.lr=0.05 events.spike=1.05"), run)
    spikes = [e for e in record["events"] if e["what"] == SPIKE]
    assert spikes and all(e["to"] > 1.05 * e["from"] for e in spikes)
    assert all(state_path(run, e["step"]).is_file() for e in spikes)


# -------------------------------------------------------------------------------------------------------- stopping


def test_a_run_ends_at_an_event_and_a_margin(home):
    wanted = "train.early_stop=true task.solved_accuracy=0.05 task.solved_evaluations=1"
    first = train(params(f"{wanted}"), home / "study" / "at-once")
    rows = json.loads((home / "study" / "at-once" / "pilot_metrics.json").read_text())
    reached = next(row["step"] for row in rows if row["test_acc"] >= 0.05)
    assert first["step"] == reached < 60 and first["state"] == "done"
    assert first["reason"] == f"early stop: test accuracy held 0.05 for 1 evaluation, at step {reached}"
    later = train(params(f"{wanted} train.stop_after=7"), home / "study" / "later")
    ended = next(step for step in range(5, 61, 5) if step >= reached + 7)  # an evaluation
    assert later["step"] == ended
    assert later["reason"].endswith(f"at step {reached}, and 7 steps more, at step {ended}")


# ------------------------------------------------------------------------------------------ branches with a memory

BRANCH = {
    "schedule.steps": 60,
    "eval.every": 5,
    "snapshots.state": [],
    "snapshots.log_to": None,
    "schedule.warmup": 1,
}


def weights_at(run, step):
    return load_tensors(run / "snapshots" / f"{step:06d}.safetensors")[0]


def test_a_branch_with_its_memory_goes_on_as_its_parent_did(home, whole):
    """The same full batch at the same learning rate: but for the step that the schedule counts, nothing is new."""
    steps = {"schedule.steps": 47, "schedule.warmup": 1}
    restored, fresh = home / "study" / "restored", home / "study" / "fresh"
    branch(whole, 13, BRANCH | steps | {"start.state": True}, restored)
    branch(whole, 13, BRANCH | steps, fresh)
    there = weights_at(whole, 60)
    assert all(torch.equal(w, there[name]) for name, w in weights_at(restored, 47).items())
    assert not all(torch.equal(w, there[name]) for name, w in weights_at(fresh, 47).items())
    a, b = (branch_params(whole, 13, BRANCH | more) for more in ({}, {"start.state": True}))
    assert run_hash(a) != run_hash(b)


def test_a_branch_with_its_memory_resumes_bit_for_bit(home, whole, monkeypatch):
    straight, resumed = home / "study" / "straight", home / "study" / "again"
    changes = BRANCH | {"start.state": True}
    branch(whole, 13, changes, straight)
    interrupted(branch_params(whole, 13, changes), resumed, None, monkeypatch, 8)
    train(branch_params(whole, 13, changes), resumed)
    assert weights_at(straight, 60).keys() == weights_at(resumed, 60).keys()
    assert (straight / "metrics.jsonl").read_bytes() == (resumed / "metrics.jsonl").read_bytes()


def test_a_branch_needs_a_kept_state_for_its_memory(whole):
    with pytest.raises(
        BadInput, match=r"start\.state needs a step of snapshots\.state or of an event; they are \[.*13"
    ):
        branch_params(whole, 20 if not state_path(whole, 20).exists() else 1, {"start.state": True})
    with pytest.raises(BadInput, match=r"goes with optim\.name = adamw, and not with sgd"):
        branch_params(whole, 13, {"start.state": True, "optim.name": "sgd"})


# ------------------------------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train.watch.fischer=3", "did you mean train.watch.fisher"),
        ("snapshots.state=[61]", r"snapshots\.state names step 61, and the run ends at 60"),
        ("train.watch.fisher=0", "greater than or equal to 1"),
        ("events.jum=1", "did you mean events.jump"),
    ],
)
def test_faults_are_one_sentence(words, said):
    with pytest.raises(BadInput, match=said):
        params(words)


def test_a_metric_of_another_task_is_refused(smoke, changed):
    with pytest.raises(BadInput, match=r"train\.watch\.jacobian: there is no such metric of stories"):
        changed(smoke, train__watch__jacobian=4)


def test_what_nobody_asks_for_is_not_written_down():
    text = str(modular_params().model_dump())
    assert not any(name in text for name in ("events", "stop_after", "log_to", "watch_early", "solved"))
    assert run_hash(modular_params()) == run_hash(modular_params("events.jump=null train.watch.fisher=null"))
    assert (
        np.unique([run_hash(modular_params(m)) for m in ("", "events.jump=0.05", "train.watch.fisher=4")]).size == 3
    )
