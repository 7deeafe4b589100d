"""OrthoNoise and Isotropic: Muon without noise, the noise, when there is any, and the reference's rewriting."""

import math

import numpy as np
import pytest
import torch

from lib.optim import isotropic, muon, orthonoise
from lib.optim.isotropic import sized
from lib.optim.matrices import gaussian, haar
from lib.optim.noisy import amplitude
from lib.train.checkpoint import full_state, load_checkpoint, save_checkpoint
from tests.optim.matrix_tools import HIDDEN, PEAK, Small, gradient, run, same, weights
from tests.optim.test_muon import one_matrix, polar_by_hand, reversal

ALWAYS = {"adaptive": False, "noise_start": 0, "anneal": "constant"}
VARIANTS = [
    (orthonoise, {"ns_target": "none"}),
    (orthonoise, {"ns_target": "copy"}),
    (orthonoise, {"ns_target": "buffer"}),
    (isotropic, {}),
    (isotropic, {"size": "spectral"}),
    (isotropic, {"size": "literal", "noise_target": "buffer"}),
]


def parameters(module, **values):
    name = module.__name__.rpartition(".")[2]
    return module.Parameters(name=name, lr=PEAK, clip=1.0, **values)


def stepped(module, steps=6, seed=0, scale=1.0, **values):
    """(weights, optimizer, model) after some steps."""
    model = Small()
    optimizer = module.build(model, parameters(module, **values) if module is not muon else plain())
    for group in optimizer.param_groups:
        group["seed"] = seed
    run(model, optimizer, range(1, steps + 1), scale)
    return weights(model), optimizer, model


def plain():
    return muon.Parameters(name="muon", lr=PEAK, clip=1.0)


def cubic_by_hand(m, steps=3):
    u, s, vh = np.linalg.svd(m, full_matrices=False)
    for _ in range(steps):
        s = 1.5 * s - 0.5 * s**3
    return u * s @ vh


def noise_by_hand(module, o, shape, key):
    r = np.random.default_rng(key).standard_normal(shape, dtype=np.float32).astype(np.float64)
    if module is orthonoise:
        q, upper = np.linalg.qr(r if shape[0] >= shape[1] else r.T)
        q = q * np.sign(np.diag(upper))
        return q if shape[0] >= shape[1] else q.T
    norms = {"literal": 1.0, "frobenius": np.linalg.norm(r) / min(shape) ** 0.5, "spectral": np.linalg.norm(r, 2)}
    return r / norms[o.size]


@pytest.mark.parametrize(("module", "kind"), VARIANTS)
def test_it_is_its_formula(module, kind):
    o = parameters(module, alpha=0.02, **ALWAYS, **kind)
    expected = {name: p.double().numpy().copy() for name, p in weights(Small()).items()}
    places = {name: n for n, name in enumerate(expected)}
    found, *_ = stepped(module, 4, seed=9, scale=0.1, alpha=0.02, **ALWAYS, **kind)
    for name in HIDDEN:
        w, m = expected[name], np.zeros_like(expected[name])
        for t in range(1, 5):
            g = gradient(w.shape, name, t, 0.1).double().numpy()
            m = o.momentum * m + g
            added = 0.02 * np.linalg.norm(g) * noise_by_hand(module, o, w.shape, (9, t, places[name]))
            followed = m + added
            if kind.get("ns_target", "none") != "none":
                followed = cubic_by_hand(followed)
            if "buffer" in kind.values():
                m = followed
            w -= PEAK * polar_by_hand(followed)
        np.testing.assert_allclose(found[name], w, atol=5e-6, err_msg=name)


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize(("module", "kind"), [v for v in VARIANTS if v[1].get("ns_target") in (None, "none")])
def test_without_noise_it_is_muon_to_the_bit(module, kind, adaptive):
    expected = stepped(muon)[0]
    always = {**ALWAYS, "adaptive": adaptive, "rank_threshold": 2.0}
    assert same(stepped(module, alpha=0.0, **always, **kind)[0], expected)
    assert not same(stepped(module, alpha=1e-3, **always, **kind)[0], expected, HIDDEN)


def test_rewriting_the_memory_is_another_optimizer_even_without_noise():
    always = {**ALWAYS, "alpha": 0.0}
    assert not same(
        stepped(orthonoise, ns_target="buffer", scale=0.1, **always)[0], stepped(muon, scale=0.1)[0], HIDDEN
    )
    # its memory, always near singular values of 1, is not turned round by small gradients for as long as they last
    o = parameters(orthonoise, ns_target="buffer", **always)

    def scaled(model, p):
        optimizer = orthonoise.build(model, p)
        optimizer.enters = lambda g, _: 1e-3 * g
        return optimizer

    assert reversal(scaled, o) is None
    assert reversal(scaled, parameters(orthonoise, **always)) == 13


