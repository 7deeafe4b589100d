"""Curvature along directions, against what a random direction would give. Each definition has a name.

"Fisher" means at least three things, which differ by an order of magnitude in the same direction. All are
q(v) = mean_n <g_n, v>^2 / ||v||^2, and what the g_n are makes the difference:

    EMPIRICAL      gradients of the losses of single sequences, with the labels of the data
    SAMPLED        the same with labels drawn from the model: the true Fisher, a curvature of the model
    SQUARED_BATCH  gradients of whole batches (`gradients.squared_batch`): covariance / batch size plus the
                   squared mean gradient, so it depends on the batch size and is no curvature
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lib.geometry.directions import Direction
from lib.geometry.jackknife import jackknife_error, leave_one_out
from lib.geometry.sequences import Losses, Samples, Sequences, sequence_samples

EMPIRICAL = "empirical Fisher: mean over sequences of <g_n, v>^2, labels of the data"
SAMPLED = "sampled-label Fisher: mean over sequences of <s_n, v>^2, labels drawn from the model"
SQUARED_BATCH = "squared batch gradient: mean over batches of <g_b, v>^2"

Relabel = Callable[[nn.Module, Sequences, torch.Generator], Sequences]


def empirical_fisher(
    model: nn.Module,
    batches: Iterable[Sequences],
    losses: Losses,
    directions: Mapping[str, Direction],
    controls: Mapping[str, Tensor] | None = None,
) -> Samples:
    """Per-sequence gradients with the labels of the data."""
    return sequence_samples(model, batches, losses, directions, EMPIRICAL, controls)


def sampled_fisher(
    model: nn.Module,
    batches: Iterable[Sequences],
    losses: Losses,
    relabel: Relabel,
    directions: Mapping[str, Direction],
    seed: int,
    controls: Mapping[str, Tensor] | None = None,
) -> Samples:
    """Per-sequence gradients with labels drawn from the model.

    Args:
        relabel: gives the batch with labels drawn from the model's predictions. Where a sequence's loss is a
            weighted sum of terms, it must also replace the weights w_t by sqrt(w_t): the scores of two terms
            are uncorrelated, so that E q is then sum_t w_t v^T F_t v, the Gauss-Newton curvature of the loss.
        seed: of the labels.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = (relabel(model, batch, generator) for batch in batches)
    return sequence_samples(model, drawn, losses, directions, SAMPLED, controls)


@dataclass(frozen=True)
class Quotients:
    """Curvature along K directions. Each `_se` is an error over the `count` samples, taken as independent.

    q            mean_n <g_n, v>^2 for unit v
    mean_square  <E g, v>^2, the part of q that the mean gradient makes; unbiased (a mean over pairs of
                 different samples), so it can be negative
    trace        tr F = mean_n ||g_n||^2
    isotropic    expected q of a random direction orthogonal to v, exactly: (tr F - q) / (D - 1)
    structured   expected q of a random direction with v's norm in each tensor, exactly:
                 sum_i ||v_i||^2 tr F_i / D_i
    anisotropy   q / isotropic
    anisotropy_structured  q / structured: above 1 where v is more than in the right tensors
    control      (3, K) 2.5 %, 50 % and 97.5 % points of q / isotropic over random directions with v's norm in each
                 tensor, on the same samples; nan where none were drawn
    """

    definition: str
    labels: tuple[str, ...]
    count: int
    q: np.ndarray
    q_se: np.ndarray
    mean_square: np.ndarray
    mean_square_se: np.ndarray
    trace: float
    trace_se: float
    isotropic: np.ndarray
    structured: np.ndarray
    anisotropy: np.ndarray
    anisotropy_se: np.ndarray
    anisotropy_structured: np.ndarray
    anisotropy_structured_se: np.ndarray
    control: np.ndarray


def quotients(samples: Samples) -> Quotients:
    """q, its baselines and the ratios, with jackknife errors. No samples, or nan gradients, give nan."""
    n = len(samples.along)
    found = {name: values[0] for name, values in _measure(samples, np.full((1, n), 1 / max(n, 1)), n).items()}
    replicates = _measure(samples, leave_one_out(n), n - 1)
    errors = {name: jackknife_error(values) for name, values in replicates.items()}
    return Quotients(
        definition=samples.definition,
        labels=samples.labels,
        count=n,
        q=found["q"],
        q_se=errors["q"],
        mean_square=found["mean_square"],
        mean_square_se=_pairs_error(found["q"], found["mean_square"], n),
        trace=float(found["trace"]),
        trace_se=float(errors["trace"]),
        isotropic=found["isotropic"],
        structured=found["structured"],
        anisotropy=found["anisotropy"],
        anisotropy_se=errors["anisotropy"],
        anisotropy_structured=found["anisotropy_structured"],
        anisotropy_structured_se=errors["anisotropy_structured"],
        control=_points(samples) / found["isotropic"],
    )


def _random_quotients(samples: Samples) -> np.ndarray:
    """(R, K) q of random directions with the norm of each direction in each tensor."""
    weights = np.sqrt(samples.shares)  # (N, K)
    along = np.einsum("nir,ik->nrk", samples.control, weights)
    return (along**2).mean(axis=0) if len(along) else along.sum(axis=0) * np.nan


def _points(samples: Samples) -> np.ndarray:
    drawn = _random_quotients(samples)
    return np.percentile(drawn, [2.5, 50, 97.5], axis=0) if len(drawn) else np.full((3, drawn.shape[1]), np.nan)


def _measure(samples: Samples, weights: np.ndarray, used: int) -> dict[str, np.ndarray]:
    """The quantities of `Quotients` for each row of weights, all of which average over `used` samples."""
    sizes = np.array(list(samples.sizes.values()), dtype=float)
    w = 1 / used if used > 0 else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        q = weights @ samples.along**2 + 0 * w  # the mean of nothing is nan
        traces = weights @ samples.squares + 0 * w
        trace = traces.sum(axis=1)
        isotropic = (trace[:, None] - q) / (sizes.sum() - 1)
        structured = (traces / sizes) @ samples.shares
        return {
            "q": q,
            # (sum_n w x_n)^2 holds w^2 x_n^2 for every n, which is spread and not mean.
            "mean_square": ((weights @ samples.along) ** 2 - w * q) / np.float64(1 - w),
            "trace": trace,
            "isotropic": isotropic,
            "structured": structured,
            "anisotropy": q / isotropic,
            "anisotropy_structured": q / structured,
        }


def _pairs_error(q: np.ndarray, mean_square: np.ndarray, n: int) -> np.ndarray:
    """Standard error of the mean of x_i x_j over pairs i != j, whose mean mu may be zero.

    Its variance is (4 (n - 2) mu^2 s^2 + 2 (s^4 + 2 mu^2 s^2)) / (n (n - 1)). The jackknife sees only the
    first term, which vanishes with mu.
    """
    if n < 2:
        return np.full(q.shape, np.nan)
    mu2 = np.maximum(mean_square, 0.0)
    s2 = q - mu2
    return np.sqrt((4 * (n - 1) * mu2 * s2 + 2 * s2**2) / (n * (n - 1)))
