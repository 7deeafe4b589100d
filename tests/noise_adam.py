"""AdamW on white noise, step by step: the oracle of the closed form, and trajectories for tests."""

import numpy as np

from lib.geometry.gram import Digest
from lib.geometry.null import pseudo_digest

INIT_STD = 0.02
GRADIENT_STD = 0.01  # immaterial: Adam divides it out, and eps is far below it


def noise_adam(
    steps: np.ndarray,
    lr: np.ndarray,
    wd: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.95,
    eps: float = 1e-8,
    size: int = 40_000,
    seed: int = 0,
) -> Digest:
    """The digest of a simulated AdamW run whose gradients are white noise.

    It has what the analytic null leaves out: momentum, the second moment and its beta2, bias correction.

    Args:
        size: coordinates simulated.
    """
    steps = np.asarray(steps)
    rng = np.random.default_rng(seed)
    theta = INIT_STD * rng.standard_normal(size)
    m, v = np.zeros(size), np.zeros(size)
    wanted = set(steps.tolist())
    kept = [theta.copy()] if 0 in wanted else []
    for t in range(1, int(steps[-1]) + 1):
        g = GRADIENT_STD * rng.standard_normal(size)
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        rate = lr[t - 1]
        theta *= 1 - rate * wd
        theta -= rate / (1 - beta1**t) * m / (np.sqrt(v / (1 - beta2**t)) + eps)
        if t in wanted:
            kept.append(theta.copy())
    rows = np.stack([*kept, kept[0]])
    rows[:-1] -= kept[0]
    return pseudo_digest(steps, rows @ rows.T)
