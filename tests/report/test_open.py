"""Results opened by a person: a study by its folder or its name, a run by its folder, a table of what is asked."""

import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest

from lib import open_run, open_study
from lib.base.errors import BadInput
from lib.base.files import ROOT, WATCH
from lib.params.arguments import keep_arguments
from lib.params.run import load_params
from lib.params.study import load_study
from tests.study_folder import smoke_study, write_study

RUN = "pilot_wd0.5_lr0.001_lp2.0_b20.95_s42"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    study = smoke_study()
    return write_study(tmp_path_factory.mktemp("outputs") / study.folder_name, study)


def test_importing_lib_imports_nothing():
    code = "import sys, lib; print(sorted(m for m in sys.modules if m.startswith(('lib', 'numpy', 'pandas'))))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['lib']"


class TestStudy:
    def test_a_folder_says_what_it_is_of(self, folder):
        opened = open_study(folder)
        assert (opened.study.name, opened.study.profile) == ("beta2", "smoke")
        assert [run.level for run in opened.runs] == [0.99, 0.95, 0.90, 0.80, 0.0]
        assert opened.at(0.95, "G2.pc1").value == 70.0

    def test_by_name_and_profile(self, folder):
        opened = open_study("beta2", "smoke", folder=folder)
        assert [run.name for run in opened.runs] == [run.name for run in open_study(folder).runs]
        assert open_study("beta2", "laptop").folder == ROOT / "outputs" / "beta2-laptop"

    def test_a_grid_of_ones_own_is_found_again(self, tmp_path):
        own = tmp_path / "my.yaml"
        own.write_text("study: width\naxes: {model.width: [16, 32]}\n")
        study = load_study(str(own), "smoke", "seed=3")
        folder = write_study(tmp_path / study.folder_name, study)
        keep_arguments(folder, {"study": str(own), "profile": "smoke", "overrides": "seed=3"})
        opened = open_study(folder)
        assert [run.level for run in opened.runs] == [16, 32]
        assert opened.seeds == [3]
        assert opened.axis.name == "model.width"
        assert opened.at(32, "G2.pc1", "null").value == pytest.approx(56.0)
        assert opened.claims == () and opened.published.quantities == {}

    @pytest.mark.parametrize("name", ["somewhere", "no-study"])
    def test_a_folder_of_no_study_is_refused(self, tmp_path, name):
        (tmp_path / name).mkdir()
        with pytest.raises(BadInput, match=r"does not say which study it is of \(.*\); name the study as well"):
            open_study(tmp_path / name)

    def test_an_unknown_study_gets_the_nearest(self):
        with pytest.raises(BadInput, match="did you mean beta2"):
            open_study("beta")


class TestFrame:
    def test_one_row_a_run_with_what_differs(self, folder):
        frame = open_study(folder).frame()
        assert frame.index.name == "run" and RUN in frame.index
        assert list(frame.columns) == [
            *("optim.beta2", "state", "step"),
            *("final validation loss", "final p_ood", "best p_ood", "step of best p_ood"),
        ]
        row = frame.loc[RUN]
        assert (row["state"], row["step"], row["best p_ood"], row["step of best p_ood"]) == ("done", 80, 0.9, 40)
        assert row["final validation loss"] == pytest.approx(2.8)

    def test_quantities_by_name_and_part(self, folder):
        frame = open_study(folder).frame(["G2.pc1", "I.mean.1600"], parts=["observed", "null", "excess"])
        row = frame.loc[RUN]
        assert [row["G2.pc1"], row["G2.pc1 null"], row["G2.pc1 excess"]] == pytest.approx([70.0, 56.0, 14.0])
        assert row["I.mean.1600"] == 0.1 and np.isnan(row["I.mean.1600 null"])
        assert np.isnan(frame.loc[frame["state"] == "diverged", "G2.pc1"]).all()

    def test_parameters_all_or_by_name(self, folder):
        opened = open_study(folder)
        assert opened.frame(parameters="all").loc[RUN, "optim.eps"] == 1e-8
        assert opened.frame(parameters=["seed"])["seed"].tolist() == [42] * 5

    def test_a_study_without_results_has_its_rows(self, tmp_path):
        frame = open_study("beta2", "smoke", folder=tmp_path).frame(["G2.pc1"])
        assert frame["state"].tolist() == ["missing"] * 5 and np.isnan(frame["G2.pc1"]).all()

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            ({"quantities": ["G9.pc1"]}, r"unknown quantity 'G9.pc1'; there are val.final, .*G0, G1"),
            ({"quantities": ["G2"]}, "unknown quantity 'G2'"),
            ({"quantities": ["G2.pc1"], "parts": ["nul"]}, "unknown part nul of G2.pc1; there are observed, null"),
            ({"parameters": ["optim.beta"]}, r"unknown parameter optim.beta \(did you mean optim.beta"),
        ],
    )
    def test_mistakes_get_a_sentence(self, folder, asked, sentence):
        with pytest.raises(BadInput, match=sentence):
            open_study(folder).frame(**asked)


class TestRun:
    def test_a_run_is_a_part_of_its_study(self, folder):
        run = open_run(folder / RUN)
        assert run.params == load_params(folder / RUN / "params.yaml")
        assert (run.level, run.time_scale, run.state) == (0.95, 50.0, "done")
        assert run.quantity("G2.pc1", "excess").value == pytest.approx(14.0)
        assert run.quantity("p_ood.best").value == 0.9
        assert run.quantity("G2.a_peak_step").value == 2000  # published steps

    def test_its_evaluations_are_a_table_by_step(self, folder):
        metrics = open_run(folder / RUN).metrics()
        assert metrics.index.tolist() == [1, 40, 80]
        assert metrics["probe_ood_acc"].tolist() == [0.0, 0.9, 0.2]

    def test_what_was_watched_is_a_table_or_an_empty_one(self, folder):
        run = open_run(folder / RUN)
        assert run.watched().empty
        rows = pandas.DataFrame({"step": [4, 8], "group": ["a", "a"], "update_rank": [0.5, 0.7]})
        rows.to_parquet(run.folder / WATCH)
        assert run.watched().equals(rows)
        (run.folder / WATCH).unlink()

    def test_alone_it_has_what_every_run_has(self, folder, tmp_path):
        shutil.copytree(folder / RUN, tmp_path / "taken")
        run = open_run(tmp_path / "taken")
        assert (run.level, run.time_scale) == (None, 50.0)
        assert run.quantity("G2.pc1").value == 70.0
        with pytest.raises(BadInput, match=r"unknown quantity 'p_ood\.best'"):
            run.quantity("p_ood.best")

    def test_what_is_no_run_is_refused(self, tmp_path):
        with pytest.raises(BadInput, match=r"this is no run's folder, it has no params.yaml"):
            open_run(tmp_path)

    def test_snapshots_and_digest_are_read_when_asked_for(self, folder):
        with pytest.raises(BadInput, match="snapshot"):
            open_run(folder / RUN).digest  # noqa: B018 - this study was written without any
