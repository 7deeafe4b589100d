"""The tables of the study of optimizers."""

from lib.report.claims import Verdict
from lib.report.quantities import BEYOND
from lib.report.reader import StudyResults
from lib.report.summary import csv_of_runs
from lib.report.tables import absent, common_tables, head
from lib.report.tex import number, table, tex
from paper.optimizers.arms import named
from paper.optimizers.losses import loss_rows

LOSS_HEADS = ["arm", "loss", "% above Muon's", "bootstrap", "p", "seeds needed", "steps to Muon's last loss"]
OF_STEPS = {  # column of analysis/steps.json -> title and decimals
    "gradient_rank": ("gradient", 2),
    "memory_rank": ("memory", 2),
    "update_rank": ("step", 2),
    "unevenness": ("unevenness", 2),
    "memory_cosine": ("cosine", 3),
    "noise_ratio": ("noise", 3),
    "fired": ("fired", 2),
    "failures": ("still", 2),
}
PUBLISHED = (  # model, steps, loss of Muon, of NOLAH
    ("350M", 100, 2.42, 2.37),
    ("350M", 500, 2.3409, 2.3402),
    ("1B", 100, 2.1059, 2.3034),
    ("1B", 250, 2.0617, 2.0612),
    ("1B", 500, 2.0622717, 2.0601661),
)


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    common = common_tables(results, verdicts)
    rows = [[tex(named(arm)), *map(_signed, cells)] for arm, *cells in loss_rows(results)]
    return {
        "losses": table("lrrrrrr", [head(*map(tex, LOSS_HEADS))], rows),
        "steps": of_steps(results),
        "path": of_path(results),
        "published": published(),
        "claims": common["claims"],
        "runs": common["runs"],
    }


def _signed(text: str) -> str:
    """A cell of a notebook's table for TeX, which has its minus in mathematics."""
    return "$-$".join(tex(part) for part in text.split("−"))


def of_steps(results: StudyResults) -> str:
    """What steps after the warm-up do to matrices: means over groups of matrices and seeds."""
    rows = []
    for arm in results.levels:
        found = [(results.at(arm, f"steps.{name}"), digits) for name, (_, digits) in OF_STEPS.items()]
        rows.append([tex(named(arm)), *(number(e.value, digits) for e, digits in found)])
    return table("l" + "r" * len(OF_STEPS), [head("arm", *(title for title, _ in OF_STEPS.values()))], rows)


def of_path(results: StudyResults) -> str:
    """PC1 of every arm, its null, and what is left of it on every rung; the memory time."""
    rows = []
    for arm in results.levels:
        seen, null = (results.at(arm, "G0.pc1", part) for part in ("observed", "null"))
        if seen.value is None:
            rows.append([tex(named(arm)), absent(results, arm), *["--"] * (len(BEYOND) + 3)])
            continue
        left = [number(results.at(arm, "G0.pc1", part).value, 1, signed=True) for part in BEYOND]
        more = [number(results.at(arm, name).value, digits) for name, digits in (("G0.k95", 1), ("M.time", 0))]
        error = "" if seen.interval is None else rf"\,$\pm$\,{number(seen.interval, 1)}"
        rows.append([tex(named(arm)), number(seen.value, 1) + error, number(null.value, 1), *left, *more])
    over = head(
        "",
        r"\multicolumn{2}{c}{PC1 (\%)}",
        rf"\multicolumn{{{len(BEYOND)}}}{{c}}{{PC1 beyond the null of}}",
        "",
        "",
    )
    columns = head("arm", "observed", "null", *BEYOND.values(), "k95", "memory")
    return table("lrr" + "r" * (len(BEYOND) + 2), [over, columns], rows)


def published() -> str:
    """What was published of Muon and NOLAH, on models and in a precision that are not ours."""
    rows = [
        [m, str(n), number(a, 4), number(b, 4), number(100 * (b / a - 1), 2, signed=True)]
        for m, n, a, b in PUBLISHED
    ]
    return table("lrrrr", [head("model", "steps", "Muon", "NOLAH", r"difference (\%)")], rows)


def summary(results: StudyResults) -> dict[str, str]:
    """What the study leaves beside its claims: one row a run."""
    columns = {"loss": "val.final", "early_loss": "loss.early", "pc1": "G0.pc1"}
    return {"optimizers.csv": csv_of_runs(results, columns | {name: f"steps.{name}" for name in OF_STEPS})}
