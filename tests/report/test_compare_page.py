"""The page that compares runs, in a browser, shows what the files say: select, overlay, zoom, align, sort."""

import json

import numpy as np
import pandas
import pytest

from lib.report.compare import of_study
from lib.report.compare_page import compare_page, write_compare
from lib.report.reader import collect
from tests.browser import Browser
from tests.compare_browser import Page
from tests.compare_runs import write_grokking

STEPS = [1, *range(40, 4001, 40)]  # of the evaluations of a run that goes to its end


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return collect(*write_grokking(tmp_path_factory.mktemp("grokked")))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(study, browser):
    return Page(browser, write_compare(study))


def plot_of(page, column):
    return page.ask(f"state.plots.findIndex(p => p.y === '{column}')")


# --------------------------------------------------------------------------------------------------- what is shown


def test_every_number_is_that_of_the_file_of_its_run(page, study):
    for run in study.present:
        rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
        for key in ("val_loss", "test_acc", "train_acc"):
            course = f"courseOf(runs.find(r => r.name === {json.dumps(run.name)}), '{key}')"
            steps, values = page.lists(f"[{course}.steps, {course}.values]")
            assert steps == [row["step"] for row in rows] and values == [row[key] for row in rows]


def test_the_table_tells_states_events_and_quality(page, study):
    rows, scale = page.table(), study.present[0].time_scale
    assert [row["state"].split(",")[0] for row in rows] == ["done", "done", "done", "diverged"]
    grokked = [f"{2000 * scale:g}", f"{800 * scale:g}", f"> {4000 * scale:g}", f"> {80 * scale:g}"]
    assert [row["step: grokked"] for row in rows] == grokked
    assert [row["quality"] for row in rows] == ["● high", "● high", "○ low", "○ low"]
    assert "0.90" in page.ask("byId('rule').textContent")
    cells = "[...document.querySelectorAll('#table .quality')]"
    assert len(set(page.ask(f"{cells}.map(c => getComputedStyle(c).backgroundColor)"))) == 2
    exact = page.ask("[...document.querySelectorAll('#table td[title]')].map(c => c.title)")
    assert str(study.present[1].evaluations[-1]["val_loss"]) in exact


def test_the_same_runs_give_the_same_page(study):
    title = f"Runs of {study.study.folder_name}"
    assert write_compare(study).read_text() == compare_page(title, of_study(study), "index.html")


def test_a_gap_is_a_gap_and_a_diverged_run_is_marked(page):
    page.click("#none")
    page.click("input[name=run]", 2)
    assert "1 of 4 runs are chosen" in page.said
    before, after = page.lines(plot_of(page, "test_acc"))
    assert len(before) + len(after) == len(STEPS) - 10 and after[0][0] > before[-1][0]
    page.click("#all")
    assert "1 diverged" in page.said
    assert page.ask("document.querySelectorAll('.course .end').length === state.plots.length")


# -------------------------------------------------------------------------------------------------------- controls


def test_runs_are_chosen_by_parameter_by_name_and_one_by_one(page):
    seed = "[...document.querySelectorAll('input[name=filter]')].find(b => b.dataset.parameter === 'seed').click()"
    page.ask(seed)
    assert "2 of 4" in page.said and len(page.table()) == 2
    page.ask(seed)
    page.use("part", "diverged")
    assert "1 of 4" in page.said and len(page.table()) == 1
    page.use("part", "")
    page.click("input[name=run]")
    assert "3 of 4" in page.said and len(page.table()) == 4


def test_differences_are_those_of_the_chosen_runs(page, study):
    names = page.ask("texts(document.querySelectorAll('#differences tbody th'))")
    assert "seed" in names and len(names) == page.ask("study.parameters.length")
    page.click("input[name=run]", 2)
    page.click("input[name=run]", 3)
    wanted = ["seed", *(str(run.params.seed) for run in study.present[:2])]
    assert page.ask("texts(document.querySelectorAll('#differences tbody tr')[0].cells)") == wanted
    assert page.ask("texts(document.querySelectorAll('#differences tbody th'))") == ["seed"]


def test_two_numbers_in_one_plot_and_more_plots(page):
    before, count = len(page.lines()), page.ask("state.plots.length")
    page.ask("(document.querySelectorAll('.courses select')[1].value = 'train_acc', 1)")
    page.ask("document.querySelectorAll('.courses select')[1].dispatchEvent(new Event('change'))")
    assert len(page.lines()) == before + 4
    page.click("#add")
    assert page.ask("shown().length") == count + 1
    page.click(".courses button")
    assert page.ask("shown().length") == count


def test_a_log_scale_has_no_place_for_what_is_not_positive(page):
    page.ask("(state.plots = ['test_acc', 'val_loss'].map(y => ({ y, with: '', log: true })), draw())")
    assert "not positive" not in page.said
    assert {"1", "0.1"} <= set(page.ask("texts(shown()[1].querySelectorAll(':scope > text'))"))
    page.ask("(courseOf(runs[0], 'val_loss').values[3] = 0, draw())")
    assert "val_loss: 1 values are not positive" in page.said


