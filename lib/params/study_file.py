"""What a study's file says, `params/<study>.yaml`, and which studies there are."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lib.base.errors import BadInput, nearest, plain_name
from lib.base.files import ROOT
from lib.base.yaml_text import read_yaml
from lib.params.dotted import flatten
from lib.params.fields import Steps, Strict
from lib.params.run import validate

PARAMS_FOLDER = ROOT / "params"
DEFAULT_PROFILE = "laptop"
MOST_SEEDS = 1000
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=100)]
StageName = Annotated[str, Field(pattern=r"^[0-9]{2}_[a-z0-9_]+$", max_length=50)]
ArmName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=50)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]
Chosen = dict[str, Annotated[list[Any], Field(min_length=1)]]


class StageFile(Strict):
    of: Literal["run", "study"] = Field("run", description="what the notebook is executed for")
    notebook: FileName = Field("", description="below notebooks/, where it is not the study's own of this name")
    needs: list[StageName] = Field([], description="stages whose results it reads")
    makes: list[FileName] = Field([], description="files that it leaves, besides the notebook and its figures")
    where: Chosen = Field({}, description="values of parameters: only runs that have one of them")
    branches: str = Field("", description="the branches that it trains")
    alone: bool = Field(False, description="a job of its own, beside those of the run's other stages")
    parameters: dict[str, Any] = Field({}, description="of the notebook; those named steps are published steps")


class FurtherFile(Strict):
    """What seeds after the first have of the branches, where that is less."""

    snapshots: Annotated[list[Steps], Field(min_length=1)]
    vary: Chosen


class BranchFile(Strict):
    """Short runs that start from snapshots of a run: one for each arm and value of `vary`."""

    where: Chosen = Field({}, description="values of parameters: only runs that have one of them")
    name: str = Field(description="pattern of its folder; {step} is the snapshot's, {state} fresh or restored")
    snapshots: list[Steps] = Field(description="steps they start from")
    vary: Chosen = Field({}, description="parameters that differ between the branches")
    arms: dict[ArmName, dict[str, Any]] = Field({}, description="named sets of parameters, a branch of each")
    steps: Steps
    warmup: Steps
    eval_every: Steps
    set: dict[str, Any] = Field({}, description="parameters that differ from the parent's")
    further: FurtherFile | None = Field(None, description="what seeds after the first have of it; all, without")


class ProfileFile(Strict):
    """A size. Its `set` is laid over that of a profile that it is like; what else it says is in place of that."""

    like: str | None = Field(None, description="a profile of this file, for all that it does not say itself")
    time_scale: int | str = 1
    context_scale: int | str = 1
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 1
    set: dict[str, Any] = {}
    arms: dict[str, dict[str, Any]] = Field({}, description="what arms set besides, as written")
    only: list[str] = Field([], description="the arms that it has; all of them, without")
    stages: dict[str, dict[str, Any]] = Field({}, description="parameters of stages")


class StudyFile(Strict):
    """A params file. A user's grid needs `study` and `axes` or `arms`; the rest is that of the study in `base`."""

    study: Name
    main: bool = Field(False, description="the study that is meant where none is named")
    base: Name | None = Field(None, description="the study it is laid over; without one the main study")
    question: str = ""
    axes: Chosen = {}
    arms: dict[ArmName, dict[str, Any]] = Field({}, description="named sets of parameters, one run each")
    set: dict[str, Any] = {}
    params: dict[str, Any] | None = None
    run_name: str | None = None
    profiles: dict[str, ProfileFile] | None = None
    stages: dict[StageName, StageFile] | None = None
    branches: dict[str, BranchFile] = {}

    @model_validator(mode="after")
    def _asks_something(self) -> "StudyFile":
        if not self.model_fields_set & {"axes", "arms"}:
            raise ValueError("the key axes is missing, and so is arms: a study has one or both")
        return self

    @field_validator("profiles")
    @classmethod
    def _profiles_like_others(cls, profiles: dict[str, ProfileFile] | None) -> dict[str, ProfileFile] | None:
        return profiles and {name: _whole_profile(profiles, name, ()) for name in profiles}


def _whole_profile(profiles: dict[str, ProfileFile], name: str, asked: tuple[str, ...]) -> ProfileFile:
    """A profile with what it has from the one that it is like; `asked` are those that led here."""
    mine = profiles[name]
    if mine.like is None:
        if "time_scale" not in mine.model_fields_set:
            raise ValueError(f"the key time_scale of {name} is missing")
        return mine
    if mine.like not in profiles:
        there = f"there are {', '.join(profiles)}{nearest(mine.like, profiles)}"
        raise ValueError(f"{name} is like {plain_name(mine.like)}, which is no profile of this file; {there}")
    if mine.like in (*asked, name):
        raise ValueError(f"{name} is like itself, by {' and '.join((*asked, name))}")
    theirs = _whole_profile(profiles, mine.like, (*asked, name))
    given = {field: getattr(mine, field) for field in mine.model_fields_set}
    below, above = (flatten(x.set, f"profiles.{n}.set") for n, x in ((mine.like, theirs), (name, mine)))
    return theirs.model_copy(update=given | {"set": below | above})


def study_path(study: str) -> Path:
    if study.endswith((".yaml", ".yml")):
        return Path(study)
    path = Path(os.path.relpath(PARAMS_FOLDER / f"{study}.yaml"))  # as a reader of messages knows it
    if not path.is_file():
        raise BadInput(f"STUDY={study}: {path} does not exist{nearest(study, study_names())}")
    return path


def study_names() -> list[str]:
    """The studies of params/, the main one first."""
    names = sorted(path.stem for path in PARAMS_FOLDER.glob("*.yaml"))
    return sorted(names, key=lambda name: name != main_study())


@cache
def main_study() -> str:
    """The study whose file says `main: true`."""
    found = [
        path.stem
        for path in sorted(PARAMS_FOLDER.glob("*.yaml"))
        if re.search(r"^main: *true\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    if len(found) != 1:
        raise BadInput(f"{PARAMS_FOLDER}: exactly one study must say main: true, here {len(found)} do")
    return found[0]


@cache
def _read_study_file(path: Path, version: tuple[int, int]) -> StudyFile:
    return validate(StudyFile, read_yaml(path, "study"), str(path))


def read_study_file(path: Path) -> StudyFile:
    """A study's file, checked; read once for every version of it."""
    try:
        now = path.stat()
    except OSError:
        raise BadInput(f"{path}: there is no such study") from None
    return _read_study_file(path, (now.st_size, now.st_mtime_ns))


def base_study(file: StudyFile) -> StudyFile:
    base = read_study_file(study_path(file.base or main_study()))
    if base.params is None:
        raise BadInput(f"base: {base.study} has no params of its own; name the study that it is laid over")
    return base


def find_profile(path: Path, file: StudyFile, base: StudyFile, name: str) -> ProfileFile:
    profiles = (base.profiles or {}) | (file.profiles or {})
    if name not in profiles:
        raise BadInput(
            f"PROFILE={name}: unknown profile; {path} has {', '.join(profiles)}{nearest(name, profiles)}"
        )
    return profiles[name]
