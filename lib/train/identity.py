"""Which code a run trains with: the loop, and what it asks of the run's own task, model and optimizer."""

from functools import cache
from pathlib import Path

from lib.base.code import reached
from lib.base.files import content_hash
from lib.params.members import LIB, ROOMS, metric_files, metrics_in, module_paths
from lib.params.run import Params

GENERATORS = ("storyworld/",)


def member_paths(p: Params) -> tuple[Path, ...]:
    """The files of the run's task, model and optimizer, and those of their parameters."""
    files = [place for section in ROOMS for place in module_paths(section, getattr(p, section).name)]
    return tuple(dict.fromkeys(files))


def training_code(p: Params) -> str:
    """One hash of all of it."""
    return content_hash(training_definitions(member_paths(p), watched(p)))


def watched(p: Params) -> tuple[tuple[Path, str], ...]:
    """(file, name) of the metrics that a run measures inside its loop."""
    wanted = {name for name, every in p.train.watch.items() if every}
    files = metric_files(p.task.name) if wanted else []
    return tuple((file, name) for file in files for name in sorted(wanted & metrics_in(file).keys()))


@cache
def training_definitions(members: tuple[Path, ...], metrics: tuple[tuple[Path, str], ...] = ()) -> dict[str, str]:
    """'file: name' -> hash of every definition that training reaches."""
    # The generator of stories counts with the data: `Parameters.data_key`.
    return reached([(LIB / "train" / "loop.py", "train"), *metrics], members, without=GENERATORS)


@cache
def branching_definitions(members: tuple[Path, ...], metrics: tuple[tuple[Path, str], ...] = ()) -> dict[str, str]:
    """The same of branches: of their training, and of which there are."""
    roots = [(LIB / "train" / "branch.py", "branches"), (LIB / "params" / "branches.py", "Branches")]
    return reached([*roots, *metrics], members, without=GENERATORS)
