"""batch(step) against a plain-Python rebuilding of every sequence from the same random numbers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.tasks.stories.batches import EXAMPLES, batch, epoch_order, readable, show, uniforms, validation_batch
from lib.tasks.stories.corpus import Split
from lib.tasks.stories.probe import build_probes
from lib.tasks.stories.templates import TEMPLATES


def integer(u, low, high):
    return low + int(u * (high - low + 1))


def plain_example(story, u, width, pad):
    """(tokens, real) of a language-modelling example."""
    start = integer(u, 0, max(len(story) - width, 0))
    tokens = story[start : start + width]
    real = [True] * len(tokens) + [False] * (width - len(tokens))
    return tokens + [pad] * (width - len(tokens)), real


def probe_example(story, u, p, probes, pad):
    """(tokens, real, first and last answer position) of a probe example."""
    width = p.model.context + 1
    row = integer(u[0], 0, len(probes.codewords) - 1) * 5 + integer(u[1], 0, len(TEMPLATES) - 1)
    key = probes.keys[row, : probes.key_lengths[row]].tolist()
    query = probes.queries[row, : probes.query_lengths[row]].tolist()
    gap = integer(u[2], *p.task.probe.gap_in)
    room = width - len(key) - gap - len(query)
    prefix = min(integer(u[3], 2, max(3, room // 3)), len(story))
    resume = min(prefix, len(story) - 1)  # a story no longer than its prefix goes on from its last token
    middle = story[resume : resume + gap]
    middle += [pad] * (gap - len(middle))
    tokens = story[:prefix] + key + middle + query
    end = len(tokens)
    tokens += story[resume + gap :]
    real = [True] * len(tokens) + [False] * width
    tokens += [pad] * width
    return tokens[:width], real[:width], end - int(probes.answer_lengths[row]), end


def assert_rebuilt(b, corpus, probes, p, step, micro=0):
    k = (step - 1) * p.batch.accumulate + micro
    u = uniforms(p.seed, EXAMPLES, k, (6, p.batch.size))
    for i in range(p.batch.size):
        story = corpus.train.story(b.stories[i]).tolist()
        assert b.probed[i] == (u[0, i] < p.task.probe.p)
        if b.probed[i]:
            tokens, real, first, end = probe_example(story, u[2:, i], p, probes, corpus.pad)
        else:
            (tokens, real), first, end = plain_example(story, u[1, i], p.model.context + 1, corpus.pad), 0, 0
        targets = range(1, len(tokens))
        answer = [first <= j < end for j in targets]
        counted = [real[j] or p.task.pad_targets == "count" for j in targets]
        assert b.tokens[i].tolist() == tokens
        assert b.answer[i].tolist() == answer
        assert b.language[i].tolist() == [c and not a for c, a in zip(counted, answer, strict=True)]


@pytest.fixture(scope="module")
def short_corpus(corpus, smoke):
    """Stories of 1 to 200 tokens: shorter than a prefix, ending in a gap, and longer than the context."""
    width = smoke.model.context + 1
    lengths = [*range(1, 31), width - 2, width - 1, width, width + 1, width + 2, 60, 100, 120, 150, 200]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return replace(corpus, train=Split(np.asarray(corpus.train.tokens[: offsets[-1]]), offsets))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    step=st.integers(1, 10**6),
    micro=st.integers(0, 2),
    share=st.sampled_from([0.0, 0.2, 1.0]),
    pad_targets=st.sampled_from(["count", "ignore"]),
)
def test_every_sequence_is_rebuilt(seed, step, micro, share, pad_targets, short_corpus, probes, smoke, changed):
    values = {"task__pad_targets": pad_targets, "batch__accumulate": 3, "batch__size": 20}
    p = changed(smoke, seed=seed, task__probe__p=share, task__probe__gap_in=[2, 20], **values)
    assert_rebuilt(batch(short_corpus, probes, p, step, micro), short_corpus, probes, p, step, micro)


def test_published_sequences_are_rebuilt(gpt2_corpus, gpt2_params, changed):
    p = changed(gpt2_params, task__probe__p=0.5)
    probes = build_probes(gpt2_corpus, p)
    for step, micro in ((1, 0), (1, 1), (4000, 1)):
        assert_rebuilt(batch(gpt2_corpus, probes, p, step, micro), gpt2_corpus, probes, p, step, micro)


def test_any_order_of_access_gives_the_same_batches(corpus, probes, smoke):
    steps = list(range(1, 60))
    forward = [batch(corpus, probes, smoke, step).digest for step in steps]
    backward = [batch(corpus, probes, smoke, step).digest for step in reversed(steps)]
    assert forward == backward[::-1]
    assert len(set(forward)) == len(steps)


def test_batches_depend_on_the_seed_and_not_on_the_arm(corpus, probes, smoke, changed):
    digests = {seed: batch(corpus, probes, changed(smoke, seed=seed), 5).digest for seed in (42, 43, 44)}
    assert len(set(digests.values())) == 3
    arm = changed(smoke, optim__beta2=0.0, schedule__steps=4000)
    assert batch(corpus, probes, arm, 5).digest == digests[42]


def test_random_numbers_are_pinned():
    # A library that moved them would change every batch of every published run.
    assert uniforms(42, 1, 3, (2,)).tolist() == [0.18494245109219742, 0.16178562322483703]
    assert (uniforms(42, 1, 3, (2, 3)).ravel() == uniforms(42, 1, 3, (6,))).all()


def test_random_numbers_are_uniform_and_streams_apart():
    u = uniforms(1, 2, 3, (20000,))
    assert 0 <= u.min() and u.max() < 1
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * len(u))
    counts = np.bincount((u * 10).astype(int), minlength=10)
    assert ((counts - 2000) ** 2 / 2000).sum() < 34  # chi-square with 9 degrees of freedom, p about 1e-4
    others = [uniforms(*key, (100,)) for key in ((2, 2, 3), (1, 1, 3), (1, 2, 4))]
    assert all(not set(u) & set(v) for v in others)


@pytest.mark.parametrize("size", [16, 20])
def test_an_epoch_visits_every_story_once(size, corpus, probes, smoke, changed):
    p = changed(smoke, batch__size=size)
    per_epoch = len(corpus.train) // size
    visits = [
        np.concatenate([batch(corpus, probes, p, epoch * per_epoch + k + 1).stories for k in range(per_epoch)])
        for epoch in range(2)
    ]
    for visited in visits:
        assert len(set(visited.tolist())) == len(visited) == per_epoch * size
    assert (len(visits[0]) == 600) == (size == 20)  # the last incomplete batch is dropped
    assert not np.array_equal(*visits)


def test_the_order_of_an_epoch_is_a_permutation():
    assert sorted(epoch_order(3, 1, 500)) == list(range(500))
    assert not np.array_equal(epoch_order(3, 1, 500), epoch_order(3, 2, 500))


def test_a_corpus_smaller_than_a_batch_still_fills_it(short_corpus, probes, smoke, changed):
    p = changed(smoke, batch__size=64)
    b = batch(short_corpus, probes, p, 3)
    assert b.tokens.shape == (64, smoke.model.context + 1)
    assert set(b.stories.tolist()) == set(range(len(short_corpus.train)))


def test_micro_batches_continue_one_another(corpus, probes, smoke, changed):
    one, two = changed(smoke, batch__accumulate=1), changed(smoke, batch__accumulate=2)
    for step in (1, 2, 30):
        for micro in (0, 1):
            single = batch(corpus, probes, one, 2 * (step - 1) + micro + 1)
            assert batch(corpus, probes, two, step, micro).digest == single.digest


def test_share_of_probes_and_their_gaps(corpus, probes, smoke, changed):
    p = changed(smoke, batch__size=64)
    queries = {
        tuple(q[:length]): row
        for row, (q, length) in enumerate(zip(probes.queries.tolist(), probes.query_lengths, strict=True))
    }
    gaps, words, probed = Counter(), Counter(), 0
    for step in range(1, 201):
        b = batch(corpus, probes, p, step)
        probed += b.probed.sum()
        assert (b.answer.any(1) == b.probed).all()
        for tokens, answer in zip(b.tokens[b.probed].tolist(), b.answer[b.probed], strict=True):
            end = int(np.flatnonzero(answer)[-1]) + 2
            lengths = set(probes.query_lengths.tolist())
            row = next(queries[q] for n in lengths if (q := tuple(tokens[end - n : end])) in queries)
            key = probes.keys[row, : probes.key_lengths[row]].tolist()
            at = next(i for i in range(end) if tokens[i : i + len(key)] == key)
            gaps[end - int(probes.query_lengths[row]) - at - len(key)] += 1
            words[row // len(TEMPLATES)] += 1
    examples = 200 * 64
    assert abs(probed / examples - p.task.probe.p) < 4 * np.sqrt(0.2 * 0.8 / examples)
    low, high = p.task.probe.gap_in
    assert set(gaps) == set(range(low, high + 1))
    expected = probed / len(gaps)
    assert sum((n - expected) ** 2 / expected for n in gaps.values()) < 30  # 7 degrees of freedom, p about 1e-4
    assert len(words) == smoke.task.probe.codewords


def test_shares_of_none_and_all(corpus, probes, smoke, changed):
    none = batch(corpus, probes, changed(smoke, task__probe__p=0.0), 1)
    assert not none.probed.any() and not none.answer.any()
    assert batch(corpus, probes, changed(smoke, task__probe__p=1.0), 1).probed.all()


def test_validation_crops_fixed_or_fresh(corpus, smoke, changed):
    fixed, fresh = (changed(smoke, task__validation__crops=crops) for crops in ("fixed", "fresh"))
    digests = [validation_batch(corpus, fixed, step).digest for step in (1, 4, 8)]
    assert len(set(digests)) == 1
    digests = [validation_batch(corpus, fresh, step).digest for step in (1, 4, 8, 4)]
    assert len(set(digests)) == 3 and digests[1] == digests[3]


@pytest.mark.parametrize("pad_targets", ["count", "ignore"])
def test_validation_against_plain_python(pad_targets, short_corpus, smoke, changed):
    p = changed(smoke, task__pad_targets=pad_targets, task__validation__stories=35)
    held = replace(short_corpus, validation=short_corpus.train)
    b = validation_batch(held, p, 4)
    u = uniforms(p.seed + 1, 2, 0, (35,))
    assert len(b.tokens) == 35 and not b.answer.any()
    for i in range(35):
        tokens, real = plain_example(held.validation.story(i).tolist(), u[i], p.model.context + 1, held.pad)
        assert b.tokens[i].tolist() == tokens
        assert b.language[i].tolist() == [r or pad_targets == "count" for r in real[1:]]


def test_parts_of_letters_are_shown_as_dots(corpus):
    halves = [token for token in range(corpus.vocab) if "\ufffd" in corpus.tokenizer.decode([token])]
    assert halves and set(readable(corpus, halves[:5])) <= {"·"}
    whole = corpus.tokenizer.encode("a café").ids
    assert readable(corpus, whole) == "a café"


def test_show_marks_the_scored_answer(corpus, probes, smoke, changed):
    b = batch(corpus, probes, changed(smoke, task__probe__p=0.5), 1)
    for i in range(len(b.tokens)):
        text = show(corpus, b, i)
        plain = text.replace("[[", "").replace("]]", "")
        assert plain == corpus.tokenizer.decode(b.tokens[i][b.tokens[i] != corpus.pad], skip_special_tokens=False)
        if b.probed[i]:
            word = text.split("[[ ")[1].split("]]")[0]
            assert word in probes.codewords
            assert plain.count(word) == 2  # told once, asked once
        else:
            assert "[[" not in text
