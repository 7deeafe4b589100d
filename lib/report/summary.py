"""What the study's stage leaves in summary/: the reference's table, its reheating summary, the verdicts."""

from pathlib import Path
from typing import Any

from lib.base.files import json_text, write_atomically
from lib.params.names import two_decimals
from lib.report.claims import judge, load_claims
from lib.report.results import OBSERVED_ONLY, Results

REFERENCE_COLUMNS = {
    "final_val": "val.final",
    "best_p_ood": "p_ood.best",
    "PC1": "G1.pc1",
    "k95": "G1.k95",
    "k99": "G1.k99",
    "drift_600_2000": "G1.drift",
    "mean_update_align": "U1.mean_abs",
}


def table_beta2(results: Results) -> str:
    """The reference's table, one row a run from small beta2 to large, and the null and excess beside it."""
    geometric = {c: q for c, q in REFERENCE_COLUMNS.items() if q.split(".")[0] not in OBSERVED_ONLY}
    columns = {c: (q, "observed") for c, q in REFERENCE_COLUMNS.items()}
    columns |= {f"{c}_{part}": (q, part) for c, q in geometric.items() for part in ("null", "excess")}
    lines = [",".join(["beta2", *columns, "seed", "state", "run"])]
    for run in sorted(results.runs, key=lambda r: (r.beta2, r.params.seed)):
        values = [run.quantity(*where).value for where in columns.values()]
        cells = ["" if v is None else f"{v:.10g}" for v in values]
        lines.append(",".join([two_decimals(run.beta2), *cells, str(run.params.seed), run.state, run.name]))
    return "\n".join(lines) + "\n"


def reheat_summary(results: Results) -> dict[str, Any]:
    """By "b2_{beta2}_ckpt_{step}": the reference's fields of every learning rate, and what ours adds."""
    summary: dict[str, Any] = {}
    for run in results.runs:
        for c in run.analysis.get("reheat") or []:
            key = f"b2_{two_decimals(run.beta2)}_ckpt_{c['ckpt_step']}"
            entry = summary.setdefault(key, {"beta2": run.beta2, "ckpt_step": c["ckpt_step"], "lr_runs": []})
            names = {"final_p_ood": "final_p_ood", "final_val_loss": "final_val_loss", "best_p_ood": "peak_p_ood"}
            extra = ("n_steps", "state", "start_p_ood", "peak_step", "gain", "area", "displacement", "along")
            extra += ("across", "null_along", "null_across", "null_displacement")
            lr_run = {"lr": c["lr"], "seed": run.params.seed} | {key: c.get(name) for key, name in names.items()}
            entry["lr_runs"].append(lr_run | {name: c.get(name) for name in extra})
    return summary


def write_summary(results: Results) -> dict[str, Path]:
    """Write summary/table_beta2.csv, reheat_summary.json and claims.json; returns their paths by name."""
    folder = results.folder / "summary"
    head = {
        "study": results.study.name,
        "profile": results.study.profile,
        "seeds": results.seeds,
        "order": results.trained(),
    }
    texts = {
        "table_beta2.csv": table_beta2(results),
        "reheat_summary.json": json_text(reheat_summary(results)),
        "claims.json": json_text(head | {"claims": [v.record() for v in judge(load_claims(), results)]}),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return {name: folder / name for name in texts}
