"""The Fourier transform of tables of logits: closed forms, and the transform as a plain sum."""

import cmath
import math

import pytest
import torch
from torch import Tensor

from lib.tasks.modular import fourier


def table(p: int, sign: int, keys: tuple[int, ...]) -> Tensor:
    """sum_k cos(2 pi k (a + sign b - c) / p)."""
    a, b, c = torch.meshgrid(*[torch.arange(p, dtype=torch.float64)] * 3, indexing="ij")
    return sum(torch.cos(2 * math.pi * k * (a + sign * b - c) / p) for k in keys)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", [7, 8, 13])
def test_a_sum_is_explained_by_sums_alone(p: int) -> None:
    every = tuple(range(1, p // 2 + 1))
    assert fourier.explained(table(p, 1, every)) == pytest.approx(1.0)
    odd = [k for k in every if 2 * k != p]  # the middle one is a sum and a difference at once
    assert fourier.explained(table(p, -1, tuple(odd))) == pytest.approx(0.0, abs=1e-20)
    assert fourier.explained(table(p, -1, every), sign=-1) == pytest.approx(1.0)


def test_a_constant_is_not_counted_for_the_operation() -> None:
    logits = table(11, 1, (2,)) + noise(11)
    assert fourier.explained(logits) == pytest.approx(1.0)
    assert fourier.spectrum(logits)[0, 0] == 0


def test_power_is_the_plain_sum() -> None:
    p = 5
    logits = noise(p, p, 3)
    for k, power in enumerate(fourier.power_of(logits), 1):
        total = 0.0
        for u in (k, -k):
            for c in range(3):
                total += (
                    abs(
                        sum(
                            logits[a, b, c].item() * cmath.exp(-2j * math.pi * u * (a + b) / p)
                            for a in range(p)
                            for b in range(p)
                        )
                    )
                    ** 2
                )
        assert power == pytest.approx(total)


def test_random_logits_have_the_share_of_the_components() -> None:
    p = 31
    shares = [fourier.explained(noise(p, p, 8, seed=seed)).item() for seed in range(8)]
    assert sum(shares) / 8 == pytest.approx((p - 1) / (p * p - 1), rel=0.05)


def test_a_product_is_a_sum_of_logarithms() -> None:
    p = 13
    a, b, c = torch.meshgrid(*[torch.arange(p)] * 3, indexing="ij")
    logits = (a * b % p == c).double()
    ordered = fourier.along(logits, "mul")
    assert ordered.shape == (p - 1, p - 1, p)
    assert fourier.explained(ordered) == pytest.approx(1.0)
    assert fourier.explained(logits) < 0.5
    with pytest.raises(ValueError, match="15 is not a prime"):
        fourier.along(noise(15, 15, 2), "mul")


@pytest.mark.parametrize(("p", "root"), [(2, 1), (3, 2), (7, 3), (23, 5), (41, 6)])
def test_primitive_roots(p: int, root: int) -> None:
    assert fourier.primitive_root(p) == root


def test_keys_are_those_with_a_share_of_the_largest_power() -> None:
    logits = table(17, 1, (3, 5)) + 0.3 * table(17, 1, (7,))  # 0.09 of the power
    power = fourier.power_of(logits)
    assert fourier.key_frequencies(power).tolist() == [3, 5]
    assert fourier.key_frequencies(power, 0.05).tolist() == [3, 5, 7]
    assert fourier.key_frequencies(torch.zeros(4)).tolist() == []


@pytest.mark.parametrize("sign", [1, -1])
def test_restricted_and_excluded_take_the_table_apart(sign: int) -> None:
    p, keys = 11, torch.tensor([2, 4])
    kept, rest, constant = table(p, sign, (2, 4)), table(p, sign, (1,)) + table(p, -sign, (2,)), noise(p)
    logits = kept + rest + constant
    torch.testing.assert_close(fourier.restricted(logits, keys, sign), kept + constant)
    torch.testing.assert_close(fourier.excluded(logits, keys, sign), rest + constant)


def test_progress_of_a_perfect_table() -> None:
    p = 11
    logits = 8 * table(p, 1, (2, 4))
    labels = (torch.arange(p)[:, None] + torch.arange(p)) % p
    found = fourier.progress(logits, labels, torch.tensor([2, 4]))
    assert found.restricted == pytest.approx(found.full)
    assert found.full < 0.1
    assert found.excluded == pytest.approx(math.log(p))  # nothing is left to tell classes apart


def test_the_power_of_an_embedding_is_its_squared_norm() -> None:
    for n in (9, 10):
        matrix = noise(n, 4)
        mean = matrix.sum(dim=0).square().sum() / n
        assert fourier.embedding_power(matrix).sum() + mean == pytest.approx(matrix.square().sum().item())
    wave = torch.cos(2 * math.pi * 3 * torch.arange(10, dtype=torch.float64) / 10)[:, None]
    assert fourier.embedding_power(wave).argmax() == 2


def test_gradients_go_through() -> None:
    logits = noise(5, 5, 5).requires_grad_()
    labels = (torch.arange(5)[:, None] + torch.arange(5)) % 5
    keys = torch.tensor([1])
    sums = [fourier.progress(logits, labels, keys).restricted, fourier.explained(logits)]
    for total in sums:
        (gradient,) = torch.autograd.grad(total, logits)
        step = 1e-6 * torch.randn_like(logits)
        with torch.no_grad():
            moved = logits + step
            after = (
                fourier.progress(moved, labels, keys).restricted if total is sums[0] else fourier.explained(moved)
            )
        assert (after - total).item() == pytest.approx((gradient * step).sum().item(), rel=1e-3)
