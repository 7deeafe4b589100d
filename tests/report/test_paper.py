import re
import shutil
import tarfile
from dataclasses import replace

import pytest

from lib.base.errors import BadInput
from lib.params.study import load_study
from lib.report.numbers import COMMON, common_numbers, notebook_link, repository, spare_macros
from lib.report.paper import arxiv_tarball, build_paper, compile_paper, find_fault, prepare
from lib.report.paper_folder import PaperFolder
from lib.report.reader import collect
from lib.report.summary import verdicts_of
from lib.report.tex import captions, check_used, further, macros, number, tex
from tests.study_folder import smoke_study, write_reheat, write_study

LATEX = (shutil.which("latexmk") and shutil.which("pdflatex")) or shutil.which("tectonic")
needs_latex = pytest.mark.skipif(not LATEX, reason="there is no LaTeX here")


@pytest.fixture(scope="module")
def study():
    return smoke_study()


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("study"), study)
    for beta2 in (0.95, 0.80):
        write_reheat(folder, study, beta2, 0.3, along=1.0)
    return folder


@pytest.fixture(scope="module")
def built(study, folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("paper")
    build_paper(collect(study, folder), home / "build", home / "beta2.pdf")
    return home / "build"


@pytest.fixture
def spoilt(study, folder, tmp_path):
    """A function that gives the study's results with other words in its paper."""

    def with_words(words):
        results = collect(study, folder)
        source = tmp_path / "beta2"
        shutil.copytree(results.paper.folder, source)
        text = (source / "paper.tex").read_text()
        (source / "paper.tex").write_text(text.replace(r"\begin{document}", r"\begin{document}" + words))
        return replace(results, paper=PaperFolder(source))

    return with_words


class TestTex:
    @pytest.mark.parametrize(
        ("plain", "expected"),
        [
            ("beta2 = 0.95", r"$\beta_2$ = 0.95"),
            ("50 % of p_ood & more", r"50 \% of $p_{\mathrm{ood}}$ \& more"),
            ("a_b {c} ~ ^ \\", r"a\_b \{c\} \textasciitilde{} \textasciicircum{} \textbackslash{}"),
            ("from -0.5 to 1e-3, in-sample", r"from $-$0.5 to 1e-3, in-sample"),
            ('called "interference"', "called ``interference''"),
            ("along v_b and -theta_0, theta_0", r"along $v_b$ and $-\theta_0$, $\theta_0$"),
        ],
    )
    def test_plain_text(self, plain, expected):
        assert tex(plain) == expected

    @pytest.mark.parametrize(
        ("value", "digits", "signed", "expected"),
        [
            (None, 1, False, "--"),
            (1.154e8, 2, False, r"$1.2\times10^{8}$"),
            (211694.0, 1, False, "$211694$"),
            (-0.04, 1, True, "$0.0$"),
            (1.5, 1, True, "$+1.5$"),
            (6.0, 0, False, "$6$"),
        ],
    )
    def test_numbers(self, value, digits, signed, expected):
        assert number(value, digits, signed=signed) == expected


class TestMacros:
    def test_defined_twice(self):
        with pytest.raises(BadInput, match=r"\\resA is defined twice"):
            macros([("resA", "1"), ("resA", "2")])

    @pytest.mark.parametrize("name", ["resA1", "other", "res-a", "resa"])
    def test_a_name_that_tex_does_not_read(self, name):
        with pytest.raises(BadInput, match="is no macro name"):
            macros([(name, "1")])

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (r"\resPc \input{tables/a}", None),
            (
                r"\resPc{} \resPcs \input{tables/a}",
                r"p.tex: the macro \\resPcs is used and nobody defines it \(did you mean",
            ),
            ("% \\resPc\n\\input{tables/a}", r"the macro \\resPc is defined and never used"),
            (r"50\% \resPc \input{tables/a}", None),
            (r"\resPc", "the table tables/a is defined and never used"),
            (r"\resPc \input{tables/a}\studyfigure{b}", "the figure b is used and nobody defines it"),
            (r"\resPc \input{tables/a}\input{tables/b}", "the table tables/b is used and nobody defines it"),
        ],
    )
    def test_used_and_defined_are_the_same(self, text, sentence):
        if sentence is None:
            check_used(text, ["resPc"], ["a"], [], "p.tex")
        else:
            with pytest.raises(BadInput, match=sentence):
                check_used(text, ["resPc"], ["a"], [], "p.tex")

    def test_a_figure_and_a_claim_need_no_place_in_the_text(self, study, folder):
        check_used(r"\studyfigure{a}", [], [], ["a", "b"], "p.tex")
        spare = spare_macros(verdicts_of(collect(study, folder)))
        assert {"resHolds", "claimZeroDiverges", "saidZeroDiverges"} <= spare and "resPc" not in spare
        check_used(r"\resPc", ["resPc", "resHolds", "claimZeroDiverges"], [], [], "p.tex", spare)

    def test_the_figures_without_a_place_have_an_appendix(self):
        assert further([]) == ""
        assert re.findall(r"\\studyfigure\{(\w+)\}", further(["b", "a"])) == ["b", "a"]

    def test_a_caption_is_the_one_of_the_report(self):
        made = captions([("a_b", "p_ood against β₂, k95")])
        assert made == r"\studycaption{a_b}{$p_{\mathrm{ood}}$ against $\beta_2$, $k_{95}$}" + "\n"


