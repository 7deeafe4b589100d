"""What a claim's test asks of results, as effects that the claim says are above zero.

Every effect is linear in quantities of runs, sum_k f_k x_k + c. Where runs of several seeds have them all it is
taken seed by seed, since those runs share weights, data and order, and its error is that of a mean over seeds. One
seed shows no spread: its error is the `spread` that the claim declares, from other seeds, or what the run knows of
its own sampling where that is more. A null's error is that of a mean of as many draws of it as there are seeds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import numpy as np

from lib.geometry.intervals import FREE
from lib.geometry.ladder import RUNGS
from lib.report.axis import Level
from lib.report.claims_file import All, Compare, Contrast, Exceeds, Monotone, Named, Size, Test, Within
from lib.report.quantities import OF_NULL, Estimate
from lib.report.reader import StudyResults

OF_NULLS = ("null", *RUNGS, OF_NULL)  # parts that are a null's


@dataclass(frozen=True)
class Term:
    factor: float
    named: Named
    level: Level


@dataclass(frozen=True)
class Effect:
    """sum of factor * quantity over the terms, plus a constant; claimed to be above zero, or above `smallest`."""

    terms: tuple[Term, ...]
    constant: float = 0.0
    smallest: float = 0.0
    level: Level | None = None  # where it is one of a single level
    sign: float = 1.0  # with which it is told: a fall is a negative change


@dataclass(frozen=True)
class Measured:
    """An effect in these runs: its mean over seeds, the standard error of that, and its degrees of freedom."""

    effect: Effect
    mean: float
    error: float
    freedom: float
    declared: bool = False  # the error is the spread that the claim declares


def effects_of(test: Test, size: Size, results: StudyResults) -> list[Effect]:
    """The effects of a test at the levels that there are; none of a test that is no effect, or lacks levels."""
    return list(_effects(test, size, results))


def _effects(test: Test, size: Size, results: StudyResults) -> Iterator[Effect]:
    match test:
        case All():
            for part in test.tests:
                yield from _effects(part, size, results)
        case Monotone():
            yield from _trend(test, size, results)
        case Exceeds():
            for level in test.at or results.trained():
                yield Effect((Term(1.0, test, level),), -test.than, size.smallest, level)
        case Within():
            for level in test.at or results.trained():
                for sign, bound in ((1.0, test.low), (-1.0, test.high)):
                    if bound is not None:
                        yield Effect((Term(sign, test, level),), -sign * bound, level=level)
        case Contrast():
            for level in test.at or results.trained():
                terms = (Term(1.0, test.larger, level), Term(-test.factor, test.smaller, level))
                yield Effect(terms, smallest=size.smallest, level=level)
        case Compare():
            terms = (Term(1.0, test, test.larger_at), Term(-test.factor, test, test.smaller_at))
            yield Effect(terms, smallest=size.smallest * scale_of(terms, size, results))


def _trend(test: Monotone, size: Size, results: StudyResults) -> Iterator[Effect]:
    """The change from the first level to the last that a straight line over the axis' positions has."""
    levels = results.trained()
    if len(levels) < 3:
        return
    x = np.array(results.axis.positions(levels))
    x -= x.mean()
    sign = 1.0 if test.direction == "rises" else -1.0
    weights = x / (x @ x) * (x[-1] - x[0]) * sign
    terms = tuple(Term(float(w), test, level) for w, level in zip(weights, levels, strict=True))
    yield Effect(terms, smallest=size.smallest * scale_of(terms, size, results), sign=sign)


def scale_of(terms: Sequence[Term], size: Size, results: StudyResults) -> float:
    """What a relative size is relative to: the mean of the values compared."""
    if not size.relative:
        return 1.0
    values = [results.at(t.level, t.named.quantity, t.named.part).value for t in terms]
    return abs(fmean(v for v in values if v is not None)) if any(v is not None for v in values) else 1.0


def measured(effect: Effect, size: Size, results: StudyResults) -> Measured | None:
    """An effect in the runs; None where no seed has every term of it, and of a null without an error."""
    columns = [_by_seed(results, term) for term in effect.terms]
    seeds = [seed for seed in columns[0] if all(seed in column for column in columns)]
    if not seeds:
        return None
    factors = [term.factor for term in effect.terms]
    each = [
        sum(f * column[seed].value for f, column in zip(factors, columns, strict=True)) + effect.constant
        for seed in seeds
    ]
    # What the runs of the first seed know of their own errors: of sampling, or of a null's draws.
    errors = [column[seeds[0]].error for column in columns]
    own = math.hypot(*(f * (error or 0.0) for f, error in zip(factors, errors, strict=True)))
    n = len(each)
    if any(term.named.part in OF_NULLS for term in effect.terms):
        return Measured(effect, fmean(each), own / math.sqrt(n), FREE) if None not in errors else None
    if n > 1:
        return Measured(effect, fmean(each), stdev(each) / math.sqrt(n), n - 1)
    spread = size.spread * scale_of(effect.terms, size, results)
    return Measured(effect, each[0], max(spread, own), FREE, declared=spread > own)


def _by_seed(results: StudyResults, term: Term) -> dict[int, Estimate]:
    """Estimates of a term; without errors that are none of sampling: the jackknife over one path's snapshots."""
    known = results.lookup(term.named.quantity).sampled or term.named.part != "observed"
    found = results.by_seed(term.level, term.named.quantity, term.named.part)
    return found if known else {seed: replace(e, error=None) for seed, e in found.items()}
