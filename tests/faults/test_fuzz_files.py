"""700 damaged files of tensors and arrays: each gives the data that was written, or is refused in one sentence."""

import io
import json
import random
import zipfile

import numpy as np
import torch

from lib.base.files import CURRENT, PREVIOUS, snapshot_path
from lib.base.snapshots import check_snapshot, open_snapshots, snapshot_digest
from lib.base.tensors import load_snapshot
from lib.geometry import gram
from lib.geometry.gram import load_digest
from lib.models.gpt import trunk_names
from lib.params.run import run_hash
from lib.train.checkpoint import full_state, load_checkpoint, save_checkpoint
from tests.faults.damage import at_most, damaged, refused
from tests.faults.tiny_run import tiny_params

SECONDS = 5.0  # of a processor, for one file; reading one takes milliseconds


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype
        and ours[name].shape == theirs[name].shape
        and torch.equal(ours[name], theirs[name])
        for name in ours
    )


# -------------------------------------------------------------------------------------------------- snapshots


def header_edited(data, rng):
    """A tensor file whose header says something else of the same bytes."""
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    tensors = [name for name in header if name != "__metadata__"]
    one, other = rng.sample(tensors, 2)
    entry = header[one]
    start, end = entry["data_offsets"]
    match rng.randrange(12):
        case 0:
            entry["dtype"] = rng.choice(("I32", "U32", "F16", "F8_E4M3", "C64", "none"))
        case 1:
            entry["shape"] = entry["shape"][::-1] if len(set(entry["shape"])) > 1 else [1, *entry["shape"]]
        case 2:
            entry["shape"] = rng.choice(([2**40, 2**40], [-1], [], [0], ["4"], None, [2**63]))
        case 3:
            entry["data_offsets"] = rng.choice(
                ([0, end], [end, start], [start, end + 4], [-8, 0], [2**62, 2**63], [start])
            )
        case 4:
            header[one]["data_offsets"], header[other]["data_offsets"] = (
                header[other]["data_offsets"],
                header[one]["data_offsets"],
            )
        case 5:
            header[f"{one}x"] = header.pop(one)
        case 6:
            del header[one]
        case 7:
            header["__metadata__"] = rng.choice(
                ({}, {"about": "[]"}, {"about": "3"}, {"about": "["}, {"about": 3}, 3, None)
            )
        case 8:
            about = json.loads(header["__metadata__"]["about"])
            about[rng.choice(sorted(about))] = rng.choice(("7", "", 7, None))
            header["__metadata__"]["about"] = json.dumps(about)
        case 9:
            header[one] = rng.choice((3, None, [], {}, "x"))
        case 10:
            return rng.choice((2**63, 10**8, 2**32, size + 1, size - 1, 0)).to_bytes(8, "little") + data[8:]
        case _:
            header["__metadata__"]["about"] = "[" * 100_000
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def test_snapshots(two_runs, run):
    params = tiny_params()
    trunk, name = trunk_names(params.model), run_hash(params)
    foreign = {path.name: path.read_bytes() for path in (two_runs[1] / "snapshots").iterdir()}
    own = {path.name: path.read_bytes() for path in (run / "snapshots").iterdir()}
    steps = sorted(int(file.split(".")[0]) for file in own)
    written = {step: load_snapshot(snapshot_path(run, step), step, name) for step in steps}
    for index in range(320):
        rng = random.Random(f"snapshot {index}")
        step = rng.choice(steps)
        path = snapshot_path(run, step)
        data = own[path.name]
        kind = rng.choice(("bytes", "bytes", "header", "swap"))
        if kind == "swap":
            new = rng.choice([foreign[path.name], *(own[file] for file in sorted(own) if file != path.name)])
        else:
            new = damaged(data, rng) if kind == "bytes" else header_edited(data, rng)
        path.write_bytes(new)
        place = f"snapshot {index}, {kind}"

        found, sentence = refused(load_snapshot, path, step, name)
        assert sentence or same(found, written[step]), place
        _, second = refused(check_snapshot, path, step, name)
        assert bool(second) == bool(sentence), place
        found, third = refused(rows, run, name, step)
        assert third or list(found) == trunk, place
        assert third or all(np.array_equal(found[t], written[step][t].numpy()) for t in trunk), place
        if kind != "swap":
            digest, _ = refused(snapshot_digest, path)
            assert digest in (None, json.loads(header_of(data)["__metadata__"]["about"])["digest"]), place
        for said in (sentence, second, third):
            assert not said or str(path) in said, place
        path.write_bytes(data)


def rows(folder, name, step):
    snapshots = open_snapshots(folder, name)
    return {t: snapshots.rows(step, t, 0, 10**6) for t in snapshots.shapes}


