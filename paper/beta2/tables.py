"""The tables of the beta2 paper, and what the study leaves in summary/ beside its claims."""

from typing import Any

from lib.base.files import json_text
from lib.geometry.ladder import RUNGS
from lib.report.axis import level_text
from lib.report.claims import Verdict
from lib.report.preset_table import presets
from lib.report.reader import StudyResults
from lib.report.summary import csv_of_runs
from lib.report.tables import (
    MARKS,
    absent,
    cards,
    common_tables,
    findings,
    head,
    level_heads,
    operating,
    published_cells,
    quantities,
    with_error,
)
from lib.report.tex import number, table, tex
from lib.tasks.stories.params import FILLERS
from paper.beta2.published_ladder import published_ladder
from paper.beta2.quantities import reheats
from paper.beta2.real_stories import real_stories

TRAINING = ("val.final", "p_ood.best", "p_ood.best_step", "p_ood.last")
WINDOW = ("G1.pc1", "G1.k95", "G1.drift", "U1.mean_abs")
FULL = ("G2.pc1", "G2.pc2", "G2raw.pc1", "G2.k95", "G2.k99", "G2.drift", "U2.mean_abs", "U2.early_mean_abs")
COORDINATE = ("G2.a_peak", "G2.a_peak_step", "G2.fraction_max", "G2.fraction_max_step", "G2.fraction_last")
FITS = tuple(f"F2.gamma_{what}.{regime}" for what in "ar" for regime in ("0-2000", "2000-4000", "0-4000"))
PRESETS = ("G0", "G1", "G2", "G2raw", "R0", "R1", "U0", "U0in", "U1", "U2", "P0", "F2", "C0", "C2")
CORRELATIONS = tuple(f"C2.r.{regime}" for regime in ("0-2000", "2000-4000", "0-4000"))
DEFAULTS = {  # title and decimals
    "G0.pc1": ("PC1 (%)", 1),
    "G0.k95": ("k95", 0),
    "G0.k99": ("k99", 0),
    "G0.start_cosine": ("cosine of v_b, theta_0", 3),
    "R0.mean": ("rotation, mean |cos|", 3),
    "P0.cosine": ("early, late backbone", 3),
    "U0in.mean_abs": ("alignment, in sample", 3),
    "U0.mean": ("alignment, held out", 3),
}


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    several = len(results.seeds) > 1  # then intervals take room on a line
    few, more = (2, 2) if several else (3, 4)
    return {
        "training": quantities(results, TRAINING, 4),
        "window": quantities(results, WINDOW, more),
        "full": quantities(results, FULL, few),
        "coordinate": quantities(results, COORDINATE, few),
        "fits": quantities(results, FITS + CORRELATIONS, 3),
        "defaults": quantities(results, tuple(DEFAULTS), more, DEFAULTS),
        "ladder": ladder(results),
        "memory": memory(results),
        "published_ladder": of_published(),
        "gradients": gradients(results),
        "fisher": fisher(results),
        "reheat": reheat(results),
        "fillers": fillers(results),
        "real_stories": real_stories(),
        "findings": findings(verdicts),
        "cards": cards(verdicts),
        "operating": operating(results),
        "presets": presets(PRESETS),
        **common_tables(results, verdicts),
    }


# ----------------------------------------------------------------------------------------------------- fillers


FILLED = {  # of the study's own quantities
    **{f"F.{filler}": f"{filler}, long gap" for filler in FILLERS},
    "F.random.prefix": "random, long prefix and short gap",
    "F.story.prefix": "story, long prefix and short gap",
    "F.random.fall": "fall of p_ood, random",
    "F.story.fall": "fall of p_ood, story",
    "F.tokens": "cost of tokens hardly read",
    "F.gap": "cost of the longer gap",
}


def fillers(results: StudyResults) -> str:
    rows = [
        [tex(title), *(with_error(results, level, name, 2) for level in results.levels)]
        for name, title in FILLED.items()
    ]
    return table("l" + "r" * len(results.levels), level_heads(results, ""), rows)


# ------------------------------------------------------------------------------------------------------ ladder

LADDER = {  # title and decimals
    "G0.pc1": ("PC1 (%)", 1),
    "G1.pc1": ("PC1 of the window (%)", 1),
    "G0.k95": ("k95", 1),
    "R0.mean": ("rotation", 3),
    "U0.early_mean": ("early updates", 3),
    "P0.cosine": ("early, late", 3),
}


