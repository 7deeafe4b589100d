"""Fast matrix products: the same numbers as F.linear, forwards and backwards, where training uses them."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from lib.base.provenance import ROOT
from lib.models import products
from lib.models.gpt import build_model
from lib.models.products import fast_products, product


@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (1, 5)])
def test_a_product_is_f_linear(shape):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(shape, generator=generator), torch.randn(4, 5, generator=generator)
    torch.testing.assert_close(product(a, b), F.linear(a, b))
    torch.testing.assert_close(product(b.t(), torch.ones(6, 4)), b.sum(0)[:, None].expand(5, 6))  # any strides


def test_a_product_in_other_precisions_is_f_linear_itself():
    for dtype in (torch.float64, torch.bfloat16):
        a, b = torch.randn(6, 5).to(dtype), torch.randn(4, 5).to(dtype)
        assert torch.equal(product(a, b), F.linear(a, b))


def test_a_model_with_fast_products_has_the_same_outputs_and_gradients(smoke):
    plain, fast = (build_model(smoke.model, 60, seed=3) for _ in range(2))
    tokens = torch.randint(60, (3, 17), generator=torch.Generator().manual_seed(0))
    plain(tokens).square().mean().backward()
    with fast_products(fast, torch.device("cpu")):
        fast(tokens).square().mean().backward()
        torch.testing.assert_close(fast(tokens), plain(tokens), rtol=1e-5, atol=1e-5)
    assert torch.equal(fast(tokens), plain(tokens))  # and afterwards it multiplies as before
    for (name, a), b in zip(plain.named_parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.skipif(not products.ONEDNN, reason="oneDNN is not what multiplies on this kind of machine")
def test_fast_products_repeat_to_the_last_bit_and_refuse_second_derivatives():
    x, w = torch.randn(9, 8, requires_grad=True), torch.randn(7, 8, requires_grad=True)
    first, second = (products._Linear.apply(x, w) for _ in range(2))
    assert torch.equal(first, second)
    (d,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        d.sum().backward()


def test_without_onednn_products_and_layers_are_f_linear(smoke, monkeypatch):
    monkeypatch.setattr(products, "ONEDNN", False)
    model = build_model(smoke.model, 60, seed=3)
    with fast_products(model, torch.device("cpu")):
        assert all(m.multiply is F.linear for m in model.modules() if hasattr(m, "multiply"))
    a, b = torch.randn(6, 5), torch.randn(4, 5)
    assert torch.equal(product(a, b), F.linear(a, b))


FAULTS = """
import resource, sys, torch
from torch import nn
from lib.models.gpt import Linear
from lib.models.products import fast_products, product
layer, a, b = Linear(8, 8), torch.ones(1500, 8), torch.ones(10000, 8)  # a product of 60 MB
with fast_products(layer if "fast" in sys.argv else nn.Linear(8, 8), torch.device("cpu")):
    for count in range(10):
        if count == 5:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        product(a, b)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 5 / 60e6)
"""


@pytest.mark.skipif(not products.ONEDNN or sys.platform != "linux", reason="glibc is asked where oneDNN multiplies")
def test_memory_of_a_large_product_is_used_again_within_fast_products():
    """The share of its pages that the kernel hands out anew for every product, in processes of their own."""
    command = [sys.executable, "-c", FAULTS]
    shares = [subprocess.run([*command, way], cwd=ROOT, capture_output=True, text=True) for way in ("slow", "fast")]
    without, within = (float(done.stdout) for done in shares)
    assert without > 0.1  # pages may be huge ones, which count once
    assert within < 0.01
