"""Claims as tests on results: holds, fails, or cannot tell, with the figures and one sentence why.

An effect counts when it exceeds the claim's tolerance and its own error: half of its 95 % interval over seeds (t),
of differences between levels seed by seed, since the runs of a seed are paired; with one seed twice the standard
error that a run knows itself. Geometry of a single seed has none: a jackknife over the snapshots of one path says
nothing of another seed. A null has one, from draw to draw, and so has what is left of a run beyond it.

A claim about geometry has a second verdict: that of the same test on the run's own null with memory in place of the
run. A claim that holds for both is no evidence of anything that this null lacks.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import stdev
from typing import Any

from lib.geometry.intervals import t_975
from lib.geometry.presets import PRESETS
from lib.report.axis import Level, level_text
from lib.report.claims_file import All, Claim, Compare, Contrast, Diverges, Monotone, Named, Test, Tolerance, Within
from lib.report.quantities import OF_NULL
from lib.report.reader import StudyResults

HOLDS, FAILS, OPEN = "holds", "fails", "cannot tell"


@dataclass(frozen=True)
class Figure:
    quantity: str
    part: str
    level: Level
    value: float | None
    error: float | None  # half of its interval: over seeds, or twice the error that a single run knows
    digits: int  # decimals at which values of this quantity are told apart
    by_seed: Mapping[int, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The value as a sentence has it; empty where there is none."""
        return "" if self.value is None else decimal(self.value, self.digits)


@dataclass(frozen=True)
class Finding:
    verdict: str
    why: str
    figures: list[Figure] = field(default_factory=list)
    tested: bool = True  # False where data are missing


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    verdict: str
    why: str
    figures: list[Figure]
    tested: bool = True
    null: str = ""  # what the null with memory says of the same test; empty where it can say nothing

    @property
    def headline(self) -> str:
        """What the paper says of the claim, without its full stop."""
        if not self.tested:
            claim = self.claim.claim.rstrip(".")
            return f"This could not be tested: {claim[0].lower()}{claim[1:]}"
        said = {HOLDS: self.claim.prose.holds, FAILS: self.claim.prose.fails, OPEN: self.claim.prose.open}
        return said[self.verdict]

    @property
    def sentence(self) -> str:
        """The same with the figures."""
        beside = "; noise with memory passes the same test" if self.verdict == self.null == HOLDS else ""
        return f"{self.headline} ({self.why}{beside})."

    def record(self, axis: str) -> dict[str, Any]:
        """As summary/claims.json has it, each figure with its level under the name of the axis."""
        tolerance = self.claim.tolerance
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "verdict": self.verdict,
            "null": self.null,
            "why": self.why,
            "tolerance": tolerance.model_dump() if tolerance else None,
            "figures": [self._figure(f, axis) for f in self.figures],
        }

    def _figure(self, f: Figure, axis: str) -> dict[str, Any]:
        return {
            "quantity": f.quantity,
            "part": f.part,
            axis: f.level,
            "value": f.value,
            "error": f.error,
            "seeds": dict(f.by_seed),
        }


def judge(claims: Iterable[Claim], results: StudyResults) -> list[Verdict]:
    return [_judge(claim, results) for claim in claims]


def _judge(claim: Claim, results: StudyResults) -> Verdict:
    found = _test(claim.test, claim.tolerance, results)
    tested = {f.quantity for f in found.figures}
    beside = [figure_at(results, n.quantity, n.part, b) for n in claim.also for b in results.trained()]
    told = [f"; {n.part if n.quantity in tested else _name(n, results)} {_spread(beside, n)}" for n in claim.also]
    why = found.why + "".join(text for text, n in zip(told, claim.also, strict=True) if _spread(beside, n))
    of_null = _of_null(claim.test, results)
    said = _test(of_null, claim.tolerance, results) if of_null else None
    null = said.verdict if said and said.tested else ""
    return Verdict(claim, found.verdict, why, [*found.figures, *beside], found.tested, null)


