"""Metrics that any task has: Adam's by a hand-rolled AdamW, the others on a task of sentences too."""

import numpy as np
import pytest
import torch

from lib.models.look import Look
from lib.models.products import plain_products
from lib.optim import adamw, muon
from lib.params.members import member, metric_names, metrics
from lib.train import metrics as general
from tests.modular_run import modular_params

LR, DECAY, BETA1, BETA2, EPS = 1e-2, 0.5, 0.9, 0.98, 1e-8
WORDS = f"optim.lr={LR} optim.beta1={BETA1} optim.beta2={BETA2} optim.weight_decay={DECAY} optim.eps={EPS}"


class Two(torch.nn.Module):
    """A matrix that decays and a vector that does not."""

    def __init__(self):
        super().__init__()
        start = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(3, 4, generator=start))
        self.bias = torch.nn.Parameter(torch.randn(3, generator=start))

    def roles(self):
        return {"weight": "hidden", "bias": "vector"}


def gradients(step):
    draw = np.random.default_rng(step)
    return {"weight": draw.normal(size=(3, 4)) * 1e-5, "bias": draw.normal(size=3) * 1e-7}


def stepped(optimizer, model, steps):
    for step in range(1, steps + 1):
        for name, w in model.named_parameters():
            w.grad = torch.tensor(gradients(step)[name], dtype=torch.float32)
        optimizer.step()


@pytest.mark.parametrize("steps", [1, 3])
def test_adams_columns_are_those_of_adam_by_hand(steps):
    p, model = modular_params(optimizer=WORDS), Two()
    w = {name: x.detach().double().numpy() for name, x in model.named_parameters()}
    m, v = ({name: np.zeros(x.shape) for name, x in w.items()} for _ in range(2))
    for t in range(1, steps + 1):
        moved, taken = 0.0, 0.0
        for name, g in gradients(t).items():
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            v[name] = BETA2 * v[name] + (1 - BETA2) * g**2
            step = m[name] / (1 - BETA1**t) / (np.sqrt(v[name] / (1 - BETA2**t)) + EPS)
            if name == "weight":
                moved, taken = np.linalg.norm(LR * step), np.linalg.norm(LR * DECAY * w[name])
                w[name] = (1 - LR * DECAY) * w[name]
            w[name] = w[name] - LR * step
    flat_m, flat_v = (np.concatenate([x["weight"].ravel(), x["bias"]]) for x in (m, v))
    m_hat, v_hat = flat_m / (1 - BETA1**steps), flat_v / (1 - BETA2**steps)
    executed = np.sqrt(flat_v + 1e-8)
    expected = {
        "effective_lr_mean": executed.mean(),
        "effective_lr_max": executed.max(),
        "adam_ratio_mean": np.abs(flat_m / executed).mean(),
        "adam_ratio_max": np.abs(flat_m / executed).max(),
        "adam_rms_gradient_mean": np.sqrt(v_hat).mean(),
        "adam_rms_gradient_max": np.sqrt(v_hat).max(),
        "adam_rate_mean": (LR / (np.sqrt(v_hat) + EPS)).mean(),
        "adam_rate_max": (LR / (np.sqrt(v_hat) + EPS)).max(),
        "adam_step_mean": np.abs(m_hat / (np.sqrt(v_hat) + EPS)).mean(),
        "adam_step_max": np.abs(m_hat / (np.sqrt(v_hat) + EPS)).max(),
        "update_decay_ratio": np.linalg.norm(flat_m / executed) / np.sqrt(DECAY * np.square(w["weight"]).sum()),
        "update_decay": moved / taken,
    }
    optimizer = adamw.build(model, p.optim)
    stepped(optimizer, model, steps)
    found = general.adam(Look(model, optimizer, None, None, p, steps, LR))
    assert {name: e.value for name, e in found.items()} == pytest.approx(expected, rel=1e-4)
    assert expected["effective_lr_mean"] == pytest.approx(1e-4, rel=0.01)  # the reference's floor, above all roots
    assert expected["adam_rms_gradient_mean"] < expected["effective_lr_mean"]


def test_of_a_matrix_optimizer_the_parameters_of_adam_are_told():
    p, model = modular_params(optimizer="optim.name=muon optim.lr=0.02 optim.adam_lr=1e-2"), Two()
    optimizer = muon.build(model, p.optim)
    stepped(optimizer, model, 2)
    found = general.adam(Look(model, optimizer, None, None, p, 2, 0.02))
    v = optimizer.state[model.bias]["exp_avg_sq"] / (1 - 0.95**2)
    assert found["adam_rate_mean"].value == pytest.approx(float((1e-2 / (v.sqrt() + 1e-8)).mean()), rel=1e-5)
    assert "update_decay" not in found  # the matrix is Muon's, and the vector does not decay


def test_without_adam_there_are_no_columns_of_it():
    model = Two()
    assert general.adam(Look(model, torch.optim.SGD(model.parameters()), None, None, modular_params())) == {}


def test_a_task_that_tells_no_losses_of_examples_has_no_curvature():
    at = Look(Two(), None, object(), None, modular_params())
    assert general.fisher(at) == general.gradient_norm(at) == general.weight_hessian(at) == {}


def test_lengths_of_weights():
    p, model = modular_params(), Two()
    found = general.weight_norms(Look(model, adamw.build(model, p.optim), None, None, p))
    weight, bias = (float(w.detach().norm()) for w in (model.weight, model.bias))
    values = {name: e.value for name, e in found.items()}
    assert values == pytest.approx(
        {"total_weight_norm": np.hypot(weight, bias), "decayed_weight_norm": weight, "weight_norm.weight": weight}
    )


def test_curvature_of_a_run_on_stories(smoke, corpora, corpus):
    """One loss an example is all that a task has to offer; here of a transformer, whose attention must be plain."""
    task = member("task", "stories")
    data = task.prepare(smoke, corpora)
    model = member("model", "gpt").build(smoke.model, data, 0)
    at = Look(model, adamw.build(model, smoke.optim), task, data, smoke, 1, 1e-3)
    with plain_products(model):
        found = general.fisher(at) | general.gradient_norm(at) | general.weight_hessian(at)
    b = task.batch(data, smoke, 1)
    s = task.sequences(b, smoke, 1, torch.device("cpu"))
    count = min(len(next(iter(s.values()))), general.EXAMPLES)
    squares = []
    for n in range(count):
        one = task.sequence_losses(model, {name: x[n : n + 1] for name, x in s.items()}).sum()
        slopes = torch.autograd.grad(one, list(model.parameters()), materialize_grads=True)
        squares.append(sum(float(g.square().sum()) for g in slopes))
    assert found["fisher_trace"].value == pytest.approx(np.mean(squares), rel=1e-5)
    assert found["fisher_trace"].error == pytest.approx(np.std(squares, ddof=1) / count**0.5, rel=1e-4)
    assert 0 < found["gradient_norm"].error < found["gradient_norm"].value < np.mean(squares) ** 0.5
    assert found["weight_hessian_trace"].error > 0


def test_every_metric_says_what_it_is():
    names = metric_names("modular")
    assert set(names) == set(metrics("modular")) > set(metric_names("stories")) == set(metrics("stories"))
    assert all(len(meaning) > 20 for meaning in names.values())
