"""The report: one page on a study, and every executed notebook as a page, all of it readable offline.

`report/` can be copied anywhere: its links are relative and stay inside it, its pictures are inside the pages.
"""

import base64
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.clock import clock
from lib.base.files import read_json, write_atomically
from lib.params.study import Study
from lib.report.page import markdown, notebook_page, page
from lib.report.rundata import RunData, label, load_runs

HEADLINE = "beta2_summary"
CAPTIONS = {
    "beta2_summary": "PC1, k95, drift and update alignment against β₂: as published, by the default definitions, "
    "and what is left when the no-learning null is taken off.",
    "probe": "Probe accuracy at longer gaps (p_ood) and at the gaps of training (p_in), and the language loss.",
    "backbone": "Displacement along and across the backbone, and the backbone fraction, over the band of the null.",
    "spectrum": "Shares of the leading directions, over the null.",
    "alignment": "How far updates, and gradients, point along the backbone.",
    "phases": "Alignment of a rolling window with the early and the late backbone, and its rotation.",
    "fisher": "Curvature along directions over that along random ones, by definition of the Fisher.",
    "interference": "Signed cosine of the language and the probe gradient.",
    "reheat": "Reheating: p_ood, its gain, and the displacement along and across the backbone.",
}
WORDS = r"""
The backbone $v_b$ is the first principal direction of the displacement of the weights from their start, and

$$\Delta_t = \theta_t - \theta_0 = a(t)\,v_b + r(t).$$

The backbone fraction $a(t)^2 / \lVert\Delta_t\rVert^2$ says how much of it lies along that direction.

The **null** is what the same schedule gives without any learning: noise, weight decay and a random start, its
one scale fitted to the run. **Excess** is observed minus null.
"""
VERDICTS = {"holds": "holds", "fails": "fails", "cannot tell": "open"}  # and how each is coloured


def build_report(study: Study, folder: Path) -> Path:
    """Write <folder>/report/index.html and the notebooks' pages beside it; removes pages of what is gone."""
    report, runs = folder / "report", load_runs(study, folder)
    notebooks = {run.name: notebook_files(run.folder) for run in runs}
    notebooks[""] = notebook_files(folder) or notebook_files(folder / "summary")
    pages = {}
    for name, files in notebooks.items():
        for path in files:
            pages[path] = report / "notebooks" / (name or "study") / f"{path.stem}.html"
    broken = set()
    for name, files in notebooks.items():
        for path in files:
            links = _neighbours(study, name, path, files, pages)
            try:
                text = notebook_page(path, f"{path.stem} · {name or study.folder_name}", links)
            except Exception:  # whatever nbformat meets in a file that is no notebook
                broken.add(path)
                text = page(path.stem, f"<nav>{links}</nav><p>{escape(path.name)} is not a readable notebook.</p>")
            write_atomically(pages[path], text)
    index = report / "index.html"
    relative = {path: os.path.relpath(target, report) for path, target in pages.items()}
    write_atomically(index, page(study.folder_name, _index(study, folder, runs, notebooks, relative, broken)))
    for old in (report / "notebooks").glob("*/*.html"):
        if old not in pages.values():
            old.unlink()
    return index


def notebook_files(folder: Path) -> list[Path]:
    """The executed notebooks of a run, in order; of a failed stage only the copy that failed."""
    found = {path.stem: path for path in sorted((folder / "notebooks").glob("[!.]*.ipynb"))}
    return [path for stem, path in found.items() if f"{stem}.failed" not in found]


# ------------------------------------------------------------------------------------------------------- parts


def _index(
    study: Study,
    folder: Path,
    runs: list[RunData],
    notebooks: dict[str, list[Path]],
    links: dict[Path, str],
    broken: set[Path],
) -> str:
    figures = folder / "summary" / "figures"
    rest = [name for name in CAPTIONS if name != HEADLINE and (figures / f"{name}.png").is_file()]
    parts = [
        f"<h1>{escape(study.folder_name)}</h1>",
        f"<p>{escape(study.question)}</p>",
        f'<p class="soft">{_provenance(study, runs)}</p>',
        _figure(figures, HEADLINE),
        "<h2>Claims</h2>",
        _claims(folder),
        "<h2>Runs</h2>",
        '<div class="cards">',
        *(_card(study, run, notebooks[run.name], links, broken) for run in runs),
        "</div>",
        *(_missing_runs(study, runs)),
        "<h2>What is measured</h2>",
        markdown(WORDS),
    ]
    if rest:
        parts += ["<h2>Figures</h2>", *(_figure(figures, name) for name in rest)]
    if notebooks[""]:
        parts += ["<h2>The study's notebook</h2>", f"<p>{_links(notebooks[''], links, broken)}</p>"]
    return "\n".join(parts)


def _provenance(study: Study, runs: Iterable[RunData]) -> str:
    """Profile, commits and machines, as the runs' records have them."""
    records = [run.record for run in runs if run.record]
    commits = sorted(
        {str(r["commit"])[:12] + (" (changed)" if r.get("dirty") else "") for r in records if r.get("commit")}
    )
    machines = sorted({_machine(r["machine"]) for r in records if isinstance(r.get("machine"), dict)})
    texts = [f"profile {study.profile}", f"commit {', '.join(commits) or 'unknown'}", *machines]
    return " · ".join(escape(text) for text in texts if text)


def _machine(machine: dict[str, Any]) -> str:
    device, cores = machine.get("device"), machine.get("cores")
    where = machine.get("processor") or "" if device in (None, "cpu") else str(device)
    return f"{where}, {cores} cores" if where and cores else where


