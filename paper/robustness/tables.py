"""The tables of the study of robustness."""

from lib.report.claims import Verdict
from lib.report.paired import difference, slope
from lib.report.quantities import BEYOND, Estimate
from lib.report.reader import StudyResults
from lib.report.summary import csv_of_runs
from lib.report.tables import absent, common_tables, head
from lib.report.tex import number, table, tex
from paper.robustness.arms import BASE, LENGTHS, TRUNKS, length, named, there, weights

Cell = tuple[str, str, int]  # quantity, part, decimals
PC1 = {"observed": ("G0.pc1", "observed", 1)} | {part: ("G0.pc1", part, 1) for part in BEYOND}
MEMORY = {
    "share (%)": ("M.share", "observed", 2),
    "time": ("M.time", "observed", 0),
    "judged": ("M.judged", "observed", 2),
    "dimensions": ("M.size", "observed", 0),
}
POWERS = ("M.share", "M.time", "M.size")  # their slopes are exponents


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    common = common_tables(results, verdicts)
    return {
        "robustness": arms(results),
        "robustness_paired": paired(results),
        "robustness_memory": memory(results),
        "robustness_slopes": slopes(results),
        "claims": common["claims"],
        "runs": common["runs"],
    }


def arms(results: StudyResults) -> str:
    """Decay, loss, PC1, its null, and what is left of it on every rung."""
    rows = []
    for arm in results.levels:
        first = [_number(results, arm, name, digits) for name, digits in (("decay.sum", 2), ("val.final", 2))]
        seen = _with_interval(results.at(arm, "G0.pc1"), 1, absent(results, arm))
        null = number(results.at(arm, "G0.pc1", "null").value, 1)
        left = [_with_interval(results.at(arm, "G0.pc1", part), 1, "--", signed=True) for part in BEYOND]
        rows.append([tex(named(arm)), *first, seen, null, *left])
    over = head("", "", "", r"\multicolumn{2}{c}{PC1 (\%)}", r"\multicolumn{5}{c}{PC1 beyond the null of (points)}")
    rules = r"\cmidrule(lr){4-5}\cmidrule(lr){6-10}"
    columns = head("arm", r"$w\sum\eta$", "loss", "observed", "null", *BEYOND.values())
    return table("lrr" + "r" * 7, [over, rules, columns], rows)


def paired(results: StudyResults) -> str:
    """Every arm minus the base, seed by seed."""
    shown = {**PC1, **MEMORY}
    rows = []
    for arm in (arm for arm in results.levels if arm != BASE):
        found = [(difference(results, arm, BASE, name, part), digits) for name, part, digits in shown.values()]
        rows.append([tex(named(arm)), *(_with_interval(e, digits, "--", signed=True) for e, digits in found)])
    titles = ["PC1", *BEYOND.values(), *(tex(title) for title in MEMORY)]
    return table("l" + "r" * len(shown), [head("arm", *titles)], rows or [["--"] * (len(shown) + 1)])


def memory(results: StudyResults) -> str:
    """The memory of every arm, with intervals over seeds."""
    rows = []
    for arm in results.levels:
        cells = [
            _with_interval(results.at(arm, name, part), digits, absent(results, arm))
            for name, part, digits in MEMORY.values()
        ]
        rows.append([tex(named(arm)), *cells])
    return table("lrrrr", [head("arm", *(tex(title) for title in MEMORY))], rows)


def slopes(results: StudyResults) -> str:
    """The change of a quantity for ten times the weights, and for ten times the steps."""
    rows = []
    titles = ["PC1 (points)", *(f"beyond {rung} (points)" for rung in BEYOND.values()), *MEMORY]
    for title, (name, part, digits) in zip(titles, {**PC1, **MEMORY}.values(), strict=True):
        powers = name in POWERS
        found = [
            slope(results, there(results, group), size, name, part, powers=powers)
            for group, size in ((TRUNKS, weights), (LENGTHS, length))
        ]
        label = tex(title.split(" (")[0]) + " (exponent)" if powers else tex(title)
        rows.append([label, *(_with_interval(e, 2 if powers else digits, "--", signed=True) for e in found)])
    return table("lrr", [head("", "ten times the weights", "ten times the steps")], rows)


def summary(results: StudyResults) -> dict[str, str]:
    """What the study leaves beside its claims: one row a run."""
    columns = {"pc1": "G0.pc1", "early_updates": "U0.early_mean", "early_late": "P0.cosine"}
    columns |= {name.split(".")[1]: name for name, _, _ in MEMORY.values()}
    return {"robustness.csv": csv_of_runs(results, columns)}


def _number(results: StudyResults, arm: str, name: str, digits: int) -> str:
    value = results.at(arm, name).value
    return absent(results, arm) if value is None else number(value, digits)


def _with_interval(found: Estimate, digits: int, otherwise: str, *, signed: bool = False) -> str:
    if found.value is None:
        return otherwise
    text = number(found.value, digits, signed=signed)
    return text + (rf"\,$\pm$\,{number(found.interval, digits)}" if found.interval is not None else "")
