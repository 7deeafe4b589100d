"""Where the levels of an axis lie when a trend is fitted through them."""

import math
import re

import pytest

from lib.base.errors import BadInput
from lib.report.axis import Axis


def positions(spacing, levels):
    return Axis(parameter="optim.lr", name="lr", symbol="lr", spacing=spacing).positions(levels)


@pytest.mark.parametrize(
    ("spacing", "levels", "expected"),
    [
        ("even", [0.99, 0.8, 0.0], [0.0, 1.0, 2.0]),
        ("even", ["raw", "averaged"], [0.0, 1.0]),
        ("linear", [1, 3, 10], [1.0, 3.0, 10.0]),
        ("log", [1e-3, 1e-2, 1.0], [math.log(1e-3), math.log(1e-2), 0.0]),
        ("log(1-x)", [0.99, 0.9, 0.0], [math.log(0.01), math.log(0.1), 0.0]),
    ],
)
def test_levels_lie_where_the_spacing_says(spacing, levels, expected):
    assert positions(spacing, levels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spacing", "levels"), [("log", [0.0, 1.0]), ("log(1-x)", [0.9, 1.0]), ("linear", ["raw", "averaged"])]
)
def test_a_level_without_a_place_is_one_sentence(spacing, levels):
    with pytest.raises(BadInput, match=re.escape(f"lr: a spacing of {spacing} has no place")):
        positions(spacing, levels)
