"""The models of modular arithmetic: sizes, initial norms, roles, causality, and the way that shares work."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models import mlp, modular_transformer, routed_mlp
from lib.optim.groups import decays, parameter_groups

GATES = ("gate.", "of_state.", "of_input.")


def transformer(p: int = 7, operations: int = 1, seed: int = 0, **sizes) -> modular_transformer.Transformer:
    given = {"layers": 2, "width": 16, "heads": 4} | sizes
    data = SimpleNamespace(vocab=p + operations + 1, inputs=4, outcomes=p)
    m = modular_transformer.Parameters(name="modular_transformer", **given)
    return modular_transformer.build(m, data, seed)


def pairs_model(kind, p: int, **sizes) -> nn.Module:
    m = kind.Parameters(name=kind.__name__.rsplit(".", 1)[1], **sizes)
    return kind.build(m, SimpleNamespace(vocab=p, inputs=2, outcomes=p), 0)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def sentences(p: int, operations: int = 1) -> Tensor:
    a, b = (x.flatten() for x in torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij"))
    equals = torch.full_like(a, p + operations)
    return torch.cat([torch.stack([a, torch.full_like(a, p + o), b, equals], 1) for o in range(operations)])


# ------------------------------------------------------------------------------------------------- sizes, start


@pytest.mark.parametrize(
    ("p", "sizes", "expected"),
    [
        (17, {"layers": 2}, 401_041),
        (113, {"layers": 2}, 425_713),
        (113, {"layers": 2, "tied": True}, 411_136),
        (113, {"layers": 4}, 821_233),
        (113, {"layers": 4, "routes": 4}, 2_684_033),
    ],
)
def test_published_sizes_of_transformers(p, sizes, expected):
    assert count(transformer(p, width=128, **sizes)) == expected


def test_published_sizes_of_perceptrons():
    as_published = {"activation": "gelu", "biases": True, "init": "torch"}
    assert count(pairs_model(mlp, 17, layers=2, width=128, **as_published)) == 23_185
    assert count(pairs_model(mlp, 113, layers=4, width=128, **as_published)) == 93_169
    assert count(pairs_model(routed_mlp, 113, layers=4, width=128, heads=4)) == 2_434_305
    assert count(pairs_model(routed_mlp, 113, layers=2, width=74, heads=4)) == 429_395


def test_published_initial_norms():
    norms = {name: float(p.detach().norm()) for name, p in transformer(113, width=128).named_parameters()}
    expected = {"tok_emb": 2.43, "pos_emb": 0.51, "attention": 2.56, "feedforward.up.0.weight": 5.12}
    for part, norm in expected.items():
        found = [x for name, x in norms.items() if part in name and name.endswith("weight")]
        assert found
        # of n numbers a norm has a relative spread of 1 / sqrt(2 n): 2.8 % of the 640 of the positions
        assert found == pytest.approx([norm] * len(found), rel=0.06 if part == "pos_emb" else 0.02)


def test_weights_as_torch_draws_them():
    model = pairs_model(mlp, 43, width=256, biases=True, init="torch")
    for layer in (*model.layers, model.head):
        bound = layer.in_features**-0.5
        assert 0.95 * bound < layer.weight.detach().abs().max() <= bound
        assert layer.weight.detach().std() == pytest.approx(bound / 3**0.5, rel=0.03)
        assert 0 < layer.bias.detach().abs().max() <= bound


@pytest.mark.parametrize("kind", [mlp, routed_mlp])
def test_initial_weights_are_the_seed_s(kind):
    data = SimpleNamespace(vocab=7, inputs=2, outcomes=7)
    m = kind.Parameters(name=kind.__name__.rsplit(".", 1)[1], layers=1, width=8)
    first, again, other = (kind.build(m, data, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


# ------------------------------------------------------------------------------------------------ roles and decay


def test_what_decays_are_the_matrices_of_the_trunk():
    for model in (
        transformer(routes=2),
        transformer(tied=True),
        pairs_model(routed_mlp, 7, layers=2, width=8),
        pairs_model(mlp, 7, layers=2, width=8, biases=True),
    ):
        decaying, roles, named = decays(model), model.roles(), dict(model.named_parameters())
        assert {name for name, yes in decaying.items() if yes} == set(model.trunk())
        assert set(roles) == set(named)
        assert all((roles[name] == "vector") == (p.ndim < 2) for name, p in named.items())
        for name in named:
            assert (roles[name] == "gate") == (named[name].ndim == 2 and any(g in name for g in GATES))
        decayed, rest = parameter_groups(model, 1.0)
        assert len(decayed["params"]) + len(rest["params"]) == len(named)


def test_embeddings_do_not_decay_and_the_head_does():
    roles = transformer().roles()
    assert (roles["tok_emb.weight"], roles["pos_emb.weight"], roles["head.weight"]) == (
        "embedding",
        "embedding",
        "head",
    )
    assert "head.weight" in transformer().trunk()
    assert "tok_emb.weight" not in transformer(tied=True).trunk()


# ------------------------------------------------------------------------------------ what a state depends on


@pytest.mark.parametrize("sizes", [{}, {"tied": True}, {"routes": 3}, {"routes": 1, "init": "torch"}])
def test_the_first_position_does_not_see_later_ones(sizes):
    model = transformer(7, **sizes)
    here, there = torch.tensor([[3, 7, 2, 8], [3, 7, 5, 8]])
    a, b = model.hidden(here[None]), model.hidden(there[None])
    assert torch.equal(a[:, 0], b[:, 0])
    torch.testing.assert_close(a[:, :2], b[:, :2])
    assert not torch.allclose(a[:, 2], b[:, 2])


def test_as_executed_the_future_is_seen():
    model = transformer(7, routes=3, causal=False, init="torch")
    here, there = torch.tensor([[3, 7, 2, 8], [3, 7, 5, 8]])
    assert (model.hidden(here[None])[:, 0] - model.hidden(there[None])[:, 0]).abs().max() > 1e-3


def test_a_mixture_is_the_sum_of_its_heads():
    model = transformer(routes=3)
    block = model.blocks[0]
    x, w = torch.randn(5, 16), torch.rand(5, 3)
    heads = [down(F.gelu(up(x))) for up, down in zip(block.feedforward.up, block.feedforward.down, strict=True)]
    for n in range(5):
        expected = sum(w[n, h] * heads[h][n] for h in range(3))
        torch.testing.assert_close(block.feedforward(x, w)[n], expected)


@pytest.mark.parametrize("model", [transformer(routes=3), pairs_model(routed_mlp, 7, layers=2, width=8, heads=3)])
def test_routing_weights_add_up_to_one(model):
    tokens = sentences(7) if hasattr(model, "shared") else sentences(7)[:, [0, 2]]
    found, weights = model.routed(tokens)
    assert torch.equal(found, model(tokens))
    assert len(weights) == 2
    for w in weights:
        assert w.shape[-1] == 3
        torch.testing.assert_close(w.sum(dim=-1), torch.ones(w.shape[:-1]))


# ---------------------------------------------------------------------------------------------------- sharing work


@pytest.mark.parametrize("sizes", [{}, {"layers": 1}, {"layers": 3, "tied": True}, {"routes": 2}])
@pytest.mark.parametrize("operations", [1, 2])
def test_shared_work_gives_what_plain_work_does(sizes, operations):
    p = 11
    model = transformer(p, operations, **sizes).double()
    chosen = torch.randperm(operations * p * p, generator=torch.Generator().manual_seed(0))[: operations * 60]
    tokens = sentences(p, operations)[chosen]
    labels = (tokens[:, 0] + tokens[:, 2]) % p
    found = []
    for forward in (model, model.shared):
        model.zero_grad()
        answer = forward(tokens)
        F.cross_entropy(answer, labels).backward()
        found.append([answer.detach(), *(q.grad.clone() for q in model.parameters() if q.grad is not None)])
    for plain, shared in zip(*found, strict=True):
        torch.testing.assert_close(shared, plain, rtol=0, atol=1e-12)


def test_shared_work_in_float32_is_within_a_millionth():
    model, tokens = transformer(31, layers=1, width=128), sentences(31)
    assert (model(tokens) - model.shared(tokens)).abs().max() < 1e-6


def test_what_is_not_causal_is_not_shared():
    model, tokens = transformer(routes=2, causal=False), sentences(7)
    assert torch.equal(model(tokens), model.shared(tokens))


@pytest.mark.parametrize("model", [transformer(), pairs_model(mlp, 7, width=8)])
def test_inputs_and_what_is_made_of_them(model):
    tokens = sentences(7) if hasattr(model, "shared") else sentences(7)[:, [0, 2]]
    x = model.inputs(tokens)
    torch.testing.assert_close(model.from_inputs(x), model(tokens))
    assert model.representation(x).shape == (49, 16 if hasattr(model, "shared") else 8)
