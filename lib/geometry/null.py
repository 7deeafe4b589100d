"""The no-learning nulls: what the geometry of a run would be had its gradients been noise.

The null of a run is isotropic noise scaled by the learning rate, decoupled weight decay w, and a random
start:

    theta_t = (1 - lr_t w) theta_{t-1} + lr_t s z_t,    z_t independent unit vectors,  ||theta_0|| = n0.

In high dimension its Gram matrix is deterministic. With P_t = prod_{i<=t} (1 - lr_i w) and
M_t = (1 - lr_t w)^2 M_{t-1} + lr_t^2,

    <theta_a, theta_b> = s^2 M_min P_max / P_min + n0^2 P_a P_b,    min, max = the earlier, later of a and b.

There is no data and no loss in it, and one scalar s is fitted. Every null here is a digest over one pseudo
tensor, so that exactly the functions that measure a run measure its null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lib.geometry.gram import Digest


def noise_null(steps: np.ndarray, lr: np.ndarray, wd: float, start_norm: float, scale: float) -> Digest:
    """The digest of the null at the given steps, the first of which is the reference.

    Args:
        lr: learning rate of each step; lr[0] is that of step 1.
        scale: s. 0 leaves pure decay; wd = 0 leaves the plain walk; wd = 0 and constant lr the uniform walk.

    Raises: ValueError if the schedule ends before the last step.
    """
    noise, decay = _null_grams(np.asarray(steps), lr, wd)
    return pseudo_digest(np.asarray(steps), scale**2 * noise + start_norm**2 * decay)


def fit_scale(observed: Digest, lr: np.ndarray, wd: float, to: Literal["last", "all"] = "last") -> float:
    """The s for which the null drifts as far as the run.

    Args:
        to: "last" matches the last ||Delta||; "all" is least squares over log ||Delta||(t). A run whose last
            drift is less than decay alone gives s = 0.
    """
    noise, decay = (np.diag(gram)[1:-1] for gram in _null_grams(observed.steps, lr, wd))
    decay = decay * observed.start_norm**2
    target = observed.drift_norms[1:]
    if not len(target):
        return float("nan")
    # With a learning rate of zero there is no noise to scale.
    last = float(np.sqrt(max(0.0, target[-1] ** 2 - decay[-1]) / noise[-1])) if noise[-1] > 0 else 0.0
    used = target > 0
    if to == "last" or last == 0.0 or not used.any():
        return last
    centre, half = np.log(last), np.log(100.0)
    for _ in range(8):
        grid = centre + np.linspace(-half, half, 65)
        drift = np.sqrt(np.exp(2 * grid)[:, None] * noise[used] + decay[used])
        centre = grid[np.argmin(np.sum(np.log(drift / target[used]) ** 2, axis=1))]
        half /= 16
    return float(np.exp(centre))


def isotropic_scale(n_params: int) -> float:
    """s = sqrt(D), without fitting: noise divided by its own RMS moves each coordinate by lr per step."""
    return float(np.sqrt(n_params))


def fitted_null(observed: Digest, lr: np.ndarray, wd: float, to: Literal["last", "all"] = "last") -> Digest:
    """The null of a run: at its steps, from its start, with s fitted to it."""
    return noise_null(observed.steps, lr, wd, observed.start_norm, fit_scale(observed, lr, wd, to))


def decay_factors(lr: np.ndarray, wd: float, momentum: float = 0.0) -> np.ndarray:
    """f_t = ||theta_t|| / ||theta_0|| with zero gradients, for t = 0 .. len(lr).

    Without momentum f <- (1 - lr w) f: decoupled decay, and SGD with the decay in the gradient. With it, the
    decay in the gradient is accumulated as well: m <- momentum m + w f, f <- f - lr m.
    """
    factors = np.ones(len(lr) + 1)
    velocity = 0.0
    for t, rate in enumerate(lr, start=1):
        velocity = momentum * velocity + wd * factors[t - 1]
        factors[t] = factors[t - 1] - rate * velocity
    return factors


def decay_share(observed: Digest, lr: np.ndarray, wd: float) -> np.ndarray:
    """Share of ||theta_t - theta_0||^2 that decay alone accounts for, at each step; nan at zero drift."""
    _, decay = _null_grams(observed.steps, lr, wd)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.diag(decay)[:-1] * observed.start_norm**2 / observed.drift_norms**2


def adam_null(
    observed: Digest, lr: np.ndarray, wd: float, beta1: float = 0.9, average: int | None = None, **_: float
) -> Digest:
    """Noise through AdamW: its momentum exactly, its second moment as a constant.

    White gradients have an m_t that is linear in them and a v_t that hardly moves, so that theta_t is linear in the
    gradients, as in `momentum_null`. Simulated walks agree at beta2 from 0.8 to 0.99. The running average that a
    snapshot may hold, over `average` steps, is linear too.
    """
    _check_schedule(observed.steps, lr)
    last = int(observed.steps[-1])
    theta, m = np.zeros(last + 1), np.zeros(last + 1)
    theta[0] = 1.0
    held = theta.copy()
    wanted, rows = set(observed.steps.tolist()), {0: theta.copy()}
    for t in range(1, last + 1):
        rate = lr[t - 1]
        m *= beta1
        m[t] = 1 - beta1
        theta = (1 - rate * wd) * theta - rate / (1 - beta1**t) * m
        held = held + (theta - held) / average if average else theta
        if t in wanted:
            rows[t] = held.copy()
    return _linear_null(observed, np.stack([rows[int(step)] for step in observed.steps]))


def momentum_null(
    observed: Digest,
    lr: np.ndarray,
    wd: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    decoupled: bool = False,
    average: int | None = None,
) -> Digest:
    """Noise through SGD with momentum, exactly: white gradients of one length, fitted to the run's last drift.

    SGD is linear in its gradients, so theta_t = f_t theta_0 + sum_i A_ti z_i with z_i independent and of equal
    length; in high dimension the Gram matrix is s^2 A A^T + n0^2 f f^T. What is assumed: gradients have the same
    size at every step, no memory and no direction.
    """
    given = (momentum, dampening, nesterov, decoupled, average)
    return _linear_null(observed, _responses(observed.steps, lr, wd, *given))


def polar_null(
    observed: Digest,
    lr: np.ndarray,
    wd: float,
    momentum: float = 0.95,
    nesterov: bool = False,
    average: int | None = None,
) -> Digest:
    """Noise through the polar factor of a momentum: steps of one length, as like each other as their momenta are.

    A step is polar(M_t), of length sqrt(min(m, n)) whatever M_t is. Of Gaussian gradients M_t and M_s have the
    correlation rho = mu^|t-s| (less while the memory fills), and their polar factors c(rho): rho itself for
    matrices much longer than wide, whose polar factor is M over one number; for square ones c(rho) / rho rises
    from (8 / 3 pi)^2 = 0.72 at rho = 0 to 1 at rho = 1, and is above 0.91 from three to one on. Here c = rho. For a
    run of 640 steps with mu = 0.95 and square matrices alone that is 0.1 points too much of PC1, where all of the
    memory makes 1.9; early updates align by 0.037 in place of 0.034.

    Assumed besides: gradients are white and Gaussian, and have the same size at every step since the memory filled.
    """
    _check_schedule(observed.steps, lr)
    last = int(observed.steps[-1])
    theta, memory = np.zeros(last + 1), np.zeros(last + 1)
    theta[0] = 1.0
    held = theta.copy()
    wanted, rows = set(observed.steps.tolist()), {0: theta.copy()}
    for t in range(1, last + 1):
        rate = lr[t - 1]
        memory *= momentum
        memory[t] = 1.0
        step = momentum * memory if nesterov else memory
        if nesterov:
            step[t] += 1.0
        theta = (1 - rate * wd) * theta - rate * step / np.linalg.norm(step)
        held = held + (theta - held) / average if average else theta
        if t in wanted:
            rows[t] = held.copy()
    return _linear_null(observed, np.stack([rows[int(step)] for step in observed.steps]))


def _linear_null(observed: Digest, responses: np.ndarray) -> Digest:
    """The null of weights that are linear in white gradients: column 0 of theta_0, column i of the i-th."""
    kept, noisy = responses[:, 0], responses[:, 1:]
    rows = np.vstack([np.eye(len(kept)), np.zeros(len(kept))])
    rows[:-1, 0] -= 1
    rows[-1, 0] = 1
    noise, decay = rows @ noisy @ noisy.T @ rows.T, np.outer(rows @ kept, rows @ kept) / kept[0] ** 2
    left = observed.drift_norms[-1] ** 2 - observed.start_norm**2 * decay[-2, -2]
    scale = max(0.0, left) / noise[-2, -2] if noise[-2, -2] > 0 else 0.0
    return pseudo_digest(observed.steps, scale * noise + observed.start_norm**2 * decay)


def _responses(
    steps: np.ndarray,
    lr: np.ndarray,
    wd: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    decoupled: bool,
    average: int | None = None,
) -> np.ndarray:
    """At the given steps, what is left of theta_0, and what each step's gradient has moved."""
    _check_schedule(steps, lr)
    last = int(steps[-1])
    # Column 0 is theta_0, column i the gradient of step i: all follow the same linear recursion.
    theta, buffer = np.zeros(last + 1), np.zeros(last + 1)
    theta[0] = 1.0
    held = theta.copy()
    wanted, rows = set(steps.tolist()), {0: theta.copy()}
    for t in range(1, last + 1):
        rate = lr[t - 1]
        gradient = np.zeros(last + 1) if decoupled else wd * theta
        gradient[t] += 1.0
        buffer = gradient.copy() if t == 1 else momentum * buffer + (1 - dampening) * gradient
        if decoupled:
            theta = (1 - rate * wd) * theta
        theta = theta - rate * (gradient + momentum * buffer if nesterov else buffer)
        held = held + (theta - held) / average if average else theta
        if t in wanted:
            rows[t] = held.copy()
    return np.stack([rows[int(step)] for step in steps])


