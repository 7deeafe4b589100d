"""The macros of a paper: what it says in words and single numbers, all of it from the study's folder.

Every paper has those of `common_numbers`; the study's own are made in paper/<study>/numbers.py.
"""

import re
import subprocess
from collections.abc import Callable

from lib.base import provenance
from lib.report.claims import Verdict
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.tex import escaped, macro_name, number, tex
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN, VERDICTS
from lib.train.run_record import Machine

SHORT = 10  # a time scale beyond which a run shows nothing of the published one
# What `common_numbers` has.
COMMON = (
    *("Profile", "Study", "Steps", "TimeScale", "Trained", "Grid", "Seeds"),
    *("Date", "Commit", "RunCommits", "Hardware", "Versions", "TrainingMinutes", "Notebook"),
    *("Missing", "Caution", "Diverged", "Claims", "Holds", "HoldsForNull", "Excluded", "Absent", "Open"),
    *("OwnClaims", "OwnHolds"),
)
# The analyses that a run should have: the name of the file in analysis/, and what a sentence calls it.
Wanted = Callable[[RunResults], dict[str, str]]


def spare_macros(verdicts: list[Verdict]) -> set[str]:
    """Macros that a text need not use: those of every paper, and of claims, which are in their table anyway."""
    ids = [verdict.claim.id for verdict in verdicts]
    return {f"res{name}" for name in COMMON} | {macro_name(kind, i) for kind in ("claim", "said") for i in ids}


def macro_pairs(own: dict[str, str], verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value, in order: numbers as \\res..., sentences of claims as \\claim... and \\said..."""
    return [
        *[(f"res{name}", value) for name, value in own.items()],
        *[(macro_name("claim", v.claim.id), tex(v.sentence)) for v in verdicts],
        *[(macro_name("said", v.claim.id), tex(v.headline)) for v in verdicts if v.claim.headline],
    ]


def common_numbers(results: StudyResults, verdicts: list[Verdict], notebook: str, wanted: Wanted) -> dict[str, str]:
    """What every paper says of its study; what is missing is a dash, or a sentence that says so.

    Args:
        notebook: where the figures were made, from the root of the checkout.
        wanted: what a run should have been analysed for.
    """
    return {**_study(results), **_provenance(results, notebook, wanted), **counts(verdicts)}


def _study(results: StudyResults) -> dict[str, str]:
    # An arm may have seeds of its own: counted is how many a point of the grid has.
    points = [str({name: x for name, x in run.point.items() if name != "seed"}) for run in results.runs]
    each = max(map(points.count, points))
    between = "; " if results.axis.words else ", "  # words may have commas of their own
    return {
        "Profile": tex(results.study.profile),
        "Study": escaped(results.study.name),
        "Steps": str(results.baseline.params.schedule.steps),
        "TimeScale": _ratio(results.time_scale),
        "Trained": escaped(between.join(map(results.axis.text, results.trained()))) or "no value",
        "Grid": escaped(between.join(map(results.axis.text, results.levels))),
        "Seeds": f"one seed, {results.baseline.params.seed}" if each == 1 else f"{each} seeds",
    }


def _ratio(scale: float) -> str:
    return "as published" if scale == 1 else f"the published steps divided by {scale:g}"


def _caution(scale: float) -> str:
    return r"\textbf{Runs this short test the machinery, not the claims.}" if scale > SHORT else ""


def _provenance(results: StudyResults, notebook: str, wanted: Wanted) -> dict[str, str]:
    head, dirty = provenance.commit()
    records = [run.record for run in results.runs if run.record.state]
    commits = sorted({r.commit[:7] + ("+" if r.dirty else "") for r in records if r.commit})
    machines = sorted({_machine(r.machine) for r in records if r.machine.cores})
    versions = sorted({_versions(r.identity.versions) for r in records if r.identity.versions})
    seconds = sum(r.seconds or 0 for r in records)
    short_head = head[:7] + ("+" if dirty else "")
    return {
        "Date": provenance.commit_date(),
        "Commit": rf"\texttt{{{tex(short_head)}}}",
        "RunCommits": ", ".join(rf"\texttt{{{tex(c)}}}" for c in commits) or "--",
        "Hardware": tex("; ".join(machines)) or "--",
        "Versions": tex("; ".join(versions)) or "--",
        "TrainingMinutes": number(seconds / 60, 1),
        "Notebook": notebook_link(notebook, head) + f" at commit \\texttt{{{tex(short_head)}}}",
        "Missing": tex(missing(results, wanted)),
        "Caution": _caution(results.time_scale),
        "Diverged": tex(_diverged(results)),
    }


def _machine(machine: Machine) -> str:
    on_cpu, threads = machine.device == "cpu", machine.threads
    where = machine.processor if on_cpu else f"{machine.device} with {machine.processor}"
    return f"{where}, {machine.cores} cores, {threads} thread{'s' if threads != 1 else ''} a run"


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def notebook_link(path: str, commit: str) -> str:
    """A notebook's name, linked to it at a commit where the checkout knows a public address."""
    address, name = repository(), rf"\texttt{{{tex(path)}}}"
    return rf"\href{{{address}/blob/{commit}/{path}}}{{{name}}}" if address else name


def repository() -> str:
    """https address of the checkout's origin, without credentials; empty when it is no such address."""
    try:
        url = provenance.git("remote", "get-url", "origin")
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = re.fullmatch(r"(?:https://(?:[^@/]*@)?|git@)([\w.-]+)[:/]([\w./-]+?)(?:\.git)?/?", url)
    return f"https://{found[1]}/{found[2]}" if found else ""


def missing(results: StudyResults, wanted: Wanted) -> str:
    """One sentence that names what is not there, run by run."""
    gaps = []
    for run in results.runs:
        where = place(results, run)
        if run.state not in ("done", "diverged"):
            gaps.append(f"the run at {where} is {run.said}")
            continue
        absent = [words for name, words in wanted(run).items() if run.analysis.get(name) is None]
        if absent:
            gaps.append(f"{' and '.join(absent)} of the run at {where}")
    if not gaps:
        return "Every run and every analysis of the study is in it."
    return f"Missing from this version: {'; '.join(gaps)}."


def place(results: StudyResults, run: RunResults) -> str:
    """A run by its level, and by its seed where there are several."""
    seed = f", seed {run.params.seed}" if len(results.seeds) > 1 else ""
    return f"{results.axis.full(run.level)}{seed}"


def _diverged(results: StudyResults) -> str:
    runs = [r for r in results.runs if r.diverged]
    if not runs:
        return "No run diverged." if all(run.record.state for run in results.runs) else ""
    told = [f"the run at {place(results, r)} {r.said} ({r.record.diverged.reason})" for r in runs]
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}."


def counts(verdicts: list[Verdict]) -> dict[str, str]:
    """How many claims of the published work there are, by verdict, and how many of our own."""
    published, own = ([v for v in verdicts if v.claim.ours == ours] for ours in (False, True))
    count = {name: sum(v.verdict == name for v in published) for name in VERDICTS}
    return {
        "Claims": str(len(published)),
        "Holds": str(count[HOLDS]),
        "HoldsForNull": str(sum(v.verdict == v.null == HOLDS for v in published)),
        "Excluded": str(count[EXCLUDED]),
        "Absent": str(count[ABSENT]),
        "Open": str(count[OPEN]),
        "OwnClaims": str(len(own)),
        "OwnHolds": str(sum(v.verdict == HOLDS for v in own)),
    }
