"""The paper's figures: drawn from a complete study and from what is left of one, the same bytes every time."""

import itertools
import shutil
from dataclasses import replace
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from lib.geometry.backbone import decompose
from lib.geometry.presets import PRESETS, fit, preset_steps
from lib.report import figures as common
from lib.report.figures import drawings, make_figures
from lib.report.panels import ascending, coloured, curve, envelope, over_runs
from lib.report.paper_folder import PAPERS
from lib.report.published import Published, comparable, load_published
from lib.report.reader import collect
from lib.report.run import load_analysis
from lib.report.style import PALETTES, label, ordered_palette, write
from paper.beta2.figures import FIGURES, reheats
from tests.noise_adam import noise_adam
from tests.synthetic_study import DIVERGED_AT, MEASURED

GEOMETRY = {"backbone", "ladder", "spectrum", "beta2_summary", "alignment", "phases"}
NAMES = GEOMETRY | {"probe", "fillers", "fisher", "reheat", "interference"}
HALF = Fraction(1, 2)


@pytest.fixture(scope="module")
def results(synthetic):
    return collect(*synthetic)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def copy(synthetic, tmp_path):
    """The study in a folder that a test may spoil."""
    study, folder = synthetic
    return study, shutil.copytree(folder, tmp_path / "copy")


def drawn(name, results):
    return next(drawing for drawing in FIGURES if drawing.name == name).draw(results)


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts] + [
        text.get_text() for legend in figure.legends for text in legend.get_texts()
    ]


@pytest.fixture(scope="module")
def written(synthetic):
    assert {path.stem for path in make_figures(collect(*synthetic))} == NAMES
    assert not plt.get_fignums()
    return synthetic


def test_every_figure_is_written_with_true_type_fonts_and_its_runs(written):
    paths = sorted((written[1] / "summary" / "figures").glob("*.pdf"))
    assert {path.stem for path in paths} == NAMES | {"cards"}
    for path in paths:
        pdf = path.read_bytes()
        assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf and b"/FontFile2" in pdf
        assert b"b20.95_s42 at 0123456789ab" in pdf and b"CreationDate" not in pdf
    for name in NAMES:
        assert (paths[0].with_name(f"{name}.png")).read_bytes().startswith(b"\x89PNG")


def test_same_inputs_give_the_same_bytes_and_no_remarks(written, tmp_path, caplog):
    folder, results = written[1], collect(*written)
    write(drawn("reheat", results), tmp_path / "figures", "reheat", results.source, pdf=True)
    for name in ("reheat.pdf", "reheat.png"):
        assert (tmp_path / "figures" / name).read_bytes() == (folder / "summary" / "figures" / name).read_bytes()
    assert not caplog.records  # a notebook would show them


FILES = {  # and the figures that are drawn from them
    "": NAMES,
    "run.json": NAMES,
    "pilot_metrics.json": {"probe"},
    "analysis": NAMES - {"probe"},
    "analysis/backbone.json": GEOMETRY,
    "analysis/fillers.json": {"fillers"},
    "analysis/fisher.json": {"fisher"},
    "analysis/interference_metrics.json": {"alignment", "interference"},
    "analysis/reheat.json": {"reheat"},
}


@pytest.mark.parametrize(
    ("name", "every"), [*((name, True) for name in FILES), ("", False), ("analysis/fisher.json", False)]
)
def test_anything_can_be_missing(copy, name, every):
    study, folder = copy
    for run in study.runs if every else study.runs[1:2]:
        path = folder / run.name / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    results = collect(study, folder)
    for figure in FILES[name]:
        drawn(figure, results)


@pytest.mark.parametrize("content", ["{", '{"points": [null]}'])
def test_a_damaged_file_is_a_missing_one(copy, content):
    study, folder = copy
    for path in (folder / study.runs[1].name / "analysis").glob("*.json"):
        path.write_text(content)
    results = collect(study, folder)
    for figure in FIGURES:
        figure.draw(results)


def test_without_runs_every_panel_says_that_there_are_no_data(synthetic, tmp_path):
    nothing = collect(synthetic[0], tmp_path)
    assert nothing.present == []
    for drawing in FIGURES:
        figure = drawing.draw(nothing)
        assert "no data" in texts(figure), drawing.name
        figure.canvas.draw()


def test_only_diverged_runs_are_drawn_as_such(results):
    diverged = replace(results, runs=tuple(run for run in results.runs if run.diverged))
    for drawing in FIGURES:
        drawing.draw(diverged).canvas.draw()


