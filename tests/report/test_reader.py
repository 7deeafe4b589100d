import csv
import io
import json

import pytest

from lib.base.errors import BadInput
from lib.params.study import load_study
from lib.report.axis import level_text
from lib.report.paper_folder import PAPERS
from lib.report.published import load_published
from lib.report.quantities import preset_steps
from lib.report.reader import collect
from lib.report.study_table import study_table
from lib.report.summary import csv_of_runs, write_summary
from paper.beta2.tables import REFERENCE_COLUMNS, reheat_summary, tables
from tests.study_folder import smoke_study, write, write_reheat, write_study

PUBLISHED = PAPERS / "beta2" / "published.yaml"


@pytest.fixture(scope="module")
def study():
    return smoke_study()


@pytest.fixture
def folder(tmp_path, study):
    return write_study(tmp_path / "study", study)


def run_at(results, beta2):
    return results.run_at(beta2)


def test_the_table_of_a_notebook_has_levels_across_and_parts_down(study, folder):
    lines = study_table(collect(study, folder), {"G2.pc1": "", "p_ood.best": "", "reheat.gain.2000": "the gain"})
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.data.splitlines()]
    assert rows[0][3:] == [rf"$\beta_2$ = {level}" for level in ("0.99", "0.95", "0.90", "0.80", "0.0")]
    assert [row[2] for row in rows[2:6]] == ["published", "observed", "null", "excess"]
    assert rows[2][:2] == ["share of the first direction, PC1 (%)", "`G2` from step 1, all snapshots"]
    assert rows[3][0] == "" and rows[3][4] == "70.0" and rows[5][4] == "14.0\u00a0±\u00a00.6"
    assert rows[3][-1] == "diverged" and [row[0] for row in rows[3:6]] == [""] * 3
    assert any(row[0] == r"best $p_{\mathrm{ood}}$" for row in rows) and any(row[0] == "the gain" for row in rows)


