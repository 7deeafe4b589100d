"""Runs side by side: events with censoring, what differs, quality, text within its width, numbers as written."""

import base64
import json
import zlib

import numpy as np
import pandas
import pytest

from lib.base.errors import BadInput
from lib.params.study import load_study
from lib.report.compare import differing, entries, happened, of_study, outcomes, qualities, value_text
from lib.report.compare_figure import compare_figure
from lib.report.compare_page import MOST, page_data
from lib.report.compare_text import WIDTH, compare_text, find_columns
from lib.report.reader import collect
from lib.report.series import courses, thinned
from tests.compare_runs import grokking_rows, modular_study, write_run


def of(found, name):
    return next(entry for entry in found if entry.run.name == name)


@pytest.fixture(scope="module")
def grokked(tmp_path_factory):
    """Four runs of modular arithmetic: one groks at 2000, one at 800, one never, one diverges."""
    study, home = modular_study(), tmp_path_factory.mktemp("grokked")
    folder = home / study.folder_name
    first, second, third, fourth = study.runs[:4]
    table = pandas.DataFrame({"step": [100, 200, 100, 200], "group": ["a", "a", "model", "model"]})
    table = table.assign(rank=[0.5, None, None, None], norm=[1.0, 2.0, np.pi, None])
    write_run(folder, first, grokking_rows(200, 2000), watched=table)
    write_run(folder, second, grokking_rows(200, 800, shift=0.01))
    write_run(folder, third, grokking_rows(400, None, last=2000), state="training")
    rows = [
        *grokking_rows(None, None, last=80),
        {"step": 90, "val_loss": None, "test_acc": None, "train_acc": None},
    ]
    write_run(folder, fourth, rows, diverged=90)
    names = [run.name for run in study.runs[:4]]
    return collect(study, folder), names


def test_events_are_first_evaluations_or_not_by_the_last(grokked):
    results, names = grokked
    found = of_study(results)
    scale = found[0].run.time_scale
    told = [happened(of(found, name)) for name in names]
    assert [one["grokked"] for one in told] == [
        (2000 * scale, 4000 * scale),
        (800 * scale, 4000 * scale),
        (None, 2000 * scale),
        (None, 90 * scale),
    ]
    assert [one["memorised"][0] for one in told] == [200 * scale, 200 * scale, 400 * scale, None]
    assert [one["diverged"][0] for one in told] == [None, None, None, 90 * scale]


def test_the_frame_of_a_notebook_has_the_events_in_own_steps(grokked):
    results, names = grokked
    frame = results.frame()
    assert frame.loc[names, "step of grokked"].tolist()[:2] == [2000, 800]
    assert frame.loc[names, "step of grokked"].isna().tolist() == [False, False, True, True]
    assert frame.loc[names, "step of memorised"].tolist()[:3] == [200, 200, 400]


def test_a_threshold_that_is_met_exactly_is_met(tmp_path):
    study = modular_study()
    rows = [{"step": n, "val_loss": 1.0, "test_acc": x, "train_acc": 0.0} for n, x in ((10, 0.9499), (20, 0.95))]
    write_run(tmp_path / study.folder_name, study.runs[0], rows)
    (entry,) = of_study(collect(study, tmp_path / study.folder_name))
    assert happened(entry)["grokked"][0] == 20 * entry.run.time_scale
    assert happened(entry)["memorised"] == (None, 20 * entry.run.time_scale)


def test_quality_by_the_main_score_with_its_rule(grokked):
    results, names = grokked
    main, *others = qualities(of_study(results))
    assert main.score == "held-out accuracy"
    assert [main.of.get(name) for name in names] == ["high", "high", None, "low"]  # the third is under way
    assert "0.90" in main.rule and "0.50" in main.rule
    losses = next(one for one in others if one.score == "held-out loss")
    assert losses.of[names[3]] == "low" and "third with the smallest" in losses.rule
    first, second = (of(of_study(results), name).last("val_loss") for name in names[:2])
    assert first < second and [losses.of[name] for name in names[:2]] == ["high", "middling"]


def test_a_score_that_no_run_comes_half_way_in_is_not_the_main_one(tmp_path):
    study = modular_study()
    for n, run in enumerate(study.runs[:2]):
        write_run(tmp_path / study.folder_name, run, grokking_rows(200, None, last=400, shift=0.1 * n))
    assert qualities(of_study(collect(study, tmp_path / study.folder_name)))[0].score == "held-out loss"


