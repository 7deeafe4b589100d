import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lib.geometry import sequences
from lib.geometry.directions import frame, random_controls, random_direction
from lib.geometry.fisher import EMPIRICAL, SAMPLED, empirical_fisher, quotients, sampled_fisher
from lib.geometry.sequences import Samples, forward_samples
from tests.geometry.toy_model import (
    TRUNK,
    VOCAB,
    Toy,
    direction,
    flat,
    gauss_newton,
    losses,
    make_batch,
    relabel,
    sequence_gradients,
)


@pytest.fixture
def model():
    return Toy()


@pytest.fixture
def batches():
    return [make_batch(5, 1), make_batch(3, 2)]


@pytest.fixture
def gradients(model, batches):
    return torch.cat([sequence_gradients(model, b) for b in batches]).numpy()


@pytest.fixture
def directions(model):
    return {f"r{k}": random_direction(model, k) for k in range(3)}


def unit(model, v):
    x = flat(v).double().numpy()
    return x / np.linalg.norm(x)


def basis(model, seed=0):
    """An orthonormal basis of the trunk's space, as rows."""
    size = sum(p.numel() for p in model.trunk().values())
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0].T


# ---------------------------------------------------------------------------------- per-sequence projections


def test_projections_and_norms_are_those_of_one_backward_pass_per_sequence(model, batches, gradients, directions):
    found = empirical_fisher(model, batches, losses, directions)
    units = np.stack([unit(model, v) for v in directions.values()], axis=1)
    np.testing.assert_allclose(found.along, gradients @ units, rtol=1e-10, atol=1e-14)
    edges = np.cumsum([p.numel() for p in model.trunk().values()])[:-1]
    squares = np.stack([(piece**2).sum(1) for piece in np.split(gradients, edges, axis=1)], axis=1)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-10)
    assert found.definition == EMPIRICAL and tuple(found.sizes) == TRUNK


def test_forward_mode_gives_the_same_projections_and_knows_no_norms(model, batches, directions):
    backward = empirical_fisher(model, batches, losses, directions)
    forward = forward_samples(model, batches, losses, directions, EMPIRICAL)
    np.testing.assert_allclose(forward.along, backward.along, rtol=1e-10, atol=1e-14)
    found = quotients(forward)
    np.testing.assert_allclose(found.q, quotients(backward).q)
    assert np.isnan(found.anisotropy).all() and np.isnan(found.trace)


def test_chunks_change_nothing(model, batches, directions, monkeypatch):
    whole = empirical_fisher(model, batches, losses, directions)
    monkeypatch.setattr(sequences, "ROOM", 1)
    single = empirical_fisher(model, batches, losses, directions)
    np.testing.assert_allclose(single.along, whole.along, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(single.squares, whole.squares, rtol=1e-12)


def test_the_model_is_left_as_it_was(model, batches, directions):
    before = {name: p.clone() for name, p in model.named_parameters()}
    empirical_fisher(model, batches, losses, directions)
    forward_samples(model, batches, losses, directions, EMPIRICAL)
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) and p.grad is None and p.requires_grad


# ------------------------------------------------------------------------------------------ order of parameters


def test_a_direction_in_another_order_is_refused(model, batches):
    v = random_direction(model, 0)
    shuffled = {name: v[name] for name in sorted(v)}
    with pytest.raises(ValueError, match=r"backbone is not in the registered order .* has query.weight where"):
        empirical_fisher(model, batches, losses, {"backbone": shuffled})
    with pytest.raises(ValueError, match="has 2 tensors, the trunk 3"):
        empirical_fisher(model, batches, losses, {"backbone": {name: v[name] for name in TRUNK[:2]}})
    v["up.weight"] = v["up.weight"].T
    with pytest.raises(ValueError, match=r"up.weight has shape \(4, 8\), the trunk has \(8, 4\)"):
        empirical_fisher(model, batches, losses, {"backbone": v})