def header_of(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


# ------------------------------------------------------------------------------------------------ checkpoints


def test_checkpoints(tmp_path):
    """A damaged newest state is told and the one before it taken; two damaged ones leave the model as it was."""

    def state(seed):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
        return model, torch.optim.AdamW(model.parameters())

    def save(folder, seed, steps):
        model, optimizer = state(seed)
        states = []
        for step in range(1, steps + 1):
            model(torch.ones(1, 4)).sum().backward()
            optimizer.step()
            states.append({name: t.clone() for name, t in full_state(model, optimizer).items()})
            save_checkpoint(folder, states[-1], json.dumps({"step": step}), f"run {seed}")
        return states

    folder, other = tmp_path / "run", tmp_path / "other"
    states = dict(enumerate(save(folder, 1, 3), 1))
    save(other, 2, 2)
    data = {name: (folder / name).read_bytes() for name in (CURRENT, PREVIOUS)}
    for index in range(160):
        rng = random.Random(f"checkpoint {index}")
        for name in (CURRENT, PREVIOUS):
            (folder / name).write_bytes(data[name])
        both = rng.random() < 0.25
        for name in (CURRENT, PREVIOUS) if both else (CURRENT,):
            new = (damaged, header_edited, lambda d, r: (other / CURRENT).read_bytes())[rng.randrange(3)](
                data[name], rng
            )
            (folder / name).write_bytes(new)
        model, optimizer = state(9)
        before = {name: t.clone() for name, t in full_state(model, optimizer).items()}
        with at_most(SECONDS):
            progress, complaints = load_checkpoint(folder, model, optimizer, "run 1")
        place = f"checkpoint {index}"
        assert all("falling back" in c and c.isprintable() for c in complaints), place
        if progress is None:
            assert both and len(complaints) == 2 and same(full_state(model, optimizer), before), place
        else:
            assert progress["step"] == (2 if complaints else 3), place
            assert same(full_state(model, optimizer), states[progress["step"]]), place


# ----------------------------------------------------------------------------------------------------- digests


def archive(arrays, method=zipfile.ZIP_STORED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file:
        for name, content in arrays.items():
            if not isinstance(content, bytes):
                one = io.BytesIO()
                np.save(one, content, allow_pickle=True)
                content = one.getvalue()
            file.writestr(f"{name}.npy", content)
    return packed.getvalue()


def npy_header(shape, descr="<f8"):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def forged_digest(arrays, rng):
    """A digest with one array exchanged, and mostly with the checksum that fits it."""
    arrays = dict(arrays)
    name = rng.choice(sorted(set(arrays) - {"checksum"}))
    odd = rng.choice(
        (
            np.array(3),
            np.zeros(3),
            np.zeros((2, 2), np.int64),
            np.empty(0, np.int64),
            np.array([print], dtype=object),
            np.array(["a", "b"]),
            np.array(arrays[name], dtype=object),
            arrays[name].ravel()[:-1],
            arrays[name].ravel()[::-1],
            np.zeros((0, 4)),
            npy_header((2**40, 2**20)),
            npy_header((2**62, 2**62)),
            npy_header((-1,)),
            npy_header((3,), "|O"),
            npy_header((3,), "<f3"),
            npy_header((3,)) + b"\0",
            b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70_000,
            b"",
            b"text",
        )
    )
    arrays[name] = odd
    if rng.random() < 0.8 and not any(isinstance(a, bytes) or a.dtype == object for a in arrays.values()):
        content = {key: a for key, a in arrays.items() if key not in ("checksum", "format")}
        arrays["checksum"] = np.array(gram._checksum(content))
    return archive(arrays, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def test_digests(two_runs, run):
    path, name = run / "digest.npz", run_hash(tiny_params())
    data, foreign = path.read_bytes(), (two_runs[1] / "digest.npz").read_bytes()
    written = load_digest(path, name)
    with np.load(path) as file:
        arrays = dict(file)
    bomb = archive({**arrays, "more": np.zeros(2 * 10**7)}, zipfile.ZIP_DEFLATED)
    # One number of it is another, and the archive's own sums are right.
    stale = archive({**arrays, "gram": arrays["gram"] * (1 + 1e-12)})
    for index in range(220):
        rng = random.Random(f"digest {index}")
        kind = rng.choice(("bytes", "bytes", "bytes", "forged", "forged", "swap", "bomb", "stale"))
        make = {
            "bytes": lambda rng=rng: damaged(data, rng),
            "forged": lambda rng=rng: forged_digest(arrays, rng),
            "swap": lambda: foreign,
            "bomb": lambda: bomb,
            "stale": lambda: stale,
        }
        path.write_bytes(make[kind]())
        found, sentence = refused(load_digest, path, name)
        place = f"digest {index}, {kind}: {sentence}"
        assert not sentence or (str(path) in sentence and sentence.endswith("make it again from the snapshots")), (
            place
        )
        if kind in ("swap", "bomb", "stale"):
            assert sentence, place
        if not sentence:
            assert found.tensors == written.tensors, place
            for key in ("steps", "dropped", "sizes", "gram"):
                ours, theirs = getattr(found, key), getattr(written, key)
                assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs), place
