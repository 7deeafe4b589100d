"""batch(step): which stories, which probes, where they stand: a pure function of (seed, step, micro-batch).

Nothing here is stateful: there is nothing to save and nothing to fast-forward. Every arm of a study, any
order of access and any number of processes see the same batch k. The random numbers come from a
counter-based generator keyed by the seed, mapped to ranges by hand so that no library version can move them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np

from lib.params.run import Params
from lib.tasks.draws import between, uniforms
from lib.tasks.stories.corpus import Corpus, Split
from lib.tasks.stories.probe import Probes
from lib.tasks.stories.templates import TEMPLATES

# Streams of random numbers, so that no two uses share one.
SHUFFLE, EXAMPLES, CROPS = 0, 1, 2


@dataclass(frozen=True)
class Batch:
    """B examples of L + 1 tokens; position j of the masks is about predicting tokens[:, j + 1]."""

    tokens: np.ndarray  # (B, L + 1) int64
    language: np.ndarray  # (B, L) bool: positions of the language-modelling loss
    answer: np.ndarray  # (B, L) bool: positions of the probe loss
    stories: np.ndarray  # (B,) index of the story behind each example
    probed: np.ndarray  # (B,) bool

    @property
    def digest(self) -> str:
        parts = (self.tokens, self.language, self.answer)
        return hashlib.blake2b(b"".join(np.ascontiguousarray(x) for x in parts), digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, stories: int) -> np.ndarray:
    return np.argsort(uniforms(seed, SHUFFLE, epoch, (stories,)), kind="stable")


def batch(corpus: Corpus, probes: Probes, p: Params, step: int, micro: int = 0) -> Batch:
    """Micro-batch `micro` of optimizer step `step` (the first step is 1).

    Stories are visited in a fresh order each epoch, the last incomplete batch of an epoch dropped. With
    probability task.probe.p an example carries a probe: story[:a] + key + story[a : a + gap] + query + the rest
    of the story, cut to L + 1 tokens; otherwise it is a random crop of its story, padded when short.
    """
    split, size = corpus.train, p.batch.size
    k = (step - 1) * p.batch.accumulate + micro
    per_epoch = max(1, len(split) // size)
    epoch, place = divmod(k, per_epoch)
    order = epoch_order(p.seed, epoch, len(split))
    stories = np.take(order, np.arange(place * size, (place + 1) * size), mode="wrap")
    u = uniforms(p.seed, EXAMPLES, k, (6, size))
    probed = u[0] < p.task.probe.p
    tokens, real = crops(split, stories, u[1], p.model.context + 1, corpus.pad)
    answer = np.zeros((size, p.model.context), dtype=bool)
    if probed.any():
        tokens[probed], real[probed], answer[probed] = insert_probes(
            corpus, probes, p, stories[probed], u[2:, probed]
        )
    language = (real[:, 1:] if p.task.pad_targets == "ignore" else np.ones_like(answer)) & ~answer
    return Batch(tokens, language, answer, stories, probed)


def crops(split: Split, stories: np.ndarray, u: np.ndarray, width: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, real) of plain examples: a crop of `width` tokens at a random start, or the padded story."""
    begin = split.offsets[stories]
    lengths = split.offsets[stories + 1] - begin
    start = begin + between(u, 0, np.maximum(lengths - width, 0))
    columns = np.arange(width)
    real = columns < lengths[:, None]
    tokens = split.tokens[np.where(real, start[:, None] + columns, 0)].astype(np.int64)
    return np.where(real, tokens, pad), real


def insert_probes(
    corpus: Corpus, probes: Probes, p: Params, stories: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(tokens, real, answer) of probe examples, every position looked up at once."""
    width, context = p.model.context + 1, p.model.context
    row = between(u[0], 0, len(probes.codewords) - 1) * len(TEMPLATES) + between(u[1], 0, len(TEMPLATES) - 1)
    key, query = probes.key_lengths[row][:, None], probes.query_lengths[row][:, None]
    gap = between(u[2], *p.task.probe.gap_in)[:, None]
    room = width - (key + gap + query)
    lengths = np.diff(corpus.train.offsets)[stories][:, None]
    prefix = np.minimum(between(u[3][:, None], 2, np.maximum(3, room // 3)), lengths)
    # A story no longer than its prefix goes on from its last token, as in the reference.
    middle = np.minimum(prefix, lengths - 1)

    # Every example is five pieces; `j` counts positions, and each piece says where its tokens come from.
    j = np.arange(width)[None, :]
    key_at, gap_at = prefix, prefix + key
    query_at = gap_at + gap
    rest_at = query_at + query
    in_key, in_gap = (j >= key_at) & (j < gap_at), (j >= gap_at) & (j < query_at)
    in_query, in_rest = (j >= query_at) & (j < rest_at), j >= rest_at
    source = np.where(in_rest, j - rest_at + middle + gap, np.where(in_gap, j - gap_at + middle, j))
    in_story = source < lengths
    begin = corpus.train.offsets[stories][:, None]
    tokens = corpus.train.tokens[np.where(in_story, begin + source, 0)].astype(np.int64)
    tokens = np.where(in_story, tokens, corpus.pad)
    tokens = np.where(in_key, np.take_along_axis(probes.keys[row], _within(j - key_at, probes.keys), 1), tokens)
    tokens = np.where(
        in_query, np.take_along_axis(probes.queries[row], _within(j - query_at, probes.queries), 1), tokens
    )
    # The gap counts as real even where a short story left it to padding; what follows the query does not.
    real = np.where(in_rest, in_story, True)
    target = np.arange(1, context + 1)[None, :]
    answers = probes.answer_lengths[row][:, None]
    answer = (target >= rest_at - answers) & (target < rest_at)
    return tokens, real, answer


def _within(index: np.ndarray, table: np.ndarray) -> np.ndarray:
    return np.clip(index, 0, table.shape[1] - 1)


def validation_batch(corpus: Corpus, p: Params, step: int) -> Batch:
    """The first task.validation.stories stories; their crops fixed, or drawn afresh at each evaluation."""
    stories = np.arange(min(p.task.validation.stories, len(corpus.validation)))
    u = uniforms(p.seed + 1, CROPS, 0 if p.task.validation.crops == "fixed" else step, (len(stories),))
    tokens, real = crops(corpus.validation, stories, u, p.model.context + 1, corpus.pad)
    language = real[:, 1:] if p.task.pad_targets == "ignore" else np.ones_like(real[:, 1:])
    nothing = np.zeros_like(language)
    return Batch(tokens, language, nothing, stories, np.zeros(len(stories), dtype=bool))


def show(corpus: Corpus, example: Batch, index: int) -> str:
    """One example as text: the scored answer in [[ ]], padding left out."""
    scored = np.concatenate([[False], example.answer[index].astype(bool)])
    pieces = []
    for is_answer, group in groupby(zip(scored, example.tokens[index], strict=False), key=lambda pair: pair[0]):
        text = readable(corpus, [token for _, token in group if token != corpus.pad])
        pieces.append(f"[[{text}]]" if is_answer else text)
    return "".join(pieces)


def readable(corpus: Corpus, tokens: Iterable[int]) -> str:
    """Tokens as text; random ones can hold parts of letters, each of which is a dot."""
    text = corpus.tokenizer.decode([int(token) for token in tokens], skip_special_tokens=False)
    return text.replace("\ufffd", "·")