def test_a_vector_flattened_in_another_order_gives_another_quotient(model, batches, gradients):
    top = np.linalg.svd(gradients)[2][0]
    right = direction(model, top)
    named = sorted(right)  # flatten by sorted names, read back by registered order
    wrong = direction(model, torch.cat([right[name].flatten() for name in named]))
    found = quotients(empirical_fisher(model, batches, losses, {"right": right, "wrong": wrong}))
    assert found.q[1] < 0.5 * found.q[0]
    np.testing.assert_allclose(found.q[0], np.linalg.svd(gradients)[1][0] ** 2 / len(gradients), rtol=1e-10)


# ------------------------------------------------------------------------------------------------ identities


def test_quotients_over_an_orthonormal_basis_sum_to_the_trace(model, batches, gradients):
    rows = basis(model)
    found = quotients(
        empirical_fisher(model, batches, losses, {str(i): direction(model, row) for i, row in enumerate(rows)})
    )
    np.testing.assert_allclose(found.q.sum(), found.trace, rtol=1e-10)
    np.testing.assert_allclose(found.trace, (gradients**2).sum(1).mean(), rtol=1e-10)
    # The rest of the basis is what a random direction orthogonal to the first is drawn from.
    np.testing.assert_allclose(found.isotropic[0], found.q[1:].mean(), rtol=1e-9)
    np.testing.assert_allclose(found.anisotropy, found.q / found.isotropic)


def test_structured_baseline_is_the_mean_over_directions_with_the_same_norm_in_each_tensor(
    model, batches, gradients
):
    rng = np.random.default_rng(0)
    v = random_direction(model, 0)
    v["up.weight"] *= 5
    found = quotients(empirical_fisher(model, batches, losses, {"v": v}))
    sizes = [p.numel() for p in model.trunk().values()]
    norms = [np.linalg.norm(piece) for piece in np.split(unit(model, v), np.cumsum(sizes)[:-1])]
    pieces = [rng.normal(size=(20_000, size)) for size in sizes]
    u = np.hstack([n * x / np.linalg.norm(x, axis=1, keepdims=True) for n, x in zip(norms, pieces, strict=True)])
    np.testing.assert_allclose(found.structured[0], ((u @ gradients.T) ** 2).mean(), rtol=0.03)
    np.testing.assert_allclose(found.anisotropy_structured, found.q / found.structured)
    assert abs(found.structured[0] / found.isotropic[0] - 1) > 0.05  # the two baselines differ here


def test_scale_of_a_direction_does_not_matter(model, batches, directions):
    scaled = {label: {name: -(2.0**-20) * t for name, t in v.items()} for label, v in directions.items()}
    one = quotients(empirical_fisher(model, batches, losses, directions))
    other = quotients(empirical_fisher(model, batches, losses, scaled))
    for name in ("q", "q_se", "anisotropy", "anisotropy_se", "anisotropy_structured", "structured", "mean_square"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)


def test_mean_square_is_the_mean_over_pairs_of_different_samples(model, batches, directions):
    samples = empirical_fisher(model, batches, losses, directions)
    found = quotients(samples)
    pairs = np.stack([x * y for x, y in itertools.permutations(samples.along, 2)])
    np.testing.assert_allclose(found.mean_square, pairs.mean(0), rtol=1e-10)


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_mean_square_and_its_error_hold_for_a_mean_of_zero_and_for_another(mean):
    rng = np.random.default_rng(0)
    repeats = []
    for x in mean + rng.normal(size=(400, 20, 1)):
        repeats.append(quotients(Samples("", ("v",), {"w": 1}, np.ones((1, 1)), x, x**2, np.empty((len(x), 1, 0)))))
    values = np.array([r.mean_square[0] for r in repeats])
    np.testing.assert_allclose(values.mean(), mean**2, atol=4 * values.std() / 20)
    assert 0.8 < np.mean([r.mean_square_se[0] for r in repeats]) / values.std() < 1.35


# --------------------------------------------------------------------------------------------- sampled labels


