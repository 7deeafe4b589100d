"""What is said of a claim's effects: the figures, what was asked of them, and the one number that says most."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lib.report.axis import Level
from lib.report.claims_file import All, Compare, Contrast, Exceeds, Monotone, Named, Size, Test, Within
from lib.report.effects import Measured, effects_of
from lib.report.reader import StudyResults
from lib.report.verdicts import half_interval


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


def figure_at(results: StudyResults, quantity: str, part: str, level: Level) -> Figure:
    kind, found = results.lookup(quantity), results.at(level, quantity, part)
    known = found.error is not None and (kind.sampled or part != "observed")
    error = found.interval if found.count > 1 else 2 * found.error if known else None
    return Figure(quantity, part, level, found.value, error, kind.digits, found.by_seed)


def figures_of(test: Test, results: StudyResults) -> list[Figure]:
    """What a test looks at, level by level."""
    match test:
        case All():
            return [f for part in test.tests for f in figures_of(part, results)]
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


def brief_of(known: list[Measured], results: StudyResults) -> str:
    """The effect that is closest to being none, in its own terms."""
    m, axis = min(known, key=lambda m: m.mean - _half(m)), results.axis
    terms = m.effect.terms
    digits = results.lookup(terms[0].named.quantity).digits
    if len(terms) == 1:
        error = f" ± {decimal(_half(m), digits)}" if m.error else ""
        value = (m.mean - m.effect.constant) / terms[0].factor
        return f"{decimal(value, digits)}{error} at {axis.text(m.effect.level)}"
    large, small = (figure_at(results, t.named.quantity, t.named.part, t.level).text for t in terms[:2])
    if m.effect.level is not None:
        return f"{large} against {small} at {axis.text(m.effect.level)}"
    if len(terms) == 2 and terms[0].factor != -terms[1].factor:  # their difference is not what was asked
        return f"{large} at {axis.text(terms[0].level)} against {small} at {axis.text(terms[1].level)}"
    return f"a {'change' if len(terms) > 2 else 'difference'} of {_change(m, digits)}"


def _change(m: Measured, digits: int) -> str:
    error = f" ± {decimal(_half(m), digits)}" if m.error else ""
    return decimal(m.mean * m.effect.sign, digits, sign=True) + error


def worst(known: list[Measured]) -> Measured:
    """The effect that is excluded most clearly."""
    return min(known, key=lambda m: m.mean - m.effect.smallest + _half(m, len(known)))


def is_reversed(known: list[Measured], test: Test, results: StudyResults) -> bool:
    """Whether the effect excluded most clearly is below none; where a factor is asked, below equality."""
    m = worst(known)
    half = _half(m, len(known))
    if m.effect.smallest > 0:
        return m.mean + half < 0
    if not isinstance(test, Compare):
        return False
    _, smaller = (figure_at(results, t.named.quantity, t.named.part, t.level).value for t in m.effect.terms)
    return smaller is not None and m.mean + (test.factor - 1) * smaller + half < 0


def exception(known: list[Measured], against: bool, results: StudyResults) -> str:
    """Where the clearest exclusion is, and whether the effect is reversed there."""
    m = worst(known)
    at = "" if m.effect.level is None else f" at {results.axis.text(m.effect.level)}"
    return f"; {'reversed' if against else 'excluded'}{at}" if at or against else ""


def _half(m: Measured, count: int = 1) -> float:
    return half_interval(m.error, m.freedom, count)


def why_of(test: Test, size: Size, results: StudyResults, known: list[Measured]) -> str:
    """The figures and what is asked of them, which is what was applied."""
    match test:
        case All():
            parts = []
            for part in test.tests:
                of_it = [m for m in known if m.effect in effects_of(part, size, results)]
                parts.append(why_of(part, size, results, of_it) if of_it else "no data")
            return "; ".join(parts)
        case Monotone() | Compare():
            at = None if isinstance(test, Monotone) else [test.larger_at, test.smaller_at]
            [m], figures = known, figures_of(test, results)
            smallest = m.effect.sign * m.effect.smallest
            asked = f"{decimal(smallest, 3, sign=True).rstrip('0').rstrip('.')} or beyond asked"
            if isinstance(test, Compare) and test.factor != 1:
                asked = f"more than {test.factor:g} times as much{_beyond(known)} asked"
            return f"{_series(figures, results, at)}: {brief_of(known, results)}, {asked}"
        case Contrast():
            pairs = figures_of(test, results)
            told = [f"{a.text} against {b.text}" for a, b in zip(pairs[::2], pairs[1::2], strict=True) if a.text]
            return f"{', '.join(told)}, more than {test.factor:g} times as much{_beyond(known)} asked"
        case Exceeds():
            told = _series(figures_of(test, results), results, test.at)
            return f"{told}, above {short(test.than)}{_beyond(known)} asked"
        case Within():
            bounds = [f"above {short(test.low)}"] if test.low is not None else []
            bounds += [f"below {short(test.high)}"] if test.high is not None else []
            return f"{_series(figures_of(test, results), results, test.at)}, {' and '.join(bounds)} asked"


def _beyond(known: list[Measured]) -> str:
    smallest = known[0].effect.smallest
    return f" by {short(smallest)} or more" if smallest else ""


# ------------------------------------------------------------------------------------------------------ helpers


def _series(figures: list[Figure], results: StudyResults, at: Iterable[Level] | None = None) -> str:
    """The values with their intervals, in the order of the levels; with the level where only some are asked for."""
    told = []
    for f in figures:
        if f.value is not None:
            error = "" if f.error is None else f" ± {decimal(f.error, f.digits)}"
            told.append(f"{f.text}{error} at {results.axis.text(f.level)}" if at else f"{f.text}{error}")
    return ", ".join(told)


def decimal(value: float, digits: int, *, sign: bool = False) -> str:
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text if float(text) else text.lstrip("-+")


def name_of(named: Named, results: StudyResults) -> str:
    entry = results.published.quantities.get(named.quantity)
    return entry.name if entry else named.quantity


def spread_of(figures: list[Figure], named: Named) -> str:
    """From the smallest to the largest."""
    known = [f for f in figures if (f.quantity, f.part) == (named.quantity, named.part) and f.value is not None]
    if not known:
        return ""
    low, high = (found(known, key=lambda f: f.value).text for found in (min, max))
    return low if low == high else f"{low} to {high}"


def short(value: float) -> str:
    return f"{value:.3g}"
