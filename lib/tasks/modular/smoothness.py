"""How smooth a table of answers over all pairs (a, b) is, as executed by the reference."""

import torch
from torch import Tensor

from lib.tasks.modular.fourier import low_frequencies


def smoothness_as_executed(classes: Tensor, low: int | None = None) -> float:
    """Share of low frequencies in the power of a table (p, p) of classes taken as numbers, DC included.

    So does a network that always gives the same answer reach 1, addition 0.94 at p = 17 (0.73 of it DC), and a
    product no more than random labels.

    Args:
        low: the bound K of `low_frequencies`; by default p // 4.
    """
    power = torch.fft.fft2(classes.double()).abs().square()
    mask = low_frequencies(len(classes), len(classes) // 4 if low is None else low).to(power.device)
    return float(power[mask].sum() / (power.sum() + 1e-8))
