"""What a study leaves in summary/: the verdicts, and the tables that its paper's folder adds."""

from collections.abc import Mapping
from pathlib import Path

from lib.base.files import json_text, write_atomically
from lib.report.axis import are_numbers, level_text
from lib.report.claims import Verdict, judge
from lib.report.reader import StudyResults
from lib.report.run_tables import plain_table
from lib.train.places import results_place


def csv_of_runs(results: StudyResults, columns: Mapping[str, str]) -> str:
    """One row a run, by level from small to large: every quantity, and its null and excess where they are defined.

    Args:
        columns: heading -> quantity.
    """
    wanted = {heading: (name, "observed") for heading, name in columns.items()}
    compared = {heading: name for heading, name in columns.items() if results.lookup(name).null}
    wanted |= {f"{h}_{part}": (name, part) for h, name in compared.items() for part in ("null", "excess")}
    lines = [",".join([results.axis.name, *wanted, "seed", "state", "run"])]
    rising = sorted(results.levels) if are_numbers(results.levels) else results.levels
    for run in sorted(results.runs, key=lambda run: (rising.index(run.level), run.params.seed)):
        values = [run.quantity(*where).value for where in wanted.values()]
        cells = ["" if v is None else f"{v:.10g}" for v in values]
        lines.append(",".join([level_text(run.level), *cells, str(run.params.seed), run.state, run.name]))
    return "\n".join(lines) + "\n"


def verdicts_of(results: StudyResults) -> list[Verdict]:
    """The claims of the study's paper, judged; none where it makes none."""
    return judge(results.claims, results)


def claims_table(verdicts: list[Verdict]) -> str:
    """The claims as a table that a notebook shows."""
    rows = [(f"**{v.verdict}**", v.null, v.claim.claim, v.why) for v in verdicts]
    return plain_table(("verdict", "of the null", "claim", "because"), rows, words=4)


def write_summary(results: StudyResults) -> dict[str, Path]:
    """Write summary/claims.json and the study's own files; returns their paths by name."""
    folder = results_place(results.folder) / "summary"
    head = {
        "study": results.study.name,
        "profile": results.study.profile,
        "seeds": results.seeds,
        "order": results.trained(),
    }
    records = [verdict.record(results.axis.name) for verdict in verdicts_of(results)]
    own = results.paper.find("tables", "summary")
    texts = {**(own(results) if own else {}), "claims.json": json_text(head | {"claims": records})}
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return {name: folder / name for name in texts}
