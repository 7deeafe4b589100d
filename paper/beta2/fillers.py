"""The probe asked of the whole snapshots after every kind of filler: `analysis/fillers.json`.

Random filler, as executed, has tokens that no text the model reads ever has, and a longer gap holds more of them.
So every filler is asked for at a short gap (`in`), at a long one (`ood`), and at a short gap behind a long prefix
(`prefix`), which has as many tokens of filler as a long gap, and its late positions, but not the gap.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib.measure.models import device_here, load_model, whole_steps
from lib.measure.trajectory import write_analysis
from lib.models.products import fast_products
from lib.params.run import Params, load_params
from lib.tasks.stories.corpus import Corpus
from lib.tasks.stories.evaluate import evaluate
from lib.tasks.stories.fillers import times_read
from lib.tasks.stories.params import FILLERS
from lib.tasks.stories.probe import EvalSet, Probes, build_eval_set, eval_sets, longest_sentences
from lib.tasks.stories.task import Data, prepare
from lib.train.places import data_store

FULL = ("random", "seen", "story")  # all questions at both gaps; everywhere else a third of them


def fillers(folder: Path) -> list[dict[str, Any]]:
    """Accuracy and binomial standard error of every filler and cell at the whole snapshots, and every dose."""
    p = load_params(folder / "params.yaml")
    data = prepare(p, data_store(folder))
    sets = {filler: filler_sets(data, p, filler) for filler in FILLERS}
    known = read_in_training(data.corpus, data.probes)
    doses = {f"dose_{filler}": dose(cells.values(), known) for filler, cells in sets.items()}
    device = device_here()
    points = []
    for step in whole_steps(folder):
        model = load_model(folder, step, data, device)
        scores: dict[str, Any] = {"step": step, **doses}
        with fast_products(model, device):
            for filler, cells in sets.items():
                for cell, s in cells.items():
                    found = evaluate(model, s.tokens, s.answer, np.zeros_like(s.language), autocast=False)
                    share = found.accuracy
                    scores[f"{cell}_{filler}"] = share
                    scores[f"{cell}_{filler}_se"] = np.sqrt(share * (1 - share) / len(s.tokens))
        points.append(scores)
    return write_analysis(folder, "fillers", points)


def filler_sets(data: Data, p: Params, filler: str) -> dict[str, EvalSet]:
    """The evaluation sets of one filler by cell; `in` and `ood` are those of a run with that filler."""

    def asked(examples: int) -> Params:
        probe = p.task.probe.model_copy(update={"filler": filler, "eval_examples": examples})
        return p.model_copy(update={"task": p.task.model_copy(update={"probe": probe})})

    everything = p.task.probe.eval_examples
    fewer = asked(max(1, everything // 3))
    cells = eval_sets(data.corpus, data.probes, asked(everything) if filler in FULL else fewer)
    before = long_prefix(data.probes, p)
    cells["prefix"] = build_eval_set(data.corpus, data.probes, fewer, p.task.probe.gap_in, p.seed + 300, before)
    return cells


def long_prefix(probes: Probes, p: Params) -> list[int]:
    """A prefix as long as the long gaps, as far as the context has room for the sentences and a short gap too."""
    room = p.model.context + 1 - longest_sentences(probes) - p.task.probe.gap_in[1]
    return [min(length, room) for length in p.task.probe.gap_ood]


def read_in_training(corpus: Corpus, probes: Probes) -> np.ndarray:
    """(vocab,) whether a token occurs in the training stories or in a sentence of the probe."""
    known = times_read(corpus) > 0
    for table, lengths in ((probes.keys, probes.key_lengths), (probes.queries, probes.query_lengths)):
        known[table[np.arange(table.shape[1]) < lengths[:, None]]] = True
    return known


def dose(sets: Iterable[EvalSet], known: np.ndarray) -> float:
    """The share of the filler's tokens that training never reads."""
    return float(1 - np.concatenate([known[s.tokens[s.filler]] for s in sets]).mean())
