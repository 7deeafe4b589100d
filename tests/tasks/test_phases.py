"""Steps of memorisation and generalisation, and runs that never got there."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.tasks.modular.phases import Reached, first_reached, grokked, memorised

ROWS = [
    {"step": 1, "train_acc": 0.1, "test_acc": 0.1},
    {"step": 50, "train_acc": 0.98, "test_acc": 0.0},
    {"step": 100, "train_acc": 0.97, "test_acc": 0.949},
    {"step": 150, "train_acc": 1.0, "test_acc": 0.95},
    {"step": 200, "train_acc": 1.0, "test_acc": 0.2},
]


def test_the_first_step_counts_and_the_bound_is_enough():
    assert memorised(ROWS) == Reached(50, 1, False)
    assert grokked(ROWS) == Reached(150, 100, False)


def test_what_never_comes_is_censored_at_the_last_evaluation():
    assert grokked(ROWS[:3]) == Reached(100, 100, True)
    assert grokked([]) is None
    assert grokked([{"step": 5, "test_acc": None}, {"step": 9, "test_acc": 0.96}]) == Reached(9, 5, False)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_as_counted_by_hand(values, wanted):
    rows = [{"step": 10 * (n + 1), "x": value} for n, value in enumerate(values)]
    there = np.flatnonzero(np.array(values) >= wanted)
    found = first_reached(rows, "x", wanted)
    assert found.censored == (len(there) == 0)
    assert found.step == 10 * (there[0] + 1 if len(there) else len(values))
    assert found.censored or found.after == found.step - 10
