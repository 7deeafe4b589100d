"""Tensors on disk: whole or not at all, checked when read, and nothing in a foreign file is ever run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import ROOT, json_text, snapshot_path, write_atomically
from lib.base.snapshots import open_snapshots, snapshot_digest
from lib.base.tensors import load_tensors, save_tensors, tensors_digest, write_snapshot
from lib.models.gpt import build_model


def some_tensors(seed=0):
    random = torch.Generator().manual_seed(seed)
    return {
        "b": torch.randn(3, 4, generator=random),
        "a": torch.randn(5, generator=random, dtype=torch.float64),
        "empty": torch.zeros(0, 2),
        "half": torch.randn(7, generator=random).bfloat16(),
        "step": torch.tensor(12.0),
    }


# ---------------------------------------------------------------------------------------------------- writing


def test_write_replaces_text_and_bytes(tmp_path):
    path = tmp_path / "new" / "f.txt"
    for data in ("one é", b"\0two", ""):
        write_atomically(path, data)
        assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
        assert os.listdir(path.parent) == ["f.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("size", [10, 10**6])
def test_a_full_disk_leaves_the_old_file(size, tmp_path, full_disk):
    path = tmp_path / "f.bin"
    write_atomically(path, b"old")
    with full_disk(), pytest.raises(BadInput, match="the disk is full") as caught:
        write_atomically(path, b"x" * size)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f.bin"]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_write_beyond_the_limit_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.bin"
    write_atomically(path, b"old")
    code = (
        "import resource, sys; from pathlib import Path; from lib.base.files import write_atomically; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "write_atomically(Path(sys.argv[1]), b'x' * 5000)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "the limit on the size of files" in done.stderr
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f.bin"]


def test_equal_tensors_are_equal_bytes(tmp_path):
    metadata = {"step": "3", "run": "r", "z": "1"}
    for name in "ab":
        save_tensors(tmp_path / name, some_tensors(), dict(reversed(metadata.items())) if name == "b" else metadata)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_come_back_as_they_were(tmp_path):
    tensors = some_tensors() | {"view": torch.arange(12.0).view(3, 4).T}
    digest = save_tensors(tmp_path / "t", tensors, {"run": "r"})
    loaded, metadata = load_tensors(tmp_path / "t")
    assert metadata == {"run": "r", "digest": digest}
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype and torch.equal(loaded[name], tensor)
    assert snapshot_digest(tmp_path / "t") == digest == tensors_digest(tensors)


def test_digest_is_of_names_and_values():
    tensors = some_tensors()
    assert tensors_digest(dict(reversed(tensors.items()))) == tensors_digest(tensors)
    assert tensors_digest({**tensors, "b": tensors["b"] + 1e-7}) != tensors_digest(tensors)
    assert tensors_digest({"c": tensors["b"]}) != tensors_digest({"b": tensors["b"]})


# ---------------------------------------------------------------------------------------------------- reading


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "t"
    save_tensors(path, some_tensors(), {"run": "r"})
    data = path.read_bytes()
    for cut in (0, 4, 8, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(BadInput, match="truncated or damaged"):
            load_tensors(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(BadInput):
        load_tensors(path)
    path.unlink()
    with pytest.raises(BadInput, match="there is no such file"):
        load_tensors(path)


def test_every_flipped_bit_is_noticed(tmp_path):
    # Also in the header: the step and the progress of a run are there.
    path = tmp_path / "t"
    save_tensors(path, {"w": torch.randn(4)}, {"run": "r", "progress": '{"step": 12, "loss": 0.5}'})
    data = path.read_bytes()
    for at in range(len(data)):
        for bit in (1, 16, 32):
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            with pytest.raises(BadInput):
                load_tensors(path)


def test_tensors_of_other_code_are_no_snapshot(tmp_path):
    import safetensors.torch

    safetensors.torch.save_file({"w": torch.zeros(2)}, tmp_path / "t")
    with pytest.raises(BadInput, match="not those that were written"):
        load_tensors(tmp_path / "t")
    with pytest.raises(BadInput, match="not a whole-model snapshot"):
        snapshot_digest(tmp_path / "t")
    with pytest.raises(BadInput, match="not a whole-model snapshot"):
        snapshot_digest(tmp_path / "none")


@pytest.fixture(scope="module")
def models(smoke):
    """Three models with the twelve blocks that make text order and block order differ."""
    deep = smoke.model.model_copy(update={"layers": 12, "width": 8, "ff": 16})
    return {step: build_model(deep, 300, step) for step in (0, 200, 1000)}


def test_snapshots_of_a_run_open_lazily(models, tmp_path):
    trunk = list(models[0].trunk())
    for step, model in models.items():
        tensors = dict(model.named_parameters()) if step == 200 else model.trunk()
        write_snapshot(tmp_path, step, tensors, "r", trunk)
    assert snapshot_path(tmp_path, 200).name == "000200.safetensors"
    snapshots = open_snapshots(tmp_path)
    assert snapshots.steps == [0, 200, 1000]
    assert list(snapshots.shapes) == trunk
    for step, model in models.items():
        for name, weight in model.trunk().items():
            assert snapshots.shapes[name] == tuple(weight.shape)
            assert np.array_equal(snapshots.rows(step, name, 2, 5), weight.detach().numpy()[2:5])


def test_a_folder_without_or_with_broken_snapshots(models, tmp_path):
    with pytest.raises(BadInput, match="there is no snapshot"):
        open_snapshots(tmp_path)
    write_snapshot(tmp_path, 0, models[0].trunk(), "r", list(models[0].trunk()))
    write_snapshot(tmp_path, 200, models[200].trunk(), "r", list(models[0].trunk()))
    path = snapshot_path(tmp_path, 200)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadInput, match=r"000200\.safetensors: this snapshot is truncated"):
        open_snapshots(tmp_path)


def test_json_has_one_spelling_and_no_nan():
    data = {"b": [1.5, float("nan"), (float("inf"), 2)], "a": None, "c": "é"}
    text = json_text(data)
    assert json.loads(text) == {"b": [1.5, None, [None, 2]], "a": None, "c": "é"}
    assert text.endswith("}\n") and text == json_text(data)
