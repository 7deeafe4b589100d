"""Muon against its formula in float64, against torch's own, and what it leaves to AdamW."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lib.models.gpt import build_model
from lib.models.mlp import MLP
from lib.models.mlp import Parameters as MLPParameters
from lib.optim import adamw
from lib.optim.matrix_optimizer import groups
from lib.optim.muon import Parameters, build, decay, direction, measured, noise
from lib.train.checkpoint import full_state, load_checkpoint, save_checkpoint
from tests.optim.matrix_tools import HIDDEN, PEAK, Small, gradient, run, same, weights

KINDS = [
    {},
    {"momentum": 0.0},
    {"momentum_rule": "lerp", "nesterov": True},
    {"nesterov": True, "weight_decay": 0.3, "momentum": 0.8},
    {"momentum_rule": "lerp", "shape_scale": "tall", "polar": "svd"},
    {"shape_scale": "adam", "polar": "svd", "weight_decay": 2.0},
]


def parameters(**values):
    return Parameters(name="muon", lr=PEAK, clip=1.0, **values)


def polar_by_hand(a):
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh


def scale_by_hand(m, n, kind):
    return {"none": 1.0, "tall": max(1, m / n) ** 0.5, "adam": 0.2 * max(m, n) ** 0.5}[kind]


def rate(t):
    return PEAK * (0.25, 0.5, 1.0, 0.7, 0.4, 0.1)[t - 1]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_its_formula(kind):
    o, model = parameters(**kind), Small()
    expected = {name: p.double().numpy().copy() for name, p in weights(model).items()}
    memory = {name: np.zeros_like(expected[name]) for name in HIDDEN}
    run(model, build(model, o), range(1, 7), lr=rate)
    for t in range(1, 7):
        for name in HIDDEN:
            w = expected[name]
            g = gradient(w.shape, name, t).double().numpy()
            share = 1.0 if o.momentum_rule == "heavy_ball" else 1 - o.momentum
            memory[name] = o.momentum * memory[name] + share * g
            ahead = o.momentum * memory[name] + share * g if o.nesterov else memory[name]
            w *= 1 - rate(t) * o.weight_decay
            w -= rate(t) * scale_by_hand(*w.shape, o.shape_scale) * polar_by_hand(ahead)
    for name in HIDDEN:
        np.testing.assert_allclose(weights(model)[name], expected[name], atol=2e-6, err_msg=name)


@pytest.mark.parametrize("schedule", [True, False])
@pytest.mark.parametrize("decays", ["matrices", "all"])
def test_the_rest_is_torchs_adamw(schedule, decays):
    o, model, twin = parameters(adam_schedule=schedule, adam_decays=decays, adam_weight_decay=0.5), Small(), Small()
    run(model, build(model, o), range(1, 7), lr=rate)
    named = {name: p for name, p in twin.named_parameters() if name not in HIDDEN}
    vectors = [] if decays == "all" else [named["bias"]]
    others = [p for p in named.values() if all(p is not v for v in vectors)]
    split = [{"params": others, "weight_decay": 0.5}, {"params": vectors, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(split, betas=(0.9, 0.95), eps=1e-8, fused=True)
    run(twin, theirs, range(1, 7), lr=lambda t: 3e-4 * rate(t) / PEAK if schedule else 3e-4)
    assert same(weights(model), weights(twin), named)
    run(twin, theirs, [6], lr=1e-7)
    assert not same(weights(model), weights(twin), named)


@pytest.mark.parametrize(("matrices", "names"), [("hidden", HIDDEN), ("all2d", (*HIDDEN, "emb", "head"))])
def test_which_are_matrices(matrices, names):
    model = Small()
    named = dict(model.named_parameters())
    found, *rest = groups(model, parameters(matrices=matrices))
    assert {id(p) for p in found["params"]} == {id(named[name]) for name in names}
    assert [list(named.values())[place] is p for p, place in zip(found["params"], found["places"], strict=True)]
    assert sum(len(group["params"]) for group in (found, *rest)) == len(named)


def test_matrices_of_the_models(smoke):
    gpt = build_model(smoke.model, 60, 0)
    assert {id(p) for p in groups(gpt, parameters())[0]["params"]} == {id(p) for p in gpt.trunk().values()}
    mlp = MLP(MLPParameters(name="mlp", layers=2, width=8), 5, 2, 5)
    assert len(groups(mlp, parameters())[0]["params"]) == 2
    assert len(groups(mlp, parameters(matrices="all2d"))[0]["params"]) == 3


@pytest.mark.parametrize(("adjust", "scale"), [("original", "tall"), ("match_rms_adamw", "adam")])
def test_the_public_recipe_is_torchs_own_up_to_its_bfloat16(adjust, scale):
    recipe = {"momentum_rule": "lerp", "nesterov": True, "polar": "quintic", "shape_scale": scale}
    o = parameters(**recipe, weight_decay=0.5)
    model, twin = Small(), Small()
    start = weights(model)
    run(model, build(model, o), range(1, 7))
    matrices = [p for name, p in twin.named_parameters() if name in HIDDEN]
    theirs = torch.optim.Muon(matrices, momentum=0.95, nesterov=True, weight_decay=0.5, adjust_lr_fn=adjust)
    run(twin, theirs, range(1, 7))
    ours, other = weights(model), weights(twin)
    for name in HIDDEN:
        off = (ours[name] - other[name]).norm() / (ours[name] - start[name]).norm()
        assert off < 0.02, name
    plain = Small()
    run(plain, build(plain, o.model_copy(update={"nesterov": False})), range(1, 7))
    assert any((weights(plain)[n] - other[n]).norm() / (ours[n] - start[n]).norm() > 0.05 for n in HIDDEN)


@pytest.mark.parametrize("way", ["eigh", "svd"])
def test_a_step_is_as_long_as_the_rate_says_whatever_the_size_of_the_gradient(way):
    found = {}
    for size in (1.0, 1e-5, 3e4):
        model = Small()
        before = weights(model)
        run(model, build(model, parameters(polar=way)), [1], size)
        found[size] = {name: weights(model)[name] - before[name] for name in HIDDEN}
        for name, step in found[size].items():
            assert float(step.double().norm()) == pytest.approx(PEAK * min(step.shape) ** 0.5, rel=1e-5)
            torch.testing.assert_close(step, found[1.0][name], rtol=0, atol=1e-6)


def one_matrix(shape=(6, 6)):
    model = nn.Module()
    model.w = nn.Parameter(torch.zeros(shape))
    model.roles = lambda: {"w": "hidden"}
    return model


def reversal(build, o, count=60):
    """Steps after which a matrix goes the other way, once `count` equal gradients are negated."""
    model, g = one_matrix(), gradient((6, 6), "w", 1)
    optimizer = build(model, o)
    for t in range(2 * count):
        model.w.grad = g if t < count else -g
        before = model.w.detach().clone()
        optimizer.step()
        if t >= count and ((model.w.detach() - before) * g).sum() > 0:
            return t - count
    return None


def test_its_memory_is_turned_round_after_thirteen_steps():
    assert reversal(build, parameters()) == 13
    assert reversal(build, parameters(momentum=0.9)) < 13


def test_a_zero_gradient_moves_nothing_and_fails_nothing():
    model = one_matrix()
    optimizer = build(model, parameters())
    model.w.grad = torch.zeros(6, 6)
    optimizer.step()
    assert not model.w.any()
    assert measured(optimizer)["matrix_failures"] == 0


@pytest.mark.parametrize("way", ["eigh", "svd"])
def test_where_a_decomposition_fails_the_matrix_stands_still_and_it_is_counted(way):
    model, twin = Small(), Small()
    o = parameters(polar=way, weight_decay=0.5)
    optimizers = [build(m, o) for m in (model, twin)]
    for m, optimizer in zip((model, twin), optimizers, strict=True):
        run(m, optimizer, [1])
    before = weights(model)
    model.wide.grad = torch.full_like(model.wide, torch.nan)
    for group in optimizers[0].param_groups:
        group["lr"] = 0.01
    for p in model.parameters():
        p.grad = p.grad if p is model.wide else None
    with pytest.warns(UserWarning, match="step 2: parameter 1 stands still"):
        optimizers[0].step()
    torch.testing.assert_close(model.wide.detach(), before["wide"] * (1 - 0.01 * 0.5))
    assert same(weights(model), before, [name for name in before if name != "wide"])
    assert measured(optimizers[0])["matrix_failures"] == 1
    assert measured(optimizers[1])["matrix_failures"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(twin, optimizers[1], [2])


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted_bit_for_bit(kind, tmp_path):
    o = parameters(**kind)
    straight, first, second = Small(), Small(), Small(seed=5)
    optimizers = [build(m, o) for m in (straight, first, second)]
    run(straight, optimizers[0], range(1, 7))
    run(first, optimizers[1], range(1, 4))
    save_checkpoint(tmp_path, full_state(first, optimizers[1]), "{}", "run")
    assert load_checkpoint(tmp_path, second, optimizers[2], "run") == ({}, [])
    run(second, optimizers[2], range(4, 7))
    assert same(weights(straight), weights(second))
    states = [full_state(m, optimizer) for m, optimizer in ((straight, optimizers[0]), (second, optimizers[2]))]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert all(isinstance(value, torch.Tensor) for value in states[0].values())


def test_the_standard_state_dict_is_all_of_it():
    straight, first, second = Small(), Small(), Small()
    optimizers = [build(m, parameters()) for m in (straight, first, second)]
    run(straight, optimizers[0], range(1, 7))
    run(first, optimizers[1], range(1, 4))
    second.load_state_dict(first.state_dict())
    optimizers[2].load_state_dict(optimizers[1].state_dict())
    run(second, optimizers[2], range(4, 7))
    assert same(weights(straight), weights(second))
    forgetful = Small()
    forgetful.load_state_dict(first.state_dict())
    run(forgetful, build(forgetful, parameters()), range(4, 7))
    assert not same(weights(straight), weights(forgetful), HIDDEN)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_step_without_gradient_follows_the_direction(kind):
    o, model = parameters(**{**kind, "weight_decay": 0.0, "momentum": 0.9}), Small()
    optimizer = build(model, o)
    run(model, optimizer, range(1, 4))
    before = weights(model)
    followed = {name: direction(optimizer.state[getattr(model, name)], o) for name in HIDDEN}
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    for name in HIDDEN:
        torch.testing.assert_close(weights(model)[name] - before[name], -PEAK * followed[name], rtol=0, atol=2e-6)


def test_the_direction_of_what_adamw_has_is_adamws_in_the_same_unit():
    o, model = parameters(), Small()
    optimizer = build(model, o)
    run(model, optimizer, range(1, 4))
    theirs = adamw.Parameters(name="adamw", lr=1.0, clip=1.0, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0)
    state = optimizer.state[model.emb]
    torch.testing.assert_close(PEAK * direction(state, o), 3e-4 * adamw.direction(state, theirs))


def test_decay_is_what_a_matrix_loses_in_a_step_without_gradient():
    o, model = parameters(weight_decay=0.3, momentum=0.0), Small()
    optimizer = build(model, o)
    before = weights(model)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name in HIDDEN:
        torch.testing.assert_close(weights(model)[name], before[name] * (1 - decay(PEAK, o)))
    assert decay(1.0, o) == 0.3


def test_what_an_evaluation_is_told():
    model = Small()
    optimizer = build(model, parameters())
    assert measured(optimizer) == {"matrix_failures": 0.0}
    run(model, optimizer, range(1, 20))
    assert measured(optimizer)["matrix_rank"] == pytest.approx(1.0, abs=0.1)  # of noise
    run(model, optimizer, [1] * 400)  # and of one gradient again and again, that of this one
    rank = measured(optimizer)["matrix_rank"]
    one = Small()
    alone = build(one, parameters())
    run(one, alone, [1])
    assert rank == pytest.approx(measured(alone)["matrix_rank"], rel=1e-3)
    quintic = build(one, parameters(polar="quintic"))
    run(one, quintic, [1])
    assert "matrix_rank" not in measured(quintic)


def test_which_null_goes_with_it():
    assert noise(parameters(weight_decay=0.1, nesterov=True)) == (
        "polar",
        {"wd": 0.1, "momentum": 0.95, "nesterov": True},
    )
