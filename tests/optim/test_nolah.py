"""NOLAH against its formula, and which of its parts do nothing where gradients are small."""

import numpy as np
import pytest
import torch

from lib.optim import muon, nolah
from lib.optim.matrix_optimizer import Moment
from lib.optim.nolah import GATES, SAMPLE, Parameters, build, level, noise
from lib.params.run import validate
from tests.optim.matrix_tools import HIDDEN, PEAK, Small, gradient, run, same, weights
from tests.optim.test_muon import one_matrix, polar_by_hand

BY_HAND = {
    "tanh": lambda g: np.tanh(g) * np.abs(g),
    "sigmoid": lambda g: g / (1 + np.exp(-g)),
    "relu": lambda g: np.maximum(g, 0),
}


def parameters(**values):
    return Parameters(name="nolah", lr=PEAK, clip=1.0, **values)


@pytest.mark.parametrize("gate", BY_HAND)
@pytest.mark.parametrize("kind", [{}, {"damping": 0.5}, {"damping": 0.0, "projection": False}, {"nesterov": True}])
def test_it_is_its_formula(gate, kind):
    o, model = parameters(gate=gate, **kind), Small()
    expected = {name: p.double().numpy().copy() for name, p in weights(model).items()}
    run(model, build(model, o), range(1, 5))
    for name in HIDDEN:
        w, m = expected[name], np.zeros_like(expected[name])
        for t in range(1, 5):
            g = gradient(w.shape, name, t).double().numpy()
            m = o.momentum * m + BY_HAND[gate](g)
            m[np.abs(g) > np.quantile(np.abs(g), 0.95)] *= o.damping
            f = BY_HAND[gate](g) + o.momentum * m if o.nesterov else m
            w -= PEAK * polar_by_hand(f / (1 + np.exp(-f)) if o.projection else f)
        np.testing.assert_allclose(weights(model)[name], w, atol=5e-6, err_msg=name)


def gradient_of_a_network(size):
    """Low rank and noise, its largest entry `size`."""
    rng = np.random.default_rng(0)
    g = rng.standard_normal((64, 8)) @ rng.standard_normal((8, 256)) + rng.standard_normal((64, 256))
    return torch.from_numpy(size * g / np.abs(g).max()).float()


def cosine_to_muon(size, **values):
    """Of the first steps of NOLAH and Muon; without damping, which is not what is asked here."""
    steps = []
    for module, o in (
        (nolah, parameters(damping=1.0, **values)),
        (muon, muon.Parameters(name="muon", lr=PEAK, clip=1.0)),
    ):
        model = one_matrix((64, 256))
        model.w.grad = gradient_of_a_network(size)
        module.build(model, o).step()
        steps.append(model.w.detach().double())
    return float((steps[0] * steps[1]).sum() / steps[0].norm() / steps[1].norm())


def test_the_sigmoid_gate_and_the_projection_do_nothing_to_small_gradients():
    assert cosine_to_muon(1e-2, gate="sigmoid") >= 0.9995
    assert cosine_to_muon(1e-3, gate="sigmoid") >= 0.99999
    assert cosine_to_muon(1.0, gate="sigmoid") < 0.9
    alone = [cosine_to_muon(1.0, gate="sigmoid", projection=False), cosine_to_muon(1.0, gate="sigmoid")]
    assert alone[0] > alone[1] + 0.01


@pytest.mark.parametrize("gate", ["tanh", "relu"])
def test_the_other_gates_are_no_small_change(gate):
    assert 0.3 < cosine_to_muon(1e-3, gate=gate) < 0.8


def test_the_quantile_of_a_large_matrix_is_that_of_a_sample_that_does_not_change():
    size = torch.from_numpy(np.random.default_rng(0).random((300, 300))).float()

    def at(*key):
        return Moment(size, size, size, {}, key[1], key, parameters())

    assert float(level(size, at(1, 2, 3))) == pytest.approx(0.95, abs=0.01)
    assert torch.equal(level(size, at(1, 2, 3)), level(size, at(1, 2, 3)))
    assert not torch.equal(level(size, at(1, 2, 3)), level(size, at(1, 3, 3)))
    small = size[:100, :100]
    assert small.numel() == SAMPLE
    assert torch.equal(level(small, at(1, 2, 3)), torch.quantile(small.flatten(), 0.95))


def test_damping_is_of_the_memory_itself():
    o, model = parameters(damping=0.0, projection=False), Small()
    optimizer = build(model, o)
    run(model, optimizer, [1])
    g, memory = gradient((6, 6), "square", 1), optimizer.state[model.square]["momentum_buffer"]
    large = g.abs() > torch.quantile(g.abs(), 0.95)
    assert large.sum() == 2
    assert not memory[large].any() and torch.equal(memory[~large], GATES["tanh"](g)[~large])


def test_a_gate_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="tanh"):
        parameters(gate="swish")
    assert validate(Parameters, {"name": "nolah", "lr": 1.0, "clip": 1.0}, "test").damping == 0.95


def test_without_its_parts_it_is_muon():
    ours, theirs = Small(), Small()
    optimizer = build(ours, parameters(damping=1.0, projection=False))
    optimizer.enters = lambda g, _: g
    run(ours, optimizer, range(1, 5))
    run(theirs, muon.build(theirs, muon.Parameters(name="muon", lr=PEAK, clip=1.0)), range(1, 5))
    assert same(weights(ours), weights(theirs))


def test_there_is_no_simulation_of_noise_through_it():
    assert noise(parameters()) == ("nolah", {})
