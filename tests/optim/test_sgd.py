"""SGD against torch's own and against its formula, resumed, its direction, its decay, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.base.errors import BadInput
from lib.models.gpt import build_model
from lib.optim.sgd import Parameters, build, decay, direction
from lib.params.study import load_study
from lib.train.checkpoint import full_state, load_checkpoint, save_checkpoint

LR = [0.01, 0.03, 0.1, 0.05, 0.02, 0.01]
KINDS = [
    {"momentum": 0.0},
    {"momentum": 0.9},
    {"momentum": 0.8, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
]


def parameters(**values):
    return Parameters(name="sgd", lr=1.0, clip=1.0, **{"weight_decay": 0.3, **values})


def gradients(model, t):
    random = torch.Generator().manual_seed(t)
    return {name: torch.randn(p.shape, generator=random) for name, p in model.named_parameters()}


def run(model, optimizer, steps):
    for t in steps:
        for group in optimizer.param_groups:
            group["lr"] = LR[t - 1]
        for name, gradient in gradients(model, t).items():
            dict(model.named_parameters())[name].grad = gradient
        optimizer.step()
    return model


def decays(name):
    return "ln" not in name


@pytest.fixture
def model(smoke):
    return lambda: build_model(smoke.model, 60, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_coupled_it_is_torchs_own(kind, model):
    o, ours, theirs = parameters(**kind), model(), model()
    run(ours, build(ours, o), range(1, 7))
    named = dict(theirs.named_parameters())
    groups = [
        {"params": [p for name, p in named.items() if decays(name) == yes], "weight_decay": 0.3 if yes else 0.0}
        for yes in (True, False)
    ]
    run(theirs, torch.optim.SGD(groups, lr=1.0, **kind), range(1, 7))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_its_formula(kind, decoupled, model):
    o, ours = parameters(**kind, decoupled=decoupled), model()
    expected = {name: p.detach().double().numpy().copy() for name, p in ours.named_parameters()}
    memory: dict[str, np.ndarray] = {}
    for t, lr in enumerate(LR, start=1):
        for name, gradient in gradients(ours, t).items():
            g, w = gradient.double().numpy(), o.weight_decay if decays(name) else 0.0
            if decoupled:
                expected[name] *= 1 - lr * w
            else:
                g = g + w * expected[name]
            first = name not in memory
            memory[name] = g if first else o.momentum * memory[name] + (1 - o.dampening) * g
            step = g + o.momentum * memory[name] if o.nesterov else memory[name] if o.momentum else g
            expected[name] = expected[name] - lr * step
    run(ours, build(ours, o), range(1, 7))
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.detach().numpy(), expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted_bit_for_bit(kind, decoupled, model, tmp_path):
    o = parameters(**kind, decoupled=decoupled)
    straight, first, second = model(), model(), model()
    optimizers = [build(m, o) for m in (straight, first, second)]
    run(straight, optimizers[0], range(1, 7))
    run(first, optimizers[1], range(1, 4))
    save_checkpoint(tmp_path, full_state(first, optimizers[1]), "{}", "run")
    with torch.no_grad():
        second.ln_f.weight.add_(1)
    assert load_checkpoint(tmp_path, second, optimizers[2], "run") == ({}, [])
    run(second, optimizers[2], range(4, 7))
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), second.parameters(), strict=True))
    states = [full_state(m, optimizer) for m, optimizer in ((straight, optimizers[0]), (second, optimizers[2]))]
    assert states[0].keys() == states[1].keys()
    assert any("momentum_buffer" in name for name in states[0]) == bool(o.momentum)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_without_its_memory_the_optimizer_would_go_elsewhere(model):
    o, straight, forgetful = parameters(momentum=0.9), model(), model()
    run(straight, build(straight, o), range(1, 7))
    optimizer = build(forgetful, o)
    run(forgetful, optimizer, range(1, 4))
    optimizer.state.clear()
    run(forgetful, optimizer, range(4, 7))
    assert not torch.equal(straight.tok_emb.weight, forgetful.tok_emb.weight)


def test_a_step_without_gradient_follows_the_direction(model):
    o, m = parameters(momentum=0.9, weight_decay=0.0), model()
    optimizer = build(m, o)
    run(m, optimizer, range(1, 4))
    weight = m.blocks[0].attn.qkv.weight
    before, followed = weight.detach().clone(), direction(optimizer.state[weight], o).clone()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    torch.testing.assert_close(weight.detach() - before, -LR[2] * 0.9 * followed)


def test_without_memory_there_is_no_direction(model):
    o, m = parameters(momentum=0.0), model()
    optimizer = build(m, o)
    run(m, optimizer, range(1, 3))
    assert direction(optimizer.state[m.tok_emb.weight], o) is None


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_decay_is_what_a_weight_loses_in_a_step_without_gradient(kind, decoupled):
    o, lr = parameters(**{**kind, "weight_decay": 0.01}, decoupled=decoupled), 1e-3
    m = nn.Module()
    m.w = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    optimizer = build(m, o)
    optimizer.param_groups[0]["lr"] = lr
    m.w.grad = torch.zeros_like(m.w)
    for _ in range(200):  # until the memory is filled
        optimizer.step()
    before = m.w.item()
    optimizer.step()
    assert 1 - m.w.item() / before == pytest.approx(decay(lr, o), rel=1e-3)


@pytest.mark.parametrize("more", ["optim.momentum=0", "optim.dampening=0.1"])
def test_nesterov_without_a_memory_of_its_own_is_refused(more):
    said = "optim.nesterov = true needs optim.momentum above 0 and optim.dampening = 0"
    with pytest.raises(BadInput, match=said):
        load_study("beta2", "smoke", f"optim.name=sgd optim.nesterov=true {more}", axes={})


def test_parameters_of_another_optimizer_are_told_apart():
    with pytest.raises(BadInput, match=r"optim\.beta2.*optim\.name = sgd has name, lr, clip|optim\.name = sgd has"):
        load_study("beta2", "smoke", "optim.name=sgd optim.beta2=0.9", axes={})
