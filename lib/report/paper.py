"""From a study's folder to paper/build/paper.pdf: numbers, tables, figures, LaTeX, and a look at its log."""

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
from lib.base.provenance import ROOT
from lib.params.study import Study
from lib.report.claims import judge, load_claims
from lib.report.numbers import numbers
from lib.report.results import collect
from lib.report.tables import tables
from lib.report.tex import check_used, macros

PAPER = ROOT / "paper"
SOURCES = ("paper.tex", "references.bib", "latexmkrc")
FIGURES = (
    *("probe", "backbone", "spectrum", "beta2_summary", "alignment"),
    *("fisher", "reheat", "interference", "phases"),
)
WIDEST = 5.0  # points by which a line may stick out
PACKAGES = "latexmk texlive-latex-recommended texlive-latex-extra lmodern texlive-fonts-recommended"
EPOCH = "1767225600"  # of the dates inside the PDF: the same inputs give the same bytes


def build_paper(study: Study, folder: Path, build: Path = PAPER / "build", source: Path = PAPER) -> Path:
    """Write the paper's inputs into `build`, compile it there and return the PDF.

    Args:
        folder: the study's, with the runs in it and summary/figures/.
        source: holds paper.tex, references.bib and latexmkrc.

    Raises: BadInput with one sentence for a macro or table that is unknown, unused or doubled, for whatever
    LaTeX finds wrong, and when there is no LaTeX.
    """
    prepare(study, folder, build, source)
    (build / "paper.pdf").unlink(missing_ok=True)  # an old paper is worse than none
    compile_paper(build)
    return build / "paper.pdf"


def prepare(study: Study, folder: Path, build: Path, source: Path = PAPER) -> None:
    """numbers.tex, tables/ and figures/ in `build`, checked against the text, beside a copy of the sources."""
    results = collect(study, folder)
    verdicts = judge(load_claims(), results)
    pairs, made = numbers(results, verdicts), tables(results, verdicts)
    text = (source / "paper.tex").read_text(encoding="utf-8")
    written = macros(pairs)
    check_used(text, [name for name, _ in pairs], made, str(source / "paper.tex"))
    for old in ("tables", "figures"):
        shutil.rmtree(build / old, ignore_errors=True)
    write_atomically(build / "numbers.tex", written)
    for name, table in made.items():
        write_atomically(build / "tables" / f"{name}.tex", table)
    for name in FIGURES:
        figure = folder / "summary" / "figures" / f"{name}.pdf"
        if figure.is_file():
            write_atomically(build / "figures" / f"{name}.pdf", figure.read_bytes())
    for name in SOURCES:
        write_atomically(build / name, (source / name).read_bytes())


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


def arxiv_tarball(build: Path = PAPER / "build", target: Path | None = None) -> Path:
    """What arXiv compiles: text, numbers, tables, figures and the resolved bibliography, the same bytes each time.

    Raises: BadInput before the paper was built.
    """
    if not (build / "paper.pdf").exists() or not (build / "paper.bbl").exists():
        raise BadInput(f"{build}: there is no finished paper to pack; run make paper first")
    names = ["paper.tex", "numbers.tex", "paper.bbl", "references.bib"]
    names += sorted(str(p.relative_to(build)) for d in ("tables", "figures") for p in (build / d).glob("*"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            data = (build / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, 0
            tar.addfile(entry, io.BytesIO(data))
    target = target or build / "arxiv.tar.gz"
    write_atomically(target, gzip.compress(packed.getvalue(), mtime=0))
    return target