def test_expectation_over_labels_is_the_gauss_newton_curvature(model):
    """All 27 labelings of each sequence, weighted by their probability under the model."""
    batch = make_batch(4, 3)
    v = random_direction(model, 0)
    expected = 0.0
    log_p = model(batch["inputs"]).detach().log_softmax(-1)
    for labels in itertools.product(range(VOCAB), repeat=batch["targets"].shape[1]):
        targets = torch.tensor(labels).expand_as(batch["targets"])
        p = log_p.gather(-1, targets[..., None]).sum((1, 2)).exp().numpy()
        labelled = {"inputs": batch["inputs"], "targets": targets, "weights": batch["weights"].sqrt()}
        along = empirical_fisher(model, [labelled], losses, {"v": v}).along[:, 0]
        expected += (p * along**2).mean()
    x = unit(model, v)
    np.testing.assert_allclose(expected, x @ gauss_newton(model, batch).numpy() @ x, rtol=1e-10)


def test_sampled_fisher_estimates_it_and_repeats_with_its_seed(model):
    batch = make_batch(4, 3)
    many = {key: x.repeat(1000, 1) for key, x in batch.items()}
    v = random_direction(model, 0)
    found = quotients(sampled_fisher(model, [many], losses, relabel, {"v": v}, seed=7))
    x, curvature = unit(model, v), gauss_newton(model, batch).numpy()
    assert found.definition == SAMPLED
    assert abs(found.q[0] - x @ curvature @ x) < 4 * found.q_se[0] < 0.3 * found.q[0]
    assert abs(found.trace - np.trace(curvature)) < 4 * found.trace_se
    assert abs(found.mean_square[0]) < 4 * found.mean_square_se[0]  # scores average to zero

    def along(seed):
        return sampled_fisher(model, [batch, batch], losses, relabel, {"v": v}, seed).along

    np.testing.assert_array_equal(along(1), along(1))
    assert not np.array_equal(along(1), along(2)) and not np.array_equal(along(1)[:4], along(1)[4:])


# ------------------------------------------------------------------------------------------------------ errors


def test_jackknife_errors_agree_with_the_bootstrap(model):
    samples = empirical_fisher(model, [make_batch(200, 5)], losses, {"v": random_direction(model, 1)})
    found = quotients(samples)
    np.testing.assert_allclose(found.q_se[0], (samples.along**2).std(ddof=1) / np.sqrt(200), rtol=1e-9)
    rng = np.random.default_rng(0)
    size = sum(samples.sizes.values())
    ratios = []
    for _ in range(2000):
        drawn = rng.integers(200, size=200)
        q, trace = (samples.along[drawn] ** 2).mean(), samples.squares[drawn].sum(1).mean()
        ratios.append(q * (size - 1) / (trace - q))
    np.testing.assert_allclose(found.anisotropy_se[0], np.std(ratios), rtol=0.15)


def test_diverged_weights_give_nan(model, batches, directions):
    with torch.no_grad():
        model.up.weight[0, 0] = float("nan")
    for samples in (
        empirical_fisher(model, batches, losses, directions),
        sampled_fisher(model, batches, losses, relabel, directions, seed=0),
        forward_samples(model, batches, losses, directions, EMPIRICAL),
    ):
        found = quotients(samples)
        assert np.isnan(found.q).all() and np.isnan(found.anisotropy).all() and np.isnan(found.trace)


def test_a_zero_or_diverged_direction_is_nan_and_leaves_the_others_alone(model, batches, directions):
    alone = quotients(empirical_fisher(model, batches, losses, directions))
    bad = {"zero": {name: 0 * t for name, t in directions["r0"].items()}}
    bad["nan"] = {name: t / 0 for name, t in directions["r0"].items()}
    found = quotients(empirical_fisher(model, batches, losses, directions | bad))
    assert np.isnan(found.q[3:]).all() and np.isnan(found.structured[3:]).all()
    np.testing.assert_allclose(found.q[:3], alone.q)
    np.testing.assert_allclose(found.anisotropy_structured[:3], alone.anisotropy_structured)


