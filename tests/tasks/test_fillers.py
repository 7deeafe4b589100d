"""Five fillers of the probe's evaluation: which tokens each draws, how often, and where they stand."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lib.base.errors import BadInput
from lib.tasks.stories.corpus import Split
from lib.tasks.stories.fillers import SEEN_TIMES, filler_range, filler_source, times_read
from lib.tasks.stories.params import FILLERS
from lib.tasks.stories.probe import build_eval_set, eval_sets

WIDTH = 4000


@pytest.fixture(scope="module")
def read(corpus):
    """Occurrences of every token in the training stories, counted one by one."""
    return Counter(corpus.train.tokens.tolist())


def drawn(corpus, kind, seed=1):
    return filler_source(corpus, kind, WIDTH)(random.Random(seed)).tolist()


def test_occurrences_are_those_of_the_training_stories(corpus, read):
    assert times_read(corpus).tolist() == [read[token] for token in range(corpus.vocab)]


def test_random_filler_has_tokens_that_no_story_has(corpus, read):
    low, high = filler_range(corpus)
    tokens = drawn(corpus, "random")
    assert low == 100 and low <= min(tokens) and max(tokens) <= high < corpus.vocab - 1
    unread = sum(read[token] == 0 for token in range(low, high + 1)) / (high + 1 - low)
    assert unread > 0.05
    share = np.mean([read[token] == 0 for token in tokens])
    assert share == pytest.approx(unread, abs=5 * (unread / WIDTH) ** 0.5)


def test_seen_filler_is_even_over_tokens_often_read(corpus, read):
    low, high = filler_range(corpus)
    allowed = {token for token in range(low, high + 1) if read[token] >= SEEN_TIMES}
    found = Counter(drawn(corpus, "seen"))
    assert set(found) <= allowed
    # some token of the range was read, but not often enough, so that the bound is one that matters
    assert any(0 < read[token] < SEEN_TIMES for token in range(low, high + 1))
    expected = WIDTH / len(allowed)
    assert sum((found[token] - expected) ** 2 / expected for token in allowed) < len(allowed) * 1.5


def test_unigram_filler_is_as_frequent_as_in_the_stories(corpus, read):
    found = Counter(drawn(corpus, "unigram"))
    assert all(read[token] for token in found)
    added = {*corpus.tokenizer.get_added_tokens_decoder(), corpus.pad}
    assert not added & set(found)
    total = sum(count for token, count in read.items() if token not in added)
    for token, count in read.most_common(5):
        share = count / total
        assert found[token] / WIDTH == pytest.approx(share, abs=5 * (share / WIDTH) ** 0.5)


def test_a_unigram_filler_never_has_a_codeword_or_padding_that_a_story_has(corpus):
    added = [corpus.pad, *corpus.tokenizer.get_added_tokens_decoder()]
    tokens = np.concatenate([np.repeat(added, 1000), corpus.train.story(0)]).astype(np.uint16)
    spoilt = replace(corpus, train=Split(tokens, np.array([0, len(tokens)])))
    assert set(drawn(spoilt, "unigram")) <= set(corpus.train.story(0).tolist()) - set(added)


def test_shuffled_filler_is_the_text_of_a_story_in_another_order(corpus):
    story, shuffled = drawn(corpus, "story"), drawn(corpus, "shuffled")
    assert sorted(shuffled) == sorted(story)
    assert np.mean(np.array(shuffled) == story) < 0.2


@pytest.mark.parametrize("kind", FILLERS)
def test_a_filler_is_that_of_its_seed(kind, corpus):
    assert drawn(corpus, kind) == drawn(corpus, kind) != drawn(corpus, kind, seed=2)


def test_without_a_token_often_read_there_is_no_seen_filler(corpus):
    none = replace(corpus, train=Split(corpus.train.story(0)[:8], np.array([0, 8])))
    with pytest.raises(BadInput, match=r"probe\.filler = seen: no token from 100 to \d+ occurs 10 times"):
        filler_source(none, "seen", 4)


# ------------------------------------------------------------------------------------------------ in their places


@pytest.mark.parametrize("kind", FILLERS)
def test_the_mask_is_all_but_sentences_and_padding(kind, corpus, probes, smoke, changed):
    p = changed(smoke, task__probe__filler=kind)
    s = build_eval_set(corpus, probes, p, p.task.probe.gap_ood, 242)
    for tokens, filled, gap, row in zip(s.tokens, s.filler, s.gaps, s.rows, strict=True):
        key, query = probes.keys[row, : probes.key_lengths[row]], probes.queries[row, : probes.query_lengths[row]]
        before = int(filled.sum()) - gap
        end = before + len(key) + gap + len(query)
        sentences = [*[False] * len(key), *[True] * gap, *[False] * len(query)]
        expected = [*[True] * before, *sentences, *[False] * (len(tokens) - end)]
        assert filled.tolist() == expected
        assert tokens[~filled][: end - before - gap].tolist() == [*key, *query]
        assert (tokens[end:] == corpus.pad).all()


def test_a_long_prefix_changes_nothing_but_what_stands_before_the_key(corpus, probes, smoke, changed):
    p = changed(smoke, task__probe__filler="random")
    gap = p.task.probe.gap_in
    long = build_eval_set(corpus, probes, p, gap, 142, [20, 30])
    before = long.filler.sum(axis=1) - long.gaps
    assert (before.min(), before.max()) == (20, 30)
    assert gap[0] <= long.gaps.min() and long.gaps.max() <= gap[1]
    short = build_eval_set(corpus, probes, p, gap, 142)
    again = build_eval_set(corpus, probes, p, gap, 142, p.task.probe.prefix_eval)
    assert (again.tokens == short.tokens).all()
    assert (eval_sets(corpus, probes, p)["in"].rows == short.rows).all()
