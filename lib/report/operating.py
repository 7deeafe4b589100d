"""Operating characteristics: how often each verdict is reached when the truth is known.

For every claim runs of 1, 3 and 10 seeds are drawn about a truth, with the spread that the claim declares, and
decided on as the real ones are, each claim by itself. The truths are no effect, and the effect that was published;
for a claim without published quantities twice the smallest size of interest, and for a range, where zero is its
bound, what the null with memory has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from lib.geometry.intervals import FREE
from lib.report.claims import of_null
from lib.report.claims_file import Claim, Diverges
from lib.report.effects import Effect, effects_of, measured, scale_of
from lib.report.reader import StudyResults
from lib.report.verdicts import VERDICTS, decide

SEEDS = (1, 3, 10)
DRAWS = 1000


@dataclass(frozen=True)
class Characteristic:
    """Shares of VERDICTS over the draws, for each of SEEDS; None where the truth is not known."""

    claim: Claim
    without: dict[int, np.ndarray] | None  # no effect, or the null's
    under: dict[int, np.ndarray] | None  # the effect published, or supposed
    supposed: bool  # nothing was published: twice the smallest size of interest


def characteristics(results: StudyResults) -> list[Characteristic]:
    """For every claim that is about effects, at the levels that these results have."""
    found = []
    for claim in results.claims:
        effects = effects_of(claim.test, claim.effect, results) if not isinstance(claim.test, Diverges) else []
        if not effects:
            continue
        smallest = np.array([e.smallest for e in effects])
        spread = np.array([claim.effect.spread * scale_of(e.terms, claim.effect, results) for e in effects])
        none = np.zeros(len(effects)) if smallest.all() else _null_truth(claim, results)
        told = _published_truth(effects, claim, results)
        supposed = told is None and bool(smallest.all())
        truth = 2 * smallest if supposed else told
        # The bounds of a range are asked of one value.
        draws = [
            str((e.terms[0].named, e.terms[0].level) if len(e.terms) == 1 else n) for n, e in enumerate(effects)
        ]
        same = np.array([draws.index(key) for key in draws])
        spread = spread * [np.sign(e.terms[0].factor) if len(e.terms) == 1 else 1.0 for e in effects]
        drawn = [None if t is None else frequencies(t, spread, smallest, same) for t in (none, truth)]
        found.append(Characteristic(claim, *drawn, supposed))
    return found


def frequencies(
    truth: np.ndarray, spread: np.ndarray, smallest: np.ndarray, same: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """How often each of VERDICTS is reached for effects (L,) about `truth`, by the number of seeds.

    Args:
        spread: standard deviations, with a sign for effects that go against the value that they are of.
        same: for each effect the first that is of the same value; each of its own without.
    """
    found = {}
    for n in SEEDS:
        rng = np.random.default_rng(n)
        each = rng.standard_normal((DRAWS, n, len(truth)))
        draws = truth + spread * (each if same is None else each[..., same])
        if n == 1:
            codes, *_ = decide(draws[:, 0], np.abs(spread), FREE, smallest)
        else:
            codes, *_ = decide(draws.mean(axis=1), draws.std(axis=1, ddof=1) / math.sqrt(n), n - 1, smallest)
        found[n] = np.bincount(codes, minlength=len(VERDICTS)) / DRAWS
    return found


def _published_truth(effects: Sequence[Effect], claim: Claim, results: StudyResults) -> np.ndarray | None:
    """The effects of the published values, a relative one of their mean; None where one was not published."""
    values = []
    for effect in effects:
        observed = all(term.named.part == "observed" for term in effect.terms)
        told = [results.published.at(t.named.quantity, t.level) if observed else None for t in effect.terms]
        if None in told:
            return None
        # Norms grow with the model: of what is relative the same share is taken of the values here.
        unit = scale_of(effect.terms, claim.effect, results) / fmean(told) if claim.effect.relative else 1.0
        found = sum(t.factor * value for t, value in zip(effect.terms, told, strict=True))
        values.append(unit * found + effect.constant)
    return np.array(values)


def _null_truth(claim: Claim, results: StudyResults) -> np.ndarray | None:
    """The effects of the null with memory of these runs; None where it has none."""
    test = of_null(claim.test, results)
    found = [measured(e, claim.effect, results) for e in effects_of(test, claim.effect, results)] if test else []
    return np.array([m.mean for m in found]) if found and all(found) else None
