"""The list of all studies."""

from lib.base.files import ROOT
from lib.workflow.studies import studies_table


def test_every_study_is_listed_with_its_question_its_profiles_and_what_is_packed(tmp_path):
    packed = {path.parent.name for path in ROOT.glob("results/*/study.json")}
    rows, name, shown = {}, "", set()
    for line in studies_table(tmp_path / "outputs").splitlines():
        name = line.split()[0] if line[:1].isalpha() else name
        cells = line.split()
        if len(cells) == 7 and cells[1].isdecimal():
            rows[f"{name}-{cells[0]}"] = cells
            shown |= {cells[-1].rpartition("/")[2]} - {"-"}
    assert {"beta2-laptop", "grokking-smoke", "optimizers-paper", "robustness-laptop"} <= rows.keys()
    assert rows["beta2-laptop"][:2] == ["laptop", "15"] and rows["beta2-laptop"][-2] == "-"
    assert shown == packed & rows.keys() and rows["beta2-smoke"][-1] == "-"
    assert all(cells[-1] in ("-", f"results/{name}") for name, cells in rows.items())
