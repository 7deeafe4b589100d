"""Gradients of the two objectives over fixed batches: how they interfere, and what they align with.

With a_b, p_b the gradients of the language-modelling and the probe loss of batch b, and v_k unit directions,
everything here is algebra on two matrices of inner products per tensor,

    Y Y^T  and  Y V^T,    Y = [a_1; ...; a_M; p_1; ...; p_M],    V = [v_1; ...; v_K],

as the geometry of a trajectory is algebra on its digest. A cosine that involves a gradient of zero is nan.

The cosine of two batch gradients is drawn to zero by batch noise in their norms; that of two averages less
so; that across batches not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.geometry.directions import Direction, frame
from lib.geometry.fisher import SQUARED_BATCH
from lib.geometry.jackknife import jackknife_error, leave_one_out
from lib.geometry.sequences import Samples

BLOCK = 1 << 20  # columns turned to float64 at once

# The losses (language modelling, probe) of a batch; None where it has no probe.
SplitLosses = Callable[[nn.Module, Any], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class GradientGram:
    """Inner products of batch gradients, tensor by tensor.

    labels   (K,) names of the directions
    sizes    tensor -> number of parameters, N of them
    shares   (N, K) share of ||v||^2 in each tensor
    count    M, batches with both losses
    skipped  batches left out because they have no probe
    gram     (N, 2M, 2M) float64, Y Y^T
    along    (N, 2M, K) float64, Y V^T
    """

    labels: tuple[str, ...]
    sizes: dict[str, int]
    shares: np.ndarray
    count: int
    skipped: int
    gram: np.ndarray
    along: np.ndarray


def gradient_gram(
    model: nn.Module, batches: Iterable[Any], losses: SplitLosses, directions: Mapping[str, Direction]
) -> GradientGram:
    """One forward and two backward passes per batch, over `model.trunk()` in its registered order.

    Raises: ValueError for a direction that is not in the registered order.
    """
    space = frame(model, directions)
    trunk = list(model.trunk().values())
    language, probe, skipped = [], [], 0
    for batch in batches:
        both = losses(model, batch)
        if both[1] is None:
            skipped += 1
            continue
        # A tensor that a loss does not depend on has gradient zero.
        language.append(torch.autograd.grad(both[0], trunk, retain_graph=True, materialize_grads=True))
        probe.append(torch.autograd.grad(both[1], trunk, materialize_grads=True))
    gram, along = [], []
    for i, column in enumerate(space.columns.values()):
        rows = [gradients[i].flatten() for gradients in language + probe]
        y = torch.stack(rows) if rows else column.new_empty(0, len(column))
        gram.append(_inner(y, y))
        along.append(_inner(y, column.T))
    return GradientGram(
        labels=space.labels,
        sizes=space.sizes,
        shares=space.shares,
        count=len(language),
        skipped=skipped,
        gram=np.stack(gram),
        along=np.stack(along),
    )


def only(g: GradientGram, labels: Sequence[str]) -> GradientGram:
    """The same gradients along some of the directions."""
    at = [g.labels.index(label) for label in labels]
    return replace(g, labels=tuple(labels), shares=g.shares[:, at], along=g.along[:, :, at])


def _inner(x: Tensor, y: Tensor) -> np.ndarray:
    """x y^T, multiplied and summed in float64."""
    total = torch.zeros(len(x), len(y), dtype=torch.float64, device=x.device)
    for a, b in zip(x.split(BLOCK, dim=1), y.split(BLOCK, dim=1), strict=True):
        wide = a.double()
        total += wide @ (wide if x is y else b.double()).T
    return total.cpu().numpy()


def _rows(weights: np.ndarray, language: float, probe: float) -> np.ndarray:
    """(n, 2M) coefficients of language * a + probe * p, averaged over batches by each row of weights."""
    return np.hstack([language * weights, probe * weights])


def _cosines(gram: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cosine of each row of coefficients x with the same row of y; (n,), or (N, n) for N matrices."""

    def inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((a @ gram) * b).sum(axis=-1)

    with np.errstate(invalid="ignore", divide="ignore"):
        return inner(x, y) / np.sqrt(inner(x, x) * inner(y, y))


def _average(n: int) -> np.ndarray:
    return np.full((1, n), 1 / n if n else np.nan)


# ------------------------------------------------------------------------------------------------ interference


@dataclass(frozen=True)
class Interference:
    """Signed cosine of the two gradients: positive where a step along one also helps the other.

    batches          (M,) cosine of a_b and p_b
    mean             their mean
    of_means         cosine of the averaged gradients
    across           cosine of the expected gradients from pairs of different batches, free of batch noise;
                     nan where the batches are too few to tell a norm from zero
    tensors          (N,) `of_means` restricted to each tensor
    count, skipped   batches used, and left out for want of a probe

    Each `_se` is a jackknife error over batches.
    """

    batches: np.ndarray
    mean: float
    mean_se: float
    of_means: float
    of_means_se: float
    across: float
    across_se: float
    names: tuple[str, ...]
    tensors: np.ndarray
    tensors_se: np.ndarray
    count: int
    skipped: int


