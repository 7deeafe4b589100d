"""The report writes as in a stage that make executes: over what is there, not beside it."""

import pytest

from lib.train.places import MADE_BY_MAKE


@pytest.fixture(autouse=True, scope="module")
def _in_a_stage_of_make():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MADE_BY_MAKE, "06_figures")
        yield