def _figure(figures: Path, name: str) -> str:
    path = figures / f"{name}.png"
    if not path.is_file():
        return f'<p class="soft">The figure {escape(name)} is missing.</p>'
    caption = escape(CAPTIONS[name])
    return (
        f'<figure><div class="wide"><img src="{_data_uri(path)}" alt="{caption}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _claims(folder: Path) -> str:
    """The claims table of summary/claims.json."""
    found = read_json(folder / "summary" / "claims.json")
    claims = found.get("claims") if isinstance(found, dict) else found
    if not isinstance(claims, list) or not claims:
        return '<p class="soft">The claims have not been judged: summary/claims.json is missing.</p>'
    counts = {verdict: sum(c.get("verdict") == verdict for c in claims) for verdict in VERDICTS}
    rows = []
    for c in claims:
        claim, source, verdict, why = (escape(str(c.get(k) or "")) for k in ("claim", "source", "verdict", "why"))
        rows.append(
            f'<tr><td>{claim} <span class="soft">({source})</span></td>'
            f'<td class="verdict {VERDICTS.get(verdict, "open")}">{verdict}</td><td>{why}</td></tr>'
        )
    head = "<tr><th>claim</th><th>verdict</th><th>because</th></tr>"
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f'<p class="soft">{summary}.</p><table class="claims">{head}{"".join(rows)}</table>'


def _card(study: Study, run: RunData, files: list[Path], links: dict[Path, str], broken: set[Path]) -> str:
    state = escape(str(run.record.get("state") or "no record"))
    ended = run.record.get("step")
    when = f"step {ended} of {run.params.schedule.steps}" if ended is not None else ""
    seconds = run.record.get("seconds")
    took = f" in {clock(seconds)}" if isinstance(seconds, int | float) else ""
    reason = f'<p class="soft">{escape(str(run.record["reason"]))}</p>' if run.record.get("reason") else ""
    p_ood, loss = run.evaluated("probe_ood_acc"), run.evaluated("val_loss")
    rows = [
        ("best p_ood", _text(np.max(p_ood[np.isfinite(p_ood)], initial=-np.inf), 3)),
        ("final p_ood", _text(_final(run, p_ood), 3)),
        ("final validation loss", _text(_final(run, loss), 3)),
        *((f"PC1 {side} (%)", _text(run.value(side, "G0.pc1"), 1)) for side in ("observed", "null", "excess")),
    ]
    table = "".join(f'<tr><th>{name}</th><td class="number">{value}</td></tr>' for name, value in rows)
    title = label(run, seed=True)
    return (
        f'<section class="card"><h3>{escape(title)}</h3>'
        f'<p class="soft">{escape(run.name)}</p>'
        f'<p><span class="verdict {state}">{state}</span> <span class="soft">{when}{took}</span></p>'
        f"{reason}{sparkline(run)}<table>{table}</table><p>{_links(files, links, broken)}</p></section>"
    )


def _final(run: RunData, values: np.ndarray) -> float:
    """The value at the step where the run ended; a run that was not evaluated there has none."""
    at_end = run.evaluated("step") == run.record.get("step")
    return float(values[-1]) if len(values) and at_end[-1] else float("nan")


def sparkline(run: RunData) -> str:
    """p_ood and p_in against the step, as a picture inside the page that takes its colours."""
    steps, lines = run.evaluated("step"), []
    for name, colour, width in (("probe_in_acc", "var(--soft)", 1), ("probe_ood_acc", "var(--pood)", 2)):
        values = run.evaluated(name)
        points = [
            f"{100 * x / run.params.schedule.steps:.2f},{30 - 28 * y:.2f}"
            for x, y in zip(steps, values, strict=True)
            if np.isfinite(x) and np.isfinite(y)
        ]
        if len(points) > 1:
            lines.append(f'<polyline points="{" ".join(points)}" style="stroke:{colour};stroke-width:{width}"/>')
    if not lines:
        return '<p class="soft">Too few evaluations for a curve.</p>'
    label = "p_ood (strong) and p_in against the step, from 0 to 1"
    base = '<polyline points="0,30 100,30" style="stroke:var(--line);stroke-width:1"/>'
    return (
        f'<svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"<title>{label}</title>{base}{''.join(lines)}</svg>"
        '<p class="soft"><span style="color:var(--pood)">p_ood</span> and p_in against the step</p>'
    )


def _missing_runs(study: Study, runs: list[RunData]) -> list[str]:
    """Runs of the grid that there is no folder of."""
    there = {run.name for run in runs}
    return [f'<p class="soft">{escape(r.name)}: not run.</p>' for r in study.runs if r.name not in there]


def _links(files: list[Path], links: dict[Path, str], broken: set[Path]) -> str:
    """Links to notebooks; what failed says so."""
    if not files:
        return '<span class="soft">No notebooks.</span>'
    texts = []
    for path in files:
        name = path.stem.removesuffix(".failed")
        failed = path in broken or path.stem != name
        mark = ' <span class="failed">failed</span>' if failed else ""
        texts.append(f'<a href="{escape(links[path])}">{escape(name)}</a>{mark}')
    return " · ".join(texts)


def _neighbours(study: Study, name: str, path: Path, files: list[Path], pages: dict[Path, Path]) -> str:
    """Back to the report, and the other notebooks of the run."""
    here = pages[path].parent
    texts = [f'<a href="{escape(os.path.relpath(here.parents[1] / "index.html", here))}">{study.folder_name}</a>']
    texts.append(escape(name or "the study"))
    for other in files:
        label = escape(other.stem)
        texts.append(label if other == path else f'<a href="{escape(pages[other].name)}">{label}</a>')
    return " · ".join(texts)


def _text(value: float, digits: int) -> str:
    """A number, or two dashes where there is none."""
    if not np.isfinite(value):
        return "--"
    return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.2e}"
