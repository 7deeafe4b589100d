"""The GPT: sizes, initial weights, the trunk's order, and equality with attention written out."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lib.models.gpt import GPT, build_model
from tests.geometry.toy_model import flat

PUBLISHED_DEFAULTS = {"layers": 4, "width": 256, "heads": 8, "ff": 1024, "context": 256}


def size(model):
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def small(smoke):
    return build_model(smoke.model, 768, 42)


@pytest.fixture(scope="module")
def tokens(smoke):
    return torch.randint(768, (3, smoke.model.context), generator=torch.Generator().manual_seed(0))


def test_published_sizes(paper):
    with torch.device("meta"):
        model = GPT(paper.model, 50257)
        defaults = GPT(paper.model.model_copy(update=PUBLISHED_DEFAULTS), 50257)
    assert size(model) == 51_045_888
    assert sum(p.numel() for p in model.trunk().values()) == 25_165_824
    assert size(defaults) == 16_081_664


def test_published_shapes(paper):
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in GPT(paper.model, 50257).named_parameters()}
    assert shapes["tok_emb.weight"] == (50257, 512)
    assert shapes["pos_emb.weight"] == (256, 512)
    assert shapes["blocks.7.attn.qkv.weight"] == (1536, 512)
    assert shapes["blocks.7.attn.out_proj.weight"] == (512, 512)
    assert shapes["blocks.7.mlp.w_up.weight"] == (2048, 512)
    assert shapes["blocks.7.mlp.w_down.weight"] == (512, 2048)
    norms = {name for name in shapes if "ln" in name.split(".")[-2]}
    assert len(norms) == 2 * (2 * 8 + 1)
    assert not [name for name in shapes if name.endswith("bias") and name not in norms]


def test_trunk_is_in_registered_order(smoke):
    # eleven blocks: as text, block 10 would come before block 2
    model = build_model(smoke.model.model_copy(update={"layers": 11}), 300, 0)
    inside = ["attn.out_proj", "attn.qkv", "mlp.w_down", "mlp.w_up"]
    assert list(model.trunk()) == [f"blocks.{i}.{name}.weight" for i in range(11) for name in inside]
    vector = flat(model.trunk())
    assert vector.numel() == 11 * (32 * 32 + 96 * 32 + 32 * 64 + 64 * 32)
    assert torch.equal(vector[: 32 * 32].view(32, 32), model.blocks[0].attn.out_proj.weight)
    assert torch.equal(vector[-64 * 32 :].view(64, 32), model.blocks[10].mlp.w_up.weight)


def test_initial_weights_at_published_size(paper):
    model = build_model(paper.model, 1000, 42)
    trunk = flat(model.trunk()).detach()
    assert trunk.double().norm().item() == pytest.approx(100.33, abs=0.05)
    for weight in (*model.trunk().values(), model.tok_emb.weight, model.pos_emb.weight):
        n = weight.numel()
        assert weight.mean().item() == pytest.approx(0, abs=5 * 0.02 / math.sqrt(n))
        assert weight.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * n))
    for name, p in model.named_parameters():
        if p.ndim == 1:
            assert torch.equal(p, torch.full_like(p, float(name.endswith("weight")))), name


def test_initial_weights_depend_on_the_seed_alone(smoke, small):
    torch.manual_seed(5)  # the global generator decides nothing
    again, other = build_model(smoke.model, 768, 42), build_model(smoke.model, 768, 43)
    assert all(torch.equal(a, b) for a, b in zip(small.parameters(), again.parameters(), strict=True))
    assert not torch.equal(flat(small.trunk()), flat(other.trunk()))


def test_initial_loss_is_that_of_guessing(small, tokens):
    logits = small.head(small(tokens[:, :-1]))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(768), abs=0.05)


def test_a_position_sees_only_what_came_before(small, tokens):
    changed = tokens.clone()
    changed[:, 40] = (changed[:, 40] + 1) % 768
    with torch.inference_mode():
        one, two = small(tokens), small(changed)
    assert torch.equal(one[:, :40], two[:, :40])
    assert ((one[:, 40:] - two[:, 40:]).abs().amax(dim=2) > 0).all()


def test_too_long_input_is_refused(small, smoke):
    longest = smoke.model.context
    with pytest.raises(ValueError, match=f"at most {longest} tokens at once, got {longest + 1}"):
        small(torch.zeros(1, longest + 1, dtype=torch.long))


def layer_norm(x, w, b):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


def plain_forward(weights, tokens, layers, heads):
    """Logits of one sequence, one head and one position at a time."""
    erf = np.vectorize(math.erf)
    x = weights["tok_emb.weight"][tokens] + weights["pos_emb.weight"][: len(tokens)]
    width = x.shape[1]
    d = width // heads
    for i in range(layers):
        w = {name.removeprefix(f"blocks.{i}."): v for name, v in weights.items() if name.startswith(f"blocks.{i}.")}
        qkv = layer_norm(x, w["ln1.weight"], w["ln1.bias"]) @ w["attn.qkv.weight"].T
        q, k, v = qkv[:, :width], qkv[:, width : 2 * width], qkv[:, 2 * width :]
        mixed = np.zeros_like(x)
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            for t in range(len(tokens)):
                scores = np.exp(k[: t + 1, part] @ q[t, part] / math.sqrt(d))
                mixed[t, part] = scores @ v[: t + 1, part] / scores.sum()
        x = x + mixed @ w["attn.out_proj.weight"].T
        up = layer_norm(x, w["ln2.weight"], w["ln2.bias"]) @ w["mlp.w_up.weight"].T
        x = x + (up * 0.5 * (1 + erf(up / math.sqrt(2)))) @ w["mlp.w_down.weight"].T
    return layer_norm(x, weights["ln_f.weight"], weights["ln_f.bias"]) @ weights["tok_emb.weight"].T


def test_equals_attention_written_out(smoke):
    p = smoke.model.model_copy(update={"heads": 4, "context": 16})
    model = build_model(p, 50, 1).double()
    with torch.no_grad():
        for parameter in model.parameters():  # far from the initial weights, so that every term counts
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.3)
    weights = {name: v.detach().numpy() for name, v in model.named_parameters()}
    tokens = torch.randint(50, (2, 16), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        logits = model.head(model(tokens)).numpy()
    for row in range(2):
        expected = plain_forward(weights, tokens[row].numpy(), p.layers, p.heads)
        np.testing.assert_allclose(logits[row], expected, rtol=1e-9, atol=1e-10)
