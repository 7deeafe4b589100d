"""When a run memorised and when it grokked, and medians over runs some of which had not by their end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lib.tasks.modular.phases import Reached, grokked, memorised


@dataclass(frozen=True)
class Transition:
    """Steps of the first evaluations that reach both levels; None where none does, and the last evaluation's step.

    A run without a grok step is censored: all that it says is that the step is beyond `last`.
    """

    memorised: int | None
    grokked: int | None
    last: int

    @property
    def said(self) -> str:
        return str(self.grokked) if self.grokked is not None else f"> {self.last}"


def transition(evaluations: list[dict[str, Any]]) -> Transition:
    """Of a run's evaluations, in order; a run without any has seen nothing."""
    last = evaluations[-1]["step"] if evaluations else 0
    return Transition(_seen(memorised(evaluations)), _seen(grokked(evaluations)), last)


def _seen(found: Reached | None) -> int | None:
    return None if found is None or found.censored else found.step


# ----------------------------------------------------------------------------------------------------- survival


def survival(times: Sequence[float], seen: Sequence[bool]) -> list[tuple[float, float]]:
    """Kaplan and Meier's estimate of the share still without the event after each time at which it was seen.

        S(t) = prod over event times t_i <= t of (1 - d_i / n_i)

    with d_i events among the n_i that were still looked at; who is lost at t_i was still there.

    Args:
        times: of the event, or of the last look where it was not seen.
        seen: whether it was.
    """
    share, found = 1.0, []
    for t in sorted({t for t, s in zip(times, seen, strict=True) if s}):
        there = sum(x >= t for x in times)
        events = sum(s and x == t for x, s in zip(times, seen, strict=True))
        share *= 1 - events / there
        found.append((t, share))
    return found


def median(times: Sequence[float], seen: Sequence[bool]) -> float | None:
    """The first time at which no more than half are without the event; None where more are to the end."""
    return next((t for t, share in survival(times, seen) if share <= 0.5 + 1e-12), None)


def median_grok(found: Sequence[Transition]) -> float | None:
    """Kaplan and Meier's median of grok steps; None where it is beyond what was looked at."""
    times = [t.last if t.grokked is None else t.grokked for t in found]
    return median(times, [t.grokked is not None for t in found])
