"""Decay groups by name, and AdamW against its formula."""

import math

import numpy as np
import pytest
import torch

from lib.models.gpt import build_model
from lib.optim.adamw import build
from lib.optim.groups import parameter_groups


def test_decay_groups_by_name(smoke):
    model = build_model(smoke.model, 300, 0)
    decayed, rest = parameter_groups(model, 0.5)
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {names[id(p)] for p in decayed["params"]}
    # the published rule: whatever has neither "ln" nor "bias" in its name, embeddings included
    assert found == {name for name in names.values() if "ln" not in name and "bias" not in name}
    assert {"tok_emb.weight", "pos_emb.weight", *model.trunk()} == found
    assert found | {names[id(p)] for p in rest["params"]} == set(names.values())


@pytest.mark.parametrize(("beta2", "eps"), [(0.999, 1e-8), (0.95, 1e-8), (0.8, 1e-2), (0.0, 1e-8)])
def test_adamw_is_its_formula(beta2, eps, smoke):
    model = build_model(smoke.model, 300, 0)
    o = smoke.optim.model_copy(update={"beta2": beta2, "lr": 1e-2, "eps": eps})
    optimizer = build(model, o)
    weights = {name: p.detach().double().numpy().copy() for name, p in model.named_parameters()}
    m = {name: np.zeros_like(w) for name, w in weights.items()}
    v = {name: np.zeros_like(w) for name, w in weights.items()}
    random = torch.Generator().manual_seed(1)
    for t in range(1, 6):
        for name, p in model.named_parameters():
            p.grad = torch.randn(p.shape, generator=random) * 10.0 ** -(t % 3)
            p.grad.view(-1)[0] = 0.0  # a coordinate without gradient must not be divided by nothing
            g, w = p.grad.double().numpy(), weights[name]
            if "ln" not in name:
                w *= 1 - o.lr * o.weight_decay
            m[name] = o.beta1 * m[name] + (1 - o.beta1) * g
            v[name] = beta2 * v[name] + (1 - beta2) * g * g
            root = np.sqrt(v[name] / (1 - beta2**t))
            update = m[name] / (1 - o.beta1**t) / (root + o.eps)
            weights[name] = w - o.lr * update
        optimizer.step()
    for name, p in model.named_parameters():
        assert torch.isfinite(p).all()
        np.testing.assert_allclose(p.detach().numpy(), weights[name], rtol=2e-4, atol=2e-6, err_msg=name)


def test_without_memory_a_tiny_gradient_takes_a_huge_step(smoke):
    # beta2 = 0 divides the running mean by this step's gradient alone: unbounded, the cause of the divergence
    model = build_model(smoke.model, 300, 0)
    optimizer = build(model, smoke.optim.model_copy(update={"beta2": 0.0, "weight_decay": 0.0}))
    before = model.ln_f.weight.detach().clone()
    for gradient in (1.0, 1e-7):
        for p in model.parameters():
            p.grad = torch.full_like(p, gradient)
        optimizer.step()
    step = (model.ln_f.weight - before).abs().max().item()
    assert step > 1000 * smoke.optim.lr
    assert math.isfinite(step)
