"""Schedules at their published values, decay groups by name, and AdamW against its formula."""

import math

import numpy as np
import pytest
import torch

from lib.models.gpt import build_model
from lib.optim.adamw import build_optimizer, parameter_groups
from lib.optim.schedules import learning_rate
from lib.tasks.stories.task import probe_weight


@pytest.fixture(scope="module")
def schedule(paper):
    def make(steps=4000, warmup=1500, decay="clamped", **values):
        values = {"steps": steps, "warmup": warmup, "decay": decay, **values}
        return paper.schedule.model_copy(update=values)

    return make


# Published or recomputed from the published formula, at a peak of 1e-3.
RATES = [
    (4000, "clamped", {2000: 9.0451e-4, 2500: 6.5451e-4, 3000: 3.4549e-4, 3400: 1.3552e-4, 4000: 1e-4}),
    (4000, "affine", {2000: 9.1406e-4, 2500: 6.8906e-4, 3000: 4.1094e-4, 3400: 2.2196e-4, 4000: 1e-4}),
    (
        10000,
        "clamped",
        {1600: 9.99659e-4, 2000: 9.91487e-4, 4000: 8.01317e-4, 6000: 4.53866e-4, 8000: 1.30496e-4, 10000: 1e-4},
    ),
]


@pytest.mark.parametrize(("steps", "decay", "values"), RATES)
def test_published_learning_rates(steps, decay, values, schedule):
    s = schedule(steps=steps, decay=decay)
    for step, rate in values.items():
        assert learning_rate(step, 1e-3, s) == pytest.approx(rate, rel=1e-4), step
    assert learning_rate(1, 1e-3, s) == pytest.approx(6.67e-7, rel=1e-3)
    assert learning_rate(750, 1e-3, s) == pytest.approx(5e-4, rel=1e-12)
    assert learning_rate(1499, 1e-3, s) == pytest.approx(1e-3 * 1499 / 1500, rel=1e-12)
    assert learning_rate(1500, 1e-3, s) == 1e-3


@pytest.mark.parametrize(
    ("steps", "decay", "total"),
    [
        (4000, "clamped", 2.03395),
        (10000, "clamped", 5.11531),
        (4000, "affine", 2.12505),
        (10000, "affine", 5.42505),
    ],
)
def test_published_sums_of_the_learning_rate(steps, decay, total, schedule):
    s = schedule(steps=steps, decay=decay)
    assert sum(learning_rate(t, 1e-3, s) for t in range(1, steps + 1)) == pytest.approx(total, abs=5e-6)


@pytest.mark.parametrize(("steps", "warmup", "floor"), [(4000, 1500, 3488), (10000, 1500, 8259), (2000, 200, 1632)])
def test_published_first_step_on_the_floor(steps, warmup, floor, schedule):
    s = schedule(steps=steps, warmup=warmup)
    rates = {t: learning_rate(t, 1e-3, s) for t in range(warmup, steps + 1)}
    assert next(t for t, rate in rates.items() if rate == 1e-4) == floor
    assert min(rates.values()) == 1e-4
    affine = schedule(steps=steps, warmup=warmup, decay="affine")
    assert learning_rate(steps - 1, 1e-3, affine) > 1e-4  # this reading reaches it at the very end


def test_probe_weight_of_the_published_runs(schedule):
    s = schedule()
    assert [probe_weight(t, s) for t in (1, 3999, 4000)] == [2.0, 2.0, 4.0]  # exactly one step of 4.0
    assert [probe_weight(t, schedule(steps=10000)) for t in (3999, 4000, 10000)] == [2.0, 4.0, 4.0]
    assert {probe_weight(t, schedule(lambda_probe2=None)) for t in (1, 4000)} == {2.0}
    assert probe_weight(4000, schedule(lambda_probe2=0.0)) == 0.0


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
    optimizer = build_optimizer(model, o)
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
    optimizer = build_optimizer(model, smoke.optim.model_copy(update={"beta2": 0.0, "weight_decay": 0.0}))
    before = model.ln_f.weight.detach().clone()
    for gradient in (1.0, 1e-7):
        for p in model.parameters():
            p.grad = torch.full_like(p, gradient)
        optimizer.step()
    step = (model.ln_f.weight - before).abs().max().item()
    assert step > 1000 * smoke.optim.lr
    assert math.isfinite(step)
