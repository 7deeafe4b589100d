"""The key-retrieval probe: a secret codeword is told early in a story and asked for later.

Codewords, templates and the two fixed evaluation sets follow the published experiment, down to its random
draws; parameters choose between what was executed and its correction (duplicate codewords, the length of the
answer, the filler between key and query).
"""

import random
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from lib.base.errors import BadInput
from lib.params.run import Params
from lib.tasks.stories.corpus import Corpus
from lib.tasks.stories.fillers import filler_source
from lib.tasks.stories.params import ProbeParams
from lib.tasks.stories.templates import TEMPLATES

# Ordinary words that fill up the list when the vocabulary has too few upper-case words of its own: those of
# the reference's list that its rule accepts with the GPT-2 vocabulary.
ORDINARY_WORDS = tuple(
    "APPLE BERRY BETA BLUE DAWN DOVE EARTH EAST FROST GHOST IVORY JADE LEMON LIGHT MAPLE MOON NOON NORTH "
    "OLIVE OMEGA ROSE STONE THETA UNITY WATER WEST WHALE ZERO".split()
)


@dataclass(frozen=True)
class Probes:
    """Every probe sentence, encoded: row c * 5 + t is codeword c in template t, padded on the right."""

    codewords: list[str]
    keys: np.ndarray  # (codewords * 5, longest key) int64
    key_lengths: np.ndarray  # (codewords * 5,)
    queries: np.ndarray
    query_lengths: np.ndarray
    answer_lengths: np.ndarray  # tokens at the end of the query that are scored


@dataclass(frozen=True)
class EvalSet:
    """A fixed set of probe examples; position j of the masks is about predicting tokens[:, j + 1]."""

    tokens: np.ndarray  # (N, length + 1) int64
    answer: np.ndarray  # (N, length) bool
    language: np.ndarray  # (N, length) bool: every other scored position
    filler: np.ndarray  # (N, length + 1) bool: neither the probe's sentences nor padding
    gaps: np.ndarray  # (N,)
    rows: np.ndarray  # (N,) row of the `Probes` tables


def choose_codewords(tokenizer: Tokenizer, p: ProbeParams) -> list[str]:
    """The published rule on any vocabulary: upper-case words of few tokens, sorted, shuffled, cut.

    The reference keeps a word twice when the vocabulary holds it with and without its leading space;
    `duplicates: drop` keeps it once.
    """

    def tokens(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    words = [token.replace("Ġ", " ").strip() for token in tokenizer.get_vocab()]
    words = [w for w in words if w.isupper() and w.isalpha() and len(w) >= 3]
    found = [w for w in words if len(w) >= 4 and tokens(w) == 1]
    if len(found) < p.codewords:
        known = set(found)
        for word in sorted(set(words)):
            if word not in known and tokens(f" {word}") == 1:
                found.append(word)
        known = set(found)
        found += [w for w in ORDINARY_WORDS if w not in known and tokens(w) <= 2]
    found = sorted(set(found) if p.duplicates == "drop" else found)
    random.Random(p.codeword_seed).shuffle(found)
    if len(found) < p.codewords:
        raise BadInput(
            f"task.probe.codewords = {p.codewords}: this tokenizer offers only {len(found)} upper-case codewords"
        )
    return found[: p.codewords]


def build_probes(corpus: Corpus, p: Params) -> Probes:
    """Encode every codeword in every template and mark how many closing tokens are the answer.

    `bare` counts the tokens of the codeword without its leading space, as executed, which is wrong for two
    thirds of the published codewords; `inserted` counts the tokens really there.
    """

    def encode(text: str) -> list[int]:
        return corpus.tokenizer.encode(text, add_special_tokens=False).ids

    codewords = choose_codewords(corpus.tokenizer, p.task.probe)
    stems = [encode(query.removesuffix(" {}")) for _, query in TEMPLATES]
    keys, queries, answers = [], [], []
    for word in codewords:
        bare = len(encode(word))
        for (key, query), stem in zip(TEMPLATES, stems, strict=True):
            keys.append(encode(key.format(word)))
            queries.append(encode(query.format(word)))
            inserted = len(queries[-1]) - len(stem)
            answers.append(min(bare, len(queries[-1])) if p.task.probe.answer_mask == "bare" else inserted)
    probes = Probes(codewords, *_table(keys), *_table(queries), np.array(answers))
    _check_room(probes, p)
    return probes


def _table(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(row) for row in rows])
    table = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    for row, line in zip(table, rows, strict=True):
        row[: len(line)] = line
    return table, lengths