def test_the_rewritten_memory_blows_up_and_a_sum_of_gradients_does_not():
    sizes = {}
    for target in ("none", "copy", "buffer"):
        _, optimizer, model = stepped(orthonoise, 1, scale=3.0, alpha=0.0, ns_target=target, **ALWAYS)
        sizes[target] = float(torch.linalg.matrix_norm(optimizer.state[model.square]["momentum_buffer"], 2))
    assert sizes["none"] == sizes["copy"] < 20
    assert sizes["buffer"] > 1e6


@pytest.mark.parametrize("shape", [(256, 256), (1024, 256)])
def test_the_norms_of_both_noises(shape):
    r = gaussian(shape, np.random.default_rng(3))
    q, k = haar(r), min(shape)
    norm = torch.linalg.matrix_norm
    assert float(norm(sized(r, "literal")) / norm(q)) == pytest.approx(
        {256: 16.07, 1024: 31.98}[shape[0]], rel=0.01
    )
    assert float(norm(sized(r, "frobenius")) / norm(q)) == pytest.approx(1, rel=1e-4)
    assert float(norm(sized(r, "spectral"), 2) / norm(q, 2)) == pytest.approx(1, rel=1e-4)
    assert float(norm(q)) == pytest.approx(k**0.5, rel=1e-4)


def test_noise_is_the_same_for_the_same_run_step_and_matrix_and_no_other():
    always = {**ALWAYS, "alpha": 0.3}
    once, again, other = (stepped(orthonoise, seed=seed, **always)[0] for seed in (1, 1, 2))
    assert same(once, again)
    assert not any(torch.equal(once[name], other[name]) for name in HIDDEN)


# ----------------------------------------------------------------------------------------------------- how much


def test_annealing():
    literal = parameters(orthonoise)
    for t, share in ((500, 0.316228), (1000, 0.1), (301, 0.5000345)):
        assert amplitude(literal, t) / literal.alpha == pytest.approx(share, abs=1e-6)
    constant = parameters(orthonoise, anneal="constant")
    assert amplitude(constant, 1) == amplitude(constant, 5000) == 0.01
    line = parameters(orthonoise, anneal="linear", half_life=250, alpha_end=1e-3)
    values = [amplitude(line, t) for t in (0, 250, 500, 600)]
    assert values == pytest.approx([1e-2, 5.5e-3, 1e-3, 1e-3])
    floored = parameters(orthonoise, half_life=500, alpha_end=1e-3)
    values = [amplitude(floored, t) for t in (500, 1000, 1600, 1700, 10_000)]
    assert values == pytest.approx([5e-3, 2.5e-3, 1e-2 * 2**-3.2, 1e-3, 1e-3])


# --------------------------------------------------------------------------------------------------------- when


def fired(module=orthonoise, steps=6, lr=PEAK, size=1.0, **values):
    model = Small()
    optimizer = module.build(model, parameters(module, **values))
    run(model, optimizer, range(1, steps + 1), size, lr)
    return [int(optimizer.state[getattr(model, name)]["fired"]) for name in HIDDEN]


def test_noise_starts_when_it_is_told_or_at_the_peak_of_the_learning_rate():
    assert fired(adaptive=False, noise_start=0) == [6, 6, 6]
    assert fired(adaptive=False, noise_start=4) == [2, 2, 2]

    def warm(t):
        return PEAK * min(t / 3, 1.0) * (1 if t < 5 else 0.5)

    assert fired(adaptive=False, lr=warm) == [4, 4, 4]  # from step 3 on, also when the rate falls again
    assert fired(adaptive=False, lr=0.5 * PEAK) == [0, 0, 0]


def test_noise_where_the_effective_rank_is_low():
    model, o = one_matrix((8, 8)), parameters(orthonoise, noise_start=0)
    optimizer = orthonoise.build(model, o)
    column, row = torch.randn(8, 1), torch.randn(1, 8)
    for _ in range(3):  # one direction: rank 1, below half of what a Gaussian matrix has
        model.w.grad = column @ row
        optimizer.step()
    assert optimizer.state[model.w]["fired"] == 3
    assert float(optimizer.state[model.w]["memory_rank"]) == pytest.approx(1, abs=0.01)
    for t in range(1, 200):
        model.w.grad = 10 * gradient((8, 8), "w", t)
        optimizer.step()
    assert optimizer.state[model.w]["fired"] < 10
    assert muon.measured(optimizer)["memory_rank"] == pytest.approx(1, abs=0.15)
    assert fired(noise_start=0, rank_threshold=2.0) == [6, 6, 6]


