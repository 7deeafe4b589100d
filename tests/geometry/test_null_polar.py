"""The null of steps along polar factors against walks of the optimizer itself."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.geometry.gram import Digest
from lib.geometry.null import fitted_null, momentum_null, polar_null
from lib.optim import muon

STEPS = np.array([0, 2, 5, 10, 20, 30, 40])
LR = 0.2 * np.minimum(np.arange(1, 41) / 8, 1.0) * np.linspace(1, 0.3, 40)
WD, MOMENTUM, WALKS = 0.25, 0.8, 60
KINDS = {"plain": {}, "nesterov": {"nesterov": True}, "no memory": {"momentum": 0.0}, "averaged": {"average": 4}}


def as_digest(gram, size):
    return Digest(STEPS, np.empty(0, dtype=np.int64), ("w",), np.array([size]), gram[None])


def walks(shape, average=1, momentum=MOMENTUM, nesterov=False):
    """(WALKS, T + 1, T + 1) Gram matrices of runs of the real optimizer on white noise, averaged on request."""
    random = torch.Generator().manual_seed(1)
    model = nn.Module()
    model.w = nn.ParameterList(0.05 * torch.randn(shape, generator=random).double() for _ in range(WALKS))
    model.roles = lambda: {name: "hidden" for name, _ in model.named_parameters()}
    o = muon.Parameters(name="muon", lr=1.0, clip=1.0, weight_decay=WD, momentum=momentum, nesterov=nesterov)
    optimizer = muon.build(model, o)
    kept = [torch.stack([w.detach().flatten().clone() for w in model.w])]
    held = kept[0]
    for t in range(1, STEPS[-1] + 1):
        optimizer.param_groups[0]["lr"] = LR[t - 1]
        for w in model.w:
            w.grad = 10 * torch.randn(shape, generator=random).double()
        optimizer.step()
        now = torch.stack([w.detach().flatten().clone() for w in model.w])
        held = held + (now - held) / average
        if t in STEPS:
            kept.append(held)
    rows = torch.stack([*(theta - kept[0] for theta in kept), kept[0]]).numpy()
    return np.einsum("awd,bwd->wab", rows, rows)


def misfit(grams, null):
    """The largest mean difference between walks and the nulls fitted to them: |z|, and relative to the drift."""
    left = np.stack([gram - null(as_digest(gram, 1)).total for gram in grams])
    error = left.std(axis=0, ddof=1) / np.sqrt(len(grams))
    told = error > 1e-9 * np.abs(grams).mean(axis=0).max()
    assert told.sum() > len(told) ** 2 / 2
    return (
        np.abs(left.mean(axis=0)[told] / error[told]).max(),
        np.abs(left.mean(axis=0)).max() / np.abs(grams).mean(axis=0)[:-1, :-1].max(),
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_null_is_the_mean_of_walks_of_long_matrices(name):
    kind = {"momentum": MOMENTUM, **KINDS[name]}
    grams = walks((2, 300), **kind)
    assert misfit(grams, lambda d: polar_null(d, LR, WD, **kind))[0] < 4
    # and the test would notice another memory, or another look ahead
    others = [{"momentum": 0.3 if kind["momentum"] else 0.6}]
    others += [{"nesterov": "nesterov" not in kind}] if kind["momentum"] else []
    for other in others:
        assert misfit(grams, lambda d, other=other: polar_null(d, LR, WD, **(kind | other)))[0] > 6
    # steps of one length are no steps as long as their momentum, which grows while it fills
    if name == "plain":
        assert misfit(grams, lambda d: momentum_null(d, LR, WD, momentum=MOMENTUM, decoupled=True))[0] > 6


def test_of_square_matrices_it_overstates_the_memory_a_little():
    """c(rho) of square matrices is below rho; what the docstring says of it, and that no memory would be worse."""
    grams = walks((16, 16))
    ours = misfit(grams, lambda d: polar_null(d, LR, WD, MOMENTUM))[1]
    assert 0.002 < ours < 0.03
    assert misfit(grams, lambda d: fitted_null(d, LR, WD))[1] > 3 * ours


@pytest.mark.parametrize(("shape", "share"), [((24, 24), 0.72), ((24, 72), 0.91), ((8, 400), 0.99)])
def test_how_alike_the_polar_factors_of_alike_matrices_are(shape, share):
    rng = np.random.default_rng(0)

    def polar(a):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return u @ vh

    def ratio(rho):
        found = []
        for _ in range(60):
            a, b = rng.standard_normal((2, *shape))
            found.append((polar(a) * polar(rho * a + np.sqrt(1 - rho**2) * b)).sum() / min(shape) / rho)
        return np.mean(found), np.std(found, ddof=1) / np.sqrt(len(found))

    for rho, (low, high) in {0.3: (share - 0.01, share + 0.035), 0.999: (0.985, 1.0)}.items():
        mean, error = ratio(rho)
        assert low - 3 * error < mean < high + 3 * error


def test_it_drifts_as_far_as_the_run_and_starts_as_large():
    gram = walks((2, 30))[0]
    null = polar_null(as_digest(gram, 60), LR, WD, MOMENTUM)
    assert null.start_norm == pytest.approx(as_digest(gram, 60).start_norm)
    assert null.drift_norms[-1] == pytest.approx(as_digest(gram, 60).drift_norms[-1])
    with pytest.raises(ValueError, match="the learning rates end at step 39"):
        polar_null(as_digest(gram, 60), LR[:-1], WD, MOMENTUM)
