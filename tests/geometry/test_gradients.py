import numpy as np
import pytest
import torch
from torch import nn

from lib.geometry.directions import random_direction
from lib.geometry.fisher import SQUARED_BATCH, empirical_fisher, quotients
from lib.geometry.gradients import (
    GradientGram,
    alignment,
    combined_gram,
    gradient_gram,
    interference,
    squared_batch,
)
from lib.geometry.jackknife import jackknife_error, leave_one_out
from lib.geometry.spectrum import batch_spectrum
from tests.geometry.toy_model import Toy, flat, gradient, losses, make_batch

LAM = 2.0


def split(model, batch):
    """The first positions as language, the last as the probe; a batch of odd targets has no probe."""
    if batch.get("plain"):
        return losses(model, batch).mean(), None
    w = batch["weights"].clone()
    w[:, -1] = 0
    language = losses(model, {**batch, "weights": w}).mean()
    return language, losses(model, {**batch, "weights": batch["weights"] - w}).mean()


@pytest.fixture
def model():
    return Toy()


@pytest.fixture
def batches():
    return [make_batch(3, seed) for seed in range(5)]


@pytest.fixture
def directions(model):
    return {f"r{k}": random_direction(model, k) for k in range(2)}


@pytest.fixture
def gram(model, batches, directions):
    return gradient_gram(model, batches, split, directions)


@pytest.fixture
def naive(model, batches):
    """(language, probe) gradients, (M, D) each, from a forward pass of their own."""
    return tuple(np.stack([gradient(model, split(model, b)[i]).numpy() for b in batches]) for i in (0, 1))


def cosine(x, y):
    return x @ y / (np.linalg.norm(x) * np.linalg.norm(y))


def loop_jackknife(statistic, n):
    values = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    return np.sqrt((n - 1) / n * ((values - values.mean(0)) ** 2).sum(0))


def gram_of(language, probe, directions=()):
    """A gram of one tensor from explicit vectors."""
    rows = np.vstack([language, probe])
    labels = tuple(f"v{k}" for k in range(len(directions)))
    units = np.array([v / np.linalg.norm(v) for v in directions]).reshape(len(directions), rows.shape[1])
    return GradientGram(
        labels=labels,
        sizes={"w": rows.shape[1]},
        shares=np.ones((1, len(directions))),
        count=len(language),
        skipped=0,
        gram=(rows @ rows.T)[None],
        along=(rows @ units.T)[None],
    )


# ---------------------------------------------------------------------------------------------- inner products