# What noise through an optimizer does, by the kind of its step; of another kind there is no such null.
NOISE = {"adam": adam_null, "momentum": momentum_null, "polar": polar_null}


@dataclass(frozen=True)
class Comparison:
    """Quantities by name: observed, the same of the null, and excess = observed - null."""

    observed: dict[str, float | np.ndarray]
    null: dict[str, float | np.ndarray]
    excess: dict[str, float | np.ndarray]


def compare(
    measure: Callable[[Digest], Mapping[str, float | np.ndarray]], observed: Digest, null: Digest
) -> Comparison:
    """Measure a run and its null by the same function.

    Raises: ValueError if the two are not at the same steps: a window would then hold different rows.
    """
    if not np.array_equal(observed.steps, null.steps):
        raise ValueError(f"the run has {len(observed.steps)} steps and the null {len(null.steps)}, or other ones")
    a, b = dict(measure(observed)), dict(measure(null))
    return Comparison(a, b, {name: a[name] - b[name] for name in a})


def _null_grams(steps: np.ndarray, lr: np.ndarray, wd: float) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrices of the noise for s = 1 and of the decay for n0 = 1, as the rows of a digest."""
    _check_schedule(steps, lr)
    p = decay_factors(lr, wd)
    m = np.zeros(len(lr) + 1)
    for t, rate in enumerate(lr, start=1):
        m[t] = (1 - rate * wd) ** 2 * m[t - 1] + rate**2
    p, m = p[steps], m[steps]
    earlier = np.minimum.outer(np.arange(len(steps)), np.arange(len(steps)))
    # P_max / P_min = P_a P_b / P_min^2
    noise = m[earlier] * np.outer(p, p) / p[earlier] ** 2
    # Rows of a digest: drifts from the first snapshot, then that snapshot.
    rows = np.vstack([np.eye(len(steps)), np.zeros(len(steps))])
    rows[:-1, 0] -= 1
    rows[-1, 0] = 1
    return rows @ noise @ rows.T, np.outer(rows @ p, rows @ p) / p[0] ** 2


def _check_schedule(steps: np.ndarray, lr: np.ndarray) -> None:
    if steps[-1] > len(lr):
        raise ValueError(f"the learning rates end at step {len(lr)}, before the last snapshot at step {steps[-1]}")


def pseudo_digest(steps: np.ndarray, gram: np.ndarray) -> Digest:
    """A Gram matrix over the rows of a digest as one of a single tensor."""
    return Digest(
        steps=steps.astype(np.int64),
        dropped=np.empty(0, dtype=np.int64),
        tensors=("null",),
        sizes=np.ones(1, dtype=np.int64),
        gram=gram[None],
    )
