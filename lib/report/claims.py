"""The author's claims as tests on results: holds, fails, or cannot tell, with the figures and one sentence why.

An effect counts when it exceeds the claim's tolerance and twice its own standard error. Geometry of a single
seed has no error of its own here: a jackknife over the snapshots of one path says nothing of another seed.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lib.base.errors import BadInput
from lib.base.yaml_text import read_yaml
from lib.params.fields import Strict
from lib.params.names import two_decimals
from lib.params.run import validate
from lib.report.results import OBSERVED_ONLY, Estimate, Results

CLAIMS_FILE = Path(__file__).resolve().parents[2] / "params" / "claims.yaml"
HOLDS, FAILS, OPEN = "holds", "fails", "cannot tell"

Part = Literal["observed", "null", "excess", "simulated"]
Text = Annotated[str, Field(min_length=1)]


class Named(Strict):
    quantity: Text
    part: Part = "observed"


class Monotone(Named):
    kind: Literal["monotone"]
    direction: Literal["falls", "rises"]  # as beta2 falls


class Within(Named):
    kind: Literal["within"]
    low: float | None = None
    high: float | None = None
    at: list[float] | None = None


class Contrast(Strict):
    kind: Literal["contrast"]
    larger: Named
    smaller: Named
    factor: float
    at: list[float] | None = None


class Compare(Named):
    kind: Literal["compare"]
    larger_at: float
    smaller_at: float


class Diverges(Strict):
    kind: Literal["diverges"]
    at: float


class All(Strict):
    kind: Literal["all"]
    tests: Annotated[list["Test"], Field(min_length=2)]


Test = Annotated[Monotone | Within | Contrast | Compare | Diverges | All, Field(discriminator="kind")]


class Tolerance(Strict):
    value: Annotated[float, Field(ge=0)]
    relative: bool = False  # to the mean of the values compared
    why: Text


class Prose(Strict):
    """The sentence that the paper uses, without its full stop."""

    holds: Text
    fails: Text
    open: Text


class Claim(Strict):
    id: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
    claim: Text
    source: Text
    test: Test
    tolerance: Tolerance | None = None
    also: list[Named] = []
    headline: bool = False
    prose: Prose

    @model_validator(mode="after")
    def _has_tolerance(self) -> "Claim":
        if self.tolerance is None and self.test.kind != "diverges":
            raise ValueError(f"claim {self.id}: a {self.test.kind} test needs a tolerance")
        return self


class ClaimsFile(Strict):
    claims: Annotated[list[Claim], Field(min_length=1)]


@dataclass(frozen=True)
class Figure:
    quantity: str
    part: str
    beta2: float
    value: float | None
    error: float | None


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
        return f"{self.headline} ({self.why})."

    def record(self) -> dict[str, Any]:
        tolerance = self.claim.tolerance
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "verdict": self.verdict,
            "why": self.why,
            "tolerance": tolerance.model_dump() if tolerance else None,
            "figures": [asdict(f) for f in self.figures],
        }


def load_claims(path: Path = CLAIMS_FILE) -> list[Claim]:
    claims = validate(ClaimsFile, read_yaml(path, "claims file"), str(path)).claims
    names = [claim.id for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{path}: two claims have the id {name}")
    return claims


def judge(claims: Iterable[Claim], results: Results) -> list[Verdict]:
    return [_judge(claim, results) for claim in claims]


def _judge(claim: Claim, results: Results) -> Verdict:
    found = _test(claim.test, claim.tolerance, results)
    tested = {f.quantity for f in found.figures}
    beside = [_figure(results, n.quantity, n.part, b) for n in claim.also for b in results.trained()]
    told = [f"; {n.part if n.quantity in tested else _name(n, results)} {_spread(beside, n)}" for n in claim.also]
    why = found.why + "".join(text for text, n in zip(told, claim.also, strict=True) if _spread(beside, n))
    return Verdict(claim, found.verdict, why, [*found.figures, *beside], found.tested)


def _test(test: Test, tolerance: Tolerance | None, results: Results) -> Finding:
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


def _monotone(test: Monotone, tolerance: Tolerance, results: Results) -> Finding:
    """From the largest beta2 to the smallest: far enough in all, and no clear step back on the way."""
    betas = results.trained()
    figures = [_figure(results, test.quantity, test.part, b) for b in betas]
    if len(betas) < 3:
        return Finding(OPEN, f"only {len(betas)} of {len(results.beta2)} values of beta2 finished", figures, False)
    if missing := _missing(figures, results):
        return Finding(OPEN, missing, figures, False)
    sign = 1 if test.direction == "rises" else -1
    change = figures[-1].value - figures[0].value
    needed = _needed(tolerance, figures[0], figures[-1])
    steps = [(b.value - a.value) * sign + _needed(tolerance, a, b) for a, b in pairwise(figures)]
    why = f"{_series(figures)}: a change of {change:+.{_digits(test.quantity)}f}, {_short(needed)} needed"
    if change * sign < -needed:
        return Finding(FAILS, why, figures)
    if min(steps) < 0:
        return Finding(FAILS, f"{why}, with a step back on the way", figures)
    return Finding(HOLDS if change * sign > needed else OPEN, why, figures)


def _within(test: Within, tolerance: Tolerance, results: Results) -> Finding:
    figures = [_figure(results, test.quantity, test.part, b) for b in test.at or results.trained()]
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


def _contrast(test: Contrast, tolerance: Tolerance, results: Results) -> Finding:
    figures, margins, told = [], [], []
    for b in test.at or results.trained():
        large, small = (_figure(results, n.quantity, n.part, b) for n in (test.larger, test.smaller))
        figures += [large, small]
        if large.value is not None and small.value is not None:
            error = 2 * math.hypot(large.error or 0, test.factor * (small.error or 0))
            margins.append((large.value - test.factor * small.value, max(tolerance.value, error)))
            told.append(f"{_short(large.value)} against {_short(small.value)}")
    return _every(figures, margins, f"{', '.join(told)}, a factor above {test.factor:g} needed", results)


def _compare(test: Compare, tolerance: Tolerance, results: Results) -> Finding:
    betas = (test.larger_at, test.smaller_at)
    figures = [_figure(results, test.quantity, test.part, b) for b in betas]
    if missing := _missing(figures, results):
        return Finding(OPEN, missing, figures, False)
    difference, needed = figures[0].value - figures[1].value, _needed(tolerance, *figures)
    why = f"{_series(figures, betas)}: a difference of {_short(difference)}, {_short(needed)} needed"
    return _every(figures, [(difference, needed)], why, results)


def _diverges(test: Diverges, results: Results) -> Finding:
    states = {b: {run.state for run in results.runs if run.beta2 == b} for b in results.beta2}
    if test.at not in states:
        return Finding(OPEN, f"{two_decimals(test.at)} is not in the grid", tested=False)
    told = [f"at {two_decimals(r.beta2)} the run {r.said}" for r in results.runs if r.state == "diverged"]
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


def _every(figures: list[Figure], margins: list[tuple[float, float]], why: str, results: Results) -> Finding:
    """One clear exception refutes what is said of all; anything missing or close leaves it open."""
    missing = _missing(figures, results)
    if any(margin < -needed for margin, needed in margins):
        return Finding(FAILS, why, figures)
    if missing or not margins:
        return Finding(OPEN, missing or "no run finished", figures, False)
    return Finding(HOLDS if all(margin > needed for margin, needed in margins) else OPEN, why, figures)


def _figure(results: Results, quantity: str, part: str, beta2: float) -> Figure:
    found = results.at(beta2, quantity, part)
    return Figure(quantity, part, beta2, found.value, _error(found, quantity))


def _error(found: Estimate, quantity: str) -> float | None:
    sampled = quantity.split(".")[0] in (*OBSERVED_ONLY, "reheat")
    return found.error if sampled or found.count > 1 else None


def _needed(tolerance: Tolerance, *figures: Figure) -> float:
    scale = sum(abs(f.value) for f in figures) / len(figures) if tolerance.relative else 1.0
    return max(tolerance.value * scale, 2 * math.hypot(*(f.error or 0.0 for f in figures)))


def _missing(figures: list[Figure], results: Results) -> str:
    for f in figures:
        if f.value is None:
            why = results.at(f.beta2, f.quantity, f.part).why
            return f"no data: {f.quantity} at beta2 = {two_decimals(f.beta2)}, {why}"
    return ""


def _series(figures: list[Figure], at: Iterable[float] | None = None) -> str:
    """The values from the largest beta2 to the smallest; where only some were asked for, with their beta2."""
    told = [(f, _decimal(f.value, f.quantity)) for f in figures if f.value is not None]
    return ", ".join(f"{value} at {two_decimals(f.beta2)}" if at else value for f, value in told)


def _decimal(value: float, quantity: str) -> str:
    text = f"{value:.{_digits(quantity)}f}"
    return text if float(text) else text.lstrip("-")


def _name(named: Named, results: Results) -> str:
    entry = results.published.quantities.get(named.quantity)
    return entry.name if entry else named.quantity


def _spread(figures: list[Figure], named: Named) -> str:
    values = [f.value for f in figures if (f.quantity, f.part) == (named.quantity, named.part)]
    known = [v for v in values if v is not None]
    if not known:
        return ""
    low, high = (_decimal(v, named.quantity) for v in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"


def _digits(quantity: str) -> int:
    """Decimals at which the figures of a quantity are told apart."""
    name = quantity.split(".")[1]
    if name.startswith(("pc1", "pc2", "drift", "a_")):
        return 1
    return 0 if name.startswith("k9") else 3 if quantity.startswith(("U", "R", "I", "A")) else 2


def _short(value: float) -> str:
    return f"{value:.3g}"
