"""Norms and traces by random probes, against closed forms and explicit loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.models.mlp import MLP, Parameters
from lib.models.products import fast_products, plain_products
from lib.models.traces import (
    gradient_length,
    hessian_trace,
    input_hessian_trace,
    jacobian_square,
    mean_of,
    square_gradients,
)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def losses_of(model, examples):
    return torch.nn.functional.cross_entropy(model(examples["x"]), examples["y"], reduction="none")


@pytest.fixture
def network():
    torch.manual_seed(0)
    parameters = Parameters(name="mlp", layers=2, width=8, activation="gelu", biases=True)
    model = MLP(parameters, symbols=5, inputs=2, classes=5)
    examples = {
        "x": torch.randint(5, (12, 2), generator=random()),
        "y": torch.randint(5, (12,), generator=random(1)),
    }
    return model, examples


def test_a_linear_map_has_its_own_norm():
    w = torch.randn(6, 4, generator=random(3))
    found = jacobian_square(lambda x: x @ w.T, torch.zeros(100, 4), random(), 10)  # 1000 probes
    assert found.value == pytest.approx(float(w.square().sum()), rel=0.05)
    assert abs(found.value - float(w.square().sum())) < 4 * found.error
    assert found.cost == 1000


def test_the_error_is_what_other_draws_differ_by():
    w = torch.randn(6, 4, generator=random(3))
    draws = [jacobian_square(lambda x: x @ w.T, torch.zeros(50, 4), random(n), 2) for n in range(60)]
    spread = torch.tensor([d.value for d in draws]).std()
    assert float(spread) == pytest.approx(sum(d.error for d in draws) / 60, rel=0.25)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**31))
def test_a_quadratic_form_has_twice_its_trace(size, seed):
    """Exactly where its matrix is diagonal: signs square to 1."""
    diagonal = torch.randn(size, generator=random(seed))
    found = input_hessian_trace(lambda x: (x.square() * diagonal).sum(dim=1), torch.randn(9, size), random(), 3)
    assert found.value == pytest.approx(2 * float(diagonal.sum()), abs=1e-4)
    assert found.error == pytest.approx(0, abs=1e-5)


def test_a_full_quadratic_form_within_its_error():
    a = torch.randn(5, 5, generator=random(4))
    found = input_hessian_trace(lambda x: ((x @ a) * x).sum(dim=1), torch.randn(400, 5), random(), 5)
    assert abs(found.value - 2 * float(a.trace())) < 4 * found.error < 1


def test_what_is_linear_or_piecewise_linear_in_its_input_has_no_hessian():
    w = torch.nn.Parameter(torch.ones(3))
    for f in (lambda x: x.sum(dim=1), lambda x: x @ w, lambda x: torch.relu(x).sum(dim=1)):
        assert input_hessian_trace(f, torch.randn(4, 3), random(), 2).value == 0


def test_the_trace_of_a_loss_by_its_weights(network):
    """Against the whole Hessian, by torch's own."""
    model, examples = network
    weights = dict(model.named_parameters())

    def loss(*tensors):
        named = dict(zip(weights, tensors, strict=True))
        return torch.nn.functional.cross_entropy(
            torch.func.functional_call(model, named, (examples["x"],)), examples["y"]
        )

    blocks = torch.autograd.functional.hessian(loss, tuple(weights.values()))
    sizes = [w.numel() for w in weights.values()]
    exact = sum(float(blocks[i][i].reshape(n, n).trace()) for i, n in enumerate(sizes))
    found = hessian_trace(losses_of(model, examples).mean(), list(weights.values()), 12, random(), 400)
    assert abs(found.value - exact) < 4 * found.error < abs(exact)
    assert found.cost == 401 * 12


def test_squares_of_gradients_are_those_of_a_loop(network, monkeypatch):
    model, examples = network
    loop = []
    for n in range(12):
        model.zero_grad()
        losses_of(model, {name: x[n : n + 1] for name, x in examples.items()}).sum().backward()
        loop.append(sum(float(w.grad.square().sum()) for w in model.parameters()))
    model.zero_grad()
    found = square_gradients(model, losses_of, examples)
    assert found.tolist() == pytest.approx(loop, rel=1e-5)
    monkeypatch.setattr("lib.models.traces.AT_ONCE", 5 * sum(w.numel() for w in model.parameters()))
    assert square_gradients(model, losses_of, examples).tolist() == pytest.approx(loop, rel=1e-5)
    assert all(w.grad is None for w in model.parameters())


def test_the_length_of_a_gradient_and_its_error(network):
    model, examples = network
    slopes = torch.autograd.grad(losses_of(model, examples).mean(), list(model.parameters()))
    flat = torch.cat([s.flatten() for s in slopes])
    along = []
    for n in range(12):
        one = losses_of(model, {name: x[n : n + 1] for name, x in examples.items()}).sum()
        own = torch.cat([g.flatten() for g in torch.autograd.grad(one, list(model.parameters()))])
        along.append(float(own @ flat / flat.norm()))
    found = gradient_length(model, losses_of, examples)
    assert found.value == pytest.approx(float(flat.norm()), rel=1e-5)
    assert found.error == pytest.approx(float(torch.tensor(along).std() / 12**0.5), rel=1e-4)


def test_within_the_loop_derivatives_are_plain(network):
    """The loop's own products know no second derivatives; they are back afterwards."""
    model, examples = network
    with fast_products(model, torch.device("cpu")):
        before = model.head.multiply
        with plain_products(model):
            found = hessian_trace(losses_of(model, examples).mean(), list(model.parameters()), 12, random(), 3)
        assert model.head.multiply is before
    assert (
        found.value
        == hessian_trace(losses_of(model, examples).mean(), list(model.parameters()), 12, random(), 3).value
    )


def test_one_sample_has_no_error():
    assert mean_of(torch.tensor([2.0])).error is None
    assert mean_of(torch.tensor([1.0, 3.0])).error == pytest.approx(1.0)
