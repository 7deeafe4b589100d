"""The report writes as in a stage that make executes: over what is there, not beside it."""

import shutil

import pytest

from lib.report.reader import collect
from lib.report.site import build_report
from lib.train.places import MADE_BY_MAKE
from tests.browser import Browser
from tests.synthetic_study import build_study, synthetic_study


@pytest.fixture(autouse=True, scope="module")
def _in_a_stage_of_make():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MADE_BY_MAKE, "06_figures")
        yield


@pytest.fixture(scope="module")
def synthetic(once, tmp_path_factory):
    """(study, folder): the synthetic study, in a folder of this module's own."""
    study, home = synthetic_study(), tmp_path_factory.mktemp("study")
    shutil.copytree(once("synthetic", build_study), home, dirs_exist_ok=True)
    return study, home / study.folder_name


@pytest.fixture(scope="module")
def reported(synthetic, _in_a_stage_of_make):
    """The synthetic study's results, and its report."""
    results = collect(*synthetic)
    return results, build_report(results)


@pytest.fixture(scope="module")
def page(reported, tmp_path_factory):
    """A browser with that report open."""
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.open(reported[1].resolve().as_uri(), width=1400)
        assert browser.complaints() == []
        yield browser
