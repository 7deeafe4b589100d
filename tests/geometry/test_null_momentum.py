"""The null of SGD with momentum against walks of the optimizer itself, and against the null of the schedule."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.geometry.gram import Digest
from lib.geometry.null import adam_null, fitted_null, momentum_null
from lib.optim import sgd

STEPS = np.array([0, 1, 3, 8, 20, 40, 60])
LR = 0.2 * np.minimum(np.arange(1, 61) / 10, 1.0) * np.linspace(1, 0.3, 60)
WALKS, SIZE, WD = 300, 30, 0.25
KINDS = {
    "plain": {"momentum": 0.0},
    "momentum": {"momentum": 0.9},
    "dampened": {"momentum": 0.8, "dampening": 0.4},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "decoupled": {"momentum": 0.9, "decoupled": True},
    "decoupled nesterov": {"momentum": 0.6, "nesterov": True, "decoupled": True},
    "averaged": {"momentum": 0.9, "average": 5},
}


def as_digest(gram):
    return Digest(STEPS, np.empty(0, dtype=np.int64), ("w",), np.array([SIZE]), gram[None])


def grams_of_walks(kind, seed):
    """(WALKS, T+1, T+1) Gram matrices of runs of the real optimizer on white noise, averaged on request."""
    kind = dict(kind)
    over = kind.pop("average", 1)
    random = torch.Generator().manual_seed(seed)
    model = nn.Module()
    model.w = nn.Parameter(0.5 * torch.randn(WALKS, SIZE, generator=random, dtype=torch.float64))
    optimizer = sgd.build(model, sgd.Parameters(name="sgd", lr=1.0, clip=1.0, weight_decay=WD, **kind))
    kept = [model.w.detach().clone()]
    held = kept[0]
    for t in range(1, STEPS[-1] + 1):
        optimizer.param_groups[0]["lr"] = LR[t - 1]
        model.w.grad = torch.randn(model.w.shape, generator=random, dtype=torch.float64)
        optimizer.step()
        held = held + (model.w.detach() - held) / over
        if t in STEPS:
            kept.append(held)
    rows = torch.stack([*(theta - kept[0] for theta in kept), kept[0]]).numpy()  # (T + 1, WALKS, SIZE)
    return np.einsum("awd,bwd->wab", rows, rows)


def worst_z(grams, null):
    """The largest |z| of the mean difference between a walk and the null that is fitted to it."""
    left = np.stack([gram - null(as_digest(gram)).total for gram in grams])
    error = left.std(axis=0, ddof=1) / np.sqrt(len(grams))
    told = error > 1e-9 * np.abs(grams).mean(axis=0).max()  # what is fitted, and the zeros of the start, have none
    np.testing.assert_allclose(left[:, ~told], 0, atol=1e-7 * np.abs(grams).max())
    assert told.sum() > len(told) ** 2 / 2
    return np.abs(left.mean(axis=0)[told] / error[told]).max()


@pytest.mark.parametrize("name", KINDS)
def test_the_null_is_the_mean_of_walks_of_the_optimizer(name):
    kind = KINDS[name]
    grams = grams_of_walks(kind, seed=1)
    assert worst_z(grams, lambda d: momentum_null(d, LR, WD, **kind)) < 4
    # and the test would notice another memory, or decay at the other place
    other = kind | {"momentum": 0.5} if kind["momentum"] else {"momentum": 0.3}
    assert worst_z(grams, lambda d: momentum_null(d, LR, WD, **other)) > 8
    if kind["momentum"]:
        moved = kind | {"decoupled": not kind.get("decoupled", False)}
        assert worst_z(grams, lambda d: momentum_null(d, LR, WD, **moved)) > 8


def test_the_average_is_the_same_through_either_optimizer():
    gram = grams_of_walks({"momentum": 0.0, "decoupled": True, "average": 5}, seed=2)[0]
    of_sgd = momentum_null(as_digest(gram), LR, WD, decoupled=True, average=5)
    of_adam = adam_null(as_digest(gram), LR, WD, beta1=0.0, average=5)
    np.testing.assert_allclose(of_adam.total, of_sgd.total, rtol=1e-9)
    plain = adam_null(as_digest(gram), LR, WD, beta1=0.0)
    assert np.abs(plain.total - of_adam.total).max() > 0.01 * np.abs(plain.total).max()


@pytest.mark.parametrize("decoupled", [False, True])
def test_without_memory_it_is_the_null_of_the_schedule(decoupled):
    for gram in grams_of_walks({"momentum": 0.0}, seed=2)[:3]:
        found = momentum_null(as_digest(gram), LR, WD, momentum=0.0, decoupled=decoupled)
        expected = fitted_null(as_digest(gram), LR, WD)
        np.testing.assert_allclose(found.total, expected.total, rtol=1e-9, atol=1e-9)
        assert found.steps.tolist() == expected.steps.tolist()


def test_it_drifts_as_far_as_the_run_and_starts_as_large():
    (gram, *_) = grams_of_walks(KINDS["momentum"], seed=3)
    null = momentum_null(as_digest(gram), LR, WD, momentum=0.9)
    assert null.start_norm == pytest.approx(as_digest(gram).start_norm)
    assert null.drift_norms[-1] == pytest.approx(as_digest(gram).drift_norms[-1])
    assert np.array_equal(null.total, momentum_null(as_digest(gram), LR, WD, momentum=0.9).total)


def test_a_schedule_that_ends_before_the_run_is_refused():
    (gram, *_) = grams_of_walks(KINDS["plain"], seed=3)
    with pytest.raises(ValueError, match="the learning rates end at step 59"):
        momentum_null(as_digest(gram), LR[:-1], WD)