def interference(g: GradientGram) -> Interference:
    """Do the two objectives pull the same way? Without a batch every number is nan."""
    m, total = g.count, g.gram.sum(axis=0)
    without = leave_one_out(m)

    def cosine(gram: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return _cosines(gram, _rows(weights, 1, 0), _rows(weights, 0, 1))

    each = cosine(total, np.eye(m))
    return Interference(
        batches=each,
        mean=float((_average(m) @ each)[0]) if m else float("nan"),
        mean_se=float(jackknife_error(without @ each)),
        of_means=float(cosine(total, _average(m))[0]),
        of_means_se=float(jackknife_error(cosine(total, without))),
        across=float(_across(g, total, np.ones((1, m)))[0]),
        across_se=float(jackknife_error(_across(g, total, 1 - np.eye(m)))),
        names=tuple(g.sizes),
        tensors=cosine(g.gram, _average(m))[:, 0],
        tensors_se=jackknife_error(cosine(g.gram, without).T),
        count=m,
        skipped=g.skipped,
    )


def _across(g: GradientGram, total: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Cosine from inner products between different batches, for each row of 0/1 marks over the batches."""
    m = g.count

    def pairs(i: int, j: int) -> np.ndarray:
        block = total[i * m : (i + 1) * m, j * m : (j + 1) * m]
        return ((used @ (block - np.diag(np.diag(block)))) * used).sum(axis=1)

    with np.errstate(invalid="ignore", divide="ignore"):
        return pairs(0, 1) / (np.sqrt(pairs(0, 0)) * np.sqrt(pairs(1, 1)))


# --------------------------------------------------------------------------------------------------- alignment

OBJECTIVES = ("language", "probe", "combined")


@dataclass(frozen=True)
class GradientAlignment:
    """Signed cosine of gradients (ascent: a step goes against them) with K directions.

    objectives   the rows: language, probe, and combined = language + lambda * probe
    mean         (3, K) mean over batches of the cosine of a batch gradient
    of_means     (3, K) cosine of the averaged gradient
    expected     (3, K) cosine of the expected gradient, its norm from pairs of different batches and so free of
                 batch noise; nan where the batches are too few to tell that norm from zero
    noise_floor  E |cos| of an isotropic random vector with a fixed one, sqrt(2 / (pi D))

    Each `_se` is a jackknife error over batches.
    """

    objectives: tuple[str, ...]
    labels: tuple[str, ...]
    mean: np.ndarray
    mean_se: np.ndarray
    of_means: np.ndarray
    of_means_se: np.ndarray
    expected: np.ndarray
    expected_se: np.ndarray
    noise_floor: float


def alignment(g: GradientGram, lam: float) -> GradientAlignment:
    """What the gradients point along; `lam` weighs the probe in the combined loss."""
    m, total, inner = g.count, g.gram.sum(axis=0), g.along.sum(axis=0)
    without = leave_one_out(m)

    def along(weights: np.ndarray, language: float, probe: float) -> np.ndarray:
        rows = _rows(weights, language, probe)
        with np.errstate(invalid="ignore", divide="ignore"):
            return rows @ inner / np.sqrt(((rows @ total) * rows).sum(axis=1))[:, None]

    def expected(used: np.ndarray, language: float, probe: float) -> np.ndarray:
        """For each row of 0/1 marks over the batches."""
        each = _rows(np.eye(m), language, probe)
        between = each @ total @ each.T
        np.fill_diagonal(between, 0.0)
        count = used.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            square = ((used @ between) * used).sum(axis=1) / (count * (count - 1))
            return used @ each @ inner / count[:, None] / np.sqrt(square)[:, None]

    mixtures = ((1, 0), (0, 1), (1, lam))
    each = [along(np.eye(m), *mixture) for mixture in mixtures]
    return GradientAlignment(
        objectives=OBJECTIVES,
        labels=g.labels,
        mean=np.stack([(_average(m) @ c)[0] if m else np.full(len(g.labels), np.nan) for c in each]),
        mean_se=np.stack([jackknife_error(without @ c) for c in each]),
        of_means=np.stack([along(_average(m), *mixture)[0] for mixture in mixtures]),
        of_means_se=np.stack([jackknife_error(along(without, *mixture)) for mixture in mixtures]),
        expected=np.stack([expected(np.ones((1, m)), *mixture)[0] for mixture in mixtures]),
        expected_se=np.stack([jackknife_error(expected(1 - np.eye(m), *mixture)) for mixture in mixtures]),
        noise_floor=float(np.sqrt(2 / (np.pi * sum(g.sizes.values())))),
    )


def squared_batch(g: GradientGram, lam: float) -> Samples:
    """The gradients of the combined loss as samples: the Fisher of mini-batch means, for `fisher.quotients`."""
    rows = _rows(np.eye(g.count), 1, lam)
    return Samples(
        definition=SQUARED_BATCH,
        labels=g.labels,
        sizes=g.sizes,
        shares=g.shares,
        along=rows @ g.along.sum(axis=0),
        squares=((rows @ g.gram) * rows).sum(axis=-1).T,
        control=np.empty((g.count, len(g.sizes), 0)),
    )


def combined_gram(g: GradientGram, lam: float) -> np.ndarray:
    """(M, M) inner products of the gradients of the combined loss."""
    rows = _rows(np.eye(g.count), 1, lam)
    return rows @ g.gram.sum(axis=0) @ rows.T
