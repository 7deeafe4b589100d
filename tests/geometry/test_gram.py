import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from lib.base.errors import BadInput
from lib.geometry import gram
from lib.geometry.gram import Digest, digest, load_digest, materialise, save_digest

SHAPES = {"a": (6, 5), "b": (11,), "c": (3, 4, 2)}
SIZE = 30 + 11 + 24


@pytest.fixture
def snapshots(walk, array_snapshots):
    return array_snapshots([0, 1, 5, 9], walk([0, 1, 5, 9], SIZE), SHAPES)


def dense_gram(theta):
    rows = np.vstack([theta - theta[0], theta[:1]])
    return rows @ rows.T


@pytest.mark.parametrize("block", [1, 7, 1 << 15])
def test_gram_is_that_of_dense_drifts_and_start(snapshots, monkeypatch, block):
    monkeypatch.setattr(gram, "BLOCK", block)
    made = digest(snapshots)
    assert made.steps.tolist() == [0, 1, 5, 9] and made.tensors == ("a", "b", "c")
    assert made.sizes.tolist() == [30, 11, 24]
    for n, name in enumerate(SHAPES):
        theta = snapshots.tensors[name].reshape(4, -1).astype(float)
        np.testing.assert_allclose(made.gram[n], dense_gram(theta), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(made.total, made.gram.sum(0))
    np.testing.assert_allclose(made.start_norm, np.sqrt(made.total[-1, -1]))


def test_every_value_is_read_once_except_the_reference(snapshots):
    digest(snapshots)
    for name, shape in SHAPES.items():
        for step in snapshots.steps:
            count = np.zeros(shape[0])
            for _, _, lo, hi in (read for read in snapshots.reads if read[:2] == (step, name)):
                count[lo:hi] += 1
            assert (count == (2 if step == 0 else 1)).all()


def test_memory_does_not_grow_with_the_parameters():
    class Lazy:
        def __init__(self):
            self.steps = list(range(6))
            self.shapes = {"w": (4000, 1000)}

        def rows(self, step, name, lo, hi):
            return np.full((hi - lo, 1000), np.float32(step))

    tracemalloc.start()
    made = digest(Lazy())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.total[2, 5] == 4e6 * 2 * 5
    assert peak < 6e6, f"one snapshot alone is 16 MB, peak was {peak / 1e6:.1f} MB"


def test_small_drift_on_large_weights_survives(digest_of):
    rng = np.random.default_rng(1)
    start = rng.normal(size=40_000).astype(np.float32)
    theta = np.stack([start, start + np.float32(1e-4) * rng.normal(size=40_000).astype(np.float32)])
    exact = np.sum((theta[1].astype(float) - theta[0]) ** 2)
    uncentred = theta @ theta.T
    naive = uncentred[1, 1] - 2 * uncentred[0, 1] + uncentred[0, 0]
    np.testing.assert_allclose(digest_of([0, 1], theta).total[1, 1], exact, rtol=1e-12)
    assert abs(naive - exact) / exact > 1e-2, "the trap this guards against is gone; simplify"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_snapshots_are_dropped_and_recorded(walk, array_snapshots, bad):
    theta = walk([0, 1, 2, 3, 4], SIZE)
    whole = digest(array_snapshots([0, 2, 4], theta[[0, 2, 4]], SHAPES))
    broken = theta.copy()
    broken[1, 0] = broken[3, -1] = bad
    made = digest(array_snapshots(range(5), broken, SHAPES))
    assert made.steps.tolist() == [0, 2, 4] and made.dropped.tolist() == [1, 3]
    np.testing.assert_allclose(made.gram, whole.gram, rtol=1e-12)


def test_reference_is_the_first_finite_snapshot(walk, array_snapshots):
    theta = walk([0, 1, 2], SIZE)
    theta[0, 3] = np.nan
    made = digest(array_snapshots([0, 1, 2], theta, SHAPES))
    assert made.steps.tolist() == [1, 2] and made.dropped.tolist() == [0]
    with pytest.raises(BadInput, match="none of the 1 snapshots is finite"):
        digest(array_snapshots([0], theta[:1], SHAPES))


def test_huge_values_do_not_overflow(digest_of):
    made = digest_of([0, 1], [[0.0, 1.0], [3e38, 1.0]])
    np.testing.assert_allclose(made.drift_norms, [0, float(np.float32(3e38))])


def test_select(snapshots):
    made = digest(snapshots)
    np.testing.assert_array_equal(made.select(["c", "a"]).gram, made.gram[[2, 0]])
    assert made.select(["c"]).sizes.tolist() == [24]
    with pytest.raises(BadInput, match="no tensor 'block_a'"):
        made.select(["block_a"])


def test_materialise_is_the_combination_of_snapshots(snapshots):
    made = digest(snapshots)
    c = np.array([0.7, -1.0, 0.5, 2.0, 0.3])
    theta = np.concatenate([snapshots.tensors[n].reshape(4, -1) for n in SHAPES], axis=1).astype(float)
    expected = c[:-1] @ (theta - theta[0]) + c[-1] * theta[0]
    vector = materialise(snapshots, made, c)
    assert {n: v.shape for n, v in vector.items()} == SHAPES
    flat = np.concatenate([v.reshape(-1) for v in vector.values()])
    np.testing.assert_allclose(flat, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(expected), np.sqrt(c @ made.total @ c), rtol=1e-12)


def same(a: Digest, b: Digest) -> bool:
    arrays = all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("steps", "dropped", "sizes", "gram"))
    return arrays and a.tensors == b.tensors