def _of_null(test: Test, results: StudyResults) -> Test | None:
    """The same test on the null with memory; None where it has no such quantity, or is about that null itself."""
    match test:
        case Contrast():
            both = {name: _named_of_null(getattr(test, name), results) for name in ("larger", "smaller")}
            return test.model_copy(update=both) if all(both.values()) else None
        case All():
            parts = [_of_null(part, results) for part in test.tests]
            return test.model_copy(update={"tests": parts}) if all(parts) else None
        case Diverges():
            return None
    return _named_of_null(test, results)


def _named_of_null(named: Named, results: StudyResults) -> Named | None:
    part = {"observed": "memory", "excess": OF_NULL}.get(named.part)
    known = named.quantity.split(".")[0] in PRESETS and results.lookup(named.quantity).null
    return named.model_copy(update={"part": part}) if part and known else None


def _test(test: Test, tolerance: Tolerance | None, results: StudyResults) -> Finding:
    match test:
        case Monotone():
            return _monotone(test, tolerance, results)
        case Within():
            return _within(test, tolerance, results)
        case Contrast():
            return _contrast(test, tolerance, results)
        case Compare():
            return _compare(test, tolerance, results)
        case Diverges():
            return _diverges(test, results)
        case All():
            return _all([_test(t, tolerance, results) for t in test.tests])


# ------------------------------------------------------------------------------------------------------- tests


def _monotone(test: Monotone, tolerance: Tolerance, results: StudyResults) -> Finding:
    """From the first level to the last: far enough in all, and no clear step back on the way."""
    levels = results.trained()
    figures = [figure_at(results, test.quantity, test.part, b) for b in levels]
    if len(levels) < 3:
        told = f"only {len(levels)} of {len(results.levels)} values of {results.axis.name} finished"
        return Finding(OPEN, told, figures, False)
    if missing := _missing(figures, results):
        return Finding(OPEN, missing, figures, False)
    sign = 1 if test.direction == "rises" else -1
    change = figures[-1].value - figures[0].value
    needed = _needed(tolerance, figures[0], figures[-1])
    steps = [(b.value - a.value) * sign + _needed(tolerance, a, b) for a, b in pairwise(figures)]
    why = f"{_series(figures)}: a change of {change:+.{figures[0].digits}f}, {_short(needed)} needed"
    if change * sign < -needed:
        return Finding(FAILS, why, figures)
    if min(steps) < 0:
        return Finding(FAILS, f"{why}, with a step back on the way", figures)
    return Finding(HOLDS if change * sign > needed else OPEN, why, figures)


def _within(test: Within, tolerance: Tolerance, results: StudyResults) -> Finding:
    figures = [figure_at(results, test.quantity, test.part, b) for b in test.at or results.trained()]
    margins = []
    for f in figures:
        if f.value is not None:
            low = f.value - test.low if test.low is not None else math.inf
            high = test.high - f.value if test.high is not None else math.inf
            margins.append((min(low, high), _needed(tolerance, f)))
    needed = _short(max((n for _, n in margins), default=0))
    bounds = [f"above {_short(test.low)}"] if test.low is not None else []
    bounds += [f"below {_short(test.high)}"] if test.high is not None else []
    why = f"{_series(figures, test.at)}, {' and '.join(bounds)} by {needed} needed"
    return _every(figures, margins, why, results)


def _contrast(test: Contrast, tolerance: Tolerance, results: StudyResults) -> Finding:
    figures, margins, told = [], [], []
    for b in test.at or results.trained():
        large, small = (figure_at(results, n.quantity, n.part, b) for n in (test.larger, test.smaller))
        figures += [large, small]
        if large.value is not None and small.value is not None:
            error = math.hypot(large.error or 0, test.factor * (small.error or 0))
            margins.append((large.value - test.factor * small.value, max(tolerance.value, error)))
            told.append(f"{_short(large.value)} against {_short(small.value)}")
    return _every(figures, margins, f"{', '.join(told)}, a factor above {test.factor:g} needed", results)


def _compare(test: Compare, tolerance: Tolerance, results: StudyResults) -> Finding:
    levels = (test.larger_at, test.smaller_at)
    figures = [figure_at(results, test.quantity, test.part, b) for b in levels]
    if missing := _missing(figures, results):
        return Finding(OPEN, missing, figures, False)
    difference, needed = figures[0].value - figures[1].value, _needed(tolerance, *figures)
    why = f"{_series(figures, levels)}: a difference of {_short(difference)}, {_short(needed)} needed"
    return _every(figures, [(difference, needed)], why, results)


