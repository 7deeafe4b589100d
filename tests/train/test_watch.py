"""The table of what steps do: by hand, unnoticed by training, the same bytes after an interruption."""

import json
import warnings

import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import WATCH
from lib.base.tensors import load_tensors
from lib.optim import muon
from lib.optim.schedules import learning_rate
from lib.params.study import load_study
from lib.train.loop import train
from lib.train.watch import Watch, group_of, read_rows
from tests.faults.tiny_run import STEPS, interrupted, results

EVERY = "snapshots.dense_from=1 snapshots.dense_to=12 snapshots.dense_every=1 train.watch_every=3"
OPTIMIZERS = {
    "adamw": "",
    "sgd": "optim.name=sgd optim.lr=0.1 optim.momentum=0 optim.weight_decay=0",
    "muon": "optim.name=muon optim.lr=0.02 optim.weight_decay=0.5",
    "orthonoise": "optim.name=orthonoise optim.lr=0.02 optim.alpha=1 optim.adaptive=false optim.noise_start=6",
}


def params(optimizer, more=""):
    return load_study("beta2", "smoke", f"{STEPS} {EVERY} {OPTIMIZERS[optimizer]} {more}", axes={}).runs[0].params


@pytest.fixture(scope="module")
def watched(tmp_path_factory, corpora):
    """A function that gives the folder of an optimizer's run, trained once."""
    home = tmp_path_factory.mktemp("watched") / "study"

    def folder(optimizer):
        if not (home / optimizer).exists():
            train(params(optimizer), home / optimizer, corpora)
        return home / optimizer

    return folder


def column(run, name, group=None):
    return {row["step"]: row.get(name) for row in read_rows(run) if group in (None, row["group"])}


def test_a_row_is_a_step_and_a_group(watched):
    rows = read_rows(watched("adamw"))
    groups = {group_of(name) for name in load_tensors(watched("adamw") / "snapshots" / "000001.safetensors")[0]}
    assert [(row["step"], row["group"]) for row in rows] == [
        (step, group) for step in (3, 6, 9, 12) for group in dict.fromkeys(row["group"] for row in rows)
    ]
    assert {row["group"] for row in rows} == groups


def test_the_length_of_a_step_is_that_between_snapshots(watched):
    run = watched("muon")
    before, after = (load_tensors(run / "snapshots" / f"{step:06d}.safetensors")[0] for step in (8, 9))
    lr = learning_rate(9, 0.02, params("muon").schedule)
    for group, rms in ((row["group"], row["update_rms"]) for row in read_rows(run) if row["step"] == 9):
        kept = 1 - 0.5 * lr
        own = [(after[n] - kept * before[n]).square().mean().sqrt() for n in after if group_of(n) == group]
        assert rms == pytest.approx(float(torch.stack(own).mean()), rel=1e-3)


def test_a_step_without_a_memory_is_as_long_as_its_gradient(watched):
    """U = -lr g, whose ranks are one another's, and no direction of a memory."""
    run = watched("sgd")
    shape = {group_of(n): t.shape for n, t in load_tensors(run / "snapshots" / "000001.safetensors")[0].items()}
    lr = {e["step"]: e["lr"] for e in json.loads((run / "pilot_metrics.json").read_text())}
    for row in (row for row in read_rows(run) if row["step"] in lr):
        m, n = shape[row["group"]]
        assert row["update_rms"] * (m * n) ** 0.5 == pytest.approx(lr[row["step"]] * row["gradient_norm"], rel=1e-3)
        assert row["update_rank"] == pytest.approx(row["gradient_rank"], rel=1e-2)
        assert "memory_cosine" not in row


def test_a_polar_step_is_even_and_noise_turns_it(watched):
    even, noisy = read_rows(watched("muon")), read_rows(watched("orthonoise"))
    assert all(row["unevenness"] < 0.3 and row["memory_cosine"] > 0.999 for row in even)  # of few gradients
    assert all(row["unevenness"] > 1 for row in read_rows(watched("sgd")))
    assert all((row["memory_cosine"] > 0.999) == (row["step"] <= 6) for row in noisy)
    assert all((row["fired"] > 0) == (row["step"] > 6) for row in noisy)


