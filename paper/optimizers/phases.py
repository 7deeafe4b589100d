"""The plan's phases: which claims each one asks for, what came of it, and whether the next one was due."""

from collections.abc import Sequence
from dataclasses import dataclass

from lib.report.claims import Verdict
from lib.report.reader import StudyResults
from lib.report.verdicts import HOLDS, OPEN

PASSES, FAILS = "passes", "fails"
ANY = ("noise-helps-at-a-thousandth", "noise-helps-at-a-hundredth")  # a tenth is beyond the plan's amplitudes


@dataclass(frozen=True)
class Phase:
    """One phase of the plan.

    asks    claims that must all hold
    any_of  claims of which one must hold; none asks for nothing
    """

    number: str
    name: str
    asks: tuple[str, ...]
    any_of: tuple[str, ...] = ()


PHASES = (
    Phase("3.1", "sanity", ("sane",)),
    Phase("3.2", "signal hunt", ("isotropic-worse", "rank-higher"), ANY),
    Phase("3.3", "a larger model", ("noise-helps-scaled", "noise-helps-fine-tuning")),
)


def outcome(phase: Phase, verdicts: dict[str, str]) -> str:
    """Passes, fails or cannot tell, by the verdicts on its claims; what was not judged cannot be told.

    It fails as soon as one thing that it asks for is excluded or absent, or all of those of which one would do.
    """
    each = [verdicts.get(name, OPEN) for name in phase.asks]
    choice = [verdicts.get(name, OPEN) for name in phase.any_of]
    if choice:
        lost = all(v not in (HOLDS, OPEN) for v in choice)
        each.append(HOLDS if HOLDS in choice else FAILS if lost else OPEN)
    if any(v not in (HOLDS, OPEN) for v in each):
        return FAILS
    return OPEN if OPEN in each else PASSES


def outcomes(verdicts: Sequence[Verdict]) -> list[tuple[Phase, str]]:
    found = {v.claim.id: v.verdict for v in verdicts if v.tested}
    return [(phase, outcome(phase, found)) for phase in PHASES]


def sentences(results: StudyResults, verdicts: Sequence[Verdict]) -> list[str]:
    """What came of each phase in words; of one that was not due, and not asked for, that."""
    said, before = [], PASSES
    for phase, came in outcomes(verdicts):
        asked = any(v.tested for v in verdicts if v.claim.id in (*phase.asks, *phase.any_of))
        what = f"Phase {phase.number} ({phase.name})"
        if asked:
            word = {PASSES: "passes", FAILS: "fails", OPEN: "cannot be decided"}[came]
            said.append(f"{what} {word}{'' if before == PASSES else ', though the one before it did not pass'}.")
        else:
            why = "was not asked for" if before == PASSES else "is not due, since the one before it did not pass"
            said.append(f"{what} {why}.")
        before = came if asked else OPEN
    return said
