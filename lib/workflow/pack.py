"""A study's results as a few megabytes: what the paper is made from, to keep, to send, or to commit.

A packed study holds every run's parameters, record, evaluations, digest and analyses, and none of the
snapshots that they were measured on; `study.json` names the study and seals every file. The paper, the
report and the claims can be made from it without training anything: `make paper FROM=results/STUDY-paper`.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, plain_name
from lib.base.files import ROOT, json_text, write_atomically
from lib.params.study import Study
from lib.train.places import BRANCHES
from lib.train.run_record import run_record

MANIFEST, STUDY_FILE = "study.json", "study.yaml"
PACKED = ROOT / "results"
# Of every run and every branch of it, besides the files of its data.
RUN_FILES = ("params.yaml", "run.json", "pilot_metrics.json", "metrics.jsonl", "watch.parquet", "digest.npz")


def pack(study: Study, folder: Path, target: Path, arguments: dict[str, str]) -> int:
    """Copy what the paper needs from a study's folder to `target`, whole or not at all; returns the bytes.

    `arguments` are study, profile and overrides as the command line gave them; a study's own file goes along.
    """
    target = target.resolve()
    _refuse_others(target)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    files = {}
    for run in study.runs:
        home = folder / run.name
        places = [home, *sorted(path.parent for path in home.glob(f"{BRANCHES}/*/run.json"))]
        names = {place: (*RUN_FILES, *run_record(place).data_files) for place in places}
        found = [place / name for place in places for name in names[place] if (place / name).is_file()]
        for path in [*found, *sorted(home.glob("analysis/*.json"))]:
            name = str(path.relative_to(folder))
            files[name] = path.read_bytes()
    if Path(arguments["study"]).suffix:
        files[STUDY_FILE] = Path(arguments["study"]).read_bytes()
        arguments = {**arguments, "study": STUDY_FILE}
    seals = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name, data in {**files, MANIFEST: json_text({**arguments, "files": seals})}.items():
        write_atomically(part / name, data)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return sum(map(len, files.values()))


def _refuse_others(target: Path) -> None:
    """Refuse to take the place of anything that is not a packed study and nothing besides."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    known = {MANIFEST, *read_manifest(target)["files"]} if (target / MANIFEST).is_file() else set()
    others = [path for path in sorted(target.rglob("*")) if path.is_file() or path.is_symlink()]
    others = [path for path in others if str(path.relative_to(target)) not in known]
    if others or not target.is_dir():
        what = others[0].relative_to(target) if others else "it"
        raise BadInput(f"{target}: {what} is there and is no part of a packed study; name another place with TO=")


def packed_arguments(source: Path) -> dict[str, str]:
    """Study, profile and overrides of a packed study, as the command line takes them."""
    manifest = read_manifest(source)
    study = manifest["study"]
    return {
        "study": str(source / study) if study == STUDY_FILE else study,
        "profile": manifest["profile"],
        "overrides": manifest["overrides"],
    }


def unpack(source: Path, folder: Path) -> None:
    """Lay a packed study out as a study's folder, replacing what lay there; raises BadInput when it is damaged."""
    manifest = read_manifest(source)
    for name, digest in manifest["files"].items():
        path = source / name
        if not path.is_file():
            raise BadInput(f"{path}: this file of the packed study is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise BadInput(f"{path}: this file is not the one that was packed; its digest differs")
    runs = [name for name in manifest["files"] if name != STUDY_FILE]
    for run in {Path(name).parts[0] for name in runs}:
        shutil.rmtree(folder / run, ignore_errors=True)
    for name in runs:
        write_atomically(folder / name, (source / name).read_bytes())


def read_manifest(source: Path) -> dict[str, Any]:
    """The manifest of a packed study, whose names stay inside its folder."""
    path = source / MANIFEST
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: this is not a file")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{source}: this is no packed study, it has no {MANIFEST}; make pack writes one") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: this manifest cannot be read ({error})") from None
    given = manifest if isinstance(manifest, dict) else {}
    texts = [given.get(key) for key in ("study", "profile", "overrides")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(given.get("files"), dict):
        raise BadInput(f"{path}: this manifest must have study, profile, overrides and files")
    for name in given["files"]:
        parts = Path(name).parts
        if Path(name).is_absolute() or ".." in parts:
            raise BadInput(f"{path}: {plain_name(name)} lies outside the packed study")
        if not name.isprintable() or (len(parts) < 2 and name != STUDY_FILE):
            raise BadInput(f"{path}: {plain_name(name)} is no file of a run")
    return given