def test_what_differs_has_the_grid_first_and_is_not_rounded(grokked):
    results, _ = grokked
    found = of_study(results)
    names, axes = differing(found)
    assert axes >= 1 and set(names[:axes]) <= set(found[0].run.point) and "seed" in names[:axes]
    flat = {"a": 0.123456789, "b": "text", "c": None, "d": True, "e": ""}
    assert [value_text(flat, name) for name in "abcdef"] == ["0.123456789", "text", "null", "true", '""', "–"]


def test_runs_of_several_studies_keep_apart(grokked, tmp_path):
    results, names = grokked
    other = load_study("beta2", "smoke")
    rows = [
        {"step": 40, "val_loss": 2.0, "probe_ood_acc": 0.7},
        {"step": 80, "val_loss": 1.5, "probe_ood_acc": 0.6},
    ]
    place = write_run(tmp_path / other.folder_name, other.runs[0], rows)
    found = entries([results.folder / names[0], place])
    assert [entry.name.split("/")[0] for entry in found] == [results.folder.name, other.folder_name]
    assert len({entry.group for entry in found}) == 2
    differ, _ = differing(found)
    assert "task.name" in differ and value_text(found[1].flat, "task.p") == "–"
    assert outcomes(found[1])["best p_ood"] == 0.7 and "best p_ood" not in outcomes(found[0])


def test_a_run_that_no_study_knows_is_compared_by_itself(grokked, tmp_path):
    results, names = grokked
    copy = tmp_path / "folder-of" / "mine"
    copy.mkdir(parents=True)
    for file in (results.folder / names[0]).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (entry,) = entries([copy])
    assert (entry.name, entry.title) == ("mine", "mine")


# ------------------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize("count", [2, 4])
def test_the_table_fits_its_width_and_says_what_happened(grokked, count):
    results, names = grokked
    found = entries([results.folder / name for name in names[:count]])
    known, unread = courses(entry.run for entry in found)
    assert unread == []
    text = compare_text(found, known, ["val_loss", "norm of model"])
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "+ high" in text and f"> {4000 * found[0].run.time_scale:g}" in text and "last norm of model" in text
    assert ("diverged 90" in text.replace(f"diverged {90 * found[0].run.time_scale:g}", "diverged 90")) == (
        count == 4
    )


def test_many_runs_stand_below_one_another(tmp_path):
    study = modular_study("seeds=4")
    for run in study.runs[:8]:
        write_run(tmp_path / study.folder_name, run, grokking_rows(200, 400, last=800))
    found = of_study(collect(study, tmp_path / study.folder_name))
    assert len(found) == 8
    text = compare_text(found, courses(entry.run for entry in found)[0], ["test_acc"])
    assert max(map(len, text.splitlines())) <= WIDTH and "\nrun" in text and "\n8 " in text


def test_a_column_is_named_whole_or_by_words_that_only_it_has():
    there = [
        "val_loss",
        "train_loss",
        "norm of blocks.*.attn",
        "norm of head",
        "trace of model",
        "trace_se of model",
    ]
    assert find_columns("trace", there) == ["trace of model"]
    assert find_columns("val_loss, norm attn", there) == ["val_loss", "norm of blocks.*.attn"]
    with pytest.raises(BadInput, match=r"METRIC=norm fits several; there are: norm of blocks.*norm of head"):
        find_columns("norm", there)
    with pytest.raises(BadInput, match=r"METRIC=vall_loss is none.*did you mean val_loss"):
        find_columns("vall_loss", there)


def test_the_figure_has_every_run_and_a_scale_of_those_that_did_not_diverge(grokked):
    results, names = grokked
    found = of_study(results)
    known, _ = courses(entry.run for entry in found)
    known[[entry.run.name for entry in found].index(names[3])]["val_loss"][1][1] = 1e9
    top, bottom = compare_figure(found, known, ["test_acc", "val_loss"]).axes
    assert top.get_ylim()[1] < 1.2 and bottom.get_ylim()[1] < 1e3
    assert top.get_yscale() == "linear"
    assert max(line.get_xdata().max() for line in top.lines) == 4000 * found[0].run.time_scale
    assert "diverged" in top.get_legend_handles_labels()[1]