def ladder(results: StudyResults) -> str:
    """Every quantity as observed and on every rung, with the rung's error in brackets."""
    rows: list[list[str] | None] = []
    for name, (title, digits) in LADDER.items():
        rows += [None] if rows else []
        for n, level in enumerate(results.levels):
            cells = [with_error(results, level, name, digits, part) for part in ("null", *RUNGS[1:])]
            seen = results.at(level, name).value
            seen_text = absent(results, level) if seen is None else number(seen, digits)
            rows.append([tex(title) if n == 0 else "", level_text(level), seen_text, *cells])
    heads = [head("", tex(results.axis.name), "observed", *RUNGS)]
    return table("lr" + "r" * (len(RUNGS) + 1), heads, rows)


REMEMBERED = {"M.share": 2, "M.time": 0, "M.fitted": 2, "M.judged": 2, "M.size": 0}  # and their decimals


def memory(results: StudyResults) -> str:
    """The two numbers of the memory, how well they were judged, and how many dimensions the rest has."""
    rows = [
        [level_text(level), *(with_error(results, level, name, digits) for name, digits in REMEMBERED.items())]
        for level in results.levels
    ]
    heads = [
        head(tex(results.axis.name), r"share (\%)", "time constant", "fitted", "judged", r"$D_{\mathrm{eff}}$")
    ]
    return table("lrrrrr", heads, rows)


def of_published() -> str:
    """PC1 of the published runs, and what two rungs leave of it."""
    rows = [
        [
            tex(run.name),
            *(number(x, 1) for x in (run.pc1, run.schedule, run.lengths)),
            *(number(run.pc1 - x, 1, signed=True) for x in (run.schedule, run.lengths)),
        ]
        for run in published_ladder()
    ]
    over = head("", "published", r"\multicolumn{2}{c}{null}", r"\multicolumn{2}{c}{excess}")
    rules = r"\cmidrule(lr){3-4}\cmidrule(lr){5-6}"
    return table("lrrrrr", [over, rules, head("run", "PC1 (\\%)", *["schedule", "lengths"] * 2)], rows)


# ----------------------------------------------------------------------------------------- gradients, curvature


def gradients(results: StudyResults) -> str:
    """At the two steps: the cosine of the objectives, and what the averaged gradient aligns with."""
    scale = results.time_scale
    steps = [f"{s * scale:g}" for s in results.study.stage("05_interference").parameters["steps"]]
    kinds = {
        "I.mean": "cosine of single batches",
        "I.of_means": "of averaged gradients",
        "I.across": "between different batches",
        "A.v_b": "gradient and v_b, |cos|",
        "A.v_b expected": "the same, free of batch noise",
        "A.update": "gradient and latest update, |cos|",
        "A.-theta_0": "gradient and -theta_0, |cos|",
    }
    rows: list[list[str] | None] = []
    for step in steps:
        rows += [None] if rows else []
        entry = results.published.quantities.get(f"I.mean.{step}")
        if entry:
            cells = published_cells(results, entry)
            rows.append([step, "published" + MARKS[entry.status], *cells])
        for kind, title in kinds.items():
            first = not rows or rows[-1] is None
            name = f"{kind.split()[0]}.{step}" + (".expected" if " " in kind else "")
            cells = [with_error(results, b, name) for b in results.levels]
            rows.append([step if first else "", tex(title), *cells])
    return table("ll" + "r" * len(results.levels), level_heads(results, "step", ""), rows)


def fisher(results: StudyResults) -> str:
    """Anisotropy along named directions, by definition, at the first and the last step measured."""
    scale = results.time_scale
    steps = [f"{s * scale:g}" for s in results.study.stage("03_fisher").parameters["steps"]]
    steps = [steps[0], "last"] if steps else []
    rows: list[list[str] | None] = []
    for definition in ("empirical", "sampled", "squared"):
        rows += [None] if rows else []
        for n, direction in enumerate(("v_b", "PC2", "update", "-theta_0")):
            label = {"squared": "squared batch"}.get(definition, definition) if n == 0 else ""
            cells = [_anisotropy(results, b, f"Q.{definition}.{direction}", steps) for b in results.levels]
            rows.append([label, tex(direction), *cells])
        if definition != "squared":
            rows.append(["", "control", *(_control(results, b, definition) for b in results.levels)])
    return table("ll" + "r" * len(results.levels), level_heads(results, "Fisher", "direction"), rows)


