"""Claims as tests on results: holds, excluded, absent or cannot tell, with the figures and one sentence why.

A test becomes effects that the claim says are above zero (effects.py), judged by their intervals (verdicts.py). A
handful of claims is primary: they stand only as far as Holm's method lets them stand together.

A claim about geometry has a second verdict: that of the same test on the run's own null with memory in place of the
run. A claim that holds for both is no evidence of anything that this null lacks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from lib.report.claim_words import (
    Figure,
    brief_of,
    exception,
    figure_at,
    figures_of,
    is_reversed,
    name_of,
    short,
    spread_of,
    why_of,
    worst,
)
from lib.report.claims_file import All, Claim, Contrast, Diverges, Named, Size, Test, levels_of
from lib.report.effects import effects_of, measured
from lib.report.quantities import OF_NULL
from lib.report.reader import StudyResults
from lib.report.verdicts import ABSENT, ALPHA, EXCLUDED, HOLDS, OPEN, VERDICTS, decide, survives


@dataclass(frozen=True)
class Finding:
    verdict: str
    why: str
    figures: list[Figure] = field(default_factory=list)
    tested: bool = True  # False where data are missing
    brief: str = ""  # the one number that says most
    p: float | None = None  # the one-sided level at which the verdict is still reached
    p_excluded: float | None = None  # that at which an effect of interest is still excluded
    reversed: bool = False  # excluded, and clearly the opposite


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    verdict: str
    why: str
    figures: list[Figure]
    tested: bool = True
    brief: str = ""
    p: float | None = None
    p_excluded: float | None = None
    null: str = ""  # what the null with memory says of the same test; empty where it can say nothing
    reversed: bool = False

    @property
    def headline(self) -> str:
        """What the paper says of the claim, without its full stop."""
        if not self.tested:
            first, _, rest = self.claim.claim.rstrip(".").partition(" ")
            # Muon and NOLAH stay so, as within the sentence of an open verdict.
            name = first[1:2].isupper() or first in self.claim.prose.open.split()
            first = first if name else first[0].lower() + first[1:]
            return f"This could not be tested: {first} {rest}"
        prose = self.claim.prose
        absent = f"{prose.absent}, to within what is of interest"  # equivalent, which is not equal
        excluded = (self.reversed and prose.reversed) or prose.excluded
        beside = ", but noise with memory passes the same test" if self.null == HOLDS else ""
        said = {HOLDS: prose.holds + beside, EXCLUDED: excluded, ABSENT: absent, OPEN: prose.open}
        return said[self.verdict]

    @property
    def sentence(self) -> str:
        """The same with its one number."""
        return f"{self.headline} ({self.brief})." if self.brief else f"{self.headline}."

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
    """The verdict on every claim, in order; of the primary ones those that stand together.

    An absent effect is an excluded one of which more is known, and is judged with the others as excluded.
    """
    found = [_judge(claim, results) for claim in claims]
    together = [v for v in found if v.claim.primary and v.tested]
    stands = survives([v.p_excluded if v.verdict == ABSENT else v.p for v in together])
    kept = {id(v): stays for v, stays in zip(together, stands, strict=True)}
    return [_together(v, kept[id(v)], len(together)) if id(v) in kept else v for v in found]


def _together(v: Verdict, stands: bool, count: int) -> Verdict:
    if stands and v.verdict == ABSENT and v.p >= ALPHA / count:
        return replace(v, verdict=EXCLUDED)
    if stands or v.verdict == OPEN:
        return v
    why = f"{v.why}; {v.verdict} by itself, at p = {short(v.p)}, and not as one of {count} by Holm's method"
    return replace(v, verdict=OPEN, why=why)


def _judge(claim: Claim, results: StudyResults) -> Verdict:
    found = _test(claim.test, claim.effect, results)
    tested = {f.quantity for f in found.figures}
    levels = [b for b in results.trained() if b in levels_of(claim.test)] or results.trained()
    beside = [figure_at(results, n.quantity, n.part, b) for n in claim.also for b in levels]
    why = found.why
    for named in claim.also:
        if spread := spread_of(beside, named):
            part = "noise with memory" if named.part == "memory" else named.part
            why += f"; {part if named.quantity in tested else name_of(named, results)} {spread}"
    null_test = of_null(claim.test, results)
    said = _test(null_test, claim.effect, results) if null_test else None
    null = said.verdict if said and said.tested else ""
    figures, levels = [*found.figures, *beside], {"p": found.p, "p_excluded": found.p_excluded}
    more = {**levels, "null": null, "reversed": found.reversed}
    return Verdict(claim, found.verdict, why, figures, found.tested, found.brief, **more)


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
    return named.model_copy(update={"part": part}) if part and results.lookup(named.quantity).ladder else None


# ------------------------------------------------------------------------------------------------------- tests


def _test(test: Test, size: Size | None, results: StudyResults) -> Finding:
    if isinstance(test, Diverges):
        return _diverges(test, results)
    figures, effects = figures_of(test, results), effects_of(test, size, results)
    if not effects:
        finished = len(results.trained())
        told = f"only {finished} of {len(results.levels)} values of {results.axis.name} finished"
        return Finding(OPEN, told, figures, False)
    known = [found for effect in effects if (found := measured(effect, size, results))]
    missing = _missing(figures, results)
    if not known or (len(known) < len(effects) and not missing):
        return Finding(OPEN, missing or "no run finished, or a null without an error", figures, False)
    # The seeds differ in number where runs are missing: the fewest degrees of freedom are those of all.
    columns = ([m.mean for m in known], [m.error for m in known], min(m.freedom for m in known))
    code, p, p_excluded = decide(*columns, [m.effect.smallest for m in known])
    verdict, why = VERDICTS[int(code)], why_of(test, size, results, known)
    if missing and verdict != EXCLUDED:  # one clear exception refutes what is said of all
        return Finding(OPEN, missing, figures, False)
    if any(m.declared for m in known):
        why += f"; one seed, its error taken as {short(size.spread)}{' of the mean' if size.relative else ''}"
    against = verdict == EXCLUDED and is_reversed(known, test, results)
    if verdict == EXCLUDED:
        why += exception(known, against, results)
    brief = brief_of([worst(known)] if verdict == EXCLUDED else known, results)
    return Finding(verdict, why, figures, True, brief, float(p), float(p_excluded), against)


def _diverges(test: Diverges, results: StudyResults) -> Finding:
    states = {b: {run.state for run in results.runs if run.level == b} for b in results.levels}
    if test.at not in states:
        return Finding(OPEN, f"{results.axis.text(test.at)} is not in the grid", tested=False)
    several = len(results.seeds) > 1
    runs = [(r, f"of seed {r.params.seed} " if several else "") for r in results.runs if r.diverged]
    told = [f"at {results.axis.text(r.level)} the run {seed}{r.said}" for r, seed in runs]
    why = ", ".join(told) or "no run diverged"
    others = [s for b, s in states.items() if b != test.at]
    if any("diverged" in s for s in others) or "done" in states[test.at]:
        return Finding(EXCLUDED, why)
    if states[test.at] == {"diverged"} and all(s == {"done"} for s in others):
        return Finding(HOLDS, f"{why}; the others finished")
    return Finding(OPEN, f"{why}; not every run finished", tested=False)


def _missing(figures: list[Figure], results: StudyResults) -> str:
    for f in figures:
        if f.value is None:
            why = results.at(f.level, f.quantity, f.part).why
            return f"no data: {f.quantity} at {results.axis.full(f.level)}, {why}"
    return ""
