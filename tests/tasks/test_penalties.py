"""Penalties against explicit loops, and their extremes."""

import math

import pytest
import torch

from lib.tasks.modular import penalties

GENERATOR = torch.Generator().manual_seed(3)
W = torch.rand(6, 4, generator=GENERATOR, dtype=torch.float64)
W = W / W.sum(dim=1, keepdim=True)
X = torch.randn(6, 5, generator=GENERATOR, dtype=torch.float64)
EVEN, ONE = torch.full((3, 4), 0.25), torch.eye(4)[:3]


def test_entropy():
    expected = sum(-sum(w * math.log(w) for w in row) for row in W.tolist()) / 6
    assert penalties.entropy(W) == pytest.approx(expected)
    assert penalties.entropy(EVEN) == pytest.approx(math.log(4))
    assert penalties.entropy(ONE) == pytest.approx(0, abs=1e-6)


def test_sparsity():
    assert penalties.sparsity(W) == pytest.approx(sum(1 - max(row) for row in W.tolist()) / 6)
    assert penalties.sparsity(EVEN) == pytest.approx(0.75)


def test_gini():
    expected = 0.0
    for row in W.tolist():
        ordered = sorted(row)
        weighted = sum(i * w for i, w in enumerate(ordered, 1))
        expected += (1 - (2 * weighted / (4 * sum(ordered)) - 5 / 4)) / 6
    assert penalties.gini(W) == pytest.approx(expected)
    assert penalties.gini(EVEN) == pytest.approx(1.0)
    assert penalties.gini(ONE) == pytest.approx(0.25)  # G of one among four is 3 / 4


def test_consistency():
    def cosine(x, y):
        return sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)

    rows, inputs, total = W.tolist(), X.tolist(), 0.0
    for n in range(6):
        scores = [math.exp(cosine(inputs[n], inputs[k]) / 0.5) for k in range(6)]
        mixed = [sum(s * rows[k][h] for k, s in enumerate(scores)) / sum(scores) for h in range(4)]
        total += sum(q * math.log(q / w) for q, w in zip(mixed, rows[n], strict=True)) / 6
    assert penalties.consistency(W, X, 0.5) == pytest.approx(total)
    assert penalties.consistency(EVEN, torch.randn(3, 2)) == pytest.approx(0, abs=1e-6)


def test_layers_are_averaged_and_positions_count():
    layers = [W, W.flip(0).roll(1, 1)]
    expected = (penalties.sparsity(layers[0]) + penalties.sparsity(layers[1])) / 2
    assert penalties.routing("sparsity", layers, X) == pytest.approx(expected.item())
    together = W.view(3, 2, 4)
    assert penalties.routing("entropy", [together], X) == pytest.approx(penalties.entropy(W).item())
    assert penalties.routing("consistency", [together], X[:3]) == pytest.approx(
        penalties.consistency(W[1::2], X[:3]).item()
    )


@pytest.mark.parametrize(("p", "k", "add", "mul"), [(17, 4, 0.9391, 0.7672), (113, 28, 0.9929, 0.7938)])
def test_published_smoothness_of_true_tables(p, k, add, mul):
    a, b = torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij")
    for table, expected in (((a + b) % p, add), (a * b % p, mul), (torch.zeros_like(a), 1.0)):
        sure = 1e4 * torch.nn.functional.one_hot(table, p).double()
        if expected == 1.0:
            sure = sure.roll(1, 2)  # always the class 1, for a table of power
        assert 1 - penalties.roughness(sure, k) == pytest.approx(expected, abs=1e-4)
