"""The probe by filler in paper and figures: what two fillers differ by, with its error, and what is said of it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.params.study import load_study
from lib.report.claims import judge
from lib.report.claims_file import load_claims
from lib.report.paper_folder import PAPERS
from lib.report.reader import collect
from lib.report.verdicts import EXCLUDED, HOLDS, OPEN
from lib.tasks.stories.params import FILLERS
from paper.beta2.filler_figures import CELLS, by_filler, over_snapshots
from paper.beta2.numbers import numbers
from tests.study_folder import smoke_study, write, write_study

LAST = {"in_random": 0.7, "in_seen": 0.9, "ood_random": 0.1, "ood_seen": 0.7, "ood_story": 0.8}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def study():
    return smoke_study()


def point(step, error=0.01, **given):
    found = {f"{cell}_{filler}": 0.5 for cell in CELLS for filler in FILLERS} | given
    doses = {f"dose_{filler}": 0.2 * (filler == "random") for filler in FILLERS}
    return {"step": step} | found | {f"{name}_se": error for name in found} | doses


def asked(home, study, last, error=0.01, best=0.6):
    """The results of a study whose every run that trained has two whole snapshots; `last` may differ by beta2."""
    folder = write_study(home, study)
    for run in study.runs:
        beta2 = run.params.optim.beta2
        if beta2:
            own = last(beta2) if callable(last) else last
            points = [point(40, error, ood_random=best), point(80, error, **own)]
            write(folder / run.name / "analysis" / "fillers.json", points)
    return collect(study, folder)


class TestQuantities:
    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("F.random", 0.1, 1),
            ("F.story", 0.8, 1),
            ("F.random.in", 0.7, 1),
            ("F.random.prefix", 0.5, 1),
            ("F.gain", 0.7, 2**0.5),
            ("F.tokens", 0.6, 2**0.5),
            ("F.gap", 0.2, 2**0.5),
            ("F.margin", 0.4, 6**0.5),
            ("F.random.fall", 0.5, 2**0.5),
        ],
    )
    def test_by_hand(self, study, tmp_path, name, value, error):
        found = asked(tmp_path, study, LAST).at(0.95, name)
        assert (found.value, found.error) == pytest.approx((value, 0.01 * error))

    def test_the_margin_is_one_part_less_the_other(self, study, tmp_path):
        results = asked(tmp_path, study, LAST)
        found = {name: results.at(0.95, f"F.{name}").value for name in ("tokens", "gap", "margin")}
        assert found["margin"] == pytest.approx(found["tokens"] - found["gap"])

    def test_what_is_missing_says_so(self, study, tmp_path):
        results = asked(tmp_path, study, LAST)
        assert results.at(0.0, "F.random").why == "diverged at step 150"
        assert results.at(0.95, "F.nothing").value is None
        write(results.run_at(0.95).folder / "analysis" / "fillers.json", [])
        assert collect(study, results.folder).at(0.95, "F.margin").why == "no whole snapshot"


class TestClaim:
    @pytest.mark.parametrize(
        ("last", "error", "expected"),
        [
            (LAST, 0.01, HOLDS),
            (LAST, 0.1, OPEN),  # 0.4 is less than twice the error
            ({**LAST, "ood_seen": 0.52}, 0.01, OPEN),  # 0.04 is less than the smallest effect
            ({**LAST, "ood_seen": 0.2}, 0.01, EXCLUDED),
            (lambda beta2: LAST if beta2 != 0.9 else {**LAST, "ood_seen": 0.2}, 0.01, EXCLUDED),
        ],
    )
    def test_it_can_be_lost(self, study, tmp_path, last, error, expected):
        _, claims = load_claims(PAPERS / "beta2" / "claims.yaml")
        claim = next(c for c in claims if c.id == "probe-tokens")
        found = judge([claim], asked(tmp_path, study, last, error))[0]
        assert (found.verdict, found.tested) == (expected, True)
        assert claim.ours and not found.null

    def test_no_sentence_about_the_probe_takes_a_filler_for_granted(self):
        """The filler is a parameter, and a verdict's sentence is printed whichever it is."""
        _, claims = load_claims(PAPERS / "beta2" / "claims.yaml")
        for claim in claims:
            if "p_ood" in str(claim.test):
                assert "filler" not in str(claim.prose) and "random tokens" not in str(claim.prose)


def test_the_paper_names_the_filler_it_was_asked_in(tmp_path):
    told = {}
    for filler in FILLERS:
        study = load_study("beta2", "smoke", f"task.probe.filler={filler}")
        told[filler] = dict(numbers(asked(tmp_path / filler, study, LAST), []))["resFiller"]
    assert len(set(told.values())) == len(FILLERS)
    assert (told["random"], told["story"]) == ("random tokens", "story text")


class TestFigures:
    def test_every_level_filler_and_cell_is_drawn_where_it_is(self, study, tmp_path):
        results = asked(tmp_path, study, LAST)
        axes = by_filler(results).axes
        for ax, cell in zip(axes, CELLS, strict=False):
            series = [container.lines[0] for container in ax.containers]
            assert len(series) == len(results.trained())
            expected = [LAST.get(f"{cell}_{filler}", 0.5) for filler in FILLERS]
            assert all(line.get_ydata() == pytest.approx(expected) for line in series)
        assert [bar.get_height() for bar in axes[-1].patches] == pytest.approx([20, 0, 0, 0, 0])

    def test_several_seeds_are_their_mean_and_the_error_of_it(self, tmp_path):
        study = load_study("beta2", "smoke", axes={"optim.beta2": [0.95], "seed": [1, 2]})
        results = asked(tmp_path, study, LAST)
        place = results.runs[1].folder / "analysis" / "fillers.json"
        write(place, [point(80, ood_random=0.3)])
        ax = by_filler(collect(study, results.folder)).axes[1]
        line, _, (bars,) = ax.containers[0].lines
        assert line.get_ydata()[0] == pytest.approx(0.2)
        error = np.std([0.1, 0.3], ddof=1) / 2**0.5
        assert bars.get_segments()[0][:, 1] == pytest.approx([0.2 - 2 * error, 0.2 + 2 * error])

    def test_a_run_over_its_snapshots(self):
        figure = over_snapshots([point(40), point(80, **LAST)])
        random = figure.axes[1].containers[0]
        assert random.lines[0].get_xdata().tolist() == [40, 80]
        assert random.lines[0].get_ydata().tolist() == [0.5, 0.1]
        assert "random, 20 % never read" in [text.get_text() for text in figure.legends[0].get_texts()]

    def test_without_a_whole_snapshot_it_says_so(self):
        assert all(ax.texts[0].get_text() == "no whole snapshot" for ax in over_snapshots([]).axes)
