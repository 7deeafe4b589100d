"""The probe: the published codewords and draws with GPT-2, and what each variant scores."""

import hashlib
import random
from collections import Counter

import numpy as np
import pytest

from lib.base.errors import BadInput
from lib.tasks.stories.probe import ORDINARY_WORDS, build_eval_set, build_probes, choose_codewords, eval_sets
from lib.tasks.stories.templates import TEMPLATES


def ids(corpus, text):
    return corpus.tokenizer.encode(text, add_special_tokens=False).ids


def answers(corpus, probes):
    """The text of the closing tokens that each probe scores."""
    ends = zip(probes.queries, probes.query_lengths, probes.answer_lengths, strict=True)
    return [corpus.tokenizer.decode(query[length - m : length]) for query, length, m in ends]


@pytest.fixture(scope="module")
def gpt2_probes(gpt2_corpus, gpt2_params):
    return build_probes(gpt2_corpus, gpt2_params)


# --------------------------------------------------------------------------- the published list and draws


def test_published_codewords(gpt2_probes):
    words = gpt2_probes.codewords
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
    assert digest == "ec28feb71ff61b812c0a5833af874479a93193b8de4dabe2d7511ac85cbe3da9"
    assert words[:8] == "PLAN PUR IFIC CLE DERR LORD POS SERVICES".split()
    assert words[-4:] == "MAT SYSTEM NOON INTER".split()
    repeated = sorted(word for word, count in Counter(words).items() if count > 1)
    assert repeated == "BACK FILE INTER ISIS JOHN JSON NAME NULL OVER PLAY STAT STEM WARN".split()
    assert len(set(words)) == 499


def test_published_candidates(gpt2_corpus, gpt2_params):
    p = gpt2_params.task.probe
    entries = choose_codewords(gpt2_corpus.tokenizer, p.model_copy(update={"codewords": 1364}))
    assert (len(entries), len(set(entries))) == (1364, 1281)
    assert set(ORDINARY_WORDS) <= set(entries)
    assert len(ORDINARY_WORDS) == 28
    with pytest.raises(BadInput, match="offers only 1364"):
        choose_codewords(gpt2_corpus.tokenizer, p.model_copy(update={"codewords": 1365}))
    distinct = choose_codewords(
        gpt2_corpus.tokenizer, p.model_copy(update={"codewords": 1281, "duplicates": "drop"})
    )
    assert sorted(distinct) == sorted(set(entries))


def test_published_token_counts(gpt2_corpus, gpt2_probes):
    counts = Counter((len(ids(gpt2_corpus, w)), len(ids(gpt2_corpus, f" {w}"))) for w in gpt2_probes.codewords)
    assert counts == {(1, 1): 160, (1, 2): 71, (1, 3): 13, (2, 1): 248, (2, 2): 8, (3, 1): 12}


def test_published_sentence_lengths(gpt2_probes):
    assert (gpt2_probes.key_lengths.min(), gpt2_probes.key_lengths.max()) == (5, 8)
    assert (gpt2_probes.query_lengths.min(), gpt2_probes.query_lengths.max()) == (5, 9)


def test_published_answer_masks_are_right_for_a_third_of_the_codewords(gpt2_corpus, gpt2_probes):
    m = gpt2_probes.answer_lengths.reshape(512, len(TEMPLATES))
    assert (m == m[:, :1]).all()  # the bare codeword's tokens, whatever the template
    inserted = np.array([len(ids(gpt2_corpus, f" {word}")) for word in gpt2_probes.codewords])
    assert (np.sum(m[:, 0] == inserted), np.sum(m[:, 0] < inserted), np.sum(m[:, 0] > inserted)) == (168, 84, 260)
    assert m.mean() == pytest.approx(1.547, abs=5e-4)