def test_no_sample_is_nan_and_one_has_no_error(model, directions):
    nothing = quotients(empirical_fisher(model, [], losses, directions))
    assert nothing.count == 0 and np.isnan(nothing.q).all() and np.isnan(nothing.trace)
    assert np.isnan(nothing.structured).all()
    one = quotients(empirical_fisher(model, [make_batch(1, 0)], losses, directions))
    assert one.count == 1 and np.isfinite(one.q).all() and np.isnan(one.q_se).all()


def test_random_directions_are_the_same_anywhere_and_have_unit_length_in_a_frame(model):
    a, b = random_direction(model, 3), random_direction(model, 3)
    assert all(torch.equal(a[name], b[name]) for name in a)
    space = frame(model, {"a": a})
    np.testing.assert_allclose(sum(float(c.square().sum()) for c in space.columns.values()), 1.0)
    np.testing.assert_allclose(space.shares.sum(), 1.0)


# -------------------------------------------------------------------------------------------- against curvlinops


class Last(Toy):
    """Logits at the last position only: one label per sequence, as curvlinops counts samples."""

    def forward(self, tokens):
        return super().forward(tokens)[:, -1]


@pytest.mark.parametrize("kind", ["empirical", "gauss-newton"])
def test_agrees_with_curvlinops(kind):
    curvlinops = pytest.importorskip("curvlinops", reason="curvlinops-for-pytorch cannot be imported")
    model = Last()
    data = [make_batch(6, 4), make_batch(6, 5)]
    labelled = [(b["inputs"], b["targets"][:, -1]) for b in data]
    v = random_direction(model, 0)

    def last_losses(model, batch):
        return F.cross_entropy(model(batch["inputs"]), batch["targets"][:, -1], reduction="none")

    params = list(model.trunk().values())
    x = unit(model, v)
    if kind == "empirical":
        operator = curvlinops.EFLinearOperator
        found = quotients(empirical_fisher(model, data, last_losses, {"v": v})).q[0]
    else:
        operator = curvlinops.GGNLinearOperator
        found = 0.0  # the exact expectation over sampled labels
        for c in range(VOCAB):
            relabelled = [{**b, "targets": torch.full_like(b["targets"], c)} for b in data]
            p = torch.cat([model(b["inputs"]).detach().softmax(-1)[:, c] for b in data]).numpy()
            along = empirical_fisher(model, relabelled, last_losses, {"v": v}).along[:, 0]
            found += (p * along**2).mean()
    with sdpa_kernel(SDPBackend.MATH):
        theirs = x @ (operator(model, torch.nn.CrossEntropyLoss(), params, labelled) @ torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, theirs, rtol=1e-8)


# ------------------------------------------------------------------------------------------------- random controls


def test_controls_are_those_of_explicit_random_directions(model, batches, gradients, directions):
    controls = random_controls(model, 40, seed=3)
    found = empirical_fisher(model, batches, losses, directions, controls)
    drawn = quotients(found)
    for k, v in enumerate(directions.values()):
        length = unit(model, v)
        edges = np.cumsum([p.numel() for p in model.trunk().values()])[:-1]
        norms = [np.linalg.norm(piece) for piece in np.split(length, edges)]
        each = np.concatenate([n * controls[name].double().numpy() for n, name in zip(norms, TRUNK, strict=True)])
        np.testing.assert_allclose(np.linalg.norm(each, axis=0), 1, rtol=1e-6)
        q = ((gradients @ each) ** 2).mean(axis=0)
        points = np.percentile(q, [2.5, 50, 97.5]) / drawn.isotropic[k]
        np.testing.assert_allclose(drawn.control[:, k], points, rtol=1e-6)


def test_random_directions_have_the_structured_mean(model, batches, directions):
    """Over many draws the control's mean is what `structured` says exactly."""
    samples = empirical_fisher(model, batches, losses, directions, random_controls(model, 20_000, seed=0))
    along = np.einsum("nir,ik->nrk", samples.control, np.sqrt(samples.shares))
    drawn = (along**2).mean(axis=0)
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - quotients(samples).structured) < 4 * error).all()


def test_without_controls_there_are_no_points(model, batches, directions):
    found = quotients(empirical_fisher(model, batches, losses, directions))
    assert np.isnan(found.control).all()