def _diverges(test: Diverges, results: StudyResults) -> Finding:
    states = {b: {run.state for run in results.runs if run.level == b} for b in results.levels}
    if test.at not in states:
        return Finding(OPEN, f"{level_text(test.at)} is not in the grid", tested=False)
    told = [f"at {level_text(r.level)} the run {r.said}" for r in results.runs if r.diverged]
    why = ", ".join(told) or "no run diverged"
    others = [s for b, s in states.items() if b != test.at]
    if any("diverged" in s for s in others) or "done" in states[test.at]:
        return Finding(FAILS, why)
    if states[test.at] == {"diverged"} and all(s == {"done"} for s in others):
        return Finding(HOLDS, f"{why}; the others finished")
    return Finding(OPEN, f"{why}; not every run finished", tested=False)


def _all(findings: list[Finding]) -> Finding:
    verdicts = {f.verdict for f in findings}
    verdict = FAILS if FAILS in verdicts else OPEN if OPEN in verdicts else HOLDS
    why = "; ".join(f.why for f in findings)
    return Finding(verdict, why, [g for f in findings for g in f.figures], all(f.tested for f in findings))


# ------------------------------------------------------------------------------------------------------ helpers


def _every(figures: list[Figure], margins: list[tuple[float, float]], why: str, results: StudyResults) -> Finding:
    """One clear exception refutes what is said of all; anything missing or close leaves it open."""
    missing = _missing(figures, results)
    if any(margin < -needed for margin, needed in margins):
        return Finding(FAILS, why, figures)
    if missing or not margins:
        return Finding(OPEN, missing or "no run finished", figures, False)
    return Finding(HOLDS if all(margin > needed for margin, needed in margins) else OPEN, why, figures)


def figure_at(results: StudyResults, quantity: str, part: str, level: Level) -> Figure:
    kind, found = results.lookup(quantity), results.at(level, quantity, part)
    known = found.error is not None and (kind.sampled or part != "observed")
    error = found.interval if found.count > 1 else 2 * found.error if known else None
    return Figure(quantity, part, level, found.value, error, kind.digits, found.by_seed)


def _needed(tolerance: Tolerance, *figures: Figure) -> float:
    """What one value, or the difference of two, must exceed."""
    scale = sum(abs(f.value) for f in figures) / len(figures) if tolerance.relative else 1.0
    paired = [a - b for a, b in _pairs(*figures)] if len(figures) == 2 else []
    if len(paired) > 1:
        error = t_975(len(paired) - 1) * stdev(paired) / math.sqrt(len(paired))
    else:
        error = math.hypot(*(f.error or 0.0 for f in figures))
    return max(tolerance.value * scale, error)


def _pairs(a: Figure, b: Figure) -> list[tuple[float, float]]:
    """The values of two levels at the seeds that both have."""
    return [(a.by_seed[seed], b.by_seed[seed]) for seed in a.by_seed if seed in b.by_seed]


def _missing(figures: list[Figure], results: StudyResults) -> str:
    for f in figures:
        if f.value is None:
            why = results.at(f.level, f.quantity, f.part).why
            return f"no data: {f.quantity} at {results.axis.name} = {level_text(f.level)}, {why}"
    return ""


def _series(figures: list[Figure], at: Iterable[Level] | None = None) -> str:
    """The values in the order of the levels; where only some were asked for, with their level."""
    known = [f for f in figures if f.value is not None]
    return ", ".join(f"{f.text} at {level_text(f.level)}" if at else f.text for f in known)


def decimal(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text if float(text) else text.lstrip("-")


def _name(named: Named, results: StudyResults) -> str:
    entry = results.published.quantities.get(named.quantity)
    return entry.name if entry else named.quantity


def _spread(figures: list[Figure], named: Named) -> str:
    """From the smallest to the largest."""
    known = [f for f in figures if (f.quantity, f.part) == (named.quantity, named.part) and f.value is not None]
    if not known:
        return ""
    low, high = (found(known, key=lambda f: f.value).text for found in (min, max))
    return low if low == high else f"{low} to {high}"


def _short(value: float) -> str:
    return f"{value:.3g}"
