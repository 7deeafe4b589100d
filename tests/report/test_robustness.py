"""The study of robustness: levels that are arms, comparisons seed by seed, and its section in another's paper."""

import math
from contextlib import nullcontext

import matplotlib.pyplot as plt
import pytest

from lib.base.errors import BadInput
from lib.params.arguments import keep_arguments
from lib.params.study import load_study
from lib.report.axis import Level
from lib.report.figures import drawings, make_figures
from lib.report.paired import difference, slope
from lib.report.paper import prepare
from lib.report.paper_folder import section_place
from lib.report.reader import collect
from lib.report.sections import write_section
from lib.report.summary import verdicts_of
from lib.workflow.finish import steps
from paper.robustness.arms import TRUNKS, length, weights
from paper.robustness.tables import tables
from tests.study_folder import backbone, smoke_study, write, write_study

SIZES = {"small": 10_000, "base": 100_000, "double": 100_000}


def pc1(arm: Level, seed: int) -> float:
    """Ten points for ten times the weights, 3 more without decay, and a chance that arms of a seed share."""
    return 20 + 10 * math.log10(SIZES.get(arm, 100_000)) + 3 * (arm == "no_decay") + 5 * (seed == 43)


def write_arm(place, run, study):
    arm, seed = run.point["arm"], run.params.seed
    size = SIZES.get(arm, 100_000)
    found = backbone(study, 70.0, diverged=False)
    found["observed"]["G0.pc1"] = pc1(arm, seed)
    found["tensors"] = {"w": size}
    found["memory"] = {"share": 0.02, "time_constant": 4.0, "judged": 0.5, "size": size**0.5}
    (place / "analysis").mkdir(parents=True)
    steps = run.params.schedule.steps
    write(place / "run.json", {"state": "done", "step": steps, "steps": steps, "seconds": 1.0})
    write(place / "pilot_metrics.json", [{"step": steps, "val_loss": 3.0, "probe_ood_acc": 0.5}])
    write(place / "analysis" / "backbone.json", found)
    for stage in study.stages_of(run):
        for name in stage.makes:
            if not (place / name).exists():
                write(place / name, {})


@pytest.fixture(scope="module")
def study():
    return load_study("robustness", "smoke", "seeds=2")


@pytest.fixture
def outputs(study, tmp_path):
    """A folder with the results of the study, and with those of beta2."""
    folder = tmp_path / "outputs" / study.folder_name
    for run in study.runs:
        write_arm(folder / run.name, run, study)
    keep_arguments(folder, {"study": "robustness", "profile": "smoke", "overrides": "seeds=2"})
    write_study(tmp_path / "outputs" / "beta2-smoke", smoke_study())
    return tmp_path / "outputs"


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("beta2-smoke", "robustness-smoke"),
        ("packed-beta2-smoke", "packed-robustness-smoke"),
        ("packed-sent", "robustness-smoke"),
    ],
)
def test_a_section_is_of_a_study_that_lies_beside_packed_as_it_is(folder, found, tmp_path):
    assert section_place(tmp_path / folder, smoke_study(), "robustness") == tmp_path / "robustness-smoke"
    (tmp_path / found).mkdir()
    assert section_place(tmp_path / folder, smoke_study(), "robustness") == tmp_path / found


@pytest.fixture
def results(study, outputs):
    return collect(study, outputs / study.folder_name)


def test_arms_are_the_levels_in_their_order(results):
    assert results.levels == ["base", "no_decay", "averaged", "small", "half"]
    assert results.axis.baseline == results.baseline.level == "base"
    assert results.at("no_decay", "G0.pc1").value == pytest.approx(75.5)
    assert results.label(results.run_at("small")) == "smaller trunk"


def test_a_difference_is_taken_seed_by_seed(results):
    found = difference(results, "no_decay", "base", "G0.pc1")
    assert (found.value, found.error, found.count) == (pytest.approx(3), pytest.approx(0, abs=1e-12), 2)
    assert found.by_seed.keys() == {42, 43}
    # while each alone has the spread of the seeds
    assert results.at("base", "G0.pc1").error == pytest.approx(2.5)
    assert difference(results, "matched", "base", "G0.pc1").value is None