def longest_sentences(probes: Probes) -> int:
    """Tokens of the longest key and query of one codeword and template."""
    return int((probes.key_lengths + probes.query_lengths).max())


def _check_room(probes: Probes, p: Params) -> None:
    sentences = longest_sentences(probes)
    for name in ("gap_in", "gap_ood"):
        gap = getattr(p.task.probe, name)[1]
        if p.task.probe.prefix_eval[1] + sentences + gap > p.model.context + 1:
            raise BadInput(
                f"probe.{name} ends at {gap}: a prefix of {p.task.probe.prefix_eval[1]}, the probe's sentences "
                f"({sentences} tokens with this tokenizer) and the gap cannot fit model.context = {p.model.context}"
            )


def build_eval_set(
    corpus: Corpus, probes: Probes, p: Params, gap: list[int], seed: int, prefix: list[int] | None = None
) -> EvalSet:
    """The fixed examples of one gap range: filler, key, filler of exactly the gap, query, padding.

    One generator in the published order of draws: codeword, template, gap, prefix, then the filler: 257
    (context + 1) random tokens, or as corrected the running text of the validation stories.

    Args:
        prefix: smallest and largest number of tokens before the key; without it `probe.prefix_eval`.
    """
    rng = random.Random(seed)
    width = p.model.context + 1
    draw = filler_source(corpus, p.task.probe.filler, width)
    tokens = np.full((p.task.probe.eval_examples, width), corpus.pad, dtype=np.int64)
    filled = np.zeros(tokens.shape, dtype=bool)
    answer = np.zeros((p.task.probe.eval_examples, width - 1), dtype=bool)
    language = np.zeros_like(answer)
    gaps, rows = [], []
    for n in range(p.task.probe.eval_examples):
        word = rng.randrange(len(probes.codewords))
        row = word * len(TEMPLATES) + rng.randint(0, len(TEMPLATES) - 1)
        distance = rng.randint(*gap)
        before = rng.randint(*(prefix or p.task.probe.prefix_eval))
        filler = draw(rng)
        key = probes.keys[row, : probes.key_lengths[row]]
        query = probes.queries[row, : probes.query_lengths[row]]
        text = np.concatenate([filler[:before], key, filler[before : before + distance], query])
        tokens[n, : len(text)] = text
        filled[n, :before] = filled[n, before + len(key) : len(text) - len(query)] = True
        answer[n, len(text) - 1 - probes.answer_lengths[row] : len(text) - 1] = True
        language[n, : len(text) - 1 if p.task.pad_targets == "ignore" else None] = True
        gaps.append(distance)
        rows.append(row)
    language &= ~answer
    # Positions behind the last scored one cannot matter in a causal model.
    end = 1 + int(np.flatnonzero((answer | language).any(axis=0)).max())
    read = slice(end + 1)
    return EvalSet(
        tokens[:, read], answer[:, :end], language[:, :end], filled[:, read], np.array(gaps), np.array(rows)
    )


def eval_sets(corpus: Corpus, probes: Probes, p: Params) -> dict[str, EvalSet]:
    """`in`: the gaps of training; `ood`: longer ones."""
    return {
        "in": build_eval_set(corpus, probes, p, p.task.probe.gap_in, p.seed + 100),
        "ood": build_eval_set(corpus, probes, p, p.task.probe.gap_ood, p.seed + 200),
    }
