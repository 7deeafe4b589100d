"""Stages and branches in the steps of a study's runs: its file has published steps, a profile and SET have not."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, nearest, plain_name, shown
from lib.base.files import ROOT
from lib.params.branches import Branches
from lib.params.fields import LARGEST
from lib.params.run import validate
from lib.params.scaling import each, exactly, scaled
from lib.params.study_file import (
    BranchFile,
    ProfileFile,
    StudyFile,
    read_study_file,
    study_path,
)

NOTEBOOKS = ROOT / "notebooks"
STEPS_NAME = re.compile(r"(.*_)?steps$")  # parameters of stages that are published steps


@dataclass(frozen=True)
class Stage:
    """A notebook that is executed for every run, or once for the study.

    name        as in the study's file
    notebook    the jupytext file
    needs       names of the stages whose results it reads
    makes       files that it leaves, relative to the folder of the run or of the study
    parameters  of the notebook, in the run's own steps
    """

    name: str
    notebook: Path
    of_study: bool
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    where: dict[str, list[Any]]
    branches: str
    alone: bool
    parameters: dict[str, Any]

    @property
    def trains(self) -> bool:
        """The stage that everything else needs is the one that trains."""
        return not self.needs and not self.of_study


def resolved_stages(
    path: Path, file: StudyFile, base: StudyFile, prof: ProfileFile, time: Fraction, beside: dict[str, Any]
) -> list[Stage]:
    """The stages with their parameters: the study's in published steps, the profile's and SET's as given."""
    stages = file.stages if file.stages is not None else base.stages or {}
    homes = [file.study, base.study] if file.stages is not None else [base.study]
    of_profile = prof.stages
    if file.stages is not None and prof not in (file.profiles or {}).values():
        # A profile of the base may speak of what the stages of a study of its own have not.
        of_profile = {
            name: {key: value for key, value in given.items() if key in stages[name].parameters}
            for name, given in prof.stages.items()
            if name in stages
        }
    for where, given in ((f"{path}, profiles", of_profile), ("SET", beside)):
        for name in given:
            if name not in stages:
                raise BadInput(_unknown(f"{where}: stage {name}", name, list(stages)))
    resolved = []
    for name, stage in stages.items():
        for needed in stage.needs:
            if needed not in stages or list(stages).index(needed) >= list(stages).index(name):
                raise BadInput(f"{path}, stages.{name}: needs {needed}, which is no stage before it")
        parameters = scaled_steps(stage.parameters, time, f"{path}, stages.{name}")
        check_values(parameters, f"{path}, stages.{name}")
        for where, given in ((f"{path}, profiles", of_profile.get(name, {})), ("SET", beside.get(name, {}))):
            for key in given:
                if key not in parameters:
                    raise BadInput(_unknown(f"{where}: stages.{name}.{key}", key, list(parameters)))
            check_values(given, f"{where}: stages.{name}")
            parameters |= given
        resolved.append(
            Stage(
                name=name,
                notebook=notebook_path(homes, stage.notebook or name, f"{path}, stages.{name}"),
                of_study=stage.of == "study",
                needs=tuple(stage.needs),
                makes=tuple(stage.makes),
                where=stage.where,
                branches=stage.branches,
                alone=stage.alone,
                parameters=parameters,
            )
        )
    return resolved


def scaled_steps(parameters: dict[str, Any], time: Fraction, where: str) -> dict[str, Any]:
    """Parameters of a notebook, those named steps in the run's own steps."""
    return {
        key: each(value, lambda v, key=key: exactly(v, time, key, where)) if STEPS_NAME.match(key) else value
        for key, value in parameters.items()
    }


def notebook_path(studies: list[str], name: str, where: str) -> Path:
    """The study's own notebook of this name, that of the study it is laid over, or the shared one."""
    places = [*(NOTEBOOKS / study / f"{name}.py" for study in studies), NOTEBOOKS / f"{name}.py"]
    for path in places:
        if path.is_file():
            return path
    known = sorted({p.stem for place in places for p in place.parent.glob("[0-9]*.py")})
    raise BadInput(f"{where}: there is no notebook {name}; there are {', '.join(known)}{nearest(name, known)}")


def resolved_branches(path: Path, file: StudyFile, time: Fraction, beside: dict[str, Any]) -> dict[str, Branches]:
    for name in beside:
        if name not in file.branches:
            raise BadInput(f"SET names branches.{name}, and {path} has {', '.join(file.branches) or 'no branches'}")
    found = {}
    for name, branch in file.branches.items():
        where = f"{path}, branches.{name}"
        if branch.further:
            _check_further(branch, where)
        values = scaled(branch.model_dump(), BranchFile, time, Fraction(1), where) | beside.get(name, {})
        checked = validate(BranchFile, values, where)
        if checked.warmup >= checked.steps:
            raise BadInput(f"{where}: warmup = {checked.warmup} must end before steps = {checked.steps}")
        for values in (checked.set | checked.vary, *checked.arms.values()):
            check_values(values, where)
        found[name] = Branches(**checked.model_dump())
    return found


def _check_further(branch: BranchFile, where: str) -> None:
    """Raises: BadInput for a snapshot or a value that the first seed's branches have not."""
    for what, given, known in (
        ("snapshots", branch.further.snapshots, branch.snapshots),
        *((plain_name(name), values, branch.vary.get(name, [])) for name, values in branch.further.vary.items()),
    ):
        if odd := [value for value in given if value not in known]:
            raise BadInput(f"{where}: further.{what} = {shown(odd[0])}, of the first seed there are {shown(known)}")


def check_values(values: dict[str, Any], where: str) -> None:
    """Refuse what JSON does not have, since it is written down as that; and steps that are no whole numbers."""
    for name, value in values.items():
        steps = value if isinstance(value, list) else [value]
        if STEPS_NAME.match(name) and not all(type(step) is int for step in steps):
            raise BadInput(f"{where}: {name} = {shown(value)}: expected whole numbers of steps")
        if not is_plain(value):
            raise BadInput(
                f"{where}: {plain_name(name)} = {shown(value)}: expected words, true, false, null, numbers of at "
                f"most {LARGEST}, and lists of these"
            )


def is_plain(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    return value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def scaled_branches(study: str, time: Fraction) -> Branches:
    """The first branches of a study's file, for runs whose steps are `time` published ones."""
    path = study_path(study)
    found = resolved_branches(path, read_study_file(path), time, {})
    if not found:
        raise BadInput(f"{path}: this study names no branches")
    return next(iter(found.values()))


def _unknown(what: str, given: str, known: list[str]) -> str:
    return f"{what} is unknown; there are {', '.join(known) or 'none'}{nearest(given, known)}"