class TestQuantities:
    def test_geometry_has_all_its_parts(self, study, folder):
        results = collect(study, folder)
        expected = {"observed": 70.0, "null": 56.0, "excess": 14.0, "momentum": 58.8, "memory": 64.4}
        expected |= {"beyond-memory": 5.6}
        found = {part: results.at(0.95, "G2.pc1", part).value for part in expected}
        assert found == pytest.approx(expected)

    def test_steps_are_published_steps(self, study, folder):
        results = collect(study, folder)
        scale = float(study.time_scale)
        assert results.at(0.95, "G2.a_peak_step").value == 40 * scale
        assert results.at(0.95, "p_ood.best_step").value == study.runs[0].params.schedule.steps // 2 * scale

    def test_accuracy_has_its_binomial_error(self, study, folder):
        found = collect(study, folder).at(0.95, "p_ood.best")
        assert found.value == 0.9
        assert found.error == pytest.approx((0.9 * 0.1 / study.runs[0].params.task.probe.eval_examples) ** 0.5)

    def test_a_run_that_stopped_early_has_no_geometry_but_its_best_accuracy(self, study, folder):
        results = collect(study, folder)
        found = results.at(0.0, "G2.pc1")
        assert (found.value, found.why) == (None, "diverged at step 150")
        assert results.at(0.0, "p_ood.best").value == 0.0

    def test_a_run_that_diverged_and_ran_on_keeps_its_geometry(self, study, folder):
        run = run_at(collect(study, folder), 0.0)
        record = json.loads((run.folder / "run.json").read_text())
        write(run.folder / "run.json", record | {"step": record["steps"]})
        backbone = json.loads((run_at(collect(study, folder), 0.95).folder / "analysis/backbone.json").read_text())
        write(run.folder / "analysis" / "backbone.json", backbone)
        results = collect(study, folder)
        assert results.at(0.0, "G2.pc1").value == 70.0
        assert results.diverged() == [0.0]
        assert r"$70.0$\rlap{$^{\dagger}$}" in tables(results, [])["full"]

    def test_what_is_observed_only_has_no_null(self, study, folder):
        assert collect(study, folder).at(0.95, "val.final", "null").value is None

    def test_several_seeds_give_a_mean_and_its_error(self, tmp_path, study):
        two = load_study("beta2", "smoke", axes={"seed": [1, 2], "optim.beta2": [0.95, 0.80]})
        folder = write_study(tmp_path, two)
        run = run_at(collect(two, folder), 0.95)
        rows = json.loads((run.folder / "pilot_metrics.json").read_text())
        rows[-1]["val_loss"] += 1.0
        write(run.folder / "pilot_metrics.json", rows)
        found = collect(two, folder).at(0.95, "val.final")
        assert found.value == pytest.approx(3.3)
        assert found.error == pytest.approx(0.5)
        assert found.count == 2

    def test_reheating_is_the_condition_with_the_largest_gain(self, study, folder):
        write_reheat(folder, study, 0.95, 0.3, along=4.0)
        results = collect(study, folder)
        assert results.at(0.95, "reheat.gain.4000").value == 0.3
        a = 4000 / float(study.time_scale)
        assert results.at(0.95, "reheat.moved.4000").value == pytest.approx(4.0 / a)
        assert results.at(0.95, "reheat.moved.4000", "null").value == pytest.approx(2.0 / a)
        assert results.at(0.99, "reheat.gain.4000").why == "not reheated from that snapshot"

    @pytest.mark.parametrize("name", ["backbone", "fisher", "interference_metrics"])
    @pytest.mark.parametrize("text", [None, "", "{", "null"])
    def test_a_missing_or_broken_analysis_is_none(self, study, folder, name, text):
        path = run_at(collect(study, folder), 0.95).folder / "analysis" / f"{name}.json"
        path.unlink() if text is None else path.write_text(text)
        results = collect(study, folder)
        quantity = {"backbone": "G2.pc1", "fisher": "Q.empirical.v_b.last"}.get(name, "I.mean.1600")
        assert results.at(0.95, quantity).value is None
        assert results.at(0.95, quantity).why
        assert results.at(0.90, quantity).value is not None

    def test_an_empty_folder_is_a_study_of_missing_runs(self, study, tmp_path):
        results = collect(study, tmp_path)
        assert {run.state for run in results.runs} == {"missing"}
        assert results.at(0.95, "val.final").why == "missing"

    def test_preset_steps_are_the_anchor_and_the_window(self):
        assert preset_steps([0, 1, 50, 100, 150, 200], "G0", 2.0) == [0, 100, 200]
        assert preset_steps([0, 1, 250, 300, 325, 1000, 1050], "G1", 2.0) == [300, 325, 1000]
        assert preset_steps([], "G0", 2.0) == []


class TestSummary:
    def test_table_has_the_reference_columns_and_ascends(self, study, folder):
        rows = list(csv.DictReader(io.StringIO(csv_of_runs(collect(study, folder), REFERENCE_COLUMNS))))
        assert list(rows[0])[:8] == [
            *("beta2", "final_val", "best_p_ood", "PC1", "k95", "k99"),
            *("drift_600_2000", "mean_update_align"),
        ]
        assert [row["beta2"] for row in rows] == ["0.0", "0.80", "0.90", "0.95", "0.99"]
        assert rows[0]["PC1"] == "" and rows[0]["state"] == "diverged"
        assert float(rows[1]["PC1"]) == 68.0
        assert float(rows[1]["PC1_null"]) + float(rows[1]["PC1_excess"]) == pytest.approx(68.0)

    def test_reheat_summary_has_the_reference_keys(self, study, folder):
        write_reheat(folder, study, 0.80, 0.1)
        summary = reheat_summary(collect(study, folder))
        step = study.branches["reheat"].snapshots[0]
        entry = summary[f"b2_{level_text(0.80)}_ckpt_{step}"]
        assert {"beta2", "ckpt_step", "lr_runs"} <= set(entry)
        assert {"lr", "final_p_ood", "final_val_loss", "best_p_ood", "n_steps"} <= set(entry["lr_runs"][0])
        assert len(entry["lr_runs"]) == len(study.branches["reheat"].points())

    def test_everything_is_written_and_the_same_again(self, study, folder):
        first = {name: path.read_bytes() for name, path in write_summary(collect(study, folder)).items()}
        again = {name: path.read_bytes() for name, path in write_summary(collect(study, folder)).items()}
        assert first == again
        assert set(first) == {"table_beta2.csv", "reheat_summary.json", "claims.json"}

    def test_an_empty_folder_gets_a_summary_too(self, study, tmp_path):
        assert all(path.exists() for path in write_summary(collect(study, tmp_path)).values())


