"""What the published code does otherwise than it says, each quirk measured beside its corrected form.

Nothing here is a run: one matrix, a few steps of the optimizers themselves, in the order of the parameters that
choose between the two.
"""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.optim import isotropic, muon, nolah, orthonoise
from lib.optim.matrices import cubic, gaussian, haar, polar
from lib.params.fields import MatrixParameters

RATE, CONSTANT, SMALL = 0.02, 60, 1e-3  # learning rate, steps before the gradient turns round, its size
ALWAYS: dict[str, Any] = {"alpha": 0.0, "adaptive": False, "anneal": "constant", "noise_start": 0}


class Matrix(nn.Module):
    """One matrix that starts at zero."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(rows, columns))

    def roles(self) -> dict[str, str]:
        return {"w": "hidden"}


def quirks() -> list[list[str]]:
    """Rows of: what is asked, the parameter, as executed, corrected."""
    g, numbers = _numbers(24, 24), _numbers(256, 1024)
    g = g / torch.linalg.matrix_norm(g, 2)  # its largest singular value is 1
    memory = {t: _memory(orthonoise, 3 * g, ns_target=t, **ALWAYS) for t in ("buffer", "none")}
    turned = {t: _reversal(SMALL * g, ns_target=t, **ALWAYS) for t in ("buffer", "none")}
    sizes = {s: _norm(isotropic.sized(numbers, s)) / _norm(haar(numbers)) for s in ("literal", "frobenius")}
    gate = _cosine(_first(nolah, _gradient(1e-2), damping=1.0, gate="sigmoid")[0], _first(muon, _gradient(1e-2))[0])
    before = _cosine(polar(cubic(g, 3)).factor, polar(g).factor)
    rows = {
        ("steps until a gradient that turns round turns the step", "ns_target"): _both(turned),
        ("norm of the memory after a gradient of spectral norm 3", "ns_target"): _both(memory),
        ("norm of the control's noise over that of orthonormal noise", "size"): _both(sizes),
        ("cosine with Muon's step, of small gradients through this gate", "gate"): [f"{gate:.4f} (`sigmoid`)", "–"],
        ("cosine of polar factors, after Newton-Schulz and without", "ns_target"): [
            f"{before:.4f} (`copy`)",
            "–",
        ],
    }
    return [[what, f"`{name}`", *cells] for (what, name), cells in rows.items()]


def _both(found: dict[str, float | None]) -> list[str]:
    """The two forms, as executed first."""
    return [f"{f'not in {CONSTANT}' if x is None else f'{x:.4g}'} (`{name}`)" for name, x in found.items()]


def _numbers(rows: int, columns: int) -> Tensor:
    return gaussian((rows, columns), np.random.default_rng(0))


def _gradient(largest: float) -> Tensor:
    """Low rank and noise, as gradients of networks are."""
    g = _numbers(64, 8) @ _numbers(8, 256) + gaussian((64, 256), np.random.default_rng(1))
    return g * (largest / g.abs().max())


def _parameters(module: ModuleType, **values: Any) -> MatrixParameters:
    return module.Parameters(name=module.__name__.rpartition(".")[2], lr=RATE, clip=1e9, **values)


def _reversal(g: Tensor, **values: Any) -> int | None:
    """Steps after a gradient has turned round until what it does to the matrix turns too."""
    model = Matrix(*g.shape)
    optimizer = orthonoise.build(model, _parameters(orthonoise, **values))
    for n in range(2 * CONSTANT):
        before = model.w.detach().clone()
        model.w.grad = g.clone() if n < CONSTANT else -g
        optimizer.step()
        if n >= CONSTANT and ((model.w.detach() - before) * g).sum() > 0:
            return n - CONSTANT
    return None


def _first(module: ModuleType, g: Tensor, **values: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """The first step along a gradient, and what the optimizer keeps after it."""
    model = Matrix(*g.shape)
    optimizer = module.build(model, _parameters(module, **values))
    model.w.grad = g.clone()
    optimizer.step()
    return model.w.detach(), optimizer.state[model.w]


def _memory(module: ModuleType, g: Tensor, **values: Any) -> float:
    return _norm(_first(module, g, **values)[1]["momentum_buffer"])


def _cosine(a: Tensor, b: Tensor) -> float:
    return float((a.double() * b.double()).sum() / (a.double().norm() * b.double().norm()))


def _norm(a: Tensor) -> float:
    return float(torch.linalg.matrix_norm(a))
