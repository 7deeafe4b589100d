"""Functions of one matrix that optimizers of matrices are made of: polar factor, effective rank, noise, scales.

A = U S V^T is the thin singular value decomposition, k = min(m, n), and polar(A) = U V^T, all of whose singular
values are 1.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
QUINTIC_STEPS = 5
TINY = 1e-7  # added to a norm
NOTHING = 1e-6  # of the largest singular value: what the rounding of float32 leaves where there is nothing
POINTS = 4000  # of the integral over the singular values of a Gaussian matrix


class Polar(NamedTuple):
    """A polar factor, and the singular values of the matrix, the largest first, where the way to it has them."""

    factor: Tensor
    values: Tensor | None


# ------------------------------------------------------------------------------------------------- polar factors


def polar(a: Tensor, way: str = "eigh") -> Polar:
    """The polar factor of a matrix; that of zeros is zeros.

    Args:
        way: svd, U V^T, also along directions in which there is nothing but rounding;
            eigh, (A A^T)^(-1/2) A from the eigenvectors of the smaller Gram matrix in float64. Directions below
            1e-6 of the largest singular value are left out;
            quintic, five steps of an iteration that does not converge: see `quintic`.

    Raises: torch.linalg.LinAlgError if a decomposition fails, and for a matrix or a factor that is not finite:
        of such a matrix svd and eigh may make numbers without a word.
    """
    found = _polar(a, way)
    if not (torch.isfinite(a).all() and torch.isfinite(found.factor).all()):
        raise torch.linalg.LinAlgError("a matrix that is not finite has no polar factor")
    return found


def _polar(a: Tensor, way: str) -> Polar:
    if way == "quintic":
        return Polar(quintic(a), None)
    if way == "svd":
        u, values, vh = torch.linalg.svd(a, full_matrices=False)
        return Polar(u @ vh * (values[0] > 0), values)
    wide = _wide(a)
    exact = wide.double()  # float32 would lose what is below a thousandth of the largest in the squares
    squares, u = torch.linalg.eigh(exact @ exact.T)
    inverse = torch.where(squares > NOTHING**2 * squares[-1], squares.rsqrt(), 0.0)
    factor = ((u * inverse) @ u.T).to(a.dtype) @ wide
    values = squares.clamp(min=0.0).sqrt().flip(0).to(a.dtype)
    return Polar(factor if wide is a else factor.T, values)


def _wide(a: Tensor) -> Tensor:
    """The matrix, or its transpose where that has fewer rows."""
    return a if a.shape[0] <= a.shape[1] else a.T


def quintic(a: Tensor) -> Tensor:
    """X <- a X + (b B + c B B) X with B = X X^T, five times from A / ||A||_F.

    It does not converge to singular values of 1: those from 0.01 to 1 of the normalised matrix land between
    0.68 and 1.14.
    """
    one, three, five = QUINTIC
    x = _wide(a) / (torch.linalg.matrix_norm(a) + TINY)
    for _ in range(QUINTIC_STEPS):
        b = x @ x.T
        x = torch.addmm(x, torch.addmm(b, b, b, beta=three, alpha=five), x, beta=one)
    return x if a.shape[0] <= a.shape[1] else x.T


def cubic(a: Tensor, steps: int) -> Tensor:
    """X <- 1.5 X - 0.5 X X^T X, `steps` times, of the matrix as large as it is.

    Its singular values go through s <- 1.5 s - 0.5 s^3: towards 1 below sqrt(3), through a change of sign from
    there to sqrt(5), and away without bound above.
    """
    x = _wide(a)
    for _ in range(steps):
        x = torch.addmm(x, x @ x.T, x, beta=1.5, alpha=-0.5)
    return x if a.shape[0] <= a.shape[1] else x.T


# ---------------------------------------------------------------------------------------------- singular values


def singular_values(a: Tensor) -> Tensor:
    """Of a matrix, the largest first."""
    return torch.linalg.svdvals(a)


def effective_rank(values: Tensor) -> Tensor:
    """exp(-sum p ln(p + 1e-8)), p = s / (sum s + 1e-10), of singular values s, not their squares; of zeros 1."""
    p = values / (values.sum() + 1e-10)
    return torch.exp(-(p * torch.log(p + 1e-8)).sum())


@cache
def gaussian_rank(m: int, n: int) -> float:
    """The effective rank of an m x n matrix of independent Gaussian numbers, for large sides.

    Its singular values over sqrt(max(m, n)) lie between 1 - r and 1 + r, r^2 = min / max, with the density
    sqrt((1 + r)^2 - s^2) sqrt(s^2 - (1 - r)^2) / (pi r^2 s) of Marchenko and Pastur. Then erank / k is
    E[s] exp(-E[s ln s] / E[s]): 0.80 of a square matrix, towards 1 of a long one.
    """
    k, r = min(m, n), math.sqrt(min(m, n) / max(m, n))
    angle = (np.arange(POINTS) + 0.5) * math.pi / POINTS
    squares = 1 + r**2 + 2 * r * np.cos(angle)
    weights = np.sin(angle) ** 2 / squares  # of the density, with d(s^2) = -2 r sin d(angle)
    weights /= weights.sum()
    s = np.sqrt(squares)
    mean = float(weights @ s)
    return k * mean * math.exp(-float(weights @ (s * np.log(s))) / mean)


# --------------------------------------------------------------------------------------------- noise and scales


def gaussian(shape: tuple[int, int], random: np.random.Generator) -> Tensor:
    """Independent numbers N(0, 1), float32, on the CPU: the same for every device."""
    return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))


def haar(numbers: Tensor) -> Tensor:
    """The Q of a thin QR of a Gaussian matrix, of its transpose where it is wide, with R's diagonal above 0.

    Then Q is uniform over matrices whose shorter side is orthonormal: ||Q||_F = sqrt(min(m, n)), ||Q||_2 = 1.
    """
    wide = numbers.shape[0] < numbers.shape[1]
    q, r = torch.linalg.qr(numbers.float().T if wide else numbers.float())
    q = torch.where(r.diagonal() < 0, -q, q)
    return q.T if wide else q


def shape_scale(m: int, n: int, kind: str) -> float:
    """What the step of an m x n matrix is multiplied by: 1, sqrt(max(1, m / n)), or 0.2 sqrt(max(m, n)).

    The last gives a step of full rank entries of RMS 0.2, about those of AdamW.
    """
    return {"none": 1.0, "tall": math.sqrt(max(1, m / n)), "adam": 0.2 * math.sqrt(max(m, n))}[kind]
