"""A view of the page that compares runs: sent by its address, on a phone, of a hundred runs, offline."""

import pytest

from lib.params.study import load_study
from lib.report.compare_page import write_compare
from lib.report.reader import collect
from tests.browser import Browser
from tests.compare_browser import Page
from tests.compare_runs import write_grokking, write_many
from tests.report.test_site import SCROLLS

QUICK = 200  # milliseconds that a redraw of a hundred runs may take
LARGEST = 10_000_000  # bytes of the page of a hundred runs with a hundred columns
VIEW = "JSON.stringify(view())"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_compare(collect(*write_grokking(tmp_path_factory.mktemp("grokked"))))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def test_a_view_can_be_sent(path, browser):
    page = Page(browser, path)
    page.click("input[name=run]", 3)
    for control, value in (
        ("align", "memorised"),
        ("band", True),
        ("colour", "seed"),
        ("from", "-100"),
        ("to", "500"),
    ):
        page.use(control, value)
    page.ask("(state.plots[0].log = true, state.plots[0].with = 'train_acc', draw())")
    page.sort("seed")
    before, address = page.ask(VIEW), page.ask("location.href")
    assert page.ask("byId('address').value") == address
    for part in ("align=memorised", "band=yes", "from=-100", "train_acc", "without="):
        assert part in address
    sent = Page(browser, path, "#" + address.partition("#")[2])
    assert sent.ask(VIEW) == before != Page(browser, path).ask(VIEW)


def test_a_page_that_is_read_again_keeps_its_view(path, browser):
    page = Page(browser, path, "#align=grokked&part=done&sort=seed")
    before, address = page.ask(VIEW), page.ask("location.href")
    page.ask("globalThis.stale = true")
    page.click("#reload")
    page.wait("!globalThis.stale && document.body?.dataset.ready")
    assert page.ask("location.href") == address
    assert Page(browser, path, "#" + address.partition("#")[2]).ask(VIEW) == before


def test_an_address_that_is_changed_by_hand_is_followed(path, browser):
    page = Page(browser, path)
    page.ask("(location.hash = '#only=&part=none', 1)")
    page.wait("byId('said').textContent.startsWith('0 of 4')")
    page.ask("(location.hash = '', 1)")
    page.wait("byId('said').textContent.startsWith('4 of 4')")


def test_an_address_that_names_what_is_not_there_is_answered(path, browser):
    page = Page(browser, path, "#plot=nothing%7C%7C&plot=val_loss%7C%7C&align=never&only=stranger&is.lr=3")
    assert "does not have" in page.said and all(
        name in page.said for name in ("nothing", "never", "stranger", "lr")
    )
    assert page.ask("state.plots.map(p => p.y)") == ["val_loss"]


@pytest.mark.parametrize(
    "fragment", ["#only=", "#plot=", "#from=5000&to=4000", "#from=1e9", "#unit=epoch&logX=yes"]
)
def test_odd_views_are_drawn(path, browser, fragment):
    page = Page(browser, path, fragment)
    for control in ("band", "logX"):
        page.use(control, True)
    assert browser.complaints() == [] and "of 4 runs" in page.said


def test_text_of_a_run_is_never_markup(tmp_path, browser):
    study, folder = write_grokking(tmp_path)
    for run in study.runs[:2]:
        (folder / run.name / "run.json").write_text(
            '{"state": "done", "step": 10, "reason": "</div><script>alert(1)</script>"}'
        )
    page = Page(browser, write_compare(collect(study, folder)), "#part=%3Cimg%20src%3Dx%3E&sort=%3Cb%3E")
    assert page.ask("document.querySelectorAll('img, b').length") == 0 and "0 of 4" in page.said


@pytest.mark.parametrize(("width", "dark"), [(420, False), (1400, True)], ids=["phone", "desktop"])
def test_nothing_but_tables_scrolls_sideways(path, browser, width, dark):
    page = Page(browser, path, "#colour=run", width, dark)
    assert page.ask("document.documentElement.scrollWidth") <= width and page.ask(SCROLLS) == []
    assert len([a for a in browser.requests() if not a.startswith(("data:", "about:"))]) == 1
    assert (page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)") == dark


def test_every_control_has_a_name_and_every_plot_a_description(path, browser):
    page = Page(browser, path)
    controls = "[...document.querySelectorAll('#compare select, #compare input')]"
    assert page.ask(f"{controls}.filter(c => !c.labels.length && !c.ariaLabel).map(c => c.outerHTML)") == []
    assert "of 4 lines, from" in page.ask("shown()[0].getAttribute('aria-label')")
    page.ask("(document.querySelectorAll('[data-sort]')[1].focus(), document.activeElement.click())")
    assert page.ask("document.activeElement.dataset.sort") == "state"


def test_a_hundred_runs_with_a_hundred_columns(tmp_path, browser, capsys):
    """Numbers that cannot be packed, of the full eight bytes: below 10 MB, exact, and redrawn before it is felt."""
    folder = write_many(tmp_path, 100, 100, 100)
    results = collect(load_study("beta2", "laptop", "seeds=20"), folder)
    path = write_compare(results)
    page, size = Page(browser, path), path.stat().st_size
    assert page.ask("[runs.length, columns.length, study.thinned]") == [100, 102, 0]
    table = results.present[17].watched()
    values = table[table["group"] == "layer 2"]["column_7"].tolist()
    assert page.lists("[courseOf(runs[17], 'column_7 of layer 2').values]") == [values]
    redraw = "(t => (tabled = '', draw(), document.body.offsetHeight, performance.now() - t))(performance.now())"
    took = {}
    for name, change in (
        ("two plots", "state.plots = ['column_7 of layer 2', 'val_loss'].map(y => ({ y, with: '', log: false }))"),
        ("zoomed", "(state.from = 500, state.to = 900)"),
        ("aligned bands", "(state.from = state.to = null, state.band = true, state.align = 'best p_ood')"),
    ):
        page.ask(f"{change}; 1")
        took[name] = min(page.ask(redraw) for _ in range(7))
    with capsys.disabled():
        print(f"\n{size / 1e6:.2f} MB of page;", "; ".join(f"{k}: {v:.0f} ms" for k, v in took.items()))
    assert size < LARGEST and max(took.values()) < QUICK
