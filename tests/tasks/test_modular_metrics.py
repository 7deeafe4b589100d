"""Metrics of modular arithmetic: the reference's smoothness by its values, and networks that know the operation."""

import numpy as np
import pytest
import torch

from lib.models.look import Look
from lib.params.members import member
from lib.tasks.modular import metrics, task
from lib.tasks.modular.smoothness import low_mask, smooth_share
from tests.modular_run import modular_params

GRID = {p: torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij") for p in (7, 17, 113)}


@pytest.mark.parametrize(
    ("p", "low", "add", "multiply", "dc"), [(17, 4, 0.9391, 0.7672, 0.7273), (113, 28, 0.9929, 0.7938, 0.7467)]
)
def test_smoothness_is_the_references_and_mostly_dc(p, low, add, multiply, dc):
    a, b = GRID[p]
    assert smooth_share(((a + b) % p).double(), low) == pytest.approx(add, abs=5e-5)
    assert smooth_share((a * b % p).double(), low) == pytest.approx(multiply, abs=5e-5)
    assert smooth_share(((a + b) % p).double(), 0) == pytest.approx(dc, abs=5e-5)
    assert smooth_share(torch.full((p, p), 3.0)) == pytest.approx(1.0)


@pytest.mark.parametrize(("p", "low", "share"), [(17, 4, 0.170), (113, 28, 0.192), (7, 0, 1 / 49)])
def test_share_of_low_frequencies(p, low, share):
    assert float(low_mask(p, low).double().mean()) == pytest.approx(share, abs=5e-4)


class Table(torch.nn.Module):
    """A network that gives the logits of a table, through numbers that can be differentiated by."""

    def __init__(self, table):
        super().__init__()
        self.table = torch.nn.Parameter(table.float())  # (p, p, C)

    def inputs(self, tokens):
        return torch.nn.functional.one_hot(tokens, len(self.table)).float().flatten(1)

    def from_inputs(self, x):
        a, b = x.view(len(x), 2, -1).unbind(dim=1)
        return torch.einsum("na,nb,abc->nc", a, b, self.table)

    def forward(self, tokens):
        return self.from_inputs(self.inputs(tokens))

    def representation(self, x):
        return 3 * x


def look(table, operation="add"):
    p = modular_params(f"task.p={len(table)} task.operation={operation}")
    model = Table(table)
    return Look(model, torch.optim.SGD(model.parameters()), task, task.prepare(p, None), p)


def knows(operation, p, sign=1):
    """Logits sum_k cos(2 pi k (a + sign b - c) / p), of a product in discrete logarithms."""
    a, b = (x.double() for x in GRID[p])
    angle = (a + sign * b)[..., None] - torch.arange(p)
    table = sum(torch.cos(2 * torch.pi * k * angle / p) for k in (1, 3))
    return table if operation == "add" else torch.nn.functional.one_hot((a * b % p).long(), p).double()


def test_the_share_of_the_operation_tells_it_from_others():
    share = {sign: metrics.smoothness(look(knows("add", 17, sign)))["operation_share"].value for sign in (1, -1)}
    assert share == pytest.approx({1: 1.0, -1: 0.0}, abs=1e-9)
    assert metrics.smoothness(look(knows("mul", 7), "mul"))["operation_share"].value == pytest.approx(1.0)
    assert metrics.smoothness(look(knows("mul", 7), "add"))["operation_share"].value < 0.5


def test_progress_is_in_the_key_frequencies():
    found = metrics.fourier(look(8 * knows("add", 17)))
    assert found["key_frequencies"].value == 2
    assert found["restricted_loss"].value == pytest.approx(found["full_loss"].value, abs=1e-6)
    assert found["excluded_loss"].value == pytest.approx(np.log(17), abs=1e-6)


def test_derivatives_by_the_input_are_those_of_the_table(monkeypatch):
    """Logits are x_a^T T_c x_b: of the Jacobian at (a, b) the rows are T_c[:, b] and T_c[a, :]; no trace."""
    table = torch.randn(7, 7, 7, generator=torch.Generator().manual_seed(0))
    at = look(table)
    pairs = at.data.tokens[at.data.test]
    squares = [float(table[:, b].square().sum() + table[a].square().sum()) for a, b in pairs]
    monkeypatch.setattr(metrics, "DIRECTIONS", 400)
    found = metrics.jacobian(at)["jacobian_norm"]
    assert found.value == pytest.approx(np.mean(squares), rel=0.05)
    assert found.cost == 400 * len(pairs)
    hessian = metrics.input_hessian(at)["hessian_trace"]
    assert abs(hessian.value) < 5 * hessian.error and hessian.error > 0
    assert metrics.representation(at)["representation_norm"].value == pytest.approx(3 * 2**0.5)


def transformer(routes):
    words = f"model.heads=2 task.p=7 model.routes={routes}"
    p = modular_params(f"model.name=modular_transformer {words}")
    data = task.prepare(p, None)
    model = member("model", "modular_transformer").build(p.model, data, 0)
    return Look(model, torch.optim.SGD(model.parameters()), task, data, p)


def test_what_does_not_route_has_no_routing():
    assert metrics.routing(look(knows("add", 7))) == metrics.routing(transformer(0)) == {}


def test_routing_is_the_mean_over_layers_and_pairs():
    at = transformer(3)
    found = {name: e.value for name, e in metrics.routing(at).items()}
    _, layers = at.model.routed(torch.from_numpy(at.data.tokens[at.data.train]))
    weights = torch.stack(layers).detach().double()
    assert found.pop("routing_entropy") == pytest.approx(float(-(weights * weights.log()).sum(-1).mean()))
    assert list(found.values()) == pytest.approx(weights.mean(dim=(0, 1, 2)).tolist())
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_same_pairs_at_every_step():
    at = look(knows("add", 17))
    first = metrics.jacobian(at)
    at.move(5, 0.1)
    assert metrics.jacobian(at) == first
