"""The tables of the study of optimizers."""

from lib.report.claims import Verdict
from lib.report.quantities import BEYOND, Estimate
from lib.report.reader import StudyResults
from lib.report.summary import csv_of_runs
from lib.report.tables import absent, common_tables, head
from lib.report.tex import number, table, tex
from paper.optimizers.arms import named
from paper.optimizers.losses import difference, loss_rows

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
SHAPE = {  # of the path up to one loss: quantity and part -> title and decimals
    ("matched.k95", "observed"): ("k95", 1),
    ("matched.time", "observed"): ("memory", 0),
    ("matched.align", "observed"): ("alignment", 3),
    ("matched.align", "null"): ("its null", 3),
    ("matched.align", "beyond-memory"): ("beyond memory", 3),
    ("matched.steps.memory_rank", "observed"): ("memory's rank", 2),
    ("matched.steps.update_rank", "observed"): ("step's rank", 2),
}
BRANCHED = {"restart.gain": r"state kept (\%)", "finetune.ortho_2": r"noise in fine-tuning (\%)"}
GRADIENT_STEPS = (2000, 4000)


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    common = common_tables(results, verdicts)
    rows = [[tex(named(arm)), *map(_signed, cells)] for arm, *cells in loss_rows(results)]
    return {
        "losses": table("lrrrrrr", [head(*map(tex, LOSS_HEADS))], rows),
        "early": of_early(results),
        "steps": of_steps(results),
        "path": of_path(results),
        "matched": of_matched(results),
        "shape": of_shape(results),
        "branches": of_branches(results),
        "gradients": of_gradients(results),
        "published": published(results),
        "faults": common["faults"],
        "claims": common["claims"],
        "runs": common["runs"],
    }


def _signed(text: str) -> str:
    """A cell of a notebook's table for TeX, which has its minus in mathematics."""
    return "$-$".join(tex(part) for part in text.split("−"))


def of_steps(results: StudyResults) -> str:
    """What steps after the warm-up do to matrices: means over groups and seeds, with their intervals over seeds."""
    rows = []
    for arm in results.levels:
        found = [(results.at(arm, f"steps.{name}"), digits) for name, (_, digits) in OF_STEPS.items()]
        rows.append([tex(named(arm)), *(_with_interval(e, digits) for e, digits in found)])
    return table("l" + "r" * len(OF_STEPS), [head("arm", *(title for title, _ in OF_STEPS.values()))], rows)


def _with_interval(e: Estimate, digits: int) -> str:
    interval = "" if e.value is None or e.interval is None else rf"\,$\pm$\,{number(e.interval, digits)}"
    return number(e.value, digits) + interval


def of_matched(results: StudyResults) -> str:
    """The path of every arm up to one loss: how long it is, PC1, its null, and what is left of it on every rung."""
    rungs = {part: title for part, title in BEYOND.items() if part != "beyond-momentum"}
    rows = []
    for arm in results.levels:
        step, seen = results.at(arm, "matched.step"), results.at(arm, "matched.pc1")
        left = [number(results.at(arm, "matched.pc1", part).value, 1, signed=True) for part in rungs]
        null = number(results.at(arm, "matched.pc1", "null").value, 1)
        rows.append([tex(named(arm)), number(step.value, 0), _with_interval(seen, 1), null, *left])
    columns = head("arm", "step", "PC1", "null", *rungs.values())
    over = head("", "", "", "", rf"\multicolumn{{{len(rungs)}}}{{c}}{{PC1 beyond the null of}}")
    return table("lrrr" + "r" * len(rungs), [over, columns], rows)


def of_shape(results: StudyResults) -> str:
    """What else the path up to one loss is like, and the steps that made it."""
    rows = []
    for arm in results.levels:
        found = [number(results.at(arm, *of).value, digits) for of, (_, digits) in SHAPE.items()]
        rows.append([tex(named(arm)), *found])
    return table("l" + "r" * len(SHAPE), [head("arm", *(title for title, _ in SHAPE.values()))], rows)


def of_early(results: StudyResults) -> str:
    """The loss a fifth into the run, against Muon's, and its largest rise afterwards."""
    rows = []
    for arm in results.levels:
        found = difference(results, arm, "loss.early")
        early, rise = (_with_interval(results.at(arm, name), 3) for name in ("loss.early", "loss.rise"))
        rows.append([tex(named(arm)), early, number(found.mean if found else None, 1, signed=True), rise])
    return table("lrrr", [head("arm", "loss", r"\% above Muon's", "largest rise")], rows)


def of_branches(results: StudyResults) -> str:
    """What restarts and fine-tuning gain, for every arm that has such branches."""
    rows = []
    for arm in results.levels:
        found = [results.at(arm, name) for name in BRANCHED]
        if any(e.value is not None for e in found):
            rows.append([tex(named(arm)), *(_with_interval(e, 2) for e in found)])
    nothing = [["no branch was made", *["--"] * len(BRANCHED)]]
    return table("l" + "r" * len(BRANCHED), [head("arm", *BRANCHED.values())], rows or nothing)


def of_gradients(results: StudyResults) -> str:
    """Cosine of the gradients of language and of the probe, which is not trained, halfway and at the end."""
    rows = []
    for arm in results.levels:
        found = [results.at(arm, f"I.mean.{step}") for step in GRADIENT_STEPS]
        if any(e.value is not None for e in found):
            rows.append([tex(named(arm)), *(_with_interval(e, 3) for e in found)])
    titles = [f"step {step}" for step in GRADIENT_STEPS]
    nothing = [["not measured", *["--"] * len(GRADIENT_STEPS)]]
    return table("l" + "r" * len(GRADIENT_STEPS), [head("arm", *titles)], rows or nothing)


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


def published(results: StudyResults) -> str:
    """What was published of Muon and NOLAH, on models and in a precision that are not ours."""
    rows = []
    for entry in results.published.quantities.values():
        a, b = entry.at("muon"), entry.at("nolah")
        marked = tex(entry.name) + ("" if entry.status == "sound" else r"\textsuperscript{*}")
        rows.append([marked, number(a, 4), number(b, 4), number(100 * (b / a - 1), 2, signed=True)])
    return table("lrrr", [head("model and step", "Muon", "NOLAH", r"difference (\%)")], rows)


def summary(results: StudyResults) -> dict[str, str]:
    """What the study leaves beside its claims: one row a run."""
    columns = {"loss": "val.final", "early_loss": "loss.early", "pc1": "G0.pc1"}
    return {"optimizers.csv": csv_of_runs(results, columns | {name: f"steps.{name}" for name in OF_STEPS})}
