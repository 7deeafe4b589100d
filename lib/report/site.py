"""The report: one page on a study, and every executed notebook as a page, all of it readable offline.

`report/` can be copied anywhere: its links are relative and stay inside it, its pictures are inside the pages. What
the pages look like is in the templates and the stylesheet beside this file.
"""

import base64
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from lib.base.clock import clock
from lib.base.files import read_json, write_atomically
from lib.report.claim_cards import claim_card
from lib.report.claims import Verdict
from lib.report.compare_page import write_compare
from lib.report.explorer import explorer, script
from lib.report.figures import Drawing, drawings
from lib.report.page import highlighting, markdown, notebook_body
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.scores import best, scores_of
from lib.report.summary import verdicts_of
from lib.report.template import page_json, render
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN, VERDICTS
from lib.train.run_record import Machine

WORDS = r"""
The backbone $v_b$ is the first principal direction of the displacement of the weights from their start, and

$$\Delta_t = \theta_t - \theta_0 = a(t)\,v_b + r(t).$$

The backbone fraction $a(t)^2 / \lVert\Delta_t\rVert^2$ says how much of it lies along that direction.

The **null** is what the same schedule gives without any learning: noise, weight decay and a random start, its
one scale fitted to the run. **Excess** is observed minus null.
"""
COLOURS = {HOLDS: "holds", EXCLUDED: "fails", ABSENT: "absent", OPEN: "open"}
STUDY = "study"  # the folder of the pages of the study's own notebooks


def build_report(results: StudyResults) -> Path:
    """Write <folder>/report/index.html and the notebooks' pages beside it; removes pages of what is gone."""
    folder, report = results.folder, results.folder / "report"
    notebooks = {run.name: notebook_files(run.folder) for run in results.present}
    notebooks[STUDY] = notebook_files(folder) or notebook_files(folder / "summary")
    home = report / "notebooks"
    pages = {path: home / name / f"{path.stem}.html" for name, files in notebooks.items() for path in files}
    broken = set()
    for name, files in notebooks.items():
        for path in files:
            body = _readable_body(path, name, results)
            if body is None:
                broken.add(path)
            write_atomically(pages[path], _notebook_page(results, name, path, files, pages, body))
    links = {
        name: [_link(path, os.path.relpath(pages[path], report), path in broken) for path in files]
        for name, files in notebooks.items()
    }
    write_compare(results)
    index = report / "index.html"
    write_atomically(index, render("index.html", **_index(results, links), paper=_paper(results, report)))
    for old in home.glob("*/*.html"):
        if old not in pages.values():
            old.unlink()
    return index


def _paper(results: StudyResults, report: Path) -> str:
    """Lay the paper of these results beside the page; its name there, empty where there is none."""
    pdf, beside = results.paper.pdf, report / results.paper.pdf.name
    if results.paper.built_for == str(results.folder.resolve()) and pdf.is_file():
        write_atomically(beside, pdf.read_bytes())
        return beside.name
    beside.unlink(missing_ok=True)
    return ""


def notebook_files(folder: Path) -> list[Path]:
    """The executed notebooks of a run, in order; of a failed stage only the copy that failed."""
    found = {path.stem: path for path in sorted((folder / "notebooks").glob("[!.]*.ipynb"))}
    return [path for stem, path in found.items() if f"{stem}.failed" not in found]


# -------------------------------------------------------------------------------------------- a notebook's page


def _title(results: StudyResults, name: str, path: Path) -> str:
    return f"{path.stem} · {results.study.folder_name if name == STUDY else name}"


def _readable_body(path: Path, name: str, results: StudyResults) -> str | None:
    try:
        return notebook_body(path, _title(results, name, path))
    except Exception:  # whatever nbformat meets in a file that is no notebook
        return None


