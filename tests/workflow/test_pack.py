"""A packed study: small, sealed, and enough for the paper's numbers."""

import json
import shutil

import pytest

from lib.base.errors import BadInput
from lib.report.reader import collect
from lib.report.summary import verdicts_of
from lib.workflow.pack import MANIFEST, pack, packed_arguments, unpack
from tests.study_folder import smoke_study, write_reheat, write_study

ARGUMENTS = {"study": "beta2", "profile": "smoke", "overrides": ""}


@pytest.fixture
def packed(tmp_path):
    study, folder, target = smoke_study(), tmp_path / "beta2-smoke", tmp_path / "results" / "beta2-smoke"
    write_study(folder, study)
    write_reheat(folder, study, 0.95, 0.1)
    for run in study.runs:
        (folder / run.name / "snapshots").mkdir(exist_ok=True)
        (folder / run.name / "snapshots" / "000000.safetensors").write_bytes(b"weights")
    pack(study, folder, target, ARGUMENTS)
    return study, folder, target


def verdicts(study, folder):
    return [v.record("beta2") for v in verdicts_of(collect(study, folder))]


def test_verdicts_from_a_packed_study_are_those_of_its_folder(packed, tmp_path):
    study, folder, target = packed
    unpack(target, tmp_path / "again")
    assert verdicts(study, tmp_path / "again") == verdicts(study, folder)
    assert packed_arguments(target) == ARGUMENTS


def test_snapshots_do_not_travel(packed):
    assert not list(packed[2].rglob("*.safetensors"))


def test_packing_again_replaces_and_leaves_nothing_beside(packed):
    study, folder, target = packed
    was = {path.relative_to(target) for path in target.rglob("*")}
    (folder / study.runs[0].name / "analysis" / "backbone.json").unlink()
    pack(study, folder, target, ARGUMENTS)
    now = {path.relative_to(target) for path in target.rglob("*")}
    assert {str(path) for path in was - now} == {f"{study.runs[0].name}/analysis/backbone.json"}
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_packing_takes_the_place_of_nothing_else(packed):
    study, folder, target = packed
    (target / "notes.txt").write_text("of somebody")
    with pytest.raises(BadInput, match=r"notes\.txt is there and is no part of a packed study.*TO="):
        pack(study, folder, target, ARGUMENTS)
    assert (target / "notes.txt").read_text() == "of somebody"
    assert packed_arguments(target) == ARGUMENTS


def test_unpacking_replaces_runs_that_lay_there(packed, tmp_path):
    study, _, target = packed
    stale = tmp_path / "again" / study.runs[0].name / "analysis" / "old.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    unpack(target, tmp_path / "again")
    assert not stale.exists()


def test_the_file_of_a_study_of_ones_own_goes_along(packed, tmp_path):
    study, folder, _ = packed
    own = tmp_path / "my.yaml"
    own.write_text("study: beta2\n")
    target = tmp_path / "results" / "own"
    pack(study, folder, target, ARGUMENTS | {"study": str(own)})
    assert packed_arguments(target)["study"] == str(target / "study.yaml")
    assert (target / "study.yaml").read_text() == own.read_text()


def damage(target, what):
    manifest = json.loads((target / MANIFEST).read_text())
    name = next(iter(manifest["files"]))
    if what == "changed":
        (target / name).write_text("other")
    elif what == "missing":
        (target / name).unlink()
    elif what == "outside":
        manifest["files"]["../../stolen"] = "0"
        (target / MANIFEST).write_text(json.dumps(manifest))
    elif what == "keys":
        (target / MANIFEST).write_text("[]")
    elif what == "no manifest":
        (target / MANIFEST).unlink()
    elif what == "no JSON":
        (target / MANIFEST).write_text("{")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("changed", "is not the one that was packed"),
        ("missing", "is missing"),
        ("outside", "lies outside the packed study"),
        ("keys", "must have study, profile, overrides and files"),
        ("no manifest", "is no packed study"),
        ("no JSON", "cannot be read"),
    ],
)
def test_a_damaged_pack_is_refused_and_nothing_is_laid_out(packed, tmp_path, what, sentence):
    damage(packed[2], what)
    with pytest.raises(BadInput, match=sentence):
        unpack(packed[2], tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_that_is_gone_is_named(tmp_path):
    shutil.rmtree(tmp_path / "nowhere", ignore_errors=True)
    with pytest.raises(BadInput, match="nowhere: this is no packed study"):
        packed_arguments(tmp_path / "nowhere")
