"""The tables of the paper on grokking."""

from dataclasses import replace

from lib.report.claims import Verdict
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.summary import csv_of_runs
from lib.report.tables import absent, common_tables, head
from lib.report.tex import number, table, tex
from paper.grokking.figures import CONTROL, DEMONSTRATIONS
from paper.grokking.groks import GROK_HEADS, grok_rows, median_text, named, runs_of, transitions
from paper.grokking.halfway import MEASURED

PUBLISHED = (  # arm here, what was published, memorised, grokked, where it is said
    ("mlp", "MLP, p = 43, lr 1e-3, wd 1", "450", "7800", "measured with its code, one seed"),
    ("transformer", "transformer L1, p = 31", "100", "3700", "measured with its code, one seed"),
    ("adamw", "transformer L1, p = 53", "100", "400", "measured with its code, one seed"),
    ("p17", "MLP L2, p = 17, wd 2", "200", "5000-10000", "guide; measured: not by 59900"),
    ("", "transformer L2, p = 113, lr 3e-4, wd 0.5", "400", "3400", "figure; 4600 in its text"),
    ("", "routed transformer, p = 113", "--", "17800", "text; not causal, 3.3 times the weights"),
)
PATH = {
    "G0.pc1": ("PC1 (%)", 1),
    "turn.at_grok": ("turn at the grok step", 1),
    "phases.cosine": ("before, after", 2),
}

CIRCUIT = {  # of the logits at the end
    "keys": ("keys", 1),
    "share": ("operation's share", 2),
    "full": ("loss", 3),
    "restricted": ("keys alone", 3),
    "excluded": ("without keys", 2),
    "strongest": ("strongest others", 3),
    "random": ("random others", 3),
    "accuracy_excluded": ("right without keys", 2),
}


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    common = common_tables(results, verdicts)
    rows = [[tex(cell) for cell in row] for row in grok_rows(results)]
    return {
        "groks": table("ll" + "r" * (len(GROK_HEADS) - 2), [head(*map(tex, GROK_HEADS))], rows),
        "published": published(results),
        "path": path(results),
        "halfway": half_of_the_way(results),
        "circuits": circuits(results),
        "claims": common["claims"],
        "runs": common["runs"],
    }


def published(results: StudyResults) -> str:
    """What the reference says beside what came out here."""
    rows = []
    for arm, what, memorised, grokked, where in PUBLISHED:
        found = list(transitions(results, arm).values()) if arm in results.levels else []
        ours = median_text(found) if found else "--"
        rows.append([tex(cell) for cell in (what, memorised, grokked, ours, where)])
    titles = ("setting", "memorised", "grokked", "ours, median", "where")
    return table("lrrrl", [head(*titles)], rows)


def path(results: StudyResults) -> str:
    """PC1, the turn at the grok step and the cosine of the path before and after it: observed, null, excess."""
    over = head("", *(rf"\multicolumn{{3}}{{c}}{{{tex(title)}}}" for title, _ in PATH.values()))
    under = head("arm", *["ours", "null", "excess"] * len(PATH))
    rows = []
    for arm in results.levels:
        cells = []
        for name, (_, digits) in PATH.items():
            for part in ("observed", "null", "excess"):
                found = results.at(arm, name, part)
                seen = replace(found, count=1) if part == "null" else found
                cells.append(with_interval(seen, digits, signed=part == "excess"))
        rows.append(
            [tex(named(arm)), *cells]
            if any(c != "--" for c in cells)
            else [tex(named(arm)), absent(results, arm), *["--"] * 8]
        )
    return table("l" + "r" * 3 * len(PATH), [over, under], rows)


def half_of_the_way(results: StudyResults) -> str:
    """How far each measurement goes from memorisation to the end, and the step at which half of that is done."""
    arms = [arm for arm in (*DEMONSTRATIONS, CONTROL) if arm in results.levels]
    over = head("", *(rf"\multicolumn{{3}}{{c}}{{{tex(named(arm))}}}" for arm in arms))
    under = head("measurement", *["way", "half of it", "seeds"] * len(arms))
    rows = []
    for column, title in MEASURED.items():
        cells = []
        for arm in arms:
            way, half = (results.at(arm, f"half.{which}.{column}") for which in ("way", "step"))
            there = half.count if half.value is not None else 0
            cells += [with_interval(way, 1, signed=True), with_interval(half, 0), str(there)]
        rows.append([tex(title), *cells])
    return table("l" + "rrr" * len(arms), [over, under], rows)


def circuits(results: StudyResults) -> str:
    """At the end of every arm: the operation's share of the logits, its keys, losses with them and without."""
    rows = []
    for arm in results.levels:
        found = [(results.at(arm, f"circuit.{name}.last"), digits) for name, (_, digits) in CIRCUIT.items()]
        if any(estimate.value is not None for estimate, _ in found):
            frequencies = (runs_of(results, arm)[0].params.task.p - 1) // 2
            rows.append([tex(named(arm)), str(frequencies), *(with_interval(*cell) for cell in found)])
    titles = head("arm", "frequencies", *(title for title, _ in CIRCUIT.values()))
    return table("lr" + "r" * len(CIRCUIT), [titles], rows)


def with_interval(found: Estimate, digits: int, *, signed: bool = False) -> str:
    """A mean over seeds with its 95 % interval, where it has one."""
    text = number(found.value, digits, signed=signed)
    return text if found.interval is None else rf"{text}\,$\pm$\,{number(found.interval, digits)}"


def summary(results: StudyResults) -> dict[str, str]:
    """What the study leaves beside its claims: one row a run."""
    columns = {"memorised": "memorised.step", "grokked": "grok.step", "test": "test.final", "pc1": "G0.pc1"}
    return {"grokking.csv": csv_of_runs(results, columns)}
