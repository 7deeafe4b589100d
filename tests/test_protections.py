"""The list of protections names what is really there: each text once, each test by a name that exists."""

import re
from pathlib import Path

import pytest

from tests.faults.protections import ROOT, every_protection


@pytest.mark.parametrize("protection", every_protection(), ids=lambda p: p.what)
def test_a_protection_is_where_the_list_says(protection):
    text = (ROOT / protection.file).read_text(encoding="utf-8")
    assert text.count(protection.old) == 1
    file, _, test = protection.test.partition("::")
    name = re.match(r"\w+", test)[0]
    assert f"def {name}(" in (ROOT / Path(file)).read_text(encoding="utf-8")


def test_help_and_page_say_alike_how_long_the_faults_take():
    places = [(ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "docs/failures.md")]
    said = [re.search(r"make test-faults\b[^()\n]*\(([^)]*)\)", text)[1] for text in places]
    assert said[0] == said[1]
