"""The training loss with the output head in it, against a plain float64 cross-entropy with autograd."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.models.gpt import build_model
from lib.tasks.stories import loss
from lib.tasks.stories.batches import Batch
from lib.tasks.stories.loss import head_loss, loss_terms, piece_rows, position_losses, position_weights
from lib.tasks.stories.probe_weight import probe_weight


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(37, 8, generator=generator)
    embedding = torch.randn(23, 8, generator=generator)
    targets = torch.randint(23, (37,), generator=generator)
    weights = torch.rand(37, generator=generator) * (torch.arange(37) % 5 > 0)  # some positions are not scored
    return hidden, embedding, targets, weights


def plain(hidden, embedding, targets, weights):
    hidden, embedding = (t.double().requires_grad_() for t in (hidden, embedding))
    value = (F.cross_entropy(hidden @ embedding.T, targets, reduction="none") * weights.double()).sum()
    return value, *torch.autograd.grad(value, (hidden, embedding))


@pytest.mark.parametrize("rows", [1, 10, 37, 100])
def test_loss_and_gradients_are_those_of_a_plain_cross_entropy_whatever_the_rows(case, monkeypatch, rows):
    monkeypatch.setitem(loss.ROWS, "cpu", rows)
    hidden, embedding, targets, weights = case
    hidden, embedding = hidden.clone().requires_grad_(), embedding.clone().requires_grad_()
    value = head_loss(hidden, embedding, targets, weights, autocast=False)
    (3 * value).backward()
    expected, d_hidden, d_embedding = plain(*case)
    torch.testing.assert_close(value.detach().double(), expected.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(hidden.grad.double(), 3 * d_hidden, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(embedding.grad.double(), 3 * d_embedding, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", [1, 3 * 4 * 23, 10**6])
def test_the_block_in_which_a_piece_is_worked_on_changes_no_gradient(case, monkeypatch, block):
    def gradients():
        hidden, embedding = (x.clone().requires_grad_() for x in case[:2])
        head_loss(hidden, embedding, *case[2:], autocast=False).backward()
        return hidden.grad, embedding.grad

    whole, losses = gradients(), position_losses(*case[:3], autocast=False)
    monkeypatch.setitem(loss.BLOCK, "cpu", block)
    for found, expected in zip(gradients(), whole, strict=True):
        assert found.is_contiguous() and torch.equal(found, expected)
    assert torch.equal(position_losses(*case[:3], autocast=False), losses)


def test_a_piece_is_bounded_in_rows_and_in_bytes():
    # The sums of a run hang on its pieces: another number of rows here changes the last bits of every result.
    assert [piece_rows(vocab, "cpu") for vocab in (768, 1152, 50257)] == [256, 256, 256]
    assert piece_rows(50257, "cuda") == 4096
    for vocab in (10**5, 10**6, 10**9):
        rows = piece_rows(vocab, "cpu")
        assert rows == 1 or 4 * rows * vocab <= loss.PIECE["cpu"] < 4 * (rows + 1) * vocab


def test_bfloat16_products_keep_a_float32_loss_and_gradients_near_the_exact_ones(case):
    hidden, embedding, targets, weights = case
    hidden, embedding = hidden.clone().requires_grad_(), embedding.clone().requires_grad_()
    value = head_loss(hidden, embedding, targets, weights, autocast=True)
    value.backward()
    expected, d_hidden, d_embedding = plain(*case)
    assert value.dtype == hidden.grad.dtype == embedding.grad.dtype == torch.float32
    assert abs(value.item() / expected.item() - 1) < 0.01
    for found, exact in ((hidden.grad, d_hidden), (embedding.grad, d_embedding)):
        assert 0 < float((found - exact).norm() / exact.norm()) < 0.02


def test_huge_logits_neither_overflow_nor_lose_the_loss():
    hidden = torch.tensor([[1000.0, 0.0]], requires_grad=True)
    value = head_loss(hidden, torch.eye(2), torch.tensor([1]), torch.ones(1), autocast=False)
    value.backward()
    assert value.item() == 1000.0
    assert hidden.grad.tolist() == [[1.0, -1.0]]


def test_a_non_finite_weight_gives_a_non_finite_loss(case):
    hidden, embedding, targets, weights = case
    embedding = embedding.clone()
    embedding[3, 3] = float("inf")
    assert not torch.isfinite(head_loss(hidden, embedding, targets, weights, autocast=False))


def test_compiled_terms_are_the_same(case):
    hidden, embedding, targets, weights = case
    logits = hidden @ embedding.T
    plain_gradient, compiled_gradient = logits.clone(), logits.clone()
    plain_loss = loss_terms(plain_gradient, targets, weights)
    compiled_loss = torch.compile(loss_terms, backend="aot_eager")(compiled_gradient, targets, weights)
    torch.testing.assert_close(compiled_loss, plain_loss)
    torch.testing.assert_close(compiled_gradient, plain_gradient)
    assert not torch.equal(plain_gradient, logits)


def a_batch(smoke, probed):
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 50, (4, smoke.model.context + 1))
    answer = np.zeros((4, smoke.model.context), dtype=bool)
    if probed:
        answer[1:3, 5] = True
    language = ~answer
    language[0, 10:] = False
    return Batch(tokens, language, answer, np.arange(4), answer.any(1))


@pytest.mark.parametrize("probed", [True, False])
@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_position_weights_make_the_composite_loss_of_the_two_means(smoke, lam, probed):
    b = a_batch(smoke, probed)
    model = build_model(smoke.model, 50, seed=1)
    tokens = torch.from_numpy(b.tokens)
    logits = model.head(model(tokens[:, :-1])).transpose(1, 2)
    losses = F.cross_entropy(logits, tokens[:, 1:], reduction="none")
    language, answer = losses[torch.from_numpy(b.language)], losses[torch.from_numpy(b.answer)]
    if lam == 0:
        expected = torch.cat([language, answer]).mean()
    else:
        expected = language.mean() + (lam * answer.mean() if probed else 0.0)
    hidden = model(tokens[:, :-1]).flatten(0, 1)
    weights = torch.from_numpy(position_weights(b, lam)).flatten()
    found = head_loss(hidden, model.tok_emb.weight, tokens[:, 1:].flatten(), weights, autocast=False)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_probe_weight_of_the_published_runs(paper, changed):
    def at(step, **values):
        return probe_weight(step, changed(paper, **values) if values else paper)

    assert [at(t) for t in (1, 3999, 4000)] == [2.0, 2.0, 4.0]  # exactly one step of 4.0
    assert [at(t, schedule__steps=10000) for t in (3999, 4000, 10000)] == [2.0, 4.0, 4.0]
    assert {at(t, task__lambda_probe2=None) for t in (1, 4000)} == {2.0}
    assert at(4000, task__lambda_probe2=0.0) == 0.0
