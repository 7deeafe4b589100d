"""The task `modular`: its tables, its split, its losses by name, and what it refuses."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.base.errors import BadInput
from lib.params.members import member
from lib.params.run import Params
from lib.params.study import load_study
from lib.tasks.modular import task
from lib.tasks.modular.data import Vocabulary, make_data, split

SENTENCES = "model.name=modular_transformer model.layers=1 model.width=16 model.heads=2 model.init=small"


def params(more: str = "") -> Params:
    return load_study("grokking", "smoke", f"task.p=11 {more}", axes={}).runs[0].params


def model_of(p: Params, seed: int = 0):
    return member("model", p.model.name).build(p.model, make_data(p), seed)


# ------------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("p", "share", "sizes"), [(17, 0.5, (144, 145)), (113, 0.3, (3830, 8939)), (113, 0.5, (6384, 6385))]
)
def test_published_sizes_of_the_split(p, share, sizes):
    train, test = split(p * p, share, 1, 42)
    assert (len(train), len(test)) == sizes
    assert sorted([*train, *test]) == list(range(p * p))


def test_the_split_is_torch_s_permutation():
    expected = torch.randperm(289, generator=torch.Generator().manual_seed(42)).numpy()
    train, test = split(289, 0.5, 1, 42)
    assert np.array_equal(np.concatenate([train, test]), expected)


def test_two_operations_are_split_each_by_itself():
    train, test = split(100, 0.3, 2, 1)
    for part, size in ((train, 30), (test, 70)):
        assert ((part < 100).sum(), (part >= 100).sum()) == (size, size)
    assert not np.array_equal(np.sort(train[train < 100]), np.sort(train[train >= 100]) - 100)
    assert not (train[:30] < 100).all()


@pytest.mark.parametrize(
    ("operation", "answer"), [("add", lambda a, b: a + b), ("sub", lambda a, b: a - b), ("mul", lambda a, b: a * b)]
)
def test_a_table_has_every_pair_and_its_answer(operation, answer):
    data = make_data(params(f"task.p=7 task.operation={operation}"))
    assert [tuple(x) for x in data.tokens] == [(a, b) for a in range(7) for b in range(7)]
    assert data.labels.tolist() == [answer(a, b) % 7 for a in range(7) for b in range(7)]
    assert (data.vocab, data.inputs, data.outcomes) == (7, 2, 7)


def test_sentences_by_the_vocabulary():
    data = make_data(params(f"task.p=7 task.operation=both {SENTENCES}"))
    words = Vocabulary(7, ("add", "mul"))
    assert (words.sign("add"), words.sign("mul"), words.equals, words.size) == (7, 8, 9, 10)
    assert data.vocab == 10
    assert data.tokens[0 + 3 * 7 + 2].tolist() == [3, 7, 2, 9]
    assert data.tokens[49 + 3 * 7 + 2].tolist() == [3, 8, 2, 9]
    assert data.labels[[23, 72]].tolist() == [5, 6]
    assert (data.rows("mul").start, data.rows("mul").stop) == (49, 98)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("task.operation=both", "needs a model that reads which operation"),
        ("task.routing_penalty=gini", "mlp has nothing that routes"),
        (f"task.routing_penalty=gini {SENTENCES}", "modular_transformer has nothing that routes"),
        ("task.p=7 task.train_share=0.001", "leaves nothing to train on"),
    ],
)
def test_what_does_not_go_together(more, said):
    with pytest.raises(BadInput, match=said):
        params(more)


# ------------------------------------------------------------------------------------------------- losses


def test_the_loss_is_the_mean_cross_entropy():
    for more in ("", SENTENCES):
        p = params(more)
        model, data = model_of(p), make_data(p)
        example = task.batch(data, p, 1)
        assert sorted(map(tuple, example.tokens)) == sorted(map(tuple, data.tokens[data.train]))
        found = model(torch.from_numpy(data.tokens[data.train]))
        expected = F.cross_entropy(found, torch.from_numpy(data.labels[data.train]))
        loss = task.training_loss(model, p, torch.device("cpu"))(example, 1)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_penalty_is_added_to_the_loss():
    more = f"{SENTENCES} model.routes=2"
    plain, penalised = params(more), params(f"{more} task.routing_penalty=entropy task.routing_weight=0.5")
    model = model_of(plain)
    example = task.batch(make_data(plain), plain, 1)
    losses = [task.training_loss(model, p, torch.device("cpu"))(example, 1).item() for p in (plain, penalised)]
    _, weights = model.routed(torch.from_numpy(example.tokens))
    entropy = -(weights[0] * weights[0].log()).sum(dim=-1).mean().item()
    assert losses[1] - losses[0] == pytest.approx(0.5 * entropy, rel=1e-4)


def test_the_spectral_penalty_comes_at_its_steps():
    p = params("task.spectral_weight=2.0 task.spectral_every=10")
    model, example = model_of(p), task.batch(make_data(p), p, 1)
    loss = task.training_loss(model, p, torch.device("cpu"))
    assert loss(example, 9).item() == loss(example, 11).item()
    assert 0 < loss(example, 10).item() - loss(example, 9).item() < 2.0


def test_scores_of_every_operation():
    p = params(f"task.operation=both {SENTENCES}")
    model, data = model_of(p), make_data(p)
    scores, _ = task.evaluate(model, data, p, 1)
    for name, which in (("test", data.test), ("train", data.train)):
        shares = [scores[f"{name}_acc_{operation}"] for operation in ("add", "mul")]
        sizes = [(which < 121).sum(), (which >= 121).sum()]
        assert scores[f"{name}_acc"] == pytest.approx(np.average(shares, weights=sizes))


def test_named_losses_are_those_of_their_pairs():
    p = params(f"task.operation=both {SENTENCES}")
    model, data = model_of(p), make_data(p)
    named = task.named_losses(model, data)
    assert set(named) == {"train", "test", "train.add", "train.mul", "restricted", "excluded"}
    found = model(torch.from_numpy(data.tokens))
    own = data.train[data.train >= 121]
    expected = F.cross_entropy(found[own], torch.from_numpy(data.labels[own]))
    assert named["train.mul"].item() == pytest.approx(expected.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(named["excluded"], model.head.weight)
    assert gradient.abs().sum() > 0


def test_products_modulo_no_prime_have_no_frequencies():
    p = params("task.p=12 task.operation=mul")
    assert set(task.named_losses(model_of(p), make_data(p))) == {"train", "test"}


def test_a_perfect_table_needs_its_key_frequencies():
    p = 11
    a, b = np.divmod(np.arange(p * p), p)
    for operation, sums in (("add", a + b), ("sub", a - b)):
        labels = torch.from_numpy(sums % p)
        angles = 2 * math.pi * 2 * (torch.from_numpy(sums)[:, None] - torch.arange(p)) / p
        found = task.table_progress(10 * angles.cos(), labels, operation)
        assert found.restricted == pytest.approx(found.full.item(), rel=1e-4)
        assert found.excluded == pytest.approx(math.log(p), rel=1e-3)