class TestPublished:
    def test_every_quantity_is_one_that_results_know(self, study, folder):
        results = collect(study, folder)
        for name in results.published.quantities:
            results.at(0.95, name)

    def test_figures_of_the_reference(self):
        published = load_published(PUBLISHED)
        assert published.at("G2.pc1", 0.95) == pytest.approx(68.34, abs=0.01)
        assert published.at("val.final", 0.0) == 1.154e8
        assert published.at("nothing", 0.95) is None
        assert published.branched("reheating", 0.95, 4000).values["gain"] == 0.2

    def test_what_is_void_or_in_conflict_says_why(self):
        entries = load_published(PUBLISHED).quantities.values()
        assert {e.status for e in entries} == {"sound", "conflict", "void"}
        assert all(e.why for e in entries if e.status != "sound")

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("source: nowhere", "unknown source nowhere"),
            ("source: a\n    status: void", "status void needs a why"),
            ("source: a\n    colour: red", "unknown key"),
        ],
    )
    def test_mistakes_get_a_sentence(self, tmp_path, given, expected):
        path = tmp_path / "published.yaml"
        head = "reference: r\nsources: {a: b}\n"
        head += "quantities:\n  G1.pc1:\n    name: n\n    digits: 1\n"
        path.write_text(f'{head}    levels: {{"0.95": 1.0}}\n    {given}\n')
        with pytest.raises(BadInput, match=expected):
            load_published(path)


class TestTables:
    def test_numbers_are_those_of_the_json(self, study, folder):
        made = tables(collect(study, folder), [])
        row = next(line for line in made["window"].splitlines() if line.startswith("0.95"))
        assert row == (
            r"0.95 & $68.4$ & $68.0$ & $54.4$ & $+13.6$ & $6$ & $6$ & $5$ & $+1$ & "
            r"$108.5$ & $10.00$ & $8.00$ & $+2.00$ & $0.225$ & $0.250$ & $0.200$ & $+0.050$ \\"
        )

    def test_a_run_that_diverged_is_neither_zero_nor_blank(self, study, folder):
        made = tables(collect(study, folder), [])
        row = next(line for line in made["full"].splitlines() if line.startswith("0.0 "))
        assert "$52.5$ & div. & -- & --" in row
        assert "$0.0$" not in row

    def test_missing_data_are_dashes(self, study, tmp_path):
        for name, text in tables(collect(study, tmp_path), []).items():
            if name in ("training", "window", "full", "gradients", "fisher", "reheat"):
                assert "--" in text
                assert "nan" not in text and "None" not in text

    def test_observed_only_quantities_have_no_null_column(self, study, folder):
        results = collect(study, folder)
        assert not results.lookup("val.final").null
        made = tables(results, [])["training"]
        assert "null" not in made


def test_the_null_of_curvature_is_partly_that_of_decay(tmp_path):
    """With a cosine of 0.6 the null's backbone has 0.36 of the anisotropy along -theta_0, and 0.64 besides."""
    study = smoke_study()
    folder = write_study(tmp_path, study)
    for run in study.runs:
        for name, change in (("fisher", _with_decay), ("backbone", _with_cosine)):
            path = folder / run.name / "analysis" / f"{name}.json"
            if path.exists():
                found = json.loads(path.read_text())
                change(found)
                path.write_text(json.dumps(found))
    run = collect(study, folder).run_at(0.95)
    assert run.quantity("Q.empirical.v_b.last", "null").value == pytest.approx(0.36 * 9 + 0.64)
    assert run.quantity("Q.empirical.v_b.last", "excess").value == pytest.approx(5 - 0.36 * 9 - 0.64)
    assert run.quantity("Q.empirical.-theta_0.last", "excess").why == "no null is defined"


def _with_decay(fisher):
    for point in fisher["points"]:
        for q in point["quotients"]:
            q["labels"] = ["v_b", "-theta_0", "update"]


def _with_cosine(backbone):
    if backbone["null"]["G0.pc1"] is not None:
        backbone["null"]["G0.start_cosine"] = -0.6
