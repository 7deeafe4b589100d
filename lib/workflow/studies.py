"""All studies together: which there are, making every one, and beginning a new one from one that is there."""

import os
import re
import shutil
import textwrap
from functools import partial
from pathlib import Path

from lib.base.errors import BadInput, nearest, shown
from lib.base.files import ROOT, write_atomically
from lib.params.stages import NOTEBOOKS
from lib.params.study import load_study
from lib.params.study_file import PARAMS_FOLDER, read_study_file, study_names, study_path
from lib.report.paper_folder import PAPERS, PaperFolder, paper_folder
from lib.train.run_record import run_record
from lib.workflow.pack import MANIFEST, PACKED
from lib.workflow.queue import asked, make
from lib.workflow.status import table

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
TAKEN = ("build",)  # names of folders in paper/ that are no study's
# How the files of a study speak of it.
PLACES = ("paper.{}", "paper/{}/", "notebooks/{}/", "params/{}.yaml", "claims {}", "STUDY={}")
PLACES += ('study="{}"', 'study: str = "{}"', 'load_study("{}"')


def studies_table(outputs: Path) -> str:
    """Every study: its question, its size at each profile, what there is of it in `outputs`, and what is packed."""
    lines = []
    for name in study_names():
        file = read_study_file(study_path(name))
        lines += [
            f"{name}{'  (meant where no study is named)' if file.main else ''}",
            *textwrap.wrap(_sentence(file.question), 100, initial_indent="    ", subsequent_indent="    "),
        ]
        rows = [["profile", "runs", "steps", "stages", "paper", "state", "packed"]]
        for profile in profiles_of(name):
            study = load_study(name, profile)
            paper, packed = paper_folder(study), PACKED / study.folder_name
            steps = sorted({run.params.schedule.steps for run in study.runs})
            rows.append(
                [
                    profile,
                    str(len(study.runs)),
                    "-".join(map(str, (steps[0], steps[-1])[: len(steps)])),
                    str(sum(len(study.stages_of(run)) for run in study.runs)),
                    "yes" if paper.has_text else "no",
                    _state(outputs / study.folder_name, [run.name for run in study.runs]),
                    os.path.relpath(packed) if (packed / MANIFEST).is_file() else "-",
                ]
            )
        lines += [f"    {line}" for line in table(rows).splitlines()]
    return "\n".join([*lines, "", "make paper FROM= writes the paper of what is packed, and trains nothing"])


def profiles_of(name: str) -> list[str]:
    """The profiles of a study, its own or those of the study that it is laid over."""
    file = read_study_file(study_path(name))
    if file.params is None:
        base = read_study_file(study_path(file.base or study_names()[0]))
        return list((base.profiles or {}) | (file.profiles or {}))
    return list(file.profiles or {})


def _sentence(question: str) -> str:
    text = " ".join(question.split())
    return text or "(no question)"


def _state(folder: Path, runs: list[str]) -> str:
    """How many of its runs are there, finished or diverged; from their records alone."""
    ended = sum(run_record(folder / name).ended for name in runs)
    if not ended:
        return "-"
    return "trained" if ended == len(runs) else f"{ended} of {len(runs)} runs"


def make_everything(profile: str, overrides: str, outputs: Path) -> int:
    """`make all` of every study that has the profile, one after another; returns 1 if any failed."""
    failed = []
    # A paper that takes a section from another study comes after it.
    for name in sorted(study_names(), key=lambda name: bool(PaperFolder(PAPERS / name).sections)):
        if profile not in profiles_of(name):
            print(f"{name}: it has no profile {profile}; there are {', '.join(profiles_of(name))}", flush=True)
            continue
        a = asked({"study": name, "profile": profile, "overrides": overrides}, outputs)
        failed += [name] if make(a, runs_only=False) else []
    return 1 if failed else 0


# ---------------------------------------------------------------------------------------------------- a new study


def new_study(name: str, source: str) -> list[Path]:
    """Write params/<name>.yaml, notebooks/<name>/ and paper/<name>/ after those of `source`; returns the files.

    Everything in them is a copy under the new name, and builds at once; nothing that is there is written over.
    What a study has from one that it is laid over, its copy has from there too.

    Raises: BadInput for a name that is none, or taken, and for a source that is no study.
    """
    if not NAME.fullmatch(name) or name in TAKEN:
        raise BadInput(f"NAME={shown(name)}: a study's name is small letters, digits and _, as in width or width_2")
    study = load_study(source, profiles_of(source)[0]) if source in study_names() else None
    if study is None:
        hint = nearest(source, study_names())
        raise BadInput(f"FROM={shown(source)}: there is no such study; there are {', '.join(study_names())}{hint}")
    file = read_study_file(study.file)
    renamed = partial(_renamed, name=name, source=source, main=file.main)
    files = {PARAMS_FOLDER / f"{name}.yaml": _params_text(study.file.read_text(encoding="utf-8"), name, source)}
    for stage in study.stages:
        if file.params is not None or stage.notebook.parent == NOTEBOOKS / source:
            files[NOTEBOOKS / name / f"{stage.name}.py"] = renamed(stage.notebook.read_text(encoding="utf-8"))
    for path in paper_folder(study).files():
        files[PAPERS / name / path.name] = renamed(path.read_text(encoding="utf-8"))
    for path in (PARAMS_FOLDER / f"{name}.yaml", NOTEBOOKS / name, PAPERS / name):
        if path.exists():
            raise BadInput(f"NAME={name}: {path.relative_to(ROOT)} is there already; choose another name")
    try:
        for path, text in files.items():
            write_atomically(path, text)
    except BaseException:
        for path in (NOTEBOOKS / name, PAPERS / name):
            shutil.rmtree(path, ignore_errors=True)
        (PARAMS_FOLDER / f"{name}.yaml").unlink(missing_ok=True)
        raise
    return list(files)


def _params_text(text: str, name: str, source: str) -> str:
    """The params file under its new name; only one study can be the main one."""
    text = re.sub(r"^main: *true.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^study: *{source}\b", f"study: {name}", text, flags=re.MULTILINE)
    return re.sub(r"^run_name: *\"[a-z]+_", f'run_name: "{name}_', text, flags=re.MULTILINE)


def _renamed(text: str, name: str, source: str, main: bool) -> str:
    """What a notebook or a module of a paper says of its own place, under the new name."""
    for place in PLACES:
        text = text.replace(place.format(source), place.format(name))
    if not main:
        return text
    # Notebooks of the main study lie in notebooks/ itself, and need not name it.
    text = re.sub(r"(?<![\w.])(playground|trained)\(\)", rf'\1(study="{name}")', text)
    return re.sub(r"notebooks/(\d\d_\w+\.py)", rf"notebooks/{name}/\1", text)
