"""The full state of a run: resumed equals uninterrupted, and a damaged generation is not the end."""

import json
import os

import pytest
import torch

from lib.base.errors import BadInput
from lib.models.gpt import build_model
from lib.optim.adamw import build
from lib.train.checkpoint import CURRENT, PREVIOUS, full_state, load_checkpoint, save_checkpoint


class State:
    """A model in training on random gradients that depend on the step alone."""

    def __init__(self, smoke, seed=0):
        self.model = build_model(smoke.model, 300, seed)
        self.optimizer = build(self.model, smoke.optim)
        self.step = 0

    def train(self, steps):
        for _ in range(steps):
            self.step += 1
            random = torch.Generator().manual_seed(self.step)
            for p in self.model.parameters():
                p.grad = torch.randn(p.shape, generator=random)
            self.optimizer.step()
        return self

    def save(self, folder, run="run"):
        save_checkpoint(
            folder, full_state(self.model, self.optimizer), json.dumps({"step": self.step, "loss": 0.1 + 0.2}), run
        )
        return self

    def load(self, folder, run="run"):
        progress, complaints = load_checkpoint(folder, self.model, self.optimizer, run)
        self.step = progress["step"] if progress else 0
        return progress, complaints

    def weights(self):
        return torch.cat([p.detach().reshape(-1) for p in self.model.parameters()])


@pytest.fixture
def new(smoke):
    return lambda seed=0: State(smoke, seed)


def flip(path, at=-20):
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_resumed_equals_uninterrupted_bit_for_bit(new, tmp_path):
    new().train(3).save(tmp_path)
    resumed = new(seed=9)
    assert resumed.load(tmp_path) == ({"step": 3, "loss": 0.1 + 0.2}, [])
    straight = new().train(6)
    assert torch.equal(resumed.train(3).weights(), straight.weights())
    # and so are the moments and counters of the optimizer
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    resumed.save(tmp_path / "a")
    straight.save(tmp_path / "b")
    assert (tmp_path / "a" / CURRENT).read_bytes() == (tmp_path / "b" / CURRENT).read_bytes()


def test_without_its_moments_the_optimizer_would_go_elsewhere(new, tmp_path):
    new().train(3).save(tmp_path)
    resumed = new()
    resumed.load(tmp_path)
    resumed.optimizer.state.clear()
    assert not torch.equal(resumed.train(3).weights(), new().train(6).weights())


def test_nothing_to_resume_from(new, tmp_path):
    state = new()
    before = state.weights()
    assert state.load(tmp_path) == (None, [])
    assert torch.equal(state.weights(), before)


def test_two_generations_are_kept(new, tmp_path):
    state = new()
    for _ in range(3):
        state.train(1).save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([CURRENT, PREVIOUS])
    (tmp_path / CURRENT).unlink()  # killed between the two moves
    assert new().load(tmp_path)[0]["step"] == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "flipped header", "empty"])
def test_a_damaged_state_falls_back_to_the_one_before(damage, new, tmp_path):
    new().train(2).save(tmp_path).train(1).save(tmp_path)
    path = tmp_path / CURRENT
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        flip(path, at=path.read_bytes().index(b"progress") + 20 if "header" in damage else -20)
    resumed = new(seed=9)
    progress, complaints = resumed.load(tmp_path)
    assert progress["step"] == 2
    assert len(complaints) == 1 and CURRENT in complaints[0] and "falling back" in complaints[0]
    assert torch.equal(resumed.train(1).weights(), new().train(3).weights())


def test_the_state_fallen_back_to_survives_the_next_save(new, tmp_path):
    new().train(2).save(tmp_path).train(1).save(tmp_path)
    flip(tmp_path / CURRENT)
    resumed = new()
    resumed.load(tmp_path)
    resumed.train(1).save(tmp_path)
    (tmp_path / CURRENT).unlink()  # the damaged file must not have become the previous generation
    assert new().load(tmp_path) == ({"step": 2, "loss": 0.1 + 0.2}, [])


def test_two_damaged_states_begin_anew(new, tmp_path):
    new().train(1).save(tmp_path).train(1).save(tmp_path)
    flip(tmp_path / CURRENT)
    flip(tmp_path / PREVIOUS)
    state = new()
    before = state.weights()
    progress, complaints = state.load(tmp_path)
    assert progress is None and len(complaints) == 2
    assert torch.equal(state.weights(), before)


def test_a_state_of_other_parameters_is_not_taken(new, tmp_path):
    new().train(1).save(tmp_path, run="other")
    progress, complaints = new().load(tmp_path, run="run")
    assert progress is None
    assert "belongs to other parameters" in complaints[0]


def test_a_full_disk_keeps_the_last_state(new, tmp_path, full_disk):
    state = new().train(2).save(tmp_path).train(1)
    with full_disk():
        for _ in range(3):  # however often it is tried
            with pytest.raises(BadInput, match="the disk is full"):
                state.save(tmp_path)
    resumed = new()
    assert resumed.load(tmp_path)[0]["step"] == 2
    assert torch.equal(resumed.train(1).weights(), state.weights())