def test_gram_is_that_of_separate_backward_passes(model, gram, naive, directions):
    units = np.stack([flat(v).double().numpy() / np.linalg.norm(flat(v).double()) for v in directions.values()])
    rows = np.vstack(naive)
    edges = np.cumsum(list(gram.sizes.values()))[:-1]
    assert list(gram.sizes) == list(model.trunk())
    pieces = zip(np.split(rows, edges, axis=1), np.split(units, edges, axis=1), strict=True)
    for i, (y, v) in enumerate(pieces):
        np.testing.assert_allclose(gram.gram[i], y @ y.T, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(gram.along[i], y @ v.T, rtol=1e-9, atol=1e-15)


def test_a_direction_without_length_leaves_the_others_alone(model, batches, gram, directions):
    zero = {name: 0 * v for name, v in directions["r0"].items()}
    found = gradient_gram(model, batches, split, {"zero": zero, **directions})
    assert np.isnan(alignment(found, LAM).of_means[:, 0]).all()
    np.testing.assert_allclose(alignment(found, LAM).of_means[:, 1:], alignment(gram, LAM).of_means)
    assert interference(found).of_means == interference(gram).of_means
    np.testing.assert_allclose(batch_spectrum(found, LAM).overlap[1:], batch_spectrum(gram, LAM).overlap)


def test_a_direction_in_another_order_is_refused(model, batches):
    v = random_direction(model, 0)
    with pytest.raises(ValueError, match="registered order"):
        gradient_gram(model, batches, split, {"v": dict(reversed(v.items()))})


def test_batches_without_a_probe_are_skipped_and_counted(model, batches, gram, directions):
    plain = {**make_batch(3, 9), "plain": True}
    some = gradient_gram(model, [plain, *batches, plain], split, directions)
    assert (some.count, some.skipped) == (5, 2)
    np.testing.assert_array_equal(some.gram, gram.gram)
    none = gradient_gram(model, [plain], split, directions)
    found = interference(none)
    assert (found.count, found.skipped) == (0, 1)
    assert all(np.isnan(x) for x in (found.mean, found.mean_se, found.of_means, found.across))
    assert np.isnan(found.tensors).all() and np.isnan(alignment(none, LAM).of_means).all()
    assert np.isnan(quotients(squared_batch(none, LAM)).q).all()
    assert np.isnan(batch_spectrum(none, LAM).trace) and len(batch_spectrum(none, LAM).uncentred) == 0


# ------------------------------------------------------------------------------------------------ interference


def test_interference_agrees_with_explicit_gradients(gram, naive):
    a, p = naive
    found = interference(gram)
    each = np.array([cosine(x, y) for x, y in zip(a, p, strict=True)])
    np.testing.assert_allclose(found.batches, each, rtol=1e-9)
    np.testing.assert_allclose(found.mean, each.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.mean_se, each.std(ddof=1) / np.sqrt(5), rtol=1e-9)

    def of_means(used):
        return cosine(a[used].mean(0), p[used].mean(0))

    np.testing.assert_allclose(found.of_means, of_means(np.arange(5)), rtol=1e-9)
    np.testing.assert_allclose(found.of_means_se, loop_jackknife(of_means, 5), rtol=1e-8)
    edges = np.cumsum(list(gram.sizes.values()))[:-1]
    pieces = zip(np.split(a.mean(0), edges), np.split(p.mean(0), edges), strict=True)
    np.testing.assert_allclose(found.tensors, [cosine(x, y) for x, y in pieces], rtol=1e-9)
    assert found.tensors_se.shape == found.tensors.shape and np.isfinite(found.tensors_se).all()


def test_cosine_across_batches_is_free_of_noise_that_the_two_gradients_share():
    """Gradients of expected cosine 0.5 in noise that both objectives of a batch have in common."""
    rng = np.random.default_rng(0)
    m, size = 40, 400
    u, v = np.linalg.qr(rng.normal(size=(size, 2)))[0].T
    noise = rng.normal(size=(m, size)) / np.sqrt(size) * 3
    found = interference(gram_of(u + noise, 0.5 * u + np.sqrt(0.75) * v + noise))
    assert found.mean > 0.8  # the noise agrees with itself
    assert abs(found.across - 0.5) < 3 * found.across_se < 0.4
    assert abs(found.across - 0.5) < abs(found.of_means - 0.5)


def test_a_gradient_of_zero_has_no_cosine(model, batches, directions):
    def silent(model, batch):
        language, probe = split(model, batch)
        return language, 0 * probe

    g = gradient_gram(model, batches, silent, directions)
    found = interference(g)
    assert np.isnan(found.batches).all() and np.isnan(found.of_means) and np.isnan(found.across)
    along = alignment(g, LAM)
    assert np.isnan(along.of_means[1]).all() and np.isfinite(along.of_means[[0, 2]]).all()


def test_diverged_weights_give_nan(model, batches, directions):
    with torch.no_grad():
        model.up.weight[0, 0] = float("nan")
    g = gradient_gram(model, batches, split, directions)
    assert np.isnan(interference(g).mean) and np.isnan(alignment(g, LAM).of_means).all()
    spectrum = batch_spectrum(g, LAM)
    assert np.isnan(spectrum.uncentred).all() and np.isnan(spectrum.centred).all()
    assert np.isnan(spectrum.overlap).all() and np.isnan(spectrum.trace)
    assert np.isnan(quotients(squared_batch(g, LAM)).anisotropy).all()


# --------------------------------------------------------------------------------------------------- alignment


class Linear(nn.Module):
    """The loss <c, theta>, whose gradient is c wherever it is taken."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.a, self.b = (nn.Parameter(torch.ones_like(x)) for x in c.values())

    def trunk(self):
        return {"b": self.b, "a": self.a}

    def loss(self, sign):
        return sign * sum((self.c[name] * p).sum() for name, p in self.trunk().items())


def test_the_gradient_of_a_linear_function_aligns_with_its_coefficients():
    c = {"a": torch.arange(6.0).view(2, 3), "b": torch.arange(-3.0, 3.0).view(3, 2)}
    model = Linear(c)
    v = {"b": c["b"], "a": c["a"]}
    batches = [(1.0, 2.0), (1.0, -4.0)]
    directions = {"c": v, "-c": {name: -t for name, t in v.items()}}

    def both(model, batch):
        return model.loss(batch[0]), model.loss(batch[1])

    found = alignment(gradient_gram(model, batches, both, directions), LAM)
    np.testing.assert_allclose(found.mean, [[1, -1], [0, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(found.of_means, [[1, -1], [-1, 1], [-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.noise_floor, np.sqrt(2 / (np.pi * 12)))


def test_alignment_agrees_with_explicit_gradients(gram, naive, directions):
    a, p = naive
    found = alignment(gram, LAM)
    for row, g in enumerate((a, p, a + LAM * p)):
        for column, v in enumerate(directions.values()):
            x = flat(v).double().numpy()
            np.testing.assert_allclose(found.of_means[row, column], cosine(g.mean(0), x), rtol=1e-6)
            each = np.array([cosine(y, x) for y in g])
            np.testing.assert_allclose(found.mean[row, column], each.mean(), rtol=1e-6)
            np.testing.assert_allclose(found.mean_se[row, column], each.std(ddof=1) / 5**0.5, rtol=1e-6)

            def of_means(used, g=g, x=x):
                return cosine(g[used].mean(0), x)

            np.testing.assert_allclose(found.of_means_se[row, column], loop_jackknife(of_means, 5), rtol=1e-6)


def test_the_expected_gradient_aligns_as_its_pairs_say():
    rng = np.random.default_rng(4)
    language, probe = (rng.normal(size=(5, 7)) + 2 * rng.normal(size=7) for _ in range(2))
    directions = rng.normal(size=(2, 7))
    found = alignment(gram_of(language, probe, directions), LAM)
    for row, g in enumerate((language, probe, language + LAM * probe)):
        pairs = [g[i] @ g[j] for i in range(5) for j in range(5) if i != j]
        cosines = [g.mean(0) @ v / np.linalg.norm(v) / np.sqrt(np.mean(pairs)) for v in directions]
        np.testing.assert_allclose(found.expected[row], cosines, rtol=1e-9)


def test_the_expected_gradient_is_free_of_batch_noise():
    """A fixed gradient at 60 degrees to a direction, under noise ten times as long."""
    rng = np.random.default_rng(0)
    mean = np.zeros(400)
    mean[:2] = 0.5, np.sqrt(0.75)
    batches = mean + 10 / np.sqrt(400) * rng.normal(size=(2000, 400))
    found = alignment(gram_of(batches[:1000], np.zeros((1000, 400)), np.eye(400)[:1]), 0.0)
    assert abs(found.of_means[0, 0] - 0.5) > 0.01  # drawn to zero
    assert abs(found.expected[0, 0] - 0.5) < 3 * found.expected_se[0, 0] < 0.1


def test_noise_floor_is_what_random_vectors_reach():
    rng = np.random.default_rng(0)
    g = gram_of(rng.normal(size=(500, 300)), rng.normal(size=(500, 300)), [rng.normal(size=300)])
    each = [abs(alignment(gram_of(x[None], x[None], [y]), 0).mean[0, 0]) for x, y in rng.normal(size=(500, 2, 300))]
    np.testing.assert_allclose(np.mean(each), alignment(g, 0).noise_floor, rtol=0.1)


# ----------------------------------------------------------------------- squared batch gradient and its spectrum


def test_squared_batch_gradient_is_that_of_the_combined_loss(model, batches, gram, directions):
    combined = np.stack([gradient(model, split(model, b)[0] + LAM * split(model, b)[1]).numpy() for b in batches])
    np.testing.assert_allclose(combined_gram(gram, LAM), combined @ combined.T, rtol=1e-9)
    found = quotients(squared_batch(gram, LAM))
    x = flat(directions["r0"]).double().numpy()
    np.testing.assert_allclose(found.q[0], ((combined @ x) ** 2).mean() / (x @ x), rtol=1e-6)
    np.testing.assert_allclose(found.trace, (combined**2).sum(1).mean(), rtol=1e-9)
    assert found.definition == SQUARED_BATCH


def test_batches_of_one_sequence_give_the_empirical_fisher(model, directions):
    whole = make_batch(6, 8)
    singles = [{key: x[i : i + 1] for key, x in whole.items()} for i in range(6)]
    w = whole["weights"].clone()
    w[:, -1] *= LAM
    one = quotients(squared_batch(gradient_gram(model, singles, split, directions), LAM))
    other = quotients(empirical_fisher(model, [{**whole, "weights": w}], losses, directions))
    for name in ("q", "q_se", "mean_square", "trace", "structured", "anisotropy_se"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


def test_spectrum_is_that_of_the_dense_matrices():
    rng = np.random.default_rng(0)
    g = rng.normal(size=(6, 30)) + 2 * rng.normal(size=30)
    first = np.linalg.svd(g)[2][0]
    found = batch_spectrum(gram_of(g, np.zeros_like(g), [first, rng.normal(size=30)]), LAM)
    np.testing.assert_allclose(found.uncentred, np.linalg.eigvalsh(g.T @ g / 6)[:-7:-1], rtol=1e-9)
    centred = np.linalg.eigvalsh(np.cov(g.T, bias=True))[:-7:-1]
    np.testing.assert_allclose(found.centred[:5], centred[:5], rtol=1e-9)
    assert found.centred[5] < 1e-12 * found.trace
    np.testing.assert_allclose(found.trace, found.uncentred.sum(), rtol=1e-9)
    np.testing.assert_allclose(found.mean_share, (g.mean(0) ** 2).sum() / found.trace, rtol=1e-9)
    np.testing.assert_allclose(found.overlap[0], 1.0, rtol=1e-9)
    assert found.overlap[1] < 0.9

    def top(used):
        return np.linalg.eigvalsh(g[used] @ g[used].T / len(used))[-1]

    np.testing.assert_allclose(found.uncentred_se[0], loop_jackknife(top, 6), rtol=1e-9)
    assert np.isnan(found.uncentred_se[-1])


# --------------------------------------------------------------------------------------------------- jackknife


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(0).normal(size=(12, 3))
    without = leave_one_out(12) @ x
    np.testing.assert_allclose(without[4], np.delete(x, 4, axis=0).mean(0))
    np.testing.assert_allclose(jackknife_error(without), x.std(axis=0, ddof=1) / np.sqrt(12))
    for few in (0, 1):
        assert np.isnan(jackknife_error(leave_one_out(few) @ x[:few])).all()
