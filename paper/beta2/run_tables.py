"""What the notebooks of one run show of the beta2 study, in Markdown: the experiment, and its reheats."""

from typing import Any

from IPython.display import Markdown

from lib.params.run import Params
from lib.report.run_tables import table, text_of, value

CORPORA = {"storyworld": "generated stories", "tinystories": "TinyStories", "file": "stories from a file"}


def experiment(p: Params) -> Markdown:
    """What the run is made of, in seven lines."""
    task, probe, s = p.task, p.task.probe, p.schedule
    stories = f"{CORPORA[task.corpus.source]}, {task.corpus.train_stories:,} to train on at most"
    asked = (
        f"in {100 * probe.p:g} % of the examples, one of {probe.codewords} codewords; {_gap(probe.gap_in)} tokens "
        f"before the question, in evaluation {_gap(probe.gap_ood)} as well, filler: {probe.filler}"
    )
    weight = f"$\\lambda$ = {task.lambda_probe:g}"
    if task.lambda_probe2 is not None:
        weight += f", {task.lambda_probe2:g} from step {task.lambda_step} on"
    schedule = (
        f"{s.steps} steps of {p.batch.size * p.batch.accumulate} examples, warm-up {s.warmup}, {s.decay} cosine to "
        f"{s.min_lr_ratio:g} of the peak; one of them stands for {p.time_scale} published steps"
    )
    rows = [
        ["model", text_of(p.model)],
        ["stories", stories],
        ["probe", asked],
        ["objectives", f"{weight}; variant {task.variant}"],
        ["optimizer", text_of(p.optim)],
        ["schedule", schedule],
        ["seed", str(p.seed)],
    ]
    return Markdown(table(["", "this run"], rows, words=2))


def _gap(gap: list[int]) -> str:
    return f"{gap[0]} to {gap[1]}"


def reheats_table(conditions: list[dict[str, Any]]) -> Markdown:
    """Every reheat: p_ood at its start and at its peak, the gain, and the displacement beside its null."""
    if not conditions:
        return Markdown("No reheat: this run has none of the snapshots that the protocol starts from.")
    p_ood = r"$p_{\mathrm{ood}}$"
    head = ["from step of this run", "peak learning rate", f"{p_ood} at the start", "at its peak", "peak at step"]
    head += ["gain $G$", "mean above the start", "along $v_b$", "null", "across $v_b$", "null"]
    rows = []
    for c in conditions:
        ended = " (diverged)" if c["state"] == "diverged" else ""
        scores = [value(c["start_p_ood"], 3), value(c["peak_p_ood"], 3), str(c["peak_step"]), value(c["gain"], 3)]
        moved = [value(c[name], 2) for name in ("along", "null_along", "across", "null_across")]
        rows.append([f"{c['ckpt_step']}{ended}", f"{c['lr']:g}", *scores, value(c["area"], 3), *moved])
    return Markdown(table(head, rows))