def test_published_first_draws(gpt2_corpus, gpt2_probes, gpt2_params):
    sets = eval_sets(gpt2_corpus, gpt2_probes, gpt2_params)
    words = {name: [gpt2_probes.codewords[row // 5] for row in s.rows[:5]] for name, s in sets.items()}
    gaps = {name: s.gaps[:5].tolist() for name, s in sets.items()}
    assert words["ood"] == ["GTA", "ETH", "DIRECT", "OPS", "PROT"]
    assert gaps["ood"] == [143, 99, 192, 155, 110]
    assert words["in"] == ["SELECT", "GMO", "IFIC", "AFP", "SELECT"]
    assert gaps["in"] == [20, 7, 9, 7, 12]
    assert len(sets["in"].tokens) == len(sets["ood"].tokens) == 2000


def test_published_filler_and_length(gpt2_corpus, gpt2_probes, gpt2_params):
    s = build_eval_set(gpt2_corpus, gpt2_probes, gpt2_params, [80, 200], 242)
    query_end = 1 + np.array([np.flatnonzero(row)[-1] for row in s.answer]) + 1
    assert query_end.max() == 223  # the longest example of the published set
    filler = s.tokens[:, :2]  # the shortest prefix is 2
    assert filler.min() >= 100 and filler.max() <= 5000
    assert s.language.shape == (2000, 256)  # padding is scored as executed


def test_corrected_answers_are_the_codewords_with_gpt2(gpt2_corpus, gpt2_params, changed):
    p = changed(gpt2_params, task__probe__answer_mask="inserted", task__probe__duplicates="drop")
    probes = build_probes(gpt2_corpus, p)
    assert len(set(probes.codewords)) == 512
    assert answers(gpt2_corpus, probes) == [f" {word}" for word in probes.codewords for _ in TEMPLATES]


# ------------------------------------------------------------------------------------ the small vocabulary


def test_corrected_answers_are_the_codewords(corpus, probes, smoke):
    assert len(set(probes.codewords)) == smoke.task.probe.codewords
    assert answers(corpus, probes) == [f" {word}" for word in probes.codewords for _ in TEMPLATES]


def test_sentences_are_the_templates(corpus, probes):
    for c, word in enumerate(probes.codewords):
        for t, (key, query) in enumerate(TEMPLATES):
            row = c * len(TEMPLATES) + t
            assert corpus.tokenizer.decode(probes.keys[row, : probes.key_lengths[row]]) == key.format(word)
            assert corpus.tokenizer.decode(probes.queries[row, : probes.query_lengths[row]]) == query.format(word)


def test_codewords_depend_on_their_seed_alone(corpus, smoke):
    p = smoke.task.probe
    again, other = (
        choose_codewords(corpus.tokenizer, p.model_copy(update={"codeword_seed": seed})) for seed in (42, 1)
    )
    assert choose_codewords(corpus.tokenizer, p) == again != other
    with pytest.raises(BadInput, match=r"probe\.codewords = 9999: this tokenizer offers only \d+"):
        choose_codewords(corpus.tokenizer, p.model_copy(update={"codewords": 9999}))


def test_a_gap_that_cannot_fit_the_real_sentences_is_refused(corpus, smoke, changed):
    # what parameters alone allow: sentences of five tokens
    longest = smoke.model.context + 1 - 10 - smoke.task.probe.prefix_eval[1]
    with pytest.raises(BadInput, match=rf"probe\.gap_ood ends at {longest}: .*cannot fit model\.context"):
        build_probes(corpus, changed(smoke, task__probe__gap_ood=[25, longest]))


@pytest.mark.parametrize("filler", ["story", "random"])
@pytest.mark.parametrize("pad_targets", ["count", "ignore"])
def test_evaluation_sets_against_plain_python(filler, pad_targets, corpus, probes, smoke, changed):
    p = changed(smoke, task__probe__filler=filler, task__pad_targets=pad_targets)
    s = build_eval_set(corpus, probes, p, p.task.probe.gap_ood, 242)
    width = p.model.context + 1
    running = corpus.validation.tokens.tolist() * 2
    learned = corpus.tokenizer.get_vocab_size(with_added_tokens=False)
    rng = random.Random(242)
    for n in range(p.task.probe.eval_examples):
        word, template = rng.randint(0, len(probes.codewords) - 1), rng.randint(0, len(TEMPLATES) - 1)
        gap, prefix = rng.randint(*p.task.probe.gap_ood), rng.randint(*p.task.probe.prefix_eval)
        if filler == "random":
            text = [rng.randint(100, learned - 1) for _ in range(width)]
        else:
            start = int(corpus.validation.offsets[rng.randint(0, len(corpus.validation) - 1)])
            text = running[start : start + width]
        key, query = (ids(corpus, part.format(probes.codewords[word])) for part in TEMPLATES[template])
        tokens = text[:prefix] + key + text[prefix : prefix + gap] + query
        end, answer = len(tokens), len(ids(corpus, f" {probes.codewords[word]}"))
        tokens += [corpus.pad] * (width - end)
        kept = s.tokens.shape[1]
        assert s.tokens[n].tolist() == tokens[:kept]
        assert (s.gaps[n], s.rows[n]) == (gap, word * len(TEMPLATES) + template)
        predicts = range(1, kept)  # the token that each mask position is about
        assert s.answer[n].tolist() == [end - answer <= j < end for j in predicts]
        scored = [j < end or pad_targets == "count" for j in predicts]
        assert s.language[n].tolist() == [a and not b for a, b in zip(scored, s.answer[n].tolist(), strict=True)]
    # only positions that nobody scores were cut
    longest = int(s.language.shape[1])
    assert longest == width - 1 if pad_targets == "count" else (s.answer | s.language)[:, -1].any()


def test_evaluation_sets_are_those_of_the_seed_and_their_gaps(corpus, probes, smoke, changed):
    sets = eval_sets(corpus, probes, smoke)
    again = eval_sets(corpus, probes, smoke)
    other = eval_sets(corpus, probes, changed(smoke, seed=43))
    for name, gap in (("in", smoke.task.probe.gap_in), ("ood", smoke.task.probe.gap_ood)):
        assert (sets[name].tokens == again[name].tokens).all()
        assert not np.array_equal(sets[name].rows, other[name].rows)
        assert gap[0] <= sets[name].gaps.min() and sets[name].gaps.max() <= gap[1]
    # the same for every arm of a study
    assert (eval_sets(corpus, probes, changed(smoke, optim__beta2=0.0))["ood"].tokens == sets["ood"].tokens).all()
