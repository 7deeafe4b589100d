"""A study of somebody's own: figures and a report, and with a folder in paper/ a paper beside the others."""

import os
import shutil
import subprocess
import sys

import pytest

from lib.params.study import load_study
from tests.faults.tools import copied_package
from tests.study_folder import write_study

STUDY = "study: second\naxes: {optim.weight_decay: [0.5, 0.1]}\n"
CLAIMS = """\
axis: {parameter: optim.weight_decay, name: weight decay, symbol: w, order: falling, baseline: 0.5}
claims:
  - id: decay-matters
    claim: The share of the first direction is the same at every weight decay.
    source: nobody
    test: {kind: within, quantity: own.share, low: 0.5, high: 0.9}
    effect: {spread: 0.01, why: a made-up number}
    prose: {holds: It is so, excluded: It is not so, open: Nobody knows}
  - id: not-in-the-text
    claim: The share of the first direction is large at every weight decay.
    source: nobody
    test: {kind: within, quantity: own.share, low: 0.6, high: 1.0}
    effect: {spread: 0.01, why: a made-up number}
    prose: {holds: So it is, excluded: So it is not, open: Nobody knows that}
"""
QUANTITIES = """\
from lib.report.quantities import Quantity, estimate

QUANTITIES = {"own.share": Quantity(lambda run, part: estimate(run.value("observed", "G2.pc1") / 100), null=False)}
"""
FIGURES = """\
from lib.report.figures import Drawing
from lib.report.geometry_figures import backbone, spectrum

FIGURES = [
    Drawing("path", backbone, "The path, of its own study.", headline=True),
    Drawing("shares", spectrum, "A figure that its text does not place."),
    Drawing("shares_again", spectrum, "Another one."),
]
"""
TABLES = """\
from lib.report.tables import common_tables, quantities


def tables(results, verdicts):
    shown = quantities(results, ("own.share", "G2.pc1"), 2, {"own.share": ("share", 2), "G2.pc1": ("PC1", 1)})
    return {"shares": shown, "claims": common_tables(results, verdicts)["claims"]}


def summary(results):
    return {"shares.csv": "a,b\\n"}
"""
NUMBERS = """\
from lib.report.numbers import common_numbers, macro_pairs


def numbers(results, verdicts):
    wanted = {"backbone": "the geometry"}
    return macro_pairs(common_numbers(results, verdicts, "notebooks/06_figures.py", lambda run: wanted), verdicts)
"""
TEXT = r"""
\documentclass{article}
\usepackage{style}
\input{numbers}
\input{captions}
\begin{document}
At \resTrained: \claimDecayMatters{} \resMissing
\studytable{shares}{Shares.}{\input{tables/shares}}
\studyfigure{path}
{\footnotesize\input{tables/claims}}
\end{document}
"""
PARTS = {
    "claims.yaml": CLAIMS,
    "quantities.py": QUANTITIES,
    "figures.py": FIGURES,
    "tables.py": TABLES,
    "numbers.py": NUMBERS,
    "paper.tex": TEXT,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the package, a study of one's own beside it, and that study's results."""
    home = copied_package(tmp_path_factory.mktemp("tree"))
    (home / "my.yaml").write_text(STUDY)
    study = load_study(str(home / "my.yaml"), "smoke")
    write_study(home / "outputs" / study.folder_name, study)
    return home


def library(tree, what):
    command = [sys.executable, "-m", "lib", what, "--study", "my.yaml", "--profile", "smoke"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BACKBONE_STAGE")
    }
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


def test_without_a_paper_folder_there_is_a_report(tree):
    said = library(tree, "report")
    assert said.returncode == 0, said.stderr
    folder = tree / "outputs" / "second-smoke"
    page = (folder / "report" / "index.html").read_text()
    assert "optim.weight_decay = 0.5" in page and "The figure" not in page and "<h2>Claims</h2>" not in page
    assert {path.stem for path in (folder / "summary" / "figures").glob("*.pdf")} >= {
        "backbone",
        "spectrum",
        "fisher",
    }
    refused = library(tree, "paper")
    assert refused.returncode == 2
    assert "no paper, since there is no paper/second/paper.tex; figures and report are all" in refused.stderr
    assert "Traceback" not in refused.stderr
    told = library(tree, "claims")
    assert "this study makes no claims" in told.stdout


@pytest.mark.skipif(
    not shutil.which("latexmk") or not shutil.which("pdftotext"), reason="there is no latexmk or no pdftotext here"
)
def test_with_one_it_has_its_own_paper_beside_the_others(tree):
    own, build = tree / "paper" / "second", tree / "paper" / "build"
    own.mkdir()
    for name, text in PARTS.items():
        (own / name).write_text(text)
    build.mkdir()
    (build / "beta2.pdf").write_text("another study's")
    said = library(tree, "paper")
    assert said.returncode == 0, said.stderr
    assert (build / "second.pdf").read_bytes().startswith(b"%PDF")
    assert (build / "beta2.pdf").read_text() == "another study's"
    text = (build / "second" / "numbers.tex").read_text()
    assert r"\newcommand{\resTrained}{0.50, 0.10}" in text
    assert r"It is so (0.70 $\pm$ 0.02 at 0.50)." in text
    assert r"0.50 & $0.70$ & $70.0$ & $56.0$ & $+14.0$ & $64.4$" in (build / "second/tables/shares.tex").read_text()
    folder = tree / "outputs" / "second-smoke"
    assert (folder / "summary" / "shares.csv").is_file()
    figures = (folder / "summary" / "figures").glob("*.pdf")
    assert sorted(path.name for path in figures) == ["cards.pdf", "path.pdf", "shares.pdf", "shares_again.pdf"]
    printed = subprocess.run(["pdftotext", build / "second.pdf", "-"], capture_output=True, text=True).stdout
    further = printed[printed.index("Further figures") :]
    assert further.index("A figure that its text does not place.") < further.index("Another one.")
    assert "is missing" not in further
    assert "The path, of its own study." not in further
    assert "So it is" not in text and "The share of the first direction is large" in printed
    packed = library(tree, "arxiv")
    assert packed.returncode == 0 and (build / "second-arxiv.tar.gz").is_file()
    told = library(tree, "claims")
    assert "HOLDS" in told.stdout and "The share of the first direction is the same" in told.stdout
