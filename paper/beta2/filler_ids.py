"""How many tokens of the published random filler TinyStories never has, or hardly ever.

The published corpus has 200,000 stories. What so many have is foretold from fewer in two ways: by the rates at
which tokens occur, and by how the numbers change from half of the stories to all of them. How good either is shows
where the stories at hand are foretold from as small a share of them as they are of the published corpus.

    python -m paper.beta2.filler_ids --stories FILE --tokenizer FILE

prints the numbers of published_filler.yaml.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.files import json_text
from lib.base.yaml_text import read_yaml
from lib.params.run import Params
from lib.params.study import load_study
from lib.tasks.stories.fillers import FILLER_TOKENS
from lib.tasks.stories.probe import choose_codewords
from lib.tasks.stories.sources import file_stories
from lib.tasks.stories.templates import TEMPLATES
from lib.tasks.stories.tokenizer import load_tokenizer

NUMBERS = Path(__file__).with_name("published_filler.yaml")
PUBLISHED_STORIES = 200_000
HOLDOUT = "version=V2-GPT4-valid"  # the stories of the file that are not for training
RARELY = 10  # occurrences up to which a token counts as hardly read
DRAWS, HALVES = 10, 40  # of a random share of the stories, and of half of them
RATES, ROUNDS = 120, 500  # of the mixture of rates, and of its fit

LOW, HIGH = FILLER_TOKENS
Stories = Sequence[np.ndarray]  # of every story the tokens that the filler can have
Count = np.ndarray  # (never, rarely): tokens of the filler that occur in no story, and RARELY times or less


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m paper.beta2.filler_ids")
    parser.add_argument("--stories", required=True, help="TinyStories, a .jsonl with text and version")
    parser.add_argument("--tokenizer", required=True, help="the tokenizer.json of GPT-2")
    told = parser.parse_args(arguments)
    print(json_text(measured(*read(told.stories, told.tokenizer))))


def read(stories: str, tokenizer: str) -> tuple[Stories, int]:
    """The training stories of a file, and how many tokens of the filler the probe has that they have not."""
    p: Params = load_study("beta2", "paper").runs[0].params
    corpus = p.task.corpus.model_copy(update={"source": "file", "path": stories, "holdout": HOLDOUT})
    encoder = load_tokenizer(p.task.tokenizer.model_copy(update={"path": tokenizer}), [], 0)

    def encoded(texts: list[str]) -> Stories:
        found = [np.array(e.ids) for e in encoder.encode_batch(texts, add_special_tokens=False)]
        return [ids[(ids >= LOW) & (ids <= HIGH)] for ids in found]

    known = encoded([text.strip() for text in file_stories(corpus)["train"]])
    words = choose_codewords(encoder, p.task.probe)
    sentences = encoded([text.format(word) for word in words for pair in TEMPLATES for text in pair])
    return known, int(((times(known) == 0) & (times(sentences) > 0)).sum())


def measured(stories: Stories, in_probe: int) -> dict[str, Any]:
    """What published_filler.yaml holds: counted, foretold for the published corpus, and for these stories."""
    rng = np.random.default_rng(0)
    factor = PUBLISHED_STORIES / len(stories)
    few = round(len(stories) / factor)
    parts = [share(stories, few, rng) for _ in range(DRAWS)]
    here = [np.mean([way(part, len(stories) / few, rng) for part in parts], axis=0) for way in WAYS.values()]
    told: dict[str, Any] = {"stories": len(stories), "tokens": HIGH - LOW + 1, "in_probe": in_probe}
    told["counted"] = whole(counted(times(stories)))
    told |= {name: whole(way(stories, factor, rng)) for name, way in WAYS.items()}
    return told | {"few": few, "from_few": {name: whole(c) for name, c in zip(WAYS, here, strict=True)}}


def whole(count: Count) -> dict[str, int]:
    return {"never": round(float(count[0])), "rarely": round(float(count[1]))}


# --------------------------------------------------------------------------------------------------- two ways


def times(stories: Stories) -> np.ndarray:
    """(tokens of the filler,) how often each occurs."""
    return np.bincount(np.concatenate(stories) - LOW, minlength=HIGH - LOW + 1)


def counted(occurrences: np.ndarray) -> Count:
    return np.array([(occurrences == 0).sum(), (occurrences <= RARELY).sum()], dtype=float)


def share(stories: Stories, count: int, rng: np.random.Generator) -> Stories:
    return [stories[n] for n in rng.permutation(len(stories))[:count]]


def by_rates(stories: Stories, factor: float, rng: np.random.Generator) -> Count:
    """By the mixture of Poisson rates under which the occurrences in the stories are likeliest, times `factor`.

    What a token that never occurred may yet do is that of rates so small that they often give no occurrence; an
    expectation-maximisation with a given number of rounds from an even start keeps the mixture smooth.
    """
    seen, tokens = np.unique(times(stories), return_counts=True)
    rates = np.concatenate([[1e-9], np.geomspace(0.02, seen.max() + 1, RATES)])
    factorials = np.array([math.lgamma(n + 1) for n in seen])
    logs = seen[:, None] * np.log(rates) - rates - factorials[:, None]
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(len(rates), 1 / len(rates))
    for _ in range(ROUNDS):
        belongs = likelihood * weights
        belongs /= belongs.sum(axis=1, keepdims=True)
        weights = tokens @ belongs / tokens.sum()
    return tokens.sum() * np.array([weights @ at_most(most, factor * rates) for most in (0, RARELY)])


def at_most(most: int, rates: np.ndarray) -> np.ndarray:
    """The probability of `most` occurrences or fewer, by Poisson's law."""
    logs = [n * np.log(rates) - rates - math.lgamma(n + 1) for n in range(most + 1)]
    return np.exp(logs).sum(axis=0)


def by_trend(stories: Stories, factor: float, rng: np.random.Generator) -> Count:
    """As if every doubling took as many tokens off the numbers as that from half of the stories to all of them."""
    halves = [counted(times(share(stories, len(stories) // 2, rng))) for _ in range(HALVES)]
    now = counted(times(stories))
    return now - (np.mean(halves, axis=0) - now) * math.log2(factor)


WAYS: dict[str, Callable[[Stories, float, np.random.Generator], Count]] = {"rates": by_rates, "trend": by_trend}


def published_filler() -> dict[str, Any]:
    """The numbers of published_filler.yaml."""
    return read_yaml(NUMBERS, "published filler")


if __name__ == "__main__":
    main(sys.argv[1:])