def _anisotropy(results: StudyResults, level: float, name: str, steps: list[str]) -> str:
    values = [results.at(level, f"{name}.{step}").value for step in steps]
    if not any(v is not None for v in values):
        return absent(results, level)
    return r"\,$\to$\,".join("--" if v is None else f"${v:.2g}$" if v < 99.5 else f"${v:.0f}$" for v in values)


def _control(results: StudyResults, level: float, definition: str) -> str:
    """What random directions with the norms of v_b have at the last step, of the first run that knows."""
    for run in results.runs if level not in results.diverged() else ():
        if run.level == level:
            for point in run.entries("fisher", "points")[-1:]:
                for q in point.get("quotients", []):
                    if q["definition"].startswith(definition) and "control" in q and "v_b" in q["labels"]:
                        low, _, high = (row[q["labels"].index("v_b")] for row in q["control"])
                        return f"{number(low, 1)} to {number(high, 1)}"
    return absent(results, level)


# ---------------------------------------------------------------------------------------------------- reheating


def reheat(results: StudyResults) -> str:
    """Every condition: p_ood at the start, its peak, the gain; the displacement along and across with null."""
    head = r"$\beta_2$ & step & peak lr & start & peak & gain & published & along & null & across & null \\"
    rows: list[list[str] | None] = []
    scale = results.time_scale
    protocol = results.study.branches.get("reheat")
    for beta2 in protocol.where[results.axis.parameter] if protocol else []:
        for step in protocol.snapshots:
            rows += [None] if rows else []
            for lr in protocol.vary["optim.lr"]:
                rows.append(_condition(results, beta2, f"{step * scale:g}", lr))
    return table("lrr" + "r" * 8, [head], rows or [["none"] + [""] * 10])


def _condition(results: StudyResults, level: float, step: str, lr: float) -> list[str]:
    found = [c for r in results.runs if r.level == level for c in reheats(r, step) if c["lr"] == lr]
    entry = results.published.branched("reheating", level, int(float(step)))
    here = entry and entry.set.get("optim.lr", lr) == lr
    published = number(entry.values["gain"], 3) + MARKS[entry.status] if here else ""
    row = [level_text(level), step, f"${lr * 1e4:g}$"]
    if not found:
        return [*row, "--", "--", "--", published, "--", "--", "--", "--"]
    c = found[0]
    mark = r"\rlap{$^{\dagger}$}" if c.get("state") == "diverged" else ""
    p = [number(c.get(name), 3) for name in ("start_p_ood", "peak_p_ood", "gain")]
    moved = [number(c.get(name), 2) for name in ("along", "null_along", "across", "null_across")]
    return [*row, *p[:2], p[2] + mark, published, *moved]


# ------------------------------------------------------------------------------------------------------- summary/

REFERENCE_COLUMNS = {
    "final_val": "val.final",
    "best_p_ood": "p_ood.best",
    "PC1": "G1.pc1",
    "k95": "G1.k95",
    "k99": "G1.k99",
    "drift_600_2000": "G1.drift",
    "mean_update_align": "U1.mean_abs",
}


def summary(results: StudyResults) -> dict[str, str]:
    """The files that the reference has too, by name: its table with null and excess, its reheating summary."""
    return {
        "table_beta2.csv": csv_of_runs(results, REFERENCE_COLUMNS),
        "reheat_summary.json": json_text(reheat_summary(results)),
    }


def reheat_summary(results: StudyResults) -> dict[str, Any]:
    """By "b2_{beta2}_ckpt_{step}": the reference's fields of every learning rate, and what ours adds."""
    summary: dict[str, Any] = {}
    for run in results.runs:
        for c in run.analysis.get("reheat") or []:
            key = f"b2_{level_text(run.level)}_ckpt_{c['ckpt_step']}"
            entry = summary.setdefault(key, {"beta2": run.level, "ckpt_step": c["ckpt_step"], "lr_runs": []})
            names = {"final_p_ood": "final_p_ood", "final_val_loss": "final_val_loss", "best_p_ood": "peak_p_ood"}
            extra = ("n_steps", "state", "start_p_ood", "peak_step", "gain", "area", "displacement", "along")
            extra += ("across", "null_along", "null_across", "null_displacement")
            lr_run = {"lr": c["lr"], "seed": run.params.seed} | {key: c.get(name) for key, name in names.items()}
            entry["lr_runs"].append(lr_run | {name: c.get(name) for name in extra})
    return summary
