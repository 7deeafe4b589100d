"""From a study's folder to paper/build/<study>.pdf: numbers, tables, figures, LaTeX, and a look at its log."""

import gzip
import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from lib.base.errors import BadInput
from lib.base.files import write_atomically
from lib.report.figures import CARDS, drawings
from lib.report.numbers import spare_macros
from lib.report.paper_folder import SHARED
from lib.report.reader import StudyResults
from lib.report.sections import TEXT, write_section
from lib.report.summary import verdicts_of
from lib.report.tex import captions, check_used, further, macros, placed_figures, used_macros

WIDEST = 5.0  # points by which a line may stick out
PACKAGES = "latexmk texlive-latex-recommended texlive-latex-extra lmodern texlive-fonts-recommended"
EPOCH = "1767225600"  # of the dates inside the PDF: the same inputs give the same bytes


def build_paper(results: StudyResults, build: Path, pdf: Path) -> Path:
    """Write the paper's inputs into `build`, compile it there and lay the PDF at `pdf`.

    Raises: BadInput with one sentence for a study that has no paper, for a macro, table or figure that is unknown,
    a macro or a table that is unused or doubled, for whatever LaTeX finds wrong, and when there is no LaTeX.
    """
    prepare(results, build)
    for old in (pdf, build / "paper.pdf"):
        old.unlink(missing_ok=True)  # an old paper is worse than none
    compile_paper(build)
    write_atomically(pdf, (build / "paper.pdf").read_bytes())
    return pdf


def prepare(results: StudyResults, build: Path) -> None:
    """numbers.tex, captions.tex, tables/, figures/, sections/ in `build`, checked against the text, by its side."""
    paper, verdicts = results.paper, verdicts_of(results)
    if not paper.has_text:
        raise BadInput(f"{paper.folder}: there is no paper.tex, so study {results.study.name} has no paper")
    pairs = paper.find("numbers", "numbers", _nothing)(results, verdicts)
    tables = dict(paper.find("tables", "tables", _nothing)(results, verdicts))
    figures = [(drawing.name, drawing.caption) for drawing in drawings(results)]
    text = "\n".join([paper.text, *(path.read_text(encoding="utf-8") for path in SHARED)])
    used, names = used_macros(text), [name for name, _ in figures]
    where, spare = str(paper.folder / "paper.tex"), spare_macros(verdicts)
    check_used(text, [name for name, _ in pairs], tables, names, where, spare)
    unplaced = [name for name in names if name not in placed_figures(text)]
    written = macros((name, value) for name, value in pairs if name in used)
    for old in ("tables", "figures", "sections"):
        shutil.rmtree(build / old, ignore_errors=True)
    write_atomically(build / "numbers.tex", written)
    write_atomically(build / "captions.tex", captions(figures) + further(unplaced))
    for name, table in tables.items():
        write_atomically(build / "tables" / f"{name}.tex", table)
    for name in [*(f"{name}.pdf" for name in names), CARDS]:
        figure = results.folder / "summary" / "figures" / name
        if figure.is_file():
            write_atomically(build / "figures" / name, figure.read_bytes())
    for source in (*SHARED, *paper.sources, paper.folder / "references.bib"):
        if source.is_file():
            write_atomically(build / source.name, source.read_bytes())
    for name in paper.sections:
        write_section(name, results.study, results.folder, build, [*tables, *names])


def _nothing(results: StudyResults, verdicts: object) -> list[tuple[str, str]]:
    """Of a paper that has no module for it."""
    return []


def compile_paper(build: Path) -> None:
    """Run latexmk, or tectonic where there is no latexmk, and check what it says."""
    if shutil.which("latexmk") and shutil.which("pdflatex"):
        # Our settings and nobody's own, and no command that a text asks for.
        command = ["latexmk", "-norc", "-r", "latexmkrc", "-pdf", "-latexoption=-no-shell-escape"]
        command += ["-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "paper.tex"]
    elif shutil.which("tectonic"):
        command = ["tectonic", "--keep-logs", "--keep-intermediates", "paper.tex"]
    else:
        raise BadInput(
            "there is no LaTeX here; install it with one of: "
            f"sudo apt-get install -y --no-install-recommends {PACKAGES} | "
            "brew install tectonic | conda install -c conda-forge tectonic"
        )
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH, "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
    done = subprocess.run(command, cwd=build, env=environment, capture_output=True, text=True, errors="replace")
    log = build / "paper.log"
    said = log.read_text(errors="replace") if log.exists() else done.stdout + done.stderr
    fault = find_fault(said)
    if done.returncode or not (build / "paper.pdf").exists():
        (build / "paper.pdf").unlink(missing_ok=True)
        last = (done.stderr or done.stdout).strip().splitlines()
        raise BadInput(f"{build}: LaTeX failed: {fault or (last[-1] if last else 'it says nothing')}")
    if fault:
        raise BadInput(f"{build / 'paper.log'}: {fault}")


def find_fault(log: str) -> str:
    """The first thing in a LaTeX log that a reader of the paper would notice; empty when there is none."""
    patterns = (
        (r"^(?:\./)?(\S+\.\w+):(\d+): (.*)$", "{0} line {1}: {2}"),
        (r"^! (.*)$", "{0}"),
        (r"LaTeX Warning: (?:Reference|Citation) [`'](\S+?)'.*undefined", "the reference {0} is undefined"),
        (r"LaTeX Warning: Label [`'](\S+?)' multiply defined", "the label {0} is defined twice"),
        (r"LaTeX Warning: (There were undefined references)", "{0}"),
    )
    for pattern, sentence in patterns:
        if found := re.search(pattern, log, re.MULTILINE):
            return sentence.format(*found.groups())
    for found in re.finditer(r"^Overfull \\[hv]box \(([\d.]+)pt too (wide|high)\)(.*)$", log, re.MULTILINE):
        if float(found[1]) > WIDEST:
            return f"a box is {found[1]} pt too {found[2]}{found[3]}"
    return ""


def arxiv_tarball(build: Path, target: Path) -> Path:
    """What arXiv compiles: text, numbers, tables, figures and the resolved bibliography, the same bytes each time.

    Raises: BadInput before the paper was built.
    """
    names = ["paper.tex", "style.sty", "numbers.tex", "captions.tex"]
    names += ["paper.bbl", "references.bib"] if (build / "references.bib").exists() else []
    if not all((build / name).exists() for name in ("paper.pdf", *names)):
        raise BadInput(f"{build}: there is no finished paper to pack; run make paper first")
    names += [TEXT] if (build / TEXT).exists() else []
    folders = ("tables", "figures", "sections")
    names += sorted(str(p.relative_to(build)) for d in folders for p in (build / d).glob("*"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            data = (build / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, 0
            tar.addfile(entry, io.BytesIO(data))
    write_atomically(target, gzip.compress(packed.getvalue(), mtime=0))
    return target