def test_round_trip_and_equal_bytes(snapshots, tmp_path):
    made = digest(snapshots)
    save_digest(tmp_path / "digest.npz", made)
    first = (tmp_path / "digest.npz").read_bytes()
    assert same(load_digest(tmp_path / "digest.npz"), made)
    save_digest(tmp_path / "digest.npz", load_digest(tmp_path / "digest.npz"))
    assert (tmp_path / "digest.npz").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["digest.npz"]


def test_paper_size_is_under_two_megabytes(tmp_path):
    size = np.ones(32, dtype=np.int64)
    names = tuple(f"blocks.{i}.attn.out_proj.weight" for i in range(32))
    full = Digest(
        np.arange(53), np.empty(0, np.int64), names, size, np.random.default_rng(0).normal(size=(32, 54, 54))
    )
    save_digest(tmp_path / "d.npz", full)
    assert (tmp_path / "d.npz").stat().st_size < 2e6


@pytest.mark.parametrize(("module", "call"), [(np, "savez"), (os, "fsync"), (os, "replace")])
def test_a_failed_write_leaves_the_old_file(snapshots, tmp_path, monkeypatch, module, call):
    made = digest(snapshots)
    save_digest(tmp_path / "d.npz", made)

    def fail(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(module, call, fail)
    with pytest.raises(OSError, match="no space"):
        save_digest(tmp_path / "d.npz", made.select(["a"]))
    monkeypatch.undo()
    assert same(load_digest(tmp_path / "d.npz"), made)
    assert [p.name for p in tmp_path.iterdir()] == ["d.npz"]


def one_sentence(error) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith("make it again from the snapshots")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gram": np.zeros((3, 4, 4))}, r"gram has shape \(3, 4, 4\), expected \(3, 5, 5\)"),
        ({"gram": np.full((3, 5, 5), np.nan)}, "non-finite"),
        ({"steps": np.array([0, 5, 1, 9])}, "steps do not ascend"),
        ({"steps": np.array([0.0, 1.0, 5.0, 9.0])}, "steps has type float64"),
        ({"checksum": np.array("0" * 64)}, "checksum does not match"),
        ({"gram": np.ones((3, 5, 5))}, "checksum does not match"),
        ({"format": np.array("digest-0")}, "format is digest-0, expected digest-2"),
        ({"sizes": None}, "holds no sizes"),
    ],
)
def test_inconsistent_files_are_named(snapshots, tmp_path, change, says):
    path = tmp_path / "d.npz"
    save_digest(path, digest(snapshots))
    with np.load(path) as file:
        arrays = dict(file) | change
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(BadInput, match=says) as error:
        load_digest(path)
    assert one_sentence(error) and str(path) in str(error.value)


def test_pickled_content_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", gram=np.array([print], dtype=object))
    with pytest.raises(BadInput, match="not a readable digest"):
        load_digest(tmp_path / "d.npz")


def test_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_digest(tmp_path / "d.npz")


def test_damage_is_noticed_or_harmless(digest_of, tmp_path):
    made = digest_of([0, 1, 5], np.arange(12.0).reshape(3, 4))
    path = tmp_path / "damaged.npz"
    save_digest(path, made)
    content = path.read_bytes()
    flipped = (content[:at] + bytes([content[at] ^ 0x21]) + content[at + 1 :] for at in range(len(content)))
    cut = (content[:at] for at in range(0, len(content), 10))
    noticed = 0
    for damaged in [*flipped, *cut]:
        path.write_bytes(damaged)
        try:
            assert same(load_digest(path), made)
        except BadInput as error:
            assert "\n" not in str(error)
            noticed += 1
    assert noticed > len(content) / 2


def test_fields_can_be_replaced_without_stale_totals(snapshots):
    made = digest(snapshots)
    assert made.total.shape == (5, 5)
    np.testing.assert_array_equal(replace(made, gram=2 * made.gram).total, 2 * made.total)
