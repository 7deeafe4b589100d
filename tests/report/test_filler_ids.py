"""The tokens of the published filler that its stories hardly have: by hand, and foretold where it is known."""

import math
import os

import numpy as np
import pytest

from paper.beta2.filler_ids import (
    HIGH,
    LOW,
    RARELY,
    WAYS,
    at_most,
    by_trend,
    counted,
    main,
    measured,
    published_filler,
    read,
    share,
    times,
)
from paper.beta2.numbers import _published_filler

TOKENS = HIGH - LOW + 1


def stories(count, seed=0):
    """Stories of 100 tokens, whose frequencies are as unequal as those of words."""
    weights = np.random.default_rng(99).lognormal(0, 4, TOKENS)
    rng = np.random.default_rng(seed)
    return list(LOW + rng.choice(TOKENS, (count, 100), p=weights / weights.sum()))


def test_counted_by_hand():
    told = [np.array([LOW, LOW, LOW + 3]), np.array([], dtype=int), np.array([LOW] * RARELY + [HIGH])]
    found = times(told)
    assert (found[0], found[3], found[-1], found.sum()) == (RARELY + 2, 1, 1, RARELY + 4)
    assert counted(found).tolist() == [TOKENS - 3, TOKENS - 1]  # LOW occurs more often than rarely


def test_poisson_against_a_plain_sum():
    for rate in (1e-9, 0.3, 12.0):
        expected = sum(math.exp(-rate) * rate**n / math.factorial(n) for n in range(RARELY + 1))
        assert at_most(RARELY, np.array([rate]))[0] == pytest.approx(expected)


def test_a_share_has_each_story_once():
    told = [np.array([n]) for n in range(50)]
    found = np.concatenate(share(told, 20, np.random.default_rng(0)))
    assert len(set(found.tolist())) == 20


@pytest.mark.parametrize("way", WAYS)
def test_both_ways_foretell_what_is_known(way):
    """Eight times as many stories, of the same kind, as are told."""
    known, truth = stories(1000), counted(times(stories(8000, seed=1)))
    found = WAYS[way](known, 8, np.random.default_rng(0))
    now = counted(times(known))
    assert (now > 1.1 * truth).all()  # so that standing still would not do
    assert found == pytest.approx(truth, rel=0.07)


def test_as_many_stories_as_there_are_have_what_was_counted():
    known = stories(200)
    now = counted(times(known))
    assert by_trend(known, 1, np.random.default_rng(0)).tolist() == now.tolist()
    assert WAYS["rates"](known, 1, np.random.default_rng(0)) == pytest.approx(now, rel=0.02)


def test_the_numbers_of_the_paper_are_those_of_the_file():
    told = _published_filler()
    assert (told["PublishedTokens"], told["PublishedNever"], told["PublishedRarely"]) == (
        r"4\,901",
        r"2\,317",
        r"3\,312",
    )
    assert (told["PublishedNeverAll"], told["PublishedNeverShare"]) == (r"1\,094 to 1\,216", "22 to 25")
    assert told["PublishedRarelyShare"] == "50"  # both ways


def test_the_file_is_what_the_command_prints(tinystories, capsys):
    tokenizer = os.environ.get("GPT2_TOKENIZER")
    if not tokenizer:
        pytest.skip("GPT2_TOKENIZER names no file")
    assert measured(*read(str(tinystories), tokenizer)) == published_filler()


def test_the_command_needs_its_files(capsys):
    with pytest.raises(SystemExit):
        main(["--stories", "nothing.jsonl"])
    assert "--tokenizer" in capsys.readouterr().err
