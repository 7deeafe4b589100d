"""Low frequencies in a table over all pairs (a, b).

The reference's smoothness takes the predicted class as a number and counts DC. So does a network that always gives
the same answer reach 1, addition 0.94 at p = 17 (0.73 of it DC), and a product no more than random labels.
"""

import torch
from torch import Tensor


def smooth_share(values: Tensor, low: int | None = None) -> float:
    """Share of low frequencies in the power of a table (p, p) of numbers, DC included: the reference's smoothness.

    Args:
        low: K of `low_mask`; by default p // 4.
    """
    power = torch.fft.fft2(values).abs().square()
    return share_below(power, len(values) // 4 if low is None else low, 1e-8)


def share_below(power: Tensor, low: int, eps: float = 0.0) -> float:
    """Share of a power spectrum (n, n) at the frequencies of `low_mask`; nan where there is none."""
    power = power.double()
    return float(power[low_mask(len(power), low).to(power.device)].sum() / (power.sum() + eps))


def low_mask(n: int, low: int) -> Tensor:
    """(n, n): whether sqrt(fx^2 + fy^2) <= low / n, in cycles a sample."""
    steps = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)  # whole numbers, so that the bound is met exactly
    return steps[:, None] ** 2 + steps[None, :] ** 2 <= low**2
