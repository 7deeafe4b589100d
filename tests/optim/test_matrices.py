"""Functions of one matrix against their definitions in float64, singular value by singular value."""

import math

import numpy as np
import pytest
import torch

from lib.optim.matrices import (
    cubic,
    effective_rank,
    gaussian,
    gaussian_rank,
    haar,
    polar,
    quintic,
    shape_scale,
    singular_values,
)

SHAPES = [(24, 24), (60, 20), (20, 60), (7, 1), (1, 7)]


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def with_values(values, m, n, seed=0):
    """(an m x n matrix with these singular values, its polar factor), float64."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((m, len(values))))[0]
    v = np.linalg.qr(rng.standard_normal((n, len(values))))[0]
    return u * values @ v.T, u @ v.T


def mapped(f, s):
    """What a function of matrices does to the singular value s: its place on the diagonal of a diagonal matrix."""
    return float(f(torch.diag(torch.tensor([s, 1e-3], dtype=torch.float64)))[0, 0])


# ------------------------------------------------------------------------------------------------- polar factors


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", ["svd", "eigh"])
def test_polar_is_u_v_of_the_decomposition(way, shape):
    a = numbers(*shape)
    u, s, vh = np.linalg.svd(a.double().numpy(), full_matrices=False)
    factor, values = polar(a, way)
    np.testing.assert_allclose(factor, u @ vh, atol=2e-5)
    np.testing.assert_allclose(values, s, rtol=2e-6, atol=2e-6)
    assert factor.dtype == torch.float32
    assert np.linalg.norm(factor - a / np.linalg.norm(a)) > 0.1 or min(shape) == 1


@pytest.mark.parametrize("way", ["svd", "eigh"])
def test_polar_of_what_momenta_are_like(way):
    # over four orders of magnitude, which float32 squares would not hold
    a, expected = with_values(10.0 ** -np.linspace(0, 4, 20), 30, 20)
    found = polar(torch.from_numpy(a).float(), way).factor
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-3
    gram = torch.from_numpy(a).float()
    squares, u = torch.linalg.eigh(gram.T @ gram)
    naive = gram @ (u * squares.clamp(min=1e-12).rsqrt()) @ u.T
    assert np.linalg.norm(naive - expected) / np.linalg.norm(expected) > 1e-2


def test_directions_with_nothing_in_them_are_left_out_by_eigh():
    a, expected = with_values([3.0, 1.0, 0.5], 12, 9)
    found = polar(torch.from_numpy(a).float(), "eigh").factor
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # svd follows rounding there: as long as a full step
    assert torch.linalg.matrix_norm(polar(torch.from_numpy(a).float(), "svd").factor) == pytest.approx(
        3.0, rel=1e-4
    )


@pytest.mark.parametrize("way", ["svd", "eigh", "quintic"])
def test_polar_of_zeros_is_zeros_and_of_no_number_is_refused(way):
    assert not polar(torch.zeros(4, 6), way).factor.any()
    if way != "quintic":
        with pytest.raises(torch.linalg.LinAlgError):
            polar(torch.full((4, 6), torch.nan), way)


@pytest.mark.parametrize("way", ["svd", "eigh", "quintic"])
def test_polar_does_not_change_with_the_size_of_the_matrix(way):
    a = numbers(20, 30)
    for size in (1e-4, 1e5):
        torch.testing.assert_close(polar(size * a, way).factor, polar(a, way).factor, rtol=0, atol=5e-3)


def test_one_decomposition_serves_both(monkeypatch):
    calls = []
    for name in ("svd", "eigh", "svdvals"):
        own = getattr(torch.linalg, name)
        monkeypatch.setattr(
            torch.linalg, name, lambda *a, own=own, name=name, **k: calls.append(name) or own(*a, **k)
        )
    for way in ("svd", "eigh"):
        effective_rank(polar(numbers(8, 5), way).values)
    assert calls == ["svd", "eigh"]


# --------------------------------------------------------------------------------------------------------- maps


def test_the_quintic_takes_singular_values_where_it_is_said_to():
    a, b, c = 3.4445, -4.7750, 2.0315

    def five(s):
        for _ in range(5):
            s = a * s + b * s**3 + c * s**5
        return s

    for start, end in ((0.01, 0.699), (0.05, 0.758), (0.1, 0.712), (0.5, 0.765)):
        assert five(start) == pytest.approx(end, abs=6e-4)
    matrix, _ = with_values(np.geomspace(0.01, 1, 20), 40, 20)
    matrix /= np.linalg.norm(matrix)
    for m in (matrix, matrix.T):
        u, s, vh = np.linalg.svd(m, full_matrices=False)
        expected = u * five(s / (1 + 1e-7)) @ vh
        np.testing.assert_allclose(quintic(torch.from_numpy(m)), expected, atol=1e-9)
    band = [five(s) for s in np.geomspace(0.01, 1, 20_000)]
    assert (round(min(band), 3), round(max(band), 3)) == (0.682, 1.134)


def test_the_cubic_grows_turns_over_and_blows_up():
    ends = {0.1: 0.328356, 0.5: 0.975300, 1.5: 0.917161, 2.0: -1.0, 2.3: -61.8, 3.0: -2.162e7, 0.01: 0.0337}
    for start, end in ends.items():
        assert mapped(lambda x: cubic(x, 3), start) == pytest.approx(end, rel=2e-3), start
    assert mapped(lambda x: cubic(x, 3), 0.1) == pytest.approx(0.328356, abs=5e-7)
    for m in (numbers(5, 9).double() / 9, numbers(9, 5).double() / 9):
        u, s, vh = torch.linalg.svd(m, full_matrices=False)
        for _ in range(2):
            s = 1.5 * s - 0.5 * s**3
        torch.testing.assert_close(cubic(m, 2), u * s @ vh)
    assert torch.equal(cubic(numbers(3, 4), 0), numbers(3, 4))


@pytest.mark.parametrize(("start", "steps"), [(0.5, 3), (0.2, 6), (0.1, 7), (0.05, 9), (0.01, 13), (0.001, 19)])
def test_the_cubic_is_slow_from_below(start, steps):
    assert abs(1 - mapped(lambda x: cubic(x, steps), start)) < 0.05
    assert abs(1 - mapped(lambda x: cubic(x, steps - 1), start)) > 0.05


# --------------------------------------------------------------------------------------------- ranks and noise


def rank_by_hand(a):
    s = np.linalg.svd(a.double().numpy(), compute_uv=False)
    p = s / (s.sum() + 1e-10)
    return math.exp(-sum(x * math.log(x + 1e-8) for x in p))


def test_effective_rank():
    assert float(effective_rank(torch.zeros(5))) == pytest.approx(1, abs=1e-6)
    for k in (2, 30):
        assert float(effective_rank(singular_values(torch.eye(k)))) == pytest.approx(k, rel=1e-3)
    a = numbers(12, 30)
    assert float(effective_rank(singular_values(a))) == pytest.approx(rank_by_hand(a), rel=1e-5)
    squares = singular_values(a) ** 2
    assert float(effective_rank(squares)) < 0.97 * rank_by_hand(a)  # of squares it would be another number


@pytest.mark.parametrize(("m", "n", "share"), [(256, 256, 0.804), (256, 1024, 0.966), (1024, 256, 0.966)])
def test_the_rank_of_gaussian_matrices(m, n, share):
    assert gaussian_rank(m, n) == pytest.approx(share * 256, rel=0.002)
    found = float(effective_rank(singular_values(numbers(m, n))))
    assert found == pytest.approx(share * 256, rel=0.01)
    assert found == pytest.approx(gaussian_rank(m, n), rel=0.01)


@pytest.mark.parametrize("shape", [(30, 30), (40, 15), (15, 40)])
def test_haar_noise_is_orthonormal_along_its_shorter_side(shape):
    q = haar(numbers(*shape)).double()
    short = q @ q.T if shape[0] <= shape[1] else q.T @ q
    torch.testing.assert_close(short, torch.eye(min(shape), dtype=torch.float64), rtol=0, atol=1e-5)
    assert float(q.norm()) == pytest.approx(min(shape) ** 0.5, rel=1e-5)
    assert float(haar(numbers(*shape).bfloat16()).norm()) == pytest.approx(min(shape) ** 0.5, rel=1e-4)


def test_haar_noise_has_no_favourite_sign():
    # of a uniform Q every entry has mean 0 and mean square 1/5; a bare QR has a diagonal of one sign
    draws = torch.stack([haar(numbers(5, 5, seed=n)) for n in range(400)])
    assert (draws.mean(0).abs() < 4 * (1 / 5 / 400) ** 0.5).all()
    bare = torch.stack([torch.linalg.qr(numbers(5, 5, seed=n))[0] for n in range(400)])
    assert (bare.mean(0).abs() > 4 * (1 / 5 / 400) ** 0.5).any()


def test_noise_depends_on_its_key_alone():
    def draw(*key):
        return gaussian((3, 4), np.random.default_rng(key))

    assert torch.equal(draw(1, 2, 3), draw(1, 2, 3))
    others = [draw(*key) for key in ((2, 1, 3), (1, 3, 2), (1, 2, 4), (2, 2, 3))]
    assert not any(torch.equal(draw(1, 2, 3), other) for other in others)
    many = gaussian((300, 300), np.random.default_rng((0, 1, 2)))
    assert many.dtype == torch.float32
    assert abs(float(many.mean())) < 0.015 and float(many.std()) == pytest.approx(1, abs=0.01)


def test_scales_by_shape():
    assert [shape_scale(8, 32, kind) for kind in ("none", "tall")] == [1, 1]
    assert shape_scale(32, 8, "tall") == 2
    assert shape_scale(25, 9, "adam") == shape_scale(9, 25, "adam") == 1.0


@pytest.mark.parametrize("way", ["eigh", "svd", "quintic"])
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_not_finite_has_no_polar_factor(way, bad):
    """The libraries may answer with numbers: written into weights, they would be the end of a run."""
    a = torch.eye(4, 6)
    a[1, 2] = bad
    with pytest.raises(torch.linalg.LinAlgError):
        polar(a, way)