def test_what_the_threshold_is_a_share_of():
    # the rank of a square matrix of noise is about 0.8 of its side, and all of a Gaussian matrix's
    found = {}
    for of in ("gaussian", "side"):
        model = one_matrix((64, 64))
        optimizer = orthonoise.build(model, parameters(orthonoise, noise_start=0, rank_threshold=0.9, rank_of=of))
        model.w.grad = gradient((64, 64), "w", 1)
        optimizer.step()
        found[of] = int(optimizer.state[model.w]["fired"])
    assert found == {"gaussian": 0, "side": 1}


@pytest.mark.parametrize("way", ["svd", "eigh", "quintic"])
def test_the_trigger_is_the_same_by_every_way_to_the_polar_factor(way):
    assert fired(noise_start=0, rank_threshold=0.9, polar=way) == fired(noise_start=0, rank_threshold=0.9)
    assert 0 < sum(fired(noise_start=0, rank_threshold=0.9)) < 18


def test_the_trigger_and_the_step_share_one_decomposition(monkeypatch):
    calls = []
    own = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda *a: calls.append(1) or own(*a))
    fired(steps=1, noise_start=0, rank_threshold=1e-6)
    assert len(calls) == 3
    calls.clear()
    fired(steps=1, noise_start=0, rank_threshold=9.0)
    assert len(calls) == 6


def test_what_an_evaluation_is_told_of_noise():
    _, optimizer, model = stepped(orthonoise, 4, alpha=0.1, **{**ALWAYS, "noise_start": 2})
    told = orthonoise.measured(optimizer)
    assert told["noise_fired"] == 0.5
    ratios = []
    for name in HIDDEN:
        g, m = (
            gradient(weights(model)[name].shape, name, 4),
            optimizer.state[getattr(model, name)]["momentum_buffer"],
        )
        ratios.append(0.1 * float(g.norm()) * math.sqrt(min(g.shape)) / float(m.norm()))
    assert told["noise_ratio"] == pytest.approx(np.mean(ratios), rel=1e-5)


def test_noise_of_one_norm_does_the_same_whether_it_is_orthonormal_or_not():
    shape, alpha = (256, 1024), 0.03
    m = torch.from_numpy(np.random.default_rng(0).standard_normal(shape)).float()
    r = gaussian(shape, np.random.default_rng(1))
    size = alpha * m.norm()
    clean = polar_by_hand(m.numpy())
    cosines = {
        name: float((polar_by_hand((m + size * z).numpy()) * clean).sum() / 256)
        for name, z in {"ortho": haar(r), "matched": sized(r, "frobenius"), "literal": r}.items()
    }
    assert cosines["ortho"] == pytest.approx(cosines["matched"], abs=0.02)
    assert cosines["literal"] < 0.3 < 0.8 < cosines["ortho"]


@pytest.mark.parametrize(("module", "kind"), VARIANTS)
def test_resumed_equals_uninterrupted_bit_for_bit(module, kind, tmp_path):
    values = {"alpha": 0.05, "rank_threshold": 1.0, **kind}
    o = parameters(module, **values)
    straight, first, second = Small(), Small(), Small(seed=5)
    optimizers = [module.build(m, o) for m in (straight, first, second)]

    def go(model, optimizer, steps):
        return run(model, optimizer, steps, 0.1, lambda t: PEAK * min(1.0, t / 2) * (1 if t < 4 else 0.5))

    go(straight, optimizers[0], range(1, 9))
    go(first, optimizers[1], range(1, 5))
    save_checkpoint(tmp_path, full_state(first, optimizers[1]), "{}", "run")
    assert load_checkpoint(tmp_path, second, optimizers[2], "run") == ({}, [])
    go(second, optimizers[2], range(5, 9))  # the peak was before the interruption
    assert same(weights(straight), weights(second))
    states = [full_state(m, optimizer) for m, optimizer in ((straight, optimizers[0]), (second, optimizers[2]))]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert 0 < sum(int(states[0][f"optimizer.{name}.fired"]) for name in HIDDEN)


@pytest.mark.parametrize("module", [orthonoise, isotropic])
def test_noise_through_it_is_muons_where_its_trigger_is_quiet(module):
    kind, numbers = module.noise(parameters(module))
    assert (kind, numbers["momentum"]) == ("polar", 0.95)
    for loud in ({"adaptive": False}, {"rank_threshold": 0.8}):
        assert module.noise(parameters(module, **loud))[0] == parameters(module).name
    # and it is quiet on noise
    for rank_of in ("gaussian", "side"):
        model = one_matrix((16, 16))
        optimizer = module.build(model, parameters(module, noise_start=0, rank_threshold=0.7, rank_of=rank_of))
        for t in range(1, 100):
            model.w.grad = gradient((16, 16), "w", t)
            optimizer.step()
        assert optimizer.state[model.w]["fired"] <= 2