def test_training_does_not_notice_it(watched, corpora, tmp_path):
    run = tmp_path / "study" / "run"
    train(params("muon", "train.watch_every=null"), run, corpora)
    assert (run / "metrics.jsonl").read_bytes() == (watched("muon") / "metrics.jsonl").read_bytes()
    assert not (run / WATCH).exists()


@pytest.mark.parametrize("step", [2, 7])
def test_resumed_equals_uninterrupted_bit_for_bit(watched, corpora, tmp_path, monkeypatch, step):
    run = tmp_path / "study" / "run"
    interrupted(params("orthonoise"), run, corpora, monkeypatch, step)
    train(params("orthonoise"), run, corpora)
    whole = watched("orthonoise")
    assert results(run) == results(whole)
    assert (run / WATCH).read_bytes() == (whole / WATCH).read_bytes()


def test_before_the_first_row_there_is_nothing_to_lose(watched, corpora, tmp_path, monkeypatch):
    run = tmp_path / "study" / "run"
    interrupted(params("orthonoise"), run, corpora, monkeypatch, 2)
    (run / WATCH).unlink()
    train(params("orthonoise"), run, corpora)
    assert (run / WATCH).read_bytes() == (watched("orthonoise") / WATCH).read_bytes()


class Still(torch.nn.Module):
    """One hidden matrix."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(4))

    def roles(self):
        return {"weight": "hidden"}


def test_a_model_without_matrices_cannot_be_watched():
    """Its table would have no row, which a finished run is known by."""
    model, p = Still(), params("muon")
    optimizer = muon.build(model, p.optim)
    model.roles = lambda: {"weight": "head"}
    with pytest.raises(BadInput, match=r"train\.watch_every = 3: gpt has no hidden matrix to watch"):
        Watch(model, optimizer, muon, p, 3)


def test_the_norm_of_a_memory_is_that_of_what_it_summed():
    model, p = Still(), params("muon")
    optimizer = muon.build(model, p.optim)
    watch = Watch(model, optimizer, muon, p, 1)
    for step in (1, 2):
        model.weight.grad = 3 * torch.eye(4)
        watch.before_step(step, 0.02)
        optimizer.step()
        watch.after_step(step)
    assert [row["memory_norm"] for row in watch.rows] == pytest.approx([6, 6 * (1 + p.optim.momentum)])


def test_a_matrix_that_stands_still_is_told_by_its_counts():
    """Its decomposition failed, since its memory is not finite: neither a step nor a memory can be measured."""
    model, p = Still(), params("muon")
    optimizer = muon.build(model, p.optim)
    watch = Watch(model, optimizer, muon, p, 1)
    for step, gradient in enumerate((1.0, float("inf")), 1):
        model.weight.grad = torch.full((4, 4), gradient)
        watch.before_step(step, 0.02)
        with warnings.catch_warnings(action="ignore"):
            optimizer.step()
        model.weight.grad = torch.ones(4, 4)
        watch.after_step(step)
    first, last = watch.rows
    assert (first["failures"], last["failures"]) == (0, 1)
    assert "update_rank" in first and "update_rank" not in last and last["weight_norm"] > 0


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
@pytest.mark.parametrize("step", [7, None])
def test_a_lost_table_comes_back(watched, corpora, tmp_path, monkeypatch, capsys, damage, step):
    """Of an interrupted run and of a finished one: its rows can be had by training alone."""
    run, whole = tmp_path / "study" / "run", watched("orthonoise")
    if step:
        interrupted(params("orthonoise"), run, corpora, monkeypatch, step)
    else:
        train(params("orthonoise"), run, corpora)
    damage(run / WATCH)
    train(params("orthonoise"), run, corpora)
    assert "watch.parquet" in capsys.readouterr().out
    assert results(run) == results(whole)
    assert (run / WATCH).read_bytes() == (whole / WATCH).read_bytes()


def test_a_flipped_bit_never_gives_other_rows(watched, tmp_path):
    data, rows, seen = (watched("muon") / WATCH).read_bytes(), read_rows(watched("muon")), 0
    for at in range(10, len(data), len(data) // 60):
        (tmp_path / WATCH).write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        try:
            assert read_rows(tmp_path) == rows
        except BadInput:
            seen += 1
    assert seen > 10


def test_layers_of_a_name_are_one_group():
    assert group_of("blocks.11.attention.out.weight") == group_of("blocks.0.attention.out.weight")
    assert group_of("blocks.0.mlp.up") == "blocks.*.mlp.up"