class TestPrepare:
    def test_a_macro_that_nobody_defines_stops_it(self, spoilt, tmp_path):
        with pytest.raises(BadInput, match="resNothing is used and nobody defines it"):
            prepare(spoilt(r"\resNothing"), tmp_path / "build")
        assert not (tmp_path / "build").exists()

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (
                r"\claimZeroDiverge",
                r"claimZeroDiverge is used and nobody defines it \(did you mean claimZeroDiverges",
            ),
            (r"\studyfigure{prob}", r"figure prob is used and nobody defines it \(did you mean probe"),
        ],
    )
    def test_a_name_that_is_misspelt_stops_it(self, spoilt, tmp_path, words, sentence):
        with pytest.raises(BadInput, match=sentence):
            prepare(spoilt(words), tmp_path / "build")

    def test_where_every_figure_has_a_place_there_is_no_appendix(self, study, folder, tmp_path):
        prepare(collect(study, folder), tmp_path)
        assert "Further figures" not in (tmp_path / "captions.tex").read_text()

    def test_old_tables_and_figures_do_not_stay(self, study, folder, tmp_path):
        for old in ("tables/old.tex", "figures/probe.pdf"):
            (tmp_path / old).parent.mkdir()
            (tmp_path / old).write_text("old")
        prepare(collect(study, folder), tmp_path)
        assert not (tmp_path / "tables" / "old.tex").exists()
        assert not (tmp_path / "figures").exists()

    def test_the_same_inputs_give_the_same_bytes(self, study, folder, tmp_path):
        for name in ("a", "b"):
            prepare(collect(study, folder), tmp_path / name)
        for path in sorted((tmp_path / "a").rglob("*")):
            if path.is_file():
                assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()

    def test_the_list_of_common_numbers_is_complete(self, study, folder):
        assert (
            tuple(common_numbers(collect(study, folder), [], "notebooks/06_figures.py", lambda run: {})) == COMMON
        )

    def test_links_carry_no_credentials(self):
        assert "@" not in repository()
        link = notebook_link("notebooks/06_figures.py", "abc")  # to a public address, or none
        assert r"06\_figures.py" in link and ".." not in link and link.startswith((r"\href{https://", r"\texttt{"))


class TestLog:
    @pytest.mark.parametrize(
        ("log", "fault"),
        [
            ("fine", ""),
            ("Overfull \\hbox (4.9pt too wide) in paragraph at lines 3--4", ""),
            (
                "Overfull \\hbox (5.1pt too wide) in paragraph at lines 3--4",
                "a box is 5.1 pt too wide in paragraph",
            ),
            (
                "LaTeX Warning: Reference `tab:x' on page 1 undefined on input line 3.",
                "the reference tab:x is undefined",
            ),
            ("LaTeX Warning: Citation `x' on page 1 undefined", "the reference x is undefined"),
            ("LaTeX Warning: Label `x' multiply defined.", "the label x is defined twice"),
            ("./paper.tex:12: Undefined control sequence.", "paper.tex line 12: Undefined control sequence."),
        ],
    )
    def test_faults(self, log, fault):
        assert find_fault(log).startswith(fault)
        assert bool(find_fault(log)) == bool(fault)


class TestLatex:
    def test_without_latex_it_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(BadInput, match=r"apt-get install .* latexmk.*brew install tectonic.*conda install"):
            compile_paper(tmp_path)

    @needs_latex
    def test_the_paper_builds(self, built):
        assert (built.parent / "beta2.pdf").read_bytes().startswith(b"%PDF")
        assert "is missing: this study did not make it" in (built / "style.sty").read_text()

    @needs_latex
    @pytest.mark.parametrize("profile", ["laptop", "paper"])  # smoke is built with its results above
    def test_the_paper_builds_with_nothing_there(self, profile, tmp_path):
        study = load_study("beta2", profile)  # whose parameters fill a table
        assert build_paper(collect(study, tmp_path / "study"), tmp_path / "build", tmp_path / "beta2.pdf").exists()
        assert "is missing" in (tmp_path / "build" / "numbers.tex").read_text()

    @needs_latex
    def test_a_failure_is_one_sentence_and_leaves_no_old_paper(self, spoilt, tmp_path):
        pdf = tmp_path / "beta2.pdf"
        pdf.write_text("old")
        with pytest.raises(BadInput, match=r"paper.tex line \d+: Undefined control sequence"):
            build_paper(spoilt(r"\nonsense"), tmp_path / "build", pdf)
        assert not pdf.exists()

    @needs_latex
    def test_arxiv_gets_all_and_the_same_bytes(self, built):
        target = built.parent / "beta2-arxiv.tar.gz"
        first = arxiv_tarball(built, target).read_bytes()
        assert arxiv_tarball(built, target).read_bytes() == first
        with tarfile.open(target) as tar:
            names = tar.getnames()
        assert {"paper.tex", "style.sty", "captions.tex", "paper.bbl", "numbers.tex", "tables/claims.tex"} <= set(
            names
        )
        assert not any(name.startswith("/") for name in names)

    def test_arxiv_before_the_paper_is_refused(self, tmp_path):
        with pytest.raises(BadInput, match="no finished paper"):
            arxiv_tarball(tmp_path, tmp_path / "arxiv.tar.gz")
