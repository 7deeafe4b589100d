"""README's way to a study of one's own, whole: begun as a copy, changed, and made to a paper and a report."""

import shutil
import subprocess

import pytest

from tests.faults.tools import copied_package, make

TITLE = "Does width make the backbone?"
CHANGES = {
    "params/width.yaml": ("[0.99, 0.95, 0.90, 0.80, 0.0]", "[0.95, 0.80]"),  # two runs, as few as its branches name
    "paper/width/paper.tex": ("How much of the backbone is learning?\\\\", TITLE + r"\\"),
}


@pytest.mark.skipif(not shutil.which("latexmk") or not shutil.which("pdftotext"), reason="there is no LaTeX here")
def test_a_new_study_goes_from_parameters_to_a_paper_and_a_report(tmp_path):
    tree = copied_package(tmp_path / "tree")
    places = {"study": "width", "outputs": tree / "outputs", "root": tree}
    make("new-study", "NAME=width", "FROM=beta2", **places)
    for name, (old, new) in CHANGES.items():
        text = (tree / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (tree / name).write_text(text.replace(old, new), encoding="utf-8")
    make("all", "-j2", **places)
    pdf = tree / "paper" / "build" / "width.pdf"
    first = subprocess.run(["pdftotext", "-l", "1", pdf, "-"], check=True, capture_output=True, text=True).stdout
    assert TITLE in first
    assert "is the study width at the profile smoke" in " ".join(first.split())
    assert "Every run and every analysis of the study is in it." in " ".join(first.split())
    report = (tree / "outputs" / "width-smoke" / "report" / "index.html").read_text(encoding="utf-8")
    assert "width_wd0.5_lr0.001_lp2.0_b20.80_s42" in report
    listed = make("studies", **places).stdout
    width = listed[listed.index("\nwidth\n") :].splitlines()
    assert any(
        line.split()[:2] == ["smoke", "2"] and line.split()[-3:] == ["yes", "trained", "-"] for line in width
    )
    assert "nothing would run" in make("-n", "all", **places).stdout
