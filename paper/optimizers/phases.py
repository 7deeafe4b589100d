"""The plan's phases: which claims each one asks for, what came of it, and whether the next one was due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.report.claims import Verdict
from lib.report.reader import StudyResults
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN

PASSES, FAILS, UNASKED = "passes", "fails", "not asked for"
# The plan's amplitudes, constant and annealed, of which a profile may have a part; a tenth is beyond them.
OTHERS = {
    "noise-helps-at-a-tenthousandth": "0.0001",
    "noise-helps-at-five-thousandths": "0.005",
    "noise-helps-at-five-hundredths": "0.05",
    "annealed-noise-helps-at-a-tenthousandth": "0.0001 annealed",
    "annealed-noise-helps-at-a-thousandth": "0.001 annealed",
    "annealed-noise-helps-at-five-thousandths": "0.005 annealed",
    "annealed-noise-helps-at-a-hundredth": "0.01 annealed",
    "annealed-noise-helps-at-five-hundredths": "0.05 annealed",
}
ANY = ("noise-helps-at-a-thousandth", "noise-helps-at-a-hundredth", *OTHERS)


@dataclass(frozen=True)
class Phase:
    """One phase of the plan.

    asks    claims that must all hold
    any_of  claims of which one must hold, as far as the profile has them; none asks for nothing
    also    claims that must hold where the profile has their arms

    Of 3.3 the plan asks besides, without a number, for a stable beginning and a faster run: the tables have those.
    """

    number: str
    name: str
    asks: tuple[str, ...]
    any_of: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


AMONG = "one amplitude lowers the loss by 1 %"
RANKS = ("rank-higher", "rank-higher-in-a-copy")
PHASES = (
    Phase("3.1", "sanity", ("sane", "no-failures"), also=("sane-annealed",)),
    Phase("3.2", "signal hunt", ("isotropic-worse", "isotropic-worse-as-executed", *RANKS), ANY),
    Phase("3.3", "a larger model", ("noise-helps-scaled", "noise-helps-fine-tuning")),
)


def asked_of(phase: Phase, verdicts: Mapping[str, str]) -> dict[str, str]:
    """What a phase asks for -> its verdict; what was not judged cannot be told.

    Of those of which one would do, all that the profile has must be lost for that to be lost.
    """
    found = {name: verdicts.get(name, OPEN) for name in phase.asks}
    found |= {name: verdicts[name] for name in phase.also if name in verdicts}
    if phase.any_of:
        choice = [verdicts[name] for name in phase.any_of if name in verdicts]
        lost = bool(choice) and all(v not in (HOLDS, OPEN) for v in choice)
        found[AMONG] = HOLDS if HOLDS in choice else EXCLUDED if lost else OPEN
    return found


def outcome(phase: Phase, verdicts: Mapping[str, str]) -> str:
    """Passes, fails as soon as one thing that it asks for is excluded or absent, or cannot tell."""
    found = set(asked_of(phase, verdicts).values())
    return FAILS if found - {HOLDS, OPEN} else OPEN if OPEN in found else PASSES


def outcomes(verdicts: Sequence[Verdict]) -> list[tuple[Phase, str]]:
    found = {v.claim.id: v.verdict for v in verdicts}
    return [(phase, outcome(phase, found)) for phase in PHASES]


def sentences(results: StudyResults, verdicts: Sequence[Verdict]) -> list[str]:
    """What came of each phase in words, and by which rules; of one that was not due, and not asked for, that."""
    said, before = [], PASSES
    for phase, came in outcomes(verdicts):
        what = f"Phase {phase.number} ({phase.name})"
        if any(v.tested for v in verdicts if v.claim.id in phase.asks):
            word = {PASSES: "passes", FAILS: "fails", OPEN: "cannot be decided"}[came]
            though = {PASSES: "", UNASKED: ", and the one before it was not asked for"}
            after = though.get(before, ", though the one before it did not pass")
            said.append(f"{what} {word}{_part(phase, verdicts)}{after}.{_by_rule(phase, verdicts)}")
            before = came
        else:
            why = {PASSES: "was not asked for", UNASKED: "was not asked for either"}
            said.append(f"{what} {why.get(before, 'is not due, since the one before it did not pass')}.")
            before = UNASKED
    return said


def _part(phase: Phase, verdicts: Sequence[Verdict]) -> str:
    """How many of the plan's settings the profile has, where it has not all of them."""
    there = sum(v.claim.id in phase.any_of for v in verdicts)
    few = there < len(phase.any_of)
    return f" at the {there} of {len(phase.any_of)} settings that are here" if few else ""


def _by_rule(phase: Phase, verdicts: Sequence[Verdict]) -> str:
    """Which of a phase's rules are lost, hold, or cannot be told."""
    words = {v.claim.id: v.claim.claim.rstrip(".") for v in verdicts}
    found = asked_of(phase, {v.claim.id: v.verdict for v in verdicts})
    told = []
    for what, chosen in (("not so", (EXCLUDED, ABSENT)), ("so", (HOLDS,)), ("cannot be told", (OPEN,))):
        rules = [f"“{words.get(name, name)}”" for name, came in found.items() if came in chosen]
        told += [f"{what}: {', '.join(rules)}"] if rules else []
    return f" Of what it asks for, {'; '.join(told)}."


def other_settings(verdicts: Sequence[Verdict]) -> str:
    """What became of the plan's other amplitudes, in a sentence; nothing where the profile has none of them."""
    found = {v.claim.id: v.verdict for v in verdicts if v.claim.id in OTHERS}
    told = []
    for verdict, words in ((HOLDS, "lower the final loss by 1 %"), (OPEN, "cannot be told")):
        chosen = [OTHERS[name] for name, came in found.items() if came == verdict]
        told += [f"{', '.join(chosen)} {words}"] if chosen else []
    lost = [OTHERS[name] for name, came in found.items() if came not in (HOLDS, OPEN)]
    told += [f"{', '.join(lost)} do not"] if lost else []
    return f"Of the plan's other amplitudes {'; '.join(told)}." if told else ""
