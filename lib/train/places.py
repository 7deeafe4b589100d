"""Where things lie in a study's folder and beside it."""

import os
from pathlib import Path

SUPERSEDED, BRANCHES, STORE = "superseded", "branches", "corpora"
BY_HAND = "by_hand"  # in a run's or a study's folder: what notebooks left that make did not execute
MADE_BY_MAKE = "BACKBONE_STAGE"  # in the environment of a kernel: the stage that make executes in it


def results_place(folder: Path) -> Path:
    """Where a notebook writes what it makes of a run or a study: beside, never over, what make made."""
    return folder if MADE_BY_MAKE in os.environ else folder / BY_HAND


def data_store(run: Path) -> Path:
    """The prepared data of the study that `run` is in, be it a run, a superseded one or a branch of either."""
    at = run.resolve()
    while True:
        home = at.parent
        if home.name == BRANCHES:
            at = home.parent  # a run, or by_hand in it
        elif home.name == SUPERSEDED and home.parent.name == BRANCHES:
            at = home.parent.parent
        elif home.name == SUPERSEDED:
            return home.parent.parent / STORE
        elif at.name == BY_HAND:
            at = home
        else:
            return home.parent / STORE
