"""The filler of the probe's evaluation: what stands before the key, and between key and question.

Random tokens, as executed, are tokens of the vocabulary and not of the stories: some of them no story has. The
other kinds go from there to running text, one step each.
"""

import random
from collections.abc import Callable

import numpy as np

from lib.base.errors import BadInput
from lib.tasks.stories.corpus import Corpus

FILLER_TOKENS = (100, 5000)  # smallest and largest token of the random filler
SEEN_TIMES = 10  # occurrences in the training stories from which a token counts as seen

Filler = Callable[[random.Random], np.ndarray]


def filler_range(corpus: Corpus) -> tuple[int, int]:
    """Smallest and largest token of the random filler with this vocabulary.

    Codewords that were added to a small vocabulary stand behind its learned tokens, and are not filler.
    """
    learned = corpus.tokenizer.get_vocab_size(with_added_tokens=False)
    return FILLER_TOKENS[0], min(FILLER_TOKENS[1], learned - 1)


def times_read(corpus: Corpus) -> np.ndarray:
    """(vocab,) how often each token occurs in the training stories."""
    return np.bincount(corpus.train.tokens, minlength=corpus.vocab)


def filler_source(corpus: Corpus, kind: str, width: int) -> Filler:
    """A function that draws `width` tokens of filler.

    Args:
        kind: `random`, equally often any token of the range; `seen`, any of those that the training stories have
            SEEN_TIMES times or more; `unigram`, as often as the training stories have a token; `story`, the
            validation stories from the beginning of one; `shuffled`, the same text in random order.

    Raises: BadInput where no token of the range was seen.
    """
    low, high = filler_range(corpus)
    if kind == "random":
        return lambda rng: np.array([rng.randint(low, high) for _ in range(width)])
    if kind == "seen":
        seen = (low + np.flatnonzero(times_read(corpus)[low : high + 1] >= SEEN_TIMES)).tolist()
        if not seen:
            raise BadInput(
                f"task.probe.filler = seen: no token from {low} to {high} occurs {SEEN_TIMES} times in the "
                "training stories"
            )
        return lambda rng: np.array(rng.choices(seen, k=width))
    if kind == "unigram":
        times = times_read(corpus)
        times[[corpus.pad, *corpus.tokenizer.get_added_tokens_decoder()]] = 0
        upto = np.cumsum(times).tolist()
        return lambda rng: np.array(rng.choices(range(len(upto)), cum_weights=upto, k=width))
    return lambda rng: _story(corpus, width, rng, shuffled=kind == "shuffled")


def _story(corpus: Corpus, width: int, rng: random.Random, shuffled: bool) -> np.ndarray:
    start = corpus.validation.offsets[rng.randrange(len(corpus.validation))]
    text = np.take(corpus.validation.tokens, np.arange(start, start + width), mode="wrap")
    return np.array(rng.sample(text.tolist(), width)) if shuffled else text
