"""The macros of the study of robustness, for its own paper and for one that takes its section."""

from lib.report.claims import Verdict
from lib.report.numbers import common_numbers, macro_pairs
from lib.report.paired import slope
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.tex import number, short, tex
from paper.robustness.arms import BASE, LENGTHS, TRUNKS, length, named, one_of, there, weights

NOTEBOOK = "notebooks/robustness/03_study.py"
WANTED = {"backbone": "the geometry"}
RANGES = {"Pc": "observed", "Excess": "excess", "Lengths": "beyond-lengths", "Memory": "beyond-memory"}


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value."""
    common = common_numbers(results, verdicts, NOTEBOOK, lambda run: WANTED)
    return macro_pairs({**common, **_setting(results), **_ranges(results), **_slopes(results)}, verdicts)


def _setting(results: StudyResults) -> dict[str, str]:
    trunks = [short(weights(one_of(results, arm)) / 1e6) for arm in there(results, TRUNKS)]
    steps = [f"{length(one_of(results, arm)):g}" for arm in there(results, LENGTHS)]
    averaged = next((run for run in results.runs if run.level == "averaged"), None)
    over = (averaged.params.snapshots.average or 0) * averaged.time_scale if averaged else None
    return {
        "Arms": str(len(results.levels)),
        "Trunks": ", ".join(trunks) or "--",
        "Lengths": ", ".join(steps) or "--",
        "Average": number(over, 0),
    }


def _ranges(results: StudyResults) -> dict[str, str]:
    """Of the base, and from the lowest to the highest arm, by name."""
    found = {}
    for name, part in RANGES.items():
        values = {arm: results.at(arm, "G0.pc1", part).value for arm in results.trained()}
        known = {arm: value for arm, value in values.items() if value is not None}
        low, high = (pick(known, key=known.get) if known else None for pick in (min, max))
        found[f"{name}Base"] = _with_interval(results.at(BASE, "G0.pc1", part))
        for side, arm in (("Low", low), ("High", high)):
            found[f"{name}{side}"] = f"{number(known[arm], 1)} ({tex(named(arm))})" if arm else "--"
    return found


def _slopes(results: StudyResults) -> dict[str, str]:
    """For ten times the weights, and ten times the steps."""
    found = {}
    for group, arms, size in (("Trunk", TRUNKS, weights), ("Steps", LENGTHS, length)):
        levels = there(results, arms)
        for name in ("Pc", "Excess", "Memory"):
            part = RANGES[name]
            found[f"Slope{name}{group}"] = _with_interval(slope(results, levels, size, "G0.pc1", part))
        for name, quantity in (("Time", "M.time"), ("Size", "M.size")):
            exponent = slope(results, levels, size, quantity, powers=True)
            found[f"Slope{name}{group}"] = _with_interval(exponent, 2)
    return found


def _with_interval(found: Estimate, digits: int = 1) -> str:
    text = number(found.value, digits)
    return text + (rf" ($\pm$\,{number(found.interval, digits)})" if found.interval is not None else "")
