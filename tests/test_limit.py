"""The arithmetic limit counts each product of a step once, and each way answers from a process of its own."""

import pytest
import torch

from bench import limit
from bench.compare import Shares
from bench.sides import Shape, both, large
from bench.training import setting
from lib.models.gpt import build_model
from lib.models.products import fast_products
from lib.tasks.stories.batches import batch
from lib.tasks.stories.task import training_loss


def counted(p, vocab, part=None):
    """FLOPs of a step's products, each alternative set once."""
    every = (alternatives[0] for alternatives in limit.products(p, vocab))
    return sum(x.flops for x in every if part in (None, x.part))


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_linear_layer_has_three_products_and_attention_half_of_six(smoke, changed, accumulate):
    p, vocab = changed(smoke, batch__accumulate=accumulate), 768
    m, tokens = p.model, accumulate * p.batch.size * p.model.context
    assert counted(p, vocab, limit.TRUNK) == 6 * tokens * m.layers * (4 * m.width**2 + 2 * m.width * m.ff)
    assert counted(p, vocab, limit.HEAD) == pytest.approx(6 * tokens * m.width * vocab)
    assert counted(p, vocab, limit.ATTENTION) == 6 * tokens * m.layers * m.context * m.width


def test_the_products_that_a_step_really_does_are_those_counted(smoke, corpus, probes):
    """By torch's own count, in which the head and the layers are aten's products."""
    model = build_model(smoke.model, corpus.vocab, 1)
    loss_of = training_loss(model, smoke, torch.device("cpu"))
    with torch.profiler.profile(with_flops=True, record_shapes=True) as profiler:
        loss_of(batch(corpus, probes, smoke, 1), 1).backward()
    done = sum(e.flops for e in profiler.key_averages() if e.key in ("aten::mm", "aten::addmm"))
    with torch.profiler.profile(record_shapes=True) as profiler, fast_products(model, torch.device("cpu")):
        loss_of(batch(corpus, probes, smoke, 1), 1).backward()
    done_by_onednn = 0
    for event in profiler.events():
        if event.name == "mkldnn::_linear_pointwise":
            (*rows, inner), (outer, _) = event.input_shapes[:2]
            done_by_onednn += 2 * int(torch.tensor(rows).prod()) * inner * outer
    expected = counted(smoke, corpus.vocab, limit.TRUNK) + counted(smoke, corpus.vocab, limit.HEAD)
    assert max(done, done_by_onednn) == pytest.approx(expected)


def test_the_faster_library_and_the_better_shape_count(smoke, monkeypatch):
    times = {"forward": {"MKL": 2.0, "oneDNN": 1.0}, "input": {"MKL": 1.0, "oneDNN": 3.0}}
    monkeypatch.setattr(limit, "timed", lambda x: times.get(x.kind, {"MKL": 1.0, "oneDNN": 1.0}))
    every = [a for a in limit.products(smoke, 768) if a[0].part == limit.HEAD]
    monkeypatch.setattr(limit, "products", lambda p, vocab: every)
    found = limit.measure(smoke, 768)
    fewest = min(x.times for x in every[0])
    assert [len(alternatives) for alternatives in every] == [2, 2, 2]
    assert found.step == pytest.approx(3 * fewest)
    assert found.handicap == pytest.approx(fewest)
    assert found.rate(limit.HEAD, "oneDNN") == pytest.approx(counted(smoke, 768, limit.HEAD) / (5 * fewest) / 1e9)


def test_an_evaluation_counts_what_it_reads_and_what_it_scores(smoke):
    parts = [(part, kind) for part in (limit.TRUNK, limit.HEAD, limit.ATTENTION) for kind in ("forward", "input")]
    found = limit.Limit({key: {"MKL": 1.0} for key in parts}, dict.fromkeys(parts, 1.0))
    size, context = smoke.batch.size, smoke.model.context
    assert found.evaluation(smoke, [(size, context)], 0) == pytest.approx(2.0)  # trunk and attention of one step
    assert found.evaluation(smoke, [(size, context // 2)], size * context) == pytest.approx(0.5 + 0.25 + 1.0)


def test_rounds_are_shared_one_by_one():
    shares = Shares({"limit": [1.0, 2.0, 3.0], "step": [2.0, 8.0, 4.0], "head, MKL": [1.0, 5.0, 2.0]})
    assert shares.of("limit", "step")["samples"] == [0.5, 0.25, 0.75]
    assert shares.rates() == {"head": {"MKL": 2.0}}


def test_a_corpus_is_given_more_words_than_it_has(corpora):
    shape = large("smoke")
    b = setting("smoke", corpora, shape.vocab, **shape.changes)
    assert b.corpus.vocab == 50257 > b.corpus.train.tokens.max()
    assert b.p.model.context == 256 and b.p.batch.accumulate == 2


def test_both_ways_answer_and_a_dead_one_is_named(corpora):
    with both(Shape("smoke", "smoke", steps=4), corpora) as (plain, ours):
        theirs, mine = (side.ask("steps", first=1, count=2) for side in (plain, ours))
        assert theirs["losses"] == pytest.approx(mine["losses"], rel=1e-5)
        assert len(mine["seconds"]) == len(mine["parts"]["loss"]) == 2
        plain.process.kill()
        with pytest.raises(RuntimeError, match="the plain way ended with exit code -9"):
            plain.ask("peak")
        assert ours.ask("peak") > 100
    assert ours.process.returncode == 0