def test_a_diverged_run_is_named_and_squashes_nothing(results):
    figure = drawn("probe", results)
    loss = figure.axes[2]
    steady = max(run.evaluated("val_loss").max() for run in results.runs if not run.diverged)
    assert loss.get_ylim()[1] < 1.2 * steady
    assert any(f"diverged at step {2.5 * DIVERGED_AT:g}" in text for text in texts(figure))  # a published step
    assert any("diverged" in text for text in texts(drawn("backbone", results)))


@pytest.fixture(scope="module")
def every(results):
    """All figures by name, for tests that change nothing."""
    return {drawing.name: drawing.draw(results) for drawing in FIGURES}


def level_colours(results):
    return {to_rgb(colour) for colour, _, _, _ in coloured(results)}


def test_a_diverged_run_is_never_a_point(results, every):
    place = ascending(results).index(0.0)
    (colour,) = (to_rgb(c) for c, _, _, runs in coloured(results) if runs[0].diverged)
    for name, figure in every.items():
        for line in (line for ax in figure.axes for line in ax.lines):
            assert to_rgb(line.get_color()) != colour or line.get_marker() == "None", name
    for figure in (drawn("beta2_summary", published(results, "G1.pc1", {"0.95": 68.4})), every["interference"]):
        lines = [line for ax in figure.axes for line in ax.lines if line.get_marker() != "None"]
        dots = [x for line in lines for x in line.get_xdata()]
        assert dots and all(x > place + 0.5 for x in dots)
        assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()][place] == "0\n$\\times$"


def test_steps_are_those_of_the_published_runs(every):
    """The laptop profile has two fifths of the published steps."""
    for name in ("probe", "backbone", "alignment", "fisher"):
        lines = [line for ax in every[name].axes if ax.get_xlabel() for line in ax.lines]
        assert max(max(line.get_xdata(), default=0) for line in lines) == 4000, name
    assert any(ax.get_title(loc="left").endswith("from step 4000") for ax in every["reheat"].axes)
    assert "step 3000" in texts(every["interference"])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_legend_says_anything_twice(every, name):
    figure = every[name]
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    told = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert told and len(told) == len(set(told))


def test_every_variable_has_colours_of_its_own(results, every):
    for name in ("reheat", "interference"):
        seen = {to_rgb(line.get_color()) for ax in every[name].axes for line in ax.lines}
        assert not seen & level_colours(results), name
    for ours, theirs in itertools.combinations(PALETTES, 2):
        assert not set(ordered_palette(9, ours)) & set(ordered_palette(9, theirs))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_letter_is_one_that_the_font_has(every, name):
    """Where Computer Modern has another character, or none, there is mathematics."""
    for text in every[name].findobj(Text):
        plain = "".join(text.get_text().split("$")[::2])
        assert plain.isascii() and not set(plain) & set('|<>_{}\\"'), text.get_text()


@pytest.mark.parametrize("text", ["β₂ = 0.9", "a_b | <c> {d} \\e $ % # ^ ~ &", "p_ood, 20–50", "漢 ‖Δ‖", "$", "\\"])
def test_any_name_can_stand_in_a_figure(text):
    figure = plt.figure()
    figure.suptitle(label(text))
    figure.canvas.draw()


def test_what_is_left_is_observed_minus_the_null_of_the_same_run(results, every):
    run = next(run for run in results.runs if run.level == 0.95)
    below = every["backbone"].axes[3]
    (line,) = (line for line in below.lines if line.get_label() == r"$\beta_2$ = 0.95")
    assert np.allclose(line.get_ydata(), run.array("observed", "G0.a") - run.array("null", "G0.a"))


@pytest.mark.parametrize("name", sorted(GEOMETRY - {"ladder"}))
def test_no_geometry_without_its_null(results, name):
    bands = [
        c for ax in drawn(name, results).axes for c in ax.collections if isinstance(c, FillBetweenPolyCollection)
    ]
    assert bands


def published(results, quantity, levels):
    """The results beside other published numbers."""
    entry = {"source": "s", "name": "n", "digits": 1, "levels": levels}
    return replace(results, published=Published(sources={"s": "t"}, quantities={quantity: entry}))


def test_published_values_are_open_markers(results):
    figure = drawn("beta2_summary", published(results, "G1.pc1", {"0.95": 68.4, "0.5": 1.0}))
    lines = [line for ax in figure.axes for line in ax.lines if line.get_label() == "published"]
    assert len(lines) == 1
    assert lines[0].get_markerfacecolor() == "none"
    assert lines[0].get_ydata() == [68.4]
    levels = {"0.99": 1.0, "0.95": 1.1, "0.90": 1.2, "0.0": 2e5}
    far = drawn("beta2_summary", published(results, "G1.k95", levels))
    assert "published at 0: 2e+05" in texts(far)


