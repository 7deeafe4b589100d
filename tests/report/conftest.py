"""The report writes as in a stage that make executes: over what is there, not beside it."""

import pytest

from lib.report.reader import collect
from lib.report.site import build_report
from lib.train.places import MADE_BY_MAKE
from tests.browser import Browser
from tests.synthetic_study import build_study


@pytest.fixture(autouse=True, scope="module")
def _in_a_stage_of_make():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MADE_BY_MAKE, "06_figures")
        yield


@pytest.fixture(scope="module")
def reported(tmp_path_factory, _in_a_stage_of_make):
    """The synthetic study's results, and its report."""
    study, folder = build_study(tmp_path_factory.mktemp("study"))
    results = collect(study, folder)
    return results, build_report(results)


@pytest.fixture(scope="module")
def page(reported, tmp_path_factory):
    """A browser with that report open."""
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.open(reported[1].resolve().as_uri(), width=1400)
        assert browser.complaints() == []
        yield browser
