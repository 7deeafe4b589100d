"""Where things lie in a study's folder and beside it."""

from pathlib import Path

SUPERSEDED, BRANCHES, STORE = "superseded", "branches", "corpora"


def data_store(run: Path) -> Path:
    """The prepared data of the study that `run` is in, be it a run, a superseded one or a branch of either."""
    run = run.resolve()
    if run.parent.name == BRANCHES:
        run = run.parents[1]
    study = run.parents[1] if run.parent.name == SUPERSEDED else run.parent
    return study.parent / STORE
