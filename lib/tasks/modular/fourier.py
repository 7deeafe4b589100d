"""The Fourier transform of a table of logits over all pairs (a, b), and what of it belongs to the operation.

Of logits L[a, b, c] the transform is F[u, v, c] = sum_ab L[a, b, c] exp(-2 pi i (u a + v b) / n). A table that
depends on a + b alone has nothing but u = v; one of a - b nothing but u = -v. The component k of a sum is the pair
of conjugates (k, k) and (-k, -k), that of a difference (k, -k) and (-k, k). A product is a sum of logarithms:
`along` puts its rows into their order. What is constant over all pairs, F[0, 0], belongs to no operation.

All functions take tensors of any floating kind, on any device, and can be differentiated.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

KEY_SHARE = 0.15  # of the largest power, from which on a frequency is a key
SIGNS = {"add": 1, "sub": -1, "mul": 1}  # of b, in what the operation is a function of


class Progress(NamedTuple):
    """Mean cross-entropies over all pairs: of the logits, of the key frequencies alone, and without them."""

    full: Tensor
    restricted: Tensor
    excluded: Tensor


# ----------------------------------------------------------------------------------------------- the table's order


def primitive_root(p: int) -> int:
    """The smallest g whose powers are all residues but 0.

    Raises: ValueError where p is not a prime, since then there need not be one.
    """
    if p < 2 or any(p % n == 0 for n in range(2, int(p**0.5) + 1)):
        raise ValueError(f"{p} is not a prime, and logarithms modulo p need one")
    return next(g for g in range(1, p) if len({pow(g, n, p) for n in range(p - 1)}) == p - 1)


def order(operation: str, p: int) -> list[int]:
    """The residues in the order in which the operation adds their places: g^0, g^1, ... for products, without 0."""
    if operation != "mul":
        return list(range(p))
    g = primitive_root(p)
    return [pow(g, n, p) for n in range(p - 1)]


def along(table: Tensor, operation: str) -> Tensor:
    """(p, p, ...) -> (n, n, ...): a table over pairs with its rows and columns in the operation's `order`."""
    places = torch.tensor(order(operation, len(table)), device=table.device)
    return table[places][:, places]


# ---------------------------------------------------------------------------------------------------------- power


def spectrum(logits: Tensor) -> Tensor:
    """(n, n, C) -> (n, n): |F[u, v, c]|^2 summed over c, with 0 for what is constant over all pairs."""
    power = torch.fft.fft2(logits, dim=(0, 1)).abs().square().sum(dim=2)
    return power.index_put((torch.tensor([0]), torch.tensor([0])), power.new_zeros(1))


def power_of(logits: Tensor, sign: int = 1) -> Tensor:
    """(n, n, C) -> (n // 2,): the power of the components k = 1, 2, ... of a + sign b."""
    power, n = spectrum(logits), len(logits)
    k = torch.arange(1, n // 2 + 1, device=logits.device)
    there, back = power[k, sign * k % n], power[-k % n, -sign * k % n]
    return torch.where(2 * k == n, there, there + back)  # the middle one is its own conjugate


def explained(logits: Tensor, sign: int = 1) -> Tensor:
    """Share of the power, without the constant, that a + sign b decides: 1 for its own table, nan of a constant."""
    return power_of(logits, sign).sum() / spectrum(logits).sum()


def key_frequencies(power: Tensor, share: float = KEY_SHARE) -> Tensor:
    """The k = 1, 2, ... whose power is at least `share` of the largest; none where there is no power at all."""
    return torch.nonzero((power >= share * power.max()) & (power > 0)).flatten() + 1


def embedding_power(matrix: Tensor) -> Tensor:
    """(n, d) -> (n // 2,): squared coefficients of orthonormal sines and cosines of k = 1, 2, ..., summed over d.

    With the share of the mean, ||sum of rows||^2 / n, they add up to the squared norm of the matrix.
    """
    n = len(matrix)
    power = torch.fft.rfft(matrix, dim=0).abs().square().sum(dim=1)[1:] / n
    twice = torch.full_like(power, 2.0)
    if n % 2 == 0:
        twice[-1] = 1.0
    return twice * power


# ---------------------------------------------------------------------------------------- with and without the keys


def _mask(n: int, keys: Tensor, sign: int) -> Tensor:
    """(n, n): 1 at the components of the keys."""
    mask = torch.zeros(n, n, device=keys.device)
    mask[keys % n, sign * keys % n] = 1.0
    mask[-keys % n, -sign * keys % n] = 1.0
    return mask


def excluded(logits: Tensor, keys: Tensor, sign: int = 1) -> Tensor:
    """The logits without the components of the keys; what is constant over all pairs stays."""
    mask = 1 - _mask(len(logits), keys, sign).to(logits.device)
    return torch.fft.ifft2(torch.fft.fft2(logits, dim=(0, 1)) * mask[:, :, None], dim=(0, 1)).real


def restricted(logits: Tensor, keys: Tensor, sign: int = 1) -> Tensor:
    """What is constant over all pairs, and the components of the keys."""
    return logits - excluded(logits, keys, sign) + logits.mean(dim=(0, 1))


def progress(logits: Tensor, labels: Tensor, keys: Tensor, sign: int = 1) -> Progress:
    """Cross-entropies of a table (n, n, C) with labels (n, n): whole, restricted to the keys, and without them."""
    tables = (logits, restricted(logits, keys, sign), excluded(logits, keys, sign))
    return Progress(*(F.cross_entropy(t.flatten(0, 1), labels.flatten()) for t in tables))
