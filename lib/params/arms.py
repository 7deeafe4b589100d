"""Arms: named sets of parameters, one run each, where a run is to differ in several parameters at once.

    arms:
      base: {}
      without_decay: {optim.weight_decay: 0.0}
      wide: {model.width: 1024}
      wide_and_fast: {like: wide, optim.lr: 3e-3}
      half: {time_scale: 2}

A study's file gives them in published units, like its parameters, and they shrink with the profile's scales. An arm
that is `like` another has all that the file gives to that one, and what it sets itself in place of it. A
`time_scale` multiplies the profile's: the same protocol in fewer steps. What a profile adds to an arm is taken as
written, and its `only` names the arms that it has.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, nearest, plain_name
from lib.params.dotted import flatten
from lib.params.run import Params, dotted_names
from lib.params.scaling import scale
from lib.params.study_file import ProfileFile, StudyFile

ARM = "arm"  # the axis that they are


@dataclass(frozen=True)
class Arm:
    """What one arm sets, by dotted name.

    time       published steps for each of its own
    published  in published units
    written    in the run's own
    own        what it sets by itself, and not only the arm that it is like
    """

    time: Fraction
    published: dict[str, Any]
    written: dict[str, Any]
    own: frozenset[str] = frozenset()

    @property
    def names(self) -> set[str]:
        return {*self.published, *self.written}


def arms_of(path: Path, file: StudyFile, prof: ProfileFile, time: Fraction) -> dict[str, Arm]:
    """The arms that a study has at a profile of its own, or of the study that it is laid over.

    Raises: BadInput for an arm of the profile that the study has not.
    """
    beside, only = (prof.arms, prof.only) if prof in (file.profiles or {}).values() else ({}, [])
    for name in [*beside, *only]:
        if name not in file.arms:
            raise BadInput(f"{path}, profiles: {_unknown_arm(name, file.arms)}")
    for name in beside if only else ():
        if name not in only:
            raise BadInput(f"{path}, profiles: arms sets something of {name}, which is not in only")
    found = {}
    for name in file.arms:
        published = _published(path, file, name, ())  # also of arms that are left out: a mistake is one everywhere
        if only and name not in only:
            continue
        written = flatten(beside.get(name, {}), f"{path}, profiles, arms.{name}")
        _check_names(f"{path}, profiles, arms.{name}", written)
        own = frozenset([*flatten(_own(file, name)), *written])
        factor = scale(published.pop("time_scale", 1), "time", f"{path}, arms.{name}")
        if "time_scale" in written:
            raise BadInput(
                f"{path}, profiles: arm {name} has a time_scale; it goes into arms, as a factor of the profile's"
            )
        # What the profile writes need not be a whole number of steps before.
        published = {key: value for key, value in published.items() if key not in written}
        found[name] = Arm(time * factor, published, written, own)
    return found


def _published(path: Path, file: StudyFile, name: str, asked: tuple[str, ...]) -> dict[str, Any]:
    """What the file gives to an arm, and to the one that it is like; `asked` are those that led here."""
    where = f"{path}, arms.{name}"
    if name in asked:
        raise BadInput(f"{where}: like leads back to it, by {' and '.join(asked)}")
    given = flatten(_own(file, name), where)
    _check_names(where, given)
    if (like := file.arms[name].get("like")) is None:
        return given
    if not isinstance(like, str) or like not in file.arms:
        raise BadInput(f"{where}: like: {_unknown_arm(like, file.arms)}")
    return _published(path, file, like, (*asked, name)) | given


def _own(file: StudyFile, name: str) -> dict[str, Any]:
    return {key: value for key, value in file.arms[name].items() if key != "like"}


def _check_names(where: str, given: dict[str, Any]) -> None:
    known = [*dotted_names(Params), "time_scale"]
    for name in given:
        if name not in known:
            raise BadInput(f"{where}: unknown parameter {plain_name(name)}{nearest(name, known)}")


def _unknown_arm(name: Any, arms: dict[str, Any]) -> str:
    known = ", ".join(arms) or "none"
    return f"arm {plain_name(str(name))} is unknown; there are {known}{nearest(str(name), arms)}"


def check_arms(path: Path, arms: dict[str, Arm], axes: dict[str, list[Any]]) -> None:
    """Refuse a parameter that an arm and an axis set."""
    for name, arm in arms.items():
        for parameter in sorted(arm.names & axes.keys()):
            raise BadInput(f"{path}: {parameter} is in axes and in the arm {name}; one of them is meant")