def _notebook_page(
    results: StudyResults, name: str, path: Path, files: list[Path], pages: dict[Path, Path], body: str | None
) -> str:
    """A notebook's cells, or that it has none, under the way back to the report and to the run's others."""
    here = pages[path].parent
    others = [{"name": other.stem, "address": "" if other == path else pages[other].name} for other in files]
    return render(
        "notebook.html",
        title=path.stem if body is None else _title(results, name, path),
        highlighting=Markup("" if body is None else highlighting()),
        index=os.path.relpath(here.parents[1] / "index.html", here),
        study=results.study.folder_name,
        run="the study" if name == STUDY else name,
        others=others,
        body=Markup(body or ""),
        file=path.name,
    )


def _link(path: Path, address: str, broken: bool) -> dict[str, Any]:
    """A link to a notebook's page; what failed says so."""
    name = path.stem.removesuffix(".failed")
    return {"name": name, "address": address, "failed": broken or path.stem != name}


# ------------------------------------------------------------------------------------------------------ the index


def _index(results: StudyResults, links: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What the template of the index is filled with."""
    shown = drawings(results)
    rest = [_figure(results, d) for d in shown if not d.headline]
    verdicts = verdicts_of(results)
    claims = _claims(results, {verdict.claim.id: verdict for verdict in verdicts})
    return {
        "title": results.study.folder_name,
        "highlighting": "",
        "answers": [_answer(verdict) for verdict in verdicts if verdict.claim.headline and claims],
        **_explored(results),
        "question": results.study.question,
        "provenance": _provenance(results),
        "headlines": [_figure(results, d) for d in shown if d.headline],
        "claims": claims,
        "counts": {verdict: sum(c["verdict"] == verdict for c in claims or []) for verdict in VERDICTS},
        "colours": COLOURS,
        "runs": [_card(results, run, links[run.name]) for run in results.present],
        "not_run": [run.name for run in results.runs if run not in results.present],
        "words": Markup(markdown(WORDS)),
        "figures": [figure for figure in rest if figure["image"]],
        "study_notebooks": links[STUDY],
    }


def _answer(verdict: Verdict) -> dict[str, str]:
    return {
        "id": verdict.claim.id,
        "said": verdict.headline,
        "verdict": verdict.verdict,
        "null": verdict.null,
        "why": verdict.why,
    }


def _explored(results: StudyResults) -> dict[str, Any]:
    """What the explorer and the walk beneath it are filled with; no script where no run has a digest."""
    found = explorer(results)
    runs = found["runs"]
    if not runs:
        return {"explorer": found, "script": None}
    base = runs[found["baseline"]]
    steps, memory = base["schedule"]["steps"], base["memory"] or {}
    return {
        "explorer": found,
        "script": script(),
        "data": page_json(found),
        "groups": {run["group"]: run["colour"] for run in runs},
        "seeds": sorted({run["seed"] for run in runs}),
        "scores": list(dict.fromkeys(score["name"] for run in runs for score in run["scores"])),
        "walk": {
            "warmup": base["schedule"]["warmup"] / steps,
            "decay": base["decay"],
            "most_decay": 2 * base["decay"] or 1.0,
            "memory": _memory_text(memory, found["timeScale"]),
            "constant": math.log10(memory.get("timeConstant") or steps / 10),
            "longest": math.log10(8 * steps),
        },
    }


def _memory_text(memory: dict[str, Any], time_scale: float) -> str:
    if not memory.get("share") or not memory["timeConstant"]:
        return ""
    return (
        f"{100 * memory['share']:.3g} % of a step's variance over {memory['timeConstant'] * time_scale:.3g} steps"
    )


def _provenance(results: StudyResults) -> list[str]:
    """Profile, commits and machines, as the runs' records have them."""
    records = [run.record for run in results.present if run.record.state]
    commits = sorted({r.commit[:12] + (" (changed)" if r.dirty else "") for r in records if r.commit})
    machines = sorted({_machine(r.machine) for r in records})
    texts = [f"profile {results.study.profile}", f"commit {', '.join(commits) or 'unknown'}", *machines]
    return [text for text in texts if text]


def _machine(machine: Machine) -> str:
    where = machine.processor if machine.device == "cpu" else machine.device
    return f"{where}, {machine.cores} cores" if where and machine.cores else where


def _figure(results: StudyResults, drawing: Drawing) -> dict[str, str | Markup]:
    path = results.folder / "summary" / "figures" / f"{drawing.name}.png"
    image = base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""
    told = Markup(markdown(drawing.told))
    return {"name": drawing.name, "caption": drawing.caption, "told": told, "image": image}


def _claims(results: StudyResults, verdicts: dict[str, Verdict]) -> list[dict[str, str]] | None:
    """The entries of summary/claims.json with their cards, empty when they are not there; None without claims."""
    if not results.claims:
        return None
    found = read_json(results.folder / "summary" / "claims.json")
    claims = found.get("claims") if isinstance(found, dict) else found
    entries = [c for c in claims if isinstance(c, dict)] if isinstance(claims, list) else []
    told = [{k: str(c.get(k) or "") for k in ("id", "claim", "source", "verdict", "null", "why")} for c in entries]
    return [c | {"card": _card_of(results, verdicts.get(c["id"]), c["verdict"])} for c in told]


def _card_of(results: StudyResults, found: Verdict | None, verdict: str) -> Markup:
    """The card of a claim, where what is on disk says what these results say."""
    return Markup(claim_card(results, found) if found and found.verdict == verdict else "")


def _card(results: StudyResults, run: RunResults, notebooks: list[dict[str, Any]]) -> dict[str, Any]:
    """One run: its state, its scores, PC1 with its null, its curves."""
    seconds, ended = run.record.seconds, run.record.step
    took = f" in {clock(seconds)}" if seconds is not None else ""
    curves = _curves(run)
    return {
        "title": results.label(run, seed=True),
        "name": run.name,
        "state": run.record.state or "no record",
        "when": (f"step {ended} of {run.params.schedule.steps}" if ended is not None else "") + took,
        "reason": run.record.reason,
        "rows": [*_score_rows(run), *_geometry_rows(run)],
        "curves": curves,
        "curve_names": [(c["name"], c["strong"]) for c in reversed(curves)],
        "drawn": f"{_named(curves)} against the step, from 0 to 1",
        "notebooks": notebooks,
    }


def _score_rows(run: RunResults) -> Iterable[tuple[str, str]]:
    shown = [score for score in scores_of(run.params, run.evaluations) if score.told]
    for score in sorted(shown, key=lambda score: not score.largest):
        if score.largest:
            yield f"best {score.name}", _text((best(run.evaluations, score) or (None,))[0], 3)
        yield f"final {score.name}", _text(_final(run, score.key), 3)


def _geometry_rows(run: RunResults) -> Iterable[tuple[str, str]]:
    for side in ("observed", "null", "excess"):
        yield f"PC1 {side} (%)", _text(run.value(side, "G0.pc1"), 1)


def _final(run: RunResults, key: str) -> float | None:
    """The value at the step where the run ended; a run that was not evaluated there has none."""
    last = run.evaluations[-1]
    return last[key] if last["step"] == run.record.step else None


def _curves(run: RunResults) -> list[dict[str, Any]]:
    """Scores against the step, in a box of 100 by 32, the soft ones below."""
    steps, found = run.evaluated("step"), []
    scores = [score for score in scores_of(run.params, run.evaluations) if score.curve]
    for score in sorted(scores, key=lambda score: score.curve == "strong"):
        points = [
            f"{100 * x / run.params.schedule.steps:.2f},{30 - 28 * y:.2f}"
            for x, y in zip(steps, run.evaluated(score.key), strict=True)
            if np.isfinite(x) and np.isfinite(y)
        ]
        if len(points) > 1:
            found.append({"name": score.name, "points": " ".join(points), "strong": score.curve == "strong"})
    return found


def _named(curves: list[dict[str, Any]]) -> str:
    return " and ".join(f"{c['name']} (strong)" if c["strong"] else c["name"] for c in reversed(curves))


def _text(value: float | None, digits: int) -> str:
    """A number, or two dashes where there is none."""
    if value is None or not np.isfinite(value):
        return "--"
    return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.2e}"
