"""A pickle runs what its author likes when it is opened. Here none is: no canary appears, wherever it hides."""

import contextlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from lib.base.errors import BadInput
from lib.base.tensors import load_tensors
from lib.geometry.gram import load_digest
from lib.measure.foreign import foreign_model, open_checkpoints
from lib.models.gpt import build_model


def _numpy(path):
    content = np.load(path, allow_pickle=True)
    for name in getattr(content, "files", ()):
        content[name]


# What an unsafe reader would do with a file.
UNSAFE = {
    "torch": lambda path: torch.load(path, weights_only=False),
    "pickle": lambda path: pickle.loads(path.read_bytes()),
    "numpy": _numpy,
}


class System:
    """Unpickling this runs a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Evaluated(System):
    """The same by way of eval, which no list of forbidden modules may forget."""

    def __reduce__(self):
        return eval, (f"__import__('os').system({self.command!r})",)


class Tensor(System):
    """A tensor in name: torch's own function for rebuilding one, around a storage that is a call."""

    def __reduce__(self):
        storage = System(self.command)
        return torch._utils._rebuild_tensor_v2, (storage, 0, (2, 2), (2, 1), False, {})


class Storage(System):
    """A storage whose bytes are themselves a legacy torch file, which torch opens as it opens any."""

    def __reduce__(self):
        return torch.storage._load_from_bytes, (saved({"storage": System(self.command)}, zipped=False),)


class State(System):
    """An honest class whose state is set by a call."""

    def __reduce__(self):
        return dict, (), {"x": System(self.command)}, None, iter([("y", System(self.command))])


def saved(content, zipped=True):
    packed = io.BytesIO()
    torch.save(content, packed, _use_new_zipfile_serialization=zipped)
    return packed.getvalue()


@pytest.fixture(scope="module")
def state(smoke):
    model = build_model(smoke.model, 300, 0)
    return {name: p.detach() for name, p in model.named_parameters()}


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "it_ran"


def fires(reader, path, canary):
    """The control: an unsafe reader of this very file, in a process that may be lost, brings the canary."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            UNSAFE[reader](path)
        os._exit(0)
    os.waitpid(child, 0)
    return canary.exists()


HIDING = {
    "beside the state": lambda state, bad: {"step": 1, "model_state_dict": state, "extra": bad},
    "as the step": lambda state, bad: {"step": bad, "model_state_dict": state},
    "among the weights": lambda state, bad: {"step": 1, "model_state_dict": {**state, "blocks.0.attn.bias": bad}},
    "as the state": lambda state, bad: {"step": 1, "model_state_dict": bad},
    "as all": lambda state, bad: bad,
}
FORMS = ("zip", "legacy")
KINDS = [
    *((place, System, "zip") for place in HIDING),
    *(
        ("among the weights", bad, form)
        for bad in (Evaluated, Tensor, Storage, State)
        for form in ("zip", "legacy")
    ),
    ("beside the state", System, "legacy"),
    ("beside the state", System, "pickle"),
]


@pytest.mark.parametrize(("place", "bad", "form"), KINDS, ids=[f"{p}-{b.__name__}-{f}" for p, b, f in KINDS])
def test_a_malicious_checkpoint_runs_nothing(place, bad, form, state, tmp_path, canary):
    folder = tmp_path / "ckpts"
    folder.mkdir()
    path = folder / "ckpt_000001.pt"
    content = HIDING[place](state, bad(f"touch '{canary}'"))
    path.write_bytes(pickle.dumps(content) if form == "pickle" else saved(content, form == "zip"))
    for read in (lambda: open_checkpoints(folder), lambda: foreign_model(folder, 1)):
        with pytest.raises(BadInput, match="not a checkpoint of tensors alone") as caught:
            read()
        assert str(caught.value).isprintable() and str(path) in str(caught.value)
    with pytest.raises(BadInput):
        load_tensors(path)
    assert not canary.exists()
    assert fires("pickle" if form == "pickle" else "torch", path, canary)


def test_a_snapshot_that_is_a_pickle_runs_nothing(tmp_path, canary):
    path = tmp_path / "000001.safetensors"
    path.write_bytes(pickle.dumps(System(f"touch '{canary}'")))
    with pytest.raises(BadInput, match="truncated or damaged"):
        load_tensors(path)
    assert not canary.exists()
    assert fires("pickle", path, canary)


@pytest.mark.parametrize("form", ["array", "bare array", "bare pickle", "member"])
def test_a_malicious_digest_runs_nothing(form, tmp_path, canary):
    path = tmp_path / "digest.npz"
    bad = np.array([System(f"touch '{canary}'")], dtype=object)
    with path.open("wb") as file:
        if form == "array":
            np.savez(file, steps=np.arange(3), gram=bad)
        elif form == "bare array":
            np.save(file, bad)
        elif form == "bare pickle":
            pickle.dump(bad, file)
        else:
            with zipfile.ZipFile(file, "w") as archive:
                packed = io.BytesIO()
                np.save(packed, bad)
                archive.writestr("gram.npy", packed.getvalue())
    with pytest.raises(BadInput, match="not a readable digest"):
        load_digest(path)
    assert not canary.exists()
    assert fires("pickle" if form == "bare pickle" else "numpy", path, canary)