def test_a_slope_is_for_ten_times_the_size(results):
    arms = ["small", "base"]
    found = slope(results, arms, weights, "G0.pc1")
    assert (found.value, found.error) == (pytest.approx(10), pytest.approx(0, abs=1e-12))
    assert slope(results, arms, weights, "M.size", powers=True).value == pytest.approx(0.5)
    assert slope(results, ["base"], weights, "G0.pc1").value is None
    assert slope(results, TRUNKS, weights, "G0.pc1").value is None  # one of them is not in this profile


def test_a_memory_is_told_in_published_steps_of_its_own_run(results):
    times = {arm: results.at(arm, "M.time").value for arm in ("base", "half")}
    assert times == {"base": 4 * 25, "half": 4 * 50}
    # the same number of steps, however long the run
    assert slope(results, ["half", "base"], length, "M.time", powers=True).value == pytest.approx(-1)
    assert results.at("base", "M.share").value == pytest.approx(2.0)
    assert results.at("base", "M.time", "excess").value is None


def test_decay_is_that_of_the_runs_own_schedule(results):
    assert results.at("no_decay", "decay.sum").value == 0
    assert results.at("no_decay", "decay.left").value == pytest.approx(100)
    p = results.baseline.params
    left = results.at("base", "decay.left").value
    assert left == pytest.approx(100 * math.exp(-results.at("base", "decay.sum").value), rel=1e-3)
    assert p.optim.weight_decay == 0.5


def section(outputs, tmp_path):
    build = tmp_path / "build"
    prepare(collect(smoke_study(), outputs / "beta2-smoke"), build)
    return build, (build / "sections" / "robustness.tex").read_text()


def test_another_paper_takes_the_section_of_a_finished_study(results, outputs, tmp_path):
    make_figures(results)
    build, text = section(outputs, tmp_path)
    assert text.startswith("{%\n\\def\\res") and r"\subsection{What sets it}" in text and text.endswith("}\n")
    assert r"\def\resPcBase{$72.5$ ($\pm$\,$31.8$)}" in text
    assert (build / "tables" / "robustness.tex").read_text() == tables(results, verdicts_of(results))["robustness"]
    assert (build / "figures" / "robustness.pdf").read_bytes().startswith(b"%PDF")
    assert "no decay" in (build / "tables" / "robustness.tex").read_text()
    assert not (build / "tables" / "robustness_paired.tex").exists()  # which only its own paper shows
    # and its numbers stay inside of it
    assert r"\resPcBase" not in (build / "numbers.tex").read_text()


def test_of_one_that_is_not_it_says_so_in_one_sentence(results, outputs, tmp_path):
    assert "since its figures are missing; " in section(outputs, tmp_path)[1]
    (results.folder / "small_s43" / "run.json").unlink()
    _, text = section(outputs, tmp_path)
    assert "since 1 of its 10 runs have not ended; " in text
    assert r"\texttt{make all STUDY=robustness PROFILE=smoke} makes it." in text and text.count("\n") == 1
    results.folder.rename(outputs / "elsewhere")
    assert "since it has not been made" in section(outputs, tmp_path)[1]


def test_a_paper_is_stale_when_a_study_that_it_takes_a_section_from_is_made_again(outputs):
    def seen():
        (paper,) = [s for s in steps(smoke_study(), outputs / "beta2-smoke", [], [], {}) if s.name == "paper"]
        return paper.inputs["sections"]

    before, marker = seen(), outputs / "robustness-smoke" / "03_study.done"
    write(marker, {"inputs": {"runs": "of today"}, "outputs": {}, "finished": "today"})
    made = seen()
    write(marker, {"inputs": {"runs": "of today"}, "outputs": {}, "finished": "tomorrow"})
    assert before != made == seen()


def test_a_name_that_both_papers_have_is_refused(results, outputs, tmp_path):
    for drawing in drawings(results):
        path = results.folder / "summary" / "figures" / f"{drawing.name}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"drawn")
    for taken, refused in ((["window"], False), (["robustness"], True)):
        with pytest.raises(BadInput, match="robustness is the name of a table or") if refused else nullcontext():
            write_section("robustness", smoke_study(), outputs / "beta2-smoke", tmp_path / "build", taken)


def test_tables_and_figures_of_what_there_is(results, study):
    for run in study.runs:
        if run.point["arm"] != "no_decay":
            for path in sorted((results.folder / run.name).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (results.folder / run.name).rmdir()
    rest = collect(study, results.folder)
    for drawing in drawings(rest):
        plt.close(drawing.draw(rest))
    found = tables(rest, verdicts_of(rest))
    assert "no decay" in found["robustness"] and "nan" not in "".join(found.values())
