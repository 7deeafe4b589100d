"""One pass over an evaluation set against one sequence at a time, and who was right."""

import math

import numpy as np
import pytest
import torch

from lib.models.gpt import build_model
from lib.tasks.stories.batches import validation_batch
from lib.tasks.stories.evaluate import evaluate, evaluate_all
from lib.tasks.stories.probe import eval_sets

VOCAB = 60


@pytest.fixture(scope="module")
def model(smoke):
    model = build_model(smoke.model, VOCAB, 3)
    with torch.no_grad():  # sharp enough that some answers are right
        model.tok_emb.weight.mul_(40)
    return model


def plain(model, tokens, answer, language):
    """(correct, answer losses, language losses), a sequence and a position at a time."""
    correct, losses = [], {"answer": [], "language": []}
    for row, a, b in zip(tokens, answer, language, strict=True):
        with torch.inference_mode():
            logits = model.head(model(torch.from_numpy(row[None, :-1])))[0].double().numpy()
        right = []
        for j, z in enumerate(logits):
            loss = math.log(np.exp(z - z.max()).sum()) + z.max() - z[row[j + 1]]
            if a[j]:
                losses["answer"].append(loss)
                right.append(z.argmax() == row[j + 1])
            elif b[j]:
                losses["language"].append(loss)
        correct.append(bool(right) and all(right))
    return correct, losses["answer"], losses["language"]


@pytest.fixture(scope="module")
def examples(model):
    """150 sequences, more than two chunks, scored up to anywhere; some without answer, some without anything."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCAB, (150, 41))
    for j in range(1, 41):  # seven of ten tokens are what the model expects
        with torch.inference_mode():
            likely = model.head(model(torch.from_numpy(tokens[:, :j]))[:, -1]).argmax(-1).numpy()
        tokens[:, j] = np.where(rng.random(150) < 0.7, likely, tokens[:, j])
    kept = np.arange(40) < rng.integers(0, 41, 150)[:, None]
    answer = kept & (rng.random((150, 40)) < 0.05)
    return tokens, answer, kept & ~answer & (rng.random((150, 40)) < 0.8)


def test_against_one_sequence_at_a_time(model, examples):
    _, answer, language = examples
    scores = evaluate(model, *examples, autocast=False)
    correct, answer_losses, language_losses = plain(model, *examples)
    assert scores.correct.tolist() == correct
    assert scores.accuracy == np.mean(correct)
    assert 0.1 < scores.accuracy < 0.9
    assert not answer.any(1).all()
    assert not (answer | language).any(1).all()
    assert scores.answer_nll == pytest.approx(np.mean(answer_losses), rel=1e-5)
    assert scores.language_nll == pytest.approx(np.mean(language_losses), rel=1e-5)


def test_the_order_of_examples_does_not_matter(model, examples):
    order = np.random.default_rng(1).permutation(150)
    one, two = evaluate(model, *examples, autocast=False), evaluate(model, *(x[order] for x in examples), False)
    assert (one.correct[order] == two.correct).all()
    assert one.language_nll == pytest.approx(two.language_nll, rel=1e-6)


def test_nothing_to_score(model, examples):
    tokens, answer, language = examples
    nothing = np.zeros_like(answer)
    scores = evaluate(model, tokens, nothing, language, autocast=False)
    assert not scores.correct.any()
    assert math.isnan(scores.answer_nll) and math.isfinite(scores.language_nll)
    scores = evaluate(model, tokens, answer, nothing, autocast=False)
    assert math.isnan(scores.language_nll) and math.isfinite(scores.answer_nll)
    scores = evaluate(model, tokens, nothing, nothing, autocast=False)
    assert math.isnan(scores.language_nll) and not scores.correct.any()


def test_weights_that_are_not_finite_are_scored_as_such(smoke, examples):
    model = build_model(smoke.model, VOCAB, 3)
    with torch.no_grad():
        model.ln_f.weight.fill_(float("nan"))
    scores = evaluate(model, *examples, autocast=False)
    assert math.isnan(scores.language_nll)


def test_the_record_of_an_evaluation(corpus, probes, smoke):
    model = build_model(smoke.model, corpus.vocab, smoke.seed)
    sets = eval_sets(corpus, probes, smoke)
    validation = validation_batch(corpus, smoke, 4)
    record, correct = evaluate_all(model, validation, sets, autocast=False)
    for name in ("in", "ood"):
        s = sets[name]
        right, answer_losses, language_losses = plain(model, s.tokens, s.answer, s.language)
        assert record[f"probe_{name}_acc"] == np.mean(right)
        assert record[f"nll_{name}"] == pytest.approx(np.mean(answer_losses), rel=1e-5)
        assert correct[f"correct_{name}"] == np.packbits(right).tobytes().hex()
    assert record["lm_ood"] == pytest.approx(np.mean(language_losses), rel=1e-5)
    assert record["r_ood"] == pytest.approx(record["nll_ood"] / record["lm_ood"])
    losses = plain(model, validation.tokens, validation.answer, validation.language)[2]
    assert record["val_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert record["val_loss"] == pytest.approx(math.log(corpus.vocab), abs=0.1)