def test_a_drift_is_comparable_at_the_published_size_only():
    known = load_published(PAPERS / "beta2" / "published.yaml")
    assert "G1.pc1" in comparable(known, "laptop") and "G1.drift" not in comparable(known, "laptop")
    assert comparable(known, "paper")["G1.drift"]["0.95"] > 0


@pytest.mark.parametrize("name", [n for n in MEASURED if n != "U1"])
def test_arrays_are_drawn_at_their_own_steps(results, name):
    run = results.run_at(0.95)
    quantity = {"G": "a", "U": "cosines", "R": "cosines", "P": "A_E"}[name[0]]
    steps, values = curve(run, "observed", name, quantity)
    assert len(steps) == len(values) == len(run.array("observed", f"{name}.{quantity}")) > 3
    assert (np.diff(steps) > 0).all()


def test_steps_of_a_backbone_are_those_of_its_decomposition(results):
    run = results.run_at(0.95)
    steps = np.array(run.backbone["steps"])
    digest = noise_adam(steps, np.full(steps[-1], 1e-3), 0.5, size=20)
    for name in ("G0", "G1", "G2", "G3"):
        found, window = fit(digest, name, HALF)
        assert preset_steps(name, steps, HALF).tolist() == decompose(digest, found.backbone, window).steps.tolist()
    assert len(preset_steps("G0", steps, Fraction(1, 7))) == 0  # no whole stride: the run has no such backbone
    assert all(len(preset_steps(name, [0], HALF)) <= 1 for name in PRESETS if name[0] in "GRUP")


def test_the_band_of_a_null_spans_runs_that_share_no_steps():
    x, low, high = envelope([(np.array([1, 2]), np.array([5.0, np.nan])), (np.array([1, 3]), np.array([4.0, 7.0]))])
    assert (x.tolist(), low.tolist(), high.tolist()) == ([1, 3], [4, 7], [5, 7])


def test_several_seeds_are_their_mean_with_the_error_of_it_and_one_keeps_its_own():
    x, y, error = over_runs(
        [(1.0, 2.0, 9.0), (1.0, 4.0, 9.0), (2.0, 5.0, 0.5), (3.0, np.nan, 1.0), (4.0, 1.0, np.nan)]
    )
    assert (x.tolist(), y.tolist()) == ([1, 2, 4], [3, 5, 1]) and np.allclose(error, [1, 0.5, 0])
    assert all(len(column) == 0 for column in over_runs([]))


@pytest.mark.parametrize("variable", PALETTES)
@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
def test_the_palette_runs_from_dark_to_light(variable, count):
    luminance = [np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in ordered_palette(count, variable)]
    assert len(luminance) == count and luminance == sorted(luminance)


def test_runs_are_grouped_by_all_but_the_seed(results, synthetic):
    assert list(results.groups()) == [f"β₂ = {value}" for value in ("0.99", "0.95", "0.9", "0.8", "0")]
    study, folder = synthetic
    assert set(load_analysis(folder / study.runs[1].name)) == {
        "backbone",
        "fillers",
        "fisher",
        "interference_metrics",
        "reheat",
    }
    assert load_analysis(folder / "no such run") == {}


def test_a_study_without_a_paper_has_the_figures_that_every_study_can_have(results, tmp_path):
    # Without runs: with them the same functions are drawn above.
    plain = replace(
        results, paper=replace(results.paper, folder=tmp_path / "nothing"), folder=tmp_path, runs=(), claims=()
    )
    assert drawings(plain) == common.FIGURES
    assert {path.stem for path in make_figures(plain)} == {drawing.name for drawing in common.FIGURES}


def test_every_figure_has_one_name_and_a_caption():
    for listed in (FIGURES, common.FIGURES):
        assert len({drawing.name for drawing in listed}) == len(listed)
        assert all(drawing.caption.endswith(".") for drawing in listed)
        assert sum(drawing.headline for drawing in listed) == 1


def test_displacements_of_reheats_keep_their_signs():
    """A reheat that moves back along the backbone, and a null that does, are drawn below zero."""
    common = {"steps": [0, 20], "p_ood": [0.1, 0.2], "across": 3.0, "null_across": 2.5}
    moved = ((1e-3, 2.0, -0.5), (6e-4, -1.5, 0.25))
    conditions = [{"ckpt_step": 40, "lr": lr, "along": a, "null_along": n, **common} for lr, a, n in moved]
    along, across = reheats(conditions).axes[1:]
    for panel, heights, nulls in ((along, [2.0, -1.5], [-0.5, 0.25]), (across, [3.0, 3.0], [2.5, 2.5])):
        assert [bar.get_height() for bar in panel.patches] == heights
        assert [points.get_offsets()[:, 1].tolist() for points in panel.collections] == [nulls]
        low, high = panel.get_ylim()
        assert low <= min(*heights, *nulls, 0) and high >= max(heights)
