"""The running average that snapshots may hold: what it is, that training does not notice it, that it resumes."""

import pytest
import torch

from lib.base.tensors import load_tensors
from lib.params.cadence import snapshot_steps
from lib.train import checkpoint
from lib.train.loop import train
from tests.faults.tiny_run import interrupted, results, tiny_params

EVERY = "snapshots.dense_from=1 snapshots.dense_to=12 snapshots.dense_every=1"
OVER = 4


def averaged_params():
    return tiny_params(f"{EVERY} snapshots.average={OVER}")


@pytest.fixture(scope="module")
def plain(tmp_path_factory, corpora):
    """A run whose every step is a snapshot."""
    run = tmp_path_factory.mktemp("plain") / "study" / "run"
    train(tiny_params(EVERY), run, corpora)
    return run


@pytest.fixture(scope="module")
def averaged(tmp_path_factory, corpora):
    run = tmp_path_factory.mktemp("averaged") / "study" / "run"
    train(averaged_params(), run, corpora)
    return run


def snapshot(run, step):
    return load_tensors(run / "snapshots" / f"{step:06d}.safetensors")[0]


def test_it_is_the_average_of_the_weights_after_every_step(plain, averaged):
    steps = snapshot_steps(averaged_params())
    assert steps == list(range(13))
    held = {name: t.double() for name, t in snapshot(plain, 0).items()}
    for step in steps[1:]:
        weights, found = snapshot(plain, step), snapshot(averaged, step)
        assert found.keys() == weights.keys()
        held = {name: held[name] + (t - held[name]) / OVER for name, t in weights.items() if name in held}
        for name in held:
            torch.testing.assert_close(found[name].double(), held[name], rtol=0, atol=1e-7)
            assert step == 0 or not torch.equal(found[name], weights[name])


def test_training_does_not_notice_it(plain, averaged):
    theirs, ours = ((run / "metrics.jsonl").read_bytes() for run in (plain, averaged))
    assert theirs == ours
    kept, more = (load_tensors(run / "checkpoint.safetensors")[0] for run in (plain, averaged))
    assert {name for name in more if name not in kept} == {
        name.replace("model.", "average.") for name in kept if name.startswith("model.")
    }
    assert all(torch.equal(kept[name], more[name]) for name in kept)


def test_resumed_equals_uninterrupted_bit_for_bit(averaged, corpora, tmp_path, monkeypatch):
    run = tmp_path / "study" / "run"
    interrupted(averaged_params(), run, corpora, monkeypatch, 7)
    train(averaged_params(), run, corpora)
    assert results(run) == results(averaged)


def test_an_average_that_is_forgotten_shows(averaged, corpora, tmp_path, monkeypatch):
    run = tmp_path / "study" / "run"
    interrupted(averaged_params(), run, corpora, monkeypatch, 7)
    restore = checkpoint._restore

    def forgetful(model, optimizer, tensors, average):
        restore(model, optimizer, tensors, {})

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_restore", forgetful)
        train(averaged_params(), run, corpora)
    found, expected = results(run), results(averaged)
    assert found["metrics.jsonl"] == expected["metrics.jsonl"]
    assert found["snapshots/000012.safetensors"] != expected["snapshots/000012.safetensors"]
