"""The table of the runs on real stories: from packed results, and what is kept of them is what they hold."""

import json
import shutil

import pytest

from lib.base.files import ROOT
from paper.beta2 import real_stories
from paper.beta2.real_stories import main, measured, real_numbers
from tests.report.test_fillers import point
from tests.study_folder import smoke_study, write, write_study

PACKED = sorted((ROOT / "results").glob("real_stories*"))


@pytest.fixture
def packed(tmp_path):
    """Two packed studies of one run each, that of the larger vocabulary first by name."""
    study = smoke_study()
    folder = write_study(tmp_path / "made", study)
    found = []
    for name, words in (("a", 50257), ("b", 768)):
        target = tmp_path / name / study.runs[0].name
        shutil.copytree(folder / study.runs[0].name, target)
        text = (target / "params.yaml").read_text()
        assert "vocab: 768" in text
        (target / "params.yaml").write_text(text.replace("vocab: 768", f"vocab: {words}"))
        points = [point(40, ood_random=0.9, ood_story=1.0), point(80, ood_random=words / 1e5, ood_story=0.95)]
        write(target / "analysis" / "fillers.json", points)
        found.append(target.parent)
    return found


def test_a_run_has_its_best_and_its_last_by_filler(packed):
    small, large = measured(packed)
    assert (small["vocabulary"], small["seed"], small["unread"]) == (768, 42, 0.2)
    assert small["random"] == pytest.approx({"best": 0.9, "last": 0.00768, "error": 0.01})
    assert large["random"]["last"] == pytest.approx(0.50257) and large["story"]["last"] == pytest.approx(0.95)


def test_the_table_and_the_numbers_are_of_what_is_kept(packed, capsys, monkeypatch, tmp_path):
    main([str(folder) for folder in packed])
    kept = tmp_path / "kept.yaml"
    kept.write_text(capsys.readouterr().out)
    monkeypatch.setattr(real_stories, "NUMBERS", kept)
    rows = real_stories.real_stories().splitlines()[5:-2]
    same = ["$0.50$", "$0.50$ (0.01)", "$1.00$", "$0.95$ (0.01)"]
    assert [[cell.strip(" \\") for cell in row.split("&")] for row in rows] == [
        ["768", "42", "$20$", "$0.90$", "$0.01$ (0.01)", *same],
        [r"50\,257", "42", "$20$", "$0.90$", "$0.50$ (0.01)", *same],
    ]
    assert real_numbers() == {
        "RealRandom": "$0.01$ to $0.01$",
        "RealStory": "$0.95$ to $0.95$",
        "RealRuns": "1",
        "RealWords": "768",
    }


def test_without_runs_it_is_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match=r"error: no runs in .*: expected folders of packed studies"):
        main([str(tmp_path)])


@pytest.mark.skipif(not PACKED, reason="the packed results are not in this tree")
def test_what_is_kept_is_what_the_packed_results_hold():
    kept, found = real_stories._runs(), measured(PACKED)
    assert json.dumps(kept) == json.dumps(json.loads(json.dumps(found)))
