"""Matrix products of training and evaluation: on x86 processors in float32 through oneDNN.

torch multiplies float32 matrices with MKL, which leaves the AVX-512 units of AMD processors unused: measured
there, oneDNN (part of the same build) is 2.2 times as fast. The arithmetic is float32 either way; only the
order of a sum may differ. The choice follows the kind of machine, never a timing, so that a run repeats.
"""

import contextlib
import ctypes
import functools
import platform
import sys
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel

X86 = platform.machine().lower() in ("x86_64", "amd64")
ONEDNN = X86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b^T: (..., K), (N, K) -> (..., N), by the fastest exact way there is for where they lie."""
    if ONEDNN and a.device.type == "cpu" and a.dtype == torch.float32:
        return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return F.linear(a, b)


class _Linear(torch.autograd.Function):
    """F.linear and its first derivatives as three products; it knows no higher ones."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        rows, inputs = gradient.flatten(0, -2).t(), x.flatten(0, -2).t()  # (N, B), (K, B)
        # The first factor is copied for its transpose, so it is the smaller one.
        d_weight = product(rows, inputs) if len(rows) <= len(inputs) else product(inputs, rows).t()
        return product(gradient, weight.t()) if ctx.needs_input_grad[0] else None, d_weight


@functools.cache
def keep_freed_memory() -> None:
    """From here on this process keeps large blocks of memory that it frees, for the next of their size.

    glibc returns each to the kernel, which zeroes it again page by page for the next product: at a vocabulary of
    50,257 a fifth of a step. oneDNN's product takes no `out=`, so buffers of ours could not spare it.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for option, value in ((-4, 0), (-1, -1)):  # M_MMAP_MAX: all from the heap; M_TRIM_THRESHOLD: which stays
            libc.mallopt(option, value)


@contextlib.contextmanager
def fast_products(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within it the linear layers of `model` multiply by `product`, where that is faster than F.linear.

    For work that needs first derivatives only: curvature and per-sequence gradients keep F.linear, which
    has derivatives of every order and kind.
    """
    layers = [m for m in model.modules() if hasattr(m, "multiply")] if ONEDNN and device.type == "cpu" else []
    if layers:
        keep_freed_memory()
    for layer in layers:
        layer.multiply = _Linear.apply
    try:
        yield
    finally:
        for layer in layers:
            layer.multiply = F.linear


@contextlib.contextmanager
def plain_products(model: nn.Module) -> Iterator[None]:
    """Within it the linear layers of `model` multiply by F.linear, and attention by plain products.

    Both have derivatives of every order, and rules for weights of each example's own.
    """
    layers = {m: m.multiply for m in model.modules() if hasattr(m, "multiply")}
    for layer in layers:
        layer.multiply = F.linear
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for layer, multiply in layers.items():
            layer.multiply = multiply
