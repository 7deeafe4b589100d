"""Claims as tests on results: holds, excluded, absent or cannot tell, with the figures and one sentence why.

A test becomes effects that the claim says are above zero (effects.py), judged by their intervals (verdicts.py). A
handful of claims is primary: they stand only as far as Holm's method lets them stand together.

A claim about geometry has a second verdict: that of the same test on the run's own null with memory in place of the
run. A claim that holds for both is no evidence of anything that this null lacks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lib.geometry.presets import PRESETS
from lib.report.axis import Level, level_text
from lib.report.claims_file import (
    All,
    Claim,
    Compare,
    Contrast,
    Diverges,
    Exceeds,
    Monotone,
    Named,
    Size,
    Test,
    Within,
)
from lib.report.effects import Measured, effects_of, measured
from lib.report.quantities import OF_NULL
from lib.report.reader import StudyResults
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN, VERDICTS, decide, half_interval, survives


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
    brief: str = ""  # the one number that says most
    p: float | None = None  # the one-sided level at which the verdict is still reached


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    verdict: str
    why: str
    figures: list[Figure]
    tested: bool = True
    brief: str = ""
    p: float | None = None
    null: str = ""  # what the null with memory says of the same test; empty where it can say nothing

    @property
    def headline(self) -> str:
        """What the paper says of the claim, without its full stop."""
        if not self.tested:
            claim = self.claim.claim.rstrip(".")
            return f"This could not be tested: {claim[0].lower()}{claim[1:]}"
        prose = self.claim.prose
        said = {HOLDS: prose.holds, EXCLUDED: prose.excluded, ABSENT: prose.absent, OPEN: prose.open}
        return said[self.verdict]

    @property
    def sentence(self) -> str:
        """The same with its one number."""
        beside = ["noise with memory passes the same test"] if self.verdict == self.null == HOLDS else []
        told = "; ".join([*([self.brief] if self.brief else []), *beside])
        return f"{self.headline} ({told})." if told else f"{self.headline}."

    def record(self, axis: str) -> dict[str, Any]:
        """As summary/claims.json has it, each figure with its level under the name of the axis."""
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "verdict": self.verdict,
            "null": self.null,
            "why": self.why,
            "p": self.p,
            "primary": self.claim.primary,
            "effect": self.claim.effect.model_dump() if self.claim.effect else None,
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
    """The verdict on every claim, in order; of the primary ones those that stand together."""
    found = [_judge(claim, results) for claim in claims]
    together = [v for v in found if v.claim.primary and v.p is not None]
    stands = survives([v.p for v in together])
    fallen = {v.claim.id: v for v, stays in zip(together, stands, strict=True) if not stays and v.verdict != OPEN}
    return [_taken_back(v, len(together)) if v.claim.id in fallen else v for v in found]


def _taken_back(v: Verdict, count: int) -> Verdict:
    why = f"{v.why}; {v.verdict} by itself, at p = {_short(v.p)}, and not as one of {count} by Holm's method"
    return replace(v, verdict=OPEN, why=why)


def _judge(claim: Claim, results: StudyResults) -> Verdict:
    found = _test(claim.test, claim.effect, results)
    tested = {f.quantity for f in found.figures}
    beside = [figure_at(results, n.quantity, n.part, b) for n in claim.also for b in results.trained()]
    told = [f"; {n.part if n.quantity in tested else _name(n, results)} {_spread(beside, n)}" for n in claim.also]
    why = found.why + "".join(text for text, n in zip(told, claim.also, strict=True) if _spread(beside, n))
    null_test = of_null(claim.test, results)
    said = _test(null_test, claim.effect, results) if null_test else None
    null = said.verdict if said and said.tested else ""
    return Verdict(claim, found.verdict, why, [*found.figures, *beside], found.tested, found.brief, found.p, null)


def of_null(test: Test, results: StudyResults) -> Test | None:
    """The same test on the null with memory; None where it has no such quantity, or is about that null itself."""
    match test:
        case Contrast():
            both = {name: _named_of_null(getattr(test, name), results) for name in ("larger", "smaller")}
            return test.model_copy(update=both) if all(both.values()) else None
        case All():
            parts = [of_null(part, results) for part in test.tests]
            return test.model_copy(update={"tests": parts}) if all(parts) else None
        case Diverges():
            return None
    return _named_of_null(test, results)


def _named_of_null(named: Named, results: StudyResults) -> Named | None:
    part = {"observed": "memory", "excess": OF_NULL}.get(named.part)
    known = named.quantity.split(".")[0] in PRESETS and results.lookup(named.quantity).null
    return named.model_copy(update={"part": part}) if part and known else None


# ------------------------------------------------------------------------------------------------------- tests


def _test(test: Test, size: Size | None, results: StudyResults) -> Finding:
    if isinstance(test, Diverges):
        return _diverges(test, results)
    figures, effects = _figures(test, results), effects_of(test, size, results)
    if not effects:
        finished = len(results.trained())
        told = f"only {finished} of {len(results.levels)} values of {results.axis.name} finished"
        return Finding(OPEN, told, figures, False)
    known = [found for effect in effects if (found := measured(effect, size, results))]
    missing = _missing(figures, results)
    if not known:
        return Finding(OPEN, missing or "no run finished", figures, False)
    # The seeds differ in number where runs are missing: the fewest degrees of freedom are those of all.
    columns = ([m.mean for m in known], [m.error for m in known], min(m.freedom for m in known))
    code, p = decide(*columns, [m.effect.smallest for m in known])
    verdict, why = VERDICTS[int(code)], _why(test, size, results, known)
    if missing and verdict != EXCLUDED:  # one clear exception refutes what is said of all
        return Finding(OPEN, missing, figures, False)
    if verdict == EXCLUDED:
        why += _exception(known)
    return Finding(verdict, why, figures, True, _brief(known, results), float(p) if verdict != OPEN else 1.0)


def _figures(test: Test, results: StudyResults) -> list[Figure]:
    """What a test looks at, level by level."""
    match test:
        case All():
            return [f for part in test.tests for f in _figures(part, results)]
        case Contrast():
            levels = test.at or results.trained()
            return [figure_at(results, n.quantity, n.part, b) for b in levels for n in (test.larger, test.smaller)]
        case Compare():
            levels = [test.larger_at, test.smaller_at]
        case Monotone():
            levels = results.trained()
        case _:
            levels = test.at or results.trained()
    return [figure_at(results, test.quantity, test.part, b) for b in levels]


def _brief(known: list[Measured], results: StudyResults) -> str:
    """The effect that is closest to being none, in its own terms."""
    m = min(known, key=lambda m: m.mean - _half(m))
    terms = m.effect.terms
    digits = results.lookup(terms[0].named.quantity).digits
    if len(terms) == 1:
        error = f" ± {decimal(_half(m), digits)}" if m.error else ""
        value = (m.mean - m.effect.constant) / terms[0].factor
        return f"{decimal(value, digits)}{error} at {level_text(m.effect.level)}"
    if m.effect.level is not None:
        large, small = (figure_at(results, t.named.quantity, t.named.part, t.level).text for t in terms)
        return f"{large} against {small} at {level_text(m.effect.level)}"
    return f"a {'change' if len(terms) > 2 else 'difference'} of {_change(m, digits)}"


def _change(m: Measured, digits: int) -> str:
    error = f" ± {decimal(_half(m), digits)}" if m.error else ""
    return decimal(m.mean * m.effect.sign, digits, sign=True) + error


def _exception(known: list[Measured]) -> str:
    """Which effect is excluded most clearly, and whether it is reversed."""
    worst = min(known, key=lambda m: m.mean - m.effect.smallest + _half(m, len(known)))
    reversed_ = worst.mean + _half(worst, len(known)) < 0 < worst.effect.smallest
    at = "" if worst.effect.level is None else f" at {level_text(worst.effect.level)}"
    return f"; {'reversed' if reversed_ else 'excluded'}{at}" if at or reversed_ else ""


def _half(m: Measured, count: int = 1) -> float:
    return half_interval(m.error, m.freedom, count)


def _why(test: Test, size: Size, results: StudyResults, known: list[Measured]) -> str:
    """The figures and what is asked of them, which is what was applied."""
    match test:
        case All():
            parts = []
            for part in test.tests:
                of_it = [m for m in known if m.effect in effects_of(part, size, results)]
                parts.append(_why(part, size, results, of_it) if of_it else "no data")
            return "; ".join(parts)
        case Monotone() | Compare():
            at = None if isinstance(test, Monotone) else [test.larger_at, test.smaller_at]
            [m], figures = known, _figures(test, results)
            smallest = m.effect.sign * m.effect.smallest
            asked = f"{decimal(smallest, 3, sign=True).rstrip('0').rstrip('.')} or beyond asked"
            return f"{_series(figures, at)}: {_brief(known, results)}, {asked}"
        case Contrast():
            pairs = _figures(test, results)
            told = [f"{a.text} against {b.text}" for a, b in zip(pairs[::2], pairs[1::2], strict=True) if a.text]
            return f"{', '.join(told)}, a factor above {test.factor:g}{_beyond(known)} asked"
        case Exceeds():
            return f"{_series(_figures(test, results), test.at)}, above {_short(test.than)}{_beyond(known)} asked"
        case Within():
            bounds = [f"above {_short(test.low)}"] if test.low is not None else []
            bounds += [f"below {_short(test.high)}"] if test.high is not None else []
            return f"{_series(_figures(test, results), test.at)}, {' and '.join(bounds)} asked"


def _beyond(known: list[Measured]) -> str:
    smallest = known[0].effect.smallest
    return f" by {_short(smallest)} or more" if smallest else ""


def _diverges(test: Diverges, results: StudyResults) -> Finding:
    states = {b: {run.state for run in results.runs if run.level == b} for b in results.levels}
    if test.at not in states:
        return Finding(OPEN, f"{level_text(test.at)} is not in the grid", tested=False)
    told = [f"at {level_text(r.level)} the run {r.said}" for r in results.runs if r.diverged]
    why = ", ".join(told) or "no run diverged"
    others = [s for b, s in states.items() if b != test.at]
    if any("diverged" in s for s in others) or "done" in states[test.at]:
        return Finding(EXCLUDED, why)
    if states[test.at] == {"diverged"} and all(s == {"done"} for s in others):
        return Finding(HOLDS, f"{why}; the others finished")
    return Finding(OPEN, f"{why}; not every run finished", tested=False)


# ------------------------------------------------------------------------------------------------------ helpers


def figure_at(results: StudyResults, quantity: str, part: str, level: Level) -> Figure:
    kind, found = results.lookup(quantity), results.at(level, quantity, part)
    known = found.error is not None and (kind.sampled or part != "observed")
    error = found.interval if found.count > 1 else 2 * found.error if known else None
    return Figure(quantity, part, level, found.value, error, kind.digits, found.by_seed)


def _missing(figures: list[Figure], results: StudyResults) -> str:
    for f in figures:
        if f.value is None:
            why = results.at(f.level, f.quantity, f.part).why
            return f"no data: {f.quantity} at {results.axis.name} = {level_text(f.level)}, {why}"
    return ""


def _series(figures: list[Figure], at: Iterable[Level] | None = None) -> str:
    """The values with their intervals, in the order of the levels; with the level where only some are asked for."""
    told = []
    for f in figures:
        if f.value is not None:
            error = "" if f.error is None else f" ± {decimal(f.error, f.digits)}"
            told.append(f"{f.text}{error} at {level_text(f.level)}" if at else f"{f.text}{error}")
    return ", ".join(told)


def decimal(value: float, digits: int, *, sign: bool = False) -> str:
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text if float(text) else text.lstrip("-+")


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
