"""Grok steps over the runs of the study: by run, by arm with censoring, and as a table."""

from pathlib import Path

from lib.report.axis import Level
from lib.report.claims_file import axis_in
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from paper.grokking.transition import Transition, median_grok, transition

GROK_HEADS = ["arm", "model", "p", "lr", "decay", "memorised", "grokked", "median", "kept", "held-out right"]


def named(arm: Level) -> str:
    return axis_in(Path(__file__).parent).text(arm)


def transitions(results: StudyResults, arm: Level) -> dict[int, Transition]:
    """Seed -> when the run memorised and grokked; of runs that were evaluated."""
    return {r.params.seed: transition(r.evaluations) for r in runs_of(results, arm)}


def runs_of(results: StudyResults, arm: Level) -> list[RunResults]:
    return [run for run in results.present if run.level == arm and run.evaluations]


def median_text(found: list[Transition]) -> str:
    """Kaplan and Meier's median; beyond the shortest look where it was not reached."""
    if not found:
        return "--"
    median = median_grok(found)
    return f"> {min(t.last for t in found if t.grokked is None)}" if median is None else f"{median:g}"


def grok_rows(results: StudyResults) -> list[list[str]]:
    """A row an arm: its setting, memorised and grok step of every seed, the median, what is kept, the end."""
    rows = []
    for arm in results.levels:
        runs = runs_of(results, arm)
        if not runs:
            rows.append([named(arm), *["--"] * (len(GROK_HEADS) - 1)])
            continue
        p, found = runs[0].params, [transition(run.evaluations) for run in runs]
        last = [run.quantity("test.final").value for run in runs]
        kept = results.at(arm, "test.kept").value
        rows.append(
            [
                named(arm),
                f"{p.model.name.removeprefix('modular_')}, {p.model.layers} x {p.model.width}",
                str(p.task.p),
                f"{p.optim.lr:g}",
                f"{p.optim.weight_decay:g}",
                ", ".join("--" if t.memorised is None else str(t.memorised) for t in found),
                ", ".join(t.said for t in found),
                median_text(found),
                "--" if kept is None else f"{kept:.2f}",
                ", ".join(f"{x:.2f}" for x in last),
            ]
        )
    return rows
