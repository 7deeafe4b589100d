"""The report: complete, offline, and honest about what is missing."""

import base64
import re
import shutil
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from lib.base.files import ROOT
from lib.report.mathml import mathml, styled_letter
from lib.report.page import markdown
from lib.report.reader import collect
from lib.report.site import build_report
from lib.report.style import write
from paper.beta2.figures import beta2_summary
from tests.browser import Browser

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\$)\$([^$]+?)\$", re.DOTALL)


class Links(HTMLParser):
    """What a page fetches, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.linked, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "srcset", "data", "poster") or (name == "href" and tag != "a"):
                self.fetched.append(value)
            elif name == "href":
                self.linked.append(value)


@pytest.fixture(scope="module")
def built(synthetic):
    study, folder = synthetic
    results = collect(study, folder)
    write(beta2_summary(results), folder / "summary" / "figures", "beta2_summary")
    build_report(results)
    return study, folder


@pytest.fixture
def copy(built, tmp_path):
    """The study, with its report, in a folder that a test may spoil."""
    study, folder = built
    return study, shutil.copytree(folder, tmp_path / "copy")


def scripts_of(text):
    """What a policy says that allows every script of a page by its hash, and nothing else; one at most."""
    found = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert text.count("<script") == len(found) <= 1
    return [f"script-src 'sha256-{base64.b64encode(sha256(t.encode()).digest()).decode()}'" for t in found]


def pages(folder):
    return sorted((folder / "report").rglob("*.html"))


def test_every_notebook_has_a_page_that_fetches_nothing(built):
    study, folder = built
    assert len(pages(folder)) == 2 + 2 * len(study.runs)
    for path in pages(folder):
        text = path.read_text()
        found = Links(text)
        assert all(address.startswith("data:") for address in found.fetched), path
        assert not found.tags & {"iframe", "link", "object"}, path
        assert ("script" in found.tags) == (path.name in ("index.html", "compare.html")), path
        assert re.findall("script-src [^;]*", text) == scripts_of(text), path
        assert "url(" not in text and "@import" not in text and "viewport" in text and "default-src 'none'" in text
        for address in found.linked:
            if not address.startswith(("http", "#")):
                target = (path.parent / unquote(address)).resolve()
                assert target.is_file() and (folder / "report").resolve() in target.parents, address


def test_the_index_shows_claims_runs_and_figures(built):
    text = (built[1] / "report" / "index.html").read_text()
    assert "PC1 &lt;falls&gt;" in text and "70 &gt; 60" in text
    assert "1 holds, 1 excluded, 0 absent, 1 cannot tell" in text
    assert "diverged" in text and "step 70 of 1600" in text and "loss at step 70" in text
    assert "The figure" not in text and "<img" in text and "<math" in text


def test_the_same_study_gives_the_same_report(copy):
    before = {path: path.read_bytes() for path in pages(copy[1])}
    build_report(collect(*copy))
    assert {path: path.read_bytes() for path in pages(copy[1])} == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        "run.json",
        "pilot_metrics.json",
        "analysis",
        "analysis/backbone.json",
        "notebooks",
        "notebooks/02_pca.ipynb",
        "params.yaml",
    ],
)
def test_anything_of_a_run_can_be_missing(copy, name):
    study, folder = copy
    path = folder / study.runs[1].name / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = build_report(collect(study, folder)).read_text()
    assert ("not run" in text) == (name == "")
    assert text.count('class="card"') == len(study.runs) - (name == "")
    if name.startswith("notebooks"):
        assert len(pages(folder)) < 2 + 2 * len(study.runs)  # no page of what is gone


def test_a_missing_summary_is_said(copy):
    study, folder = copy
    shutil.rmtree(folder / "summary")
    text = build_report(collect(study, folder)).read_text()
    assert "summary/claims.json is missing" in text and "figure beta2_summary is missing" in text


def test_a_study_without_runs_has_a_report(built, tmp_path):
    text = build_report(collect(built[0], tmp_path)).read_text()
    assert text.count("not run") == len(built[0].runs)


def test_failed_and_unreadable_notebooks_are_marked(copy):
    study, folder = copy
    home = folder / study.runs[0].name / "notebooks"
    shutil.copy(home / "02_pca.ipynb", home / "02_pca.failed.ipynb")
    (home / "01_train.ipynb").write_text("[]")
    (home / ".03_fisher.part.ipynb").write_text("a run under way")
    text = build_report(collect(study, folder)).read_text()
    assert text.count('<span class="failed">failed</span>') == 2
    page = folder / "report" / "notebooks" / home.parent.name / "01_train.html"
    assert "is not a readable notebook" in page.read_text()
    assert "03_fisher" not in text and "02_pca.failed.html" in text
    assert not (page.parent / "02_pca.html").exists()  # an older success of a stage that failed since


def test_the_study_notebook_is_linked(copy):
    study, folder = copy
    (folder / "notebooks").mkdir()
    shutil.copy(
        folder / study.runs[0].name / "notebooks" / "01_train.ipynb", folder / "notebooks" / "06_figures.ipynb"
    )
    assert "notebooks/study/06_figures.html" in build_report(collect(study, folder)).read_text()


def test_no_picture_comes_from_afar_and_no_script_runs(built):
    study, folder = built
    text = (folder / "report" / "notebooks" / study.runs[0].name / "01_train.html").read_text()
    assert "a picture from afar</a>" in text and "alert(1)" not in text
    assert "data:image/png;base64," in text and "<td>70</td>" in text and "&lt;and&gt;" in text


# ------------------------------------------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    ("letter", "variant", "styled"),
    [
        ("L", "script", "ℒ"),
        ("A", "script", "𝒜"),
        ("θ", "bold-italic", "𝜽"),
        ("x", "bold", "𝐱"),
        ("é", "bold", None),
    ],
)
def test_letters_of_other_alphabets(letter, variant, styled):
    assert styled_letter(letter, variant) == styled


def test_formulas_become_mathml():
    assert "<mfrac>" in mathml(r"\frac{a}{b}", display=True)
    assert "<mtable" in mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)
    assert "ℒ" in unescape(mathml(r"\mathcal{L}", display=False))
    assert '<mi mathvariant="normal">&#x00394;</mi>' in mathml(r"\Delta", display=False)
    assert "<code>" in mathml(r"\frac{a}{", display=False)
    assert markdown("an amount of 5 $ only").count("<math") == 0


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_every_formula_of_the_notebooks_is_drawn(path):
    text = "\n".join(line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("#"))
    for display, inline in FORMULA.findall(text):
        found = mathml(display or inline, display=bool(display))
        assert found.startswith("<math") and "\\" not in found, display or inline
        assert set(re.findall(r'mathvariant="(.*?)"', found)) <= {"normal"}, display or inline


# -------------------------------------------------------------------------------------------------- in a browser


# What scrolls sideways in a box of its own; pictures and formulas do not.
SCROLLS = """[...document.querySelectorAll("body *")].filter((e) => e.scrollWidth > e.clientWidth + 1
  && ["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)
  && !e.matches("table") && !e.matches(":has(> table)")).map((e) => e.outerHTML.slice(0, 80))"""
CUT = "[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth).length"


@pytest.mark.parametrize(("width", "dark"), [(420, False), (1400, True)], ids=["phone", "desktop"])
def test_in_a_browser(built, tmp_path, width, dark):
    study, folder = built
    report = folder / "report"
    notebook = report / "notebooks" / study.runs[0].name / "01_train.html"
    with Browser(tmp_path) as browser:
        for path in (report / "index.html", notebook):
            browser.open(path.resolve().as_uri(), width=width, dark=dark)
            assert browser.complaints() == []
            asked = [address for address in browser.requests() if not address.startswith("data:")]
            assert asked == [path.resolve().as_uri()]
            assert browser.evaluate("[...document.images].map(i => i.naturalWidth > 0 && i.complete)") == [True]
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate(SCROLLS) == [] and browser.evaluate(CUT) == 0
            boxes = browser.evaluate(
                "[...document.querySelectorAll('math')].map(m => [m.getBoundingClientRect().width, "
                "getComputedStyle(m).display])"
            )
            assert boxes and all(wide > 0 and "math" in display for wide, display in boxes)
            background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (background == "rgb(22, 24, 27)") == dark
        stacked = "(() => { const f = document.querySelector('mfrac'); const [a, b] = f.children;"
        stacked += " return a.getBoundingClientRect().bottom <= b.getBoundingClientRect().top + 1; })()"
        assert browser.evaluate(stacked)  # a fraction is one above the other
