"""The built-in corpus: the same stories everywhere, in correct English, no two alike."""

import re
from functools import cache
from hashlib import blake2b

import pytest

import storyworld

# what a text must not contain, and why
FLAWS = {
    "a brace or bracket left over from a template": r"[\[\]{}|#_]",
    "a doubled space, or one at the edge of a paragraph": r"  |^ | $|\n | \n|\n\n\n",
    "a sentence that starts small": r"(?:^|\n\n|[.!?] |\.\" )[a-z]",
    "quoted speech that starts small": r"(?:^|[.!?:] )\"[a-z]",
    "a word in capitals": r"\b[A-Z]{2,}\b",
    "a before a vowel": r"\b[Aa] (?!one\b|uni|use|eu)[aeiou]",
    "an before a consonant": r"\b[Aa]n (?!hour|honest)[^aeiou]",
    "space before punctuation": r" [,.!?;:]|[.!?,] \"(?:\s|$)",
    "doubled punctuation": r"[,.!?;:][,.!?;:]|\.\"\.|,\"\s*\.",
    "a word told twice": r"\b(\w+) \1\b",
    "a wrong plural": r"\b(mouses|gooses|deers|wolfs|butterflys|foxs|puppys|fishermans)\b",
    "a verb in the wrong form": r"(?<!could )\b(he|she) (are|were|have|do)\b|\b(they|we) (was|is|has|does)\b",
    "text outside plain ASCII": r"[^\n -~]",
}


@cache
def sample(count: int = 2000) -> tuple[str, ...]:
    return tuple(storyworld.stories(7, 0, count))


def skeleton(story: str) -> tuple[str, ...]:
    """The story with everything but the smallest words of each sentence masked."""
    sentences = re.split(r"[.!?]+\"?\s+", story)
    return tuple(" ".join(w if len(w) < 4 and w.islower() else "*" for w in s.split()) for s in sentences)


def test_known_story_is_unchanged() -> None:
    digest = blake2b("\0".join(storyworld.stories(1, 0, 100)).encode(), digest_size=8).hexdigest()
    assert (storyworld.VERSION, digest) == ("1", "21661fa5fbb4cb34")


def test_story_depends_on_seed_and_index_only() -> None:
    forward = [storyworld.story(3, index) for index in range(40)]
    backward = [storyworld.story(3, index) for index in reversed(range(40))]
    assert forward == backward[::-1] == list(storyworld.stories(3, 0, 40))
    assert forward[10:20] == list(storyworld.stories(3, 10, 10))


def test_seeds_share_no_story() -> None:
    assert not set(storyworld.stories(1, 0, 300)) & set(storyworld.stories(2, 0, 300))


@pytest.mark.parametrize("flaw", FLAWS)
def test_english(flaw: str) -> None:
    pattern = re.compile(FLAWS[flaw], re.MULTILINE if "paragraph" in flaw else 0)
    found = [match[0] + " in: " + text for text in sample() if (match := pattern.search(text))]
    assert not found, found[0]


def test_quotes_are_balanced_in_every_paragraph() -> None:
    for text in sample():
        for paragraph in text.split("\n\n"):
            assert paragraph.count('"') % 2 == 0, paragraph
            assert paragraph[-1] in '.!?"', paragraph


def test_no_two_stories_are_built_alike() -> None:
    texts = sample() + tuple(storyworld.stories(8, 0, 1000))
    assert len(set(texts)) == len(texts)
    assert len({skeleton(text) for text in texts}) == len(texts)


def test_openings_and_endings_vary() -> None:
    texts = sample()
    first = {re.split(r"(?<=[.!?])", text)[0] for text in texts}
    last = {re.split(r"(?<=[.!?\"]) ", text)[-1] for text in texts}
    assert len(first) > 0.9 * len(texts)
    assert len(last) > 0.4 * len(texts)
    assert sum(text.startswith(("Once", "There")) for text in texts) < 0.5 * len(texts)


def test_vocabulary_is_that_of_a_small_child() -> None:
    words = {word for text in sample() for word in re.findall(r"[a-z]+", text.lower())}
    assert 1800 < len(words) < 4000


def test_lengths_are_those_of_short_stories() -> None:
    lengths = sorted(len(text.split()) for text in sample())
    assert 140 < sum(lengths) / len(lengths) < 220
    assert lengths[0] >= 40 and lengths[-1] <= 450
    assert lengths[len(lengths) // 20] < 110
    assert lengths[-len(lengths) // 20] > 220
