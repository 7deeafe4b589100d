"""The list of all studies."""

from lib.workflow import studies
from lib.workflow.studies import studies_table


def test_every_study_is_listed_with_its_question_profiles_and_what_is_packed(tmp_path, monkeypatch):
    (tmp_path / "beta2-laptop").mkdir()
    (tmp_path / "beta2-laptop" / "study.json").write_text("{}")
    monkeypatch.setattr(studies, "PACKED", tmp_path)
    lines = studies_table(tmp_path / "outputs").splitlines()
    assert {line.split()[0] for line in lines if line[:1].isalpha()} >= {"beta2", "grokking", "optimizers"}
    at = lines.index("beta2  (meant where no study is named)")
    laptop = next(line.split() for line in lines[at:] if line.split()[:1] == ["laptop"])
    assert laptop[:2] == ["laptop", "15"] and laptop[-2] == "-" and laptop[-1].endswith("beta2-laptop")
    assert sum("beta2-laptop" in line for line in lines) == 1