def test_dragging_zooms_to_every_point_and_back(page, study):
    scale, whole = study.present[0].time_scale, page.lines()
    page.ask("shown()[0].scrollIntoView()")
    left, top, width = page.ask(
        "(({ left, top, width }) => [left, top, width])(shown()[0].getBoundingClientRect())"
    )
    for kind, share in (("mousePressed", 0.30), ("mouseMoved", 0.40), ("mouseReleased", 0.40)):
        place = {"x": left + share * width, "y": top + 60, "button": "left", "buttons": 1, "clickCount": 1}
        page.browser.call("Input.dispatchMouseEvent", type=kind, **place)
    low, high = page.ask("[state.from, state.to]")
    assert 0 < low < high < 4000 * scale and high - low < 0.25 * 4000 * scale
    inside = sum(low <= step * scale <= high for step in STEPS)
    assert page.ask("drawn.get(shown()[0]).parts[0].seen.length") == inside
    page.ask("shown()[0].dispatchEvent(new Event('dblclick'))")
    assert page.ask("[state.from, state.to]") == [None, None] and page.lines() == whole


def test_what_is_thinned_for_the_screen_keeps_extremes_and_is_whole_when_zoomed(page):
    code = """(() => {
      const steps = Float64Array.from({ length: 60000 }, (_, i) => i + 1);
      const values = steps.map((step) => Math.sin(step / 700));
      values[31415] = 9;
      courses.set(runs[0].at * columns.length + columns.indexOf("val_loss"), { steps, values });
      state.plots = [{ y: "val_loss", with: "", log: false }];
      draw();
      const part = () => drawn.get(shown()[0]).parts.find((p) => p.line.run === runs[0]);
      const many = [part().count, Math.max(...part().seen)];
      [state.from, state.to] = [31000 * runs[0].scale, 31500 * runs[0].scale];
      draw();
      return [...many, part().seen.length];
    })()"""
    drawn, largest, zoomed = page.ask(code)
    assert drawn < 3000 and largest == 9 and zoomed == 501


def test_pointing_at_a_line_tells_its_exact_number(page, study):
    page.ask("shown()[0].scrollIntoView()")
    x, y = page.ask(
        "(() => { const at = drawn.get(shown()[0]), b = shown()[0].getBoundingClientRect(), l = at.parts[1].line;"
        " return [b.left + at.toX(l.x[20]), b.top + at.toY(l.y[20])]; })()"
    )
    page.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    told, row = page.ask("byId('tip').textContent"), study.present[1].evaluations[20]
    assert f"val_loss {row['val_loss']}" in told and study.label(study.present[1], seed=True) in told


def test_counted_from_an_event_and_who_has_none_is_said(page, study):
    scale = study.present[0].time_scale
    page.use("align", "grokked")
    wanted = f"2 of them without “grokked” by step {80 * scale:g} to {4000 * scale:g} and not drawn"
    assert wanted in page.said
    assert page.ask("span") == [(1 - 2000) * scale, (4000 - 800) * scale]
    parts = f"drawn.get(shown()[{plot_of(page, 'test_acc')}]).parts"
    assert page.ask(f"{parts}.map(p => p.line.x[p.line.y.findIndex(v => v >= 0.95)])") == [0, 0]


def test_a_band_is_the_mean_and_the_span_over_seeds(page):
    page.use("band", True)
    band = "drawn.get(shown()[0]).parts.map(p => p.line).find(l => l.low)"
    x, mean, low, high = page.lists(f"(l => [l.x, l.y, l.low, l.high])({band})")
    two = page.lists("[0, 1].map(i => courseOf(runs[i], state.plots[0].y).values)")
    assert len(x) == len(STEPS)
    np.testing.assert_allclose(mean, np.mean(two, axis=0), rtol=1e-12)
    np.testing.assert_array_equal([low, high], [np.min(two, axis=0), np.max(two, axis=0)])
    assert page.ask("shown()[0].querySelectorAll('polygon.span').length") == 1


def test_standard_errors_are_drawn_where_they_were_measured(tmp_path, browser):
    study, folder = write_grokking(tmp_path)
    steps = list(range(100, 1100, 100))
    table = pandas.DataFrame({"step": steps, "group": "model", "trace": [2.0] * 10, "trace_se": [0.25] * 10})
    table.to_parquet(folder / study.runs[0].name / "watch.parquet")
    page = Page(browser, write_compare(collect(study, folder)), "#plot=trace+of+model%7C%7C")
    assert "Shades: a standard error" in page.said and "3 have no trace of model" in page.said
    low, high = page.lists("(l => [l.low, l.high])(drawn.get(shown()[0]).parts[0].line)")
    assert low == [1.75] * 10 and high == [2.25] * 10
    assert page.ask("shown()[0].querySelectorAll('polygon.span').length") == 1
    page = Page(browser, write_compare(collect(study, folder)), "#plot=trace_se+of+model%7C%7C")
    assert "Shades" not in page.said and page.ask("shown()[0].querySelectorAll('polygon').length") == 0


def test_every_column_sorts_and_what_is_missing_comes_last(page):
    for name in ("step: grokked", "final held-out accuracy", "run", "state", "quality", "seed"):
        page.sort(name)
        rising = [row[name] for row in page.table()]
        page.sort(name)
        assert len(set(rising)) == 1 or [row[name] for row in page.table()] != rising
    page.sort("step: grokked")
    cells = [row["step: grokked"] for row in page.table()]
    numbers = [float(c) for c in cells if not c.startswith(">")]
    assert numbers == sorted(numbers) and [c.startswith(">") for c in cells] == [False, False, True, True]
    assert page.ask("byId('table').tHead.querySelectorAll('[aria-sort=ascending]').length") == 1
    page.sort("final held-out accuracy")
    assert page.table()[-1]["final held-out accuracy"] == max(r["final held-out accuracy"] for r in page.table())