def test_numbers_over_many_powers_of_ten_have_a_logarithmic_scale(grokked):
    results, names = grokked
    found = [of(of_study(results), names[0])]
    known, _ = courses(entry.run for entry in found)
    linear, log = compare_figure(found, known, ["test_acc", "val_loss"]).axes
    assert (linear.get_yscale(), log.get_yscale()) == ("linear", "log")


# ----------------------------------------------------------------------------------------------- numbers in a page


def unpacked(data):
    """What the page's script reads out of its data: (run, column) -> steps, values."""

    def numbers(text, kind):
        apart = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
        size = np.dtype(kind).itemsize
        return np.frombuffer(apart.reshape(size, -1).T.tobytes(), kind)

    parts, steps, first = [numbers(data["narrow"], "<f4"), numbers(data["wide"], "<f8")], [], 0
    for length in data["grids"]:
        steps.append(numbers(data["stepBytes"], "<u4")[first : first + length])
        first += length
    at, found = [0, 0], {}
    for run, column, grid, kind in np.array(data["series"]).reshape(-1, 4):
        count = len(steps[grid])
        values = parts[kind][at[kind] : at[kind] + count]
        found[data["runs"][run]["name"], data["columns"][column]] = steps[grid], values.astype(float)
        at[kind] += count
    return found


def test_a_page_holds_what_the_files_say(grokked):
    results, names = grokked
    data = page_data(of_study(results))
    found = unpacked(data)
    for name in names:
        rows = [json.loads(line) for line in (results.folder / name / "metrics.jsonl").read_text().splitlines()]
        for key in ("val_loss", "test_acc", "train_acc"):
            steps, values = found[name, key]
            assert steps.tolist() == [row["step"] for row in rows]
            np.testing.assert_array_equal(values, np.array([row[key] for row in rows], dtype=float))
    steps, values = found[names[0], "norm of model"]
    np.testing.assert_array_equal(values, [np.pi, np.nan])
    assert found[names[0], "rank of a"][0].tolist() == [100, 200]
    assert (names[0], "rank of model") not in found and (names[1], "norm of a") not in found


def test_a_table_that_cannot_be_read_is_said(grokked, tmp_path):
    study = modular_study()
    place = write_run(tmp_path / study.folder_name, study.runs[0], grokking_rows(200, 400, last=800))
    (place / "watch.parquet").write_bytes(b"no table")
    found = of_study(collect(study, tmp_path / study.folder_name))
    data = page_data(found)
    assert data["unread"] and "watch.parquet" in data["unread"][0] and "val_loss" in data["columns"]


def test_thinning_keeps_extremes_ends_and_gaps():
    rng = np.random.default_rng(1)
    steps, values = np.arange(5000.0), rng.normal(size=5000)
    values[1234], values[4321], values[777:780] = 50, -50, np.nan
    at, kept = thinned(steps, values, 200)
    assert len(at) <= 210 and {0.0, 4999.0, 1234.0, 4321.0, 777.0} <= set(at)
    np.testing.assert_array_equal(kept, values[at.astype(int)])
    assert np.nanmax(kept) == 50 and np.nanmin(kept) == -50
    same = thinned(steps, values, 5000)
    assert same[0] is steps and same[1] is values


def test_what_would_not_fit_is_thinned_and_said(tmp_path, monkeypatch):
    study = modular_study()
    rng = np.random.default_rng(0)
    rows = [
        {"step": n, "val_loss": x, "test_acc": 0.1, "train_acc": 0.2} for n, x in enumerate(rng.random(3000), 1)
    ]
    write_run(tmp_path / study.folder_name, study.runs[0], rows)
    found = of_study(collect(study, tmp_path / study.folder_name))
    assert page_data(found)["thinned"] == 0
    monkeypatch.setattr("lib.report.compare_page.MOST", 9000)
    data = page_data(found)
    _, values = unpacked(data)[found[0].name, "val_loss"]
    assert 0 < data["thinned"] < 3000 and len(values) < 3000 and MOST > 9000
    assert {values.max(), values.min()} == {max(r["val_loss"] for r in rows), min(r["val_loss"] for r in rows)}
