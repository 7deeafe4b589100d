"""Checkpoints of other code: only tensors are read, in the registered order."""

import numpy as np
import pytest
import torch

from lib.base.errors import BadInput
from lib.measure.foreign import open_checkpoints
from lib.models.gpt import build_model


@pytest.fixture(scope="module")
def models(smoke):
    """Three models with the twelve blocks that make text order and block order differ."""
    deep = smoke.model.model_copy(update={"layers": 12, "width": 8, "ff": 16})
    return {step: build_model(deep, 300, step) for step in (0, 200, 1000)}


def foreign_state(model, prefix=""):
    """A state as the reference saves it: alphabetical, with mask buffers and the tied head."""
    state = {prefix + name: p.detach() for name, p in sorted(model.named_parameters())}
    for i in range(len(model.blocks)):
        state[f"{prefix}blocks.{i}.attn.bias"] = torch.tril(torch.ones(1, 1, 80, 80))
    return {**state, f"{prefix}lm_head.weight": model.tok_emb.weight.detach()}


def save_foreign(folder, step, state, **options):
    torch.save({"step": step, "model_state_dict": state}, folder / f"ckpt_{step:06d}.pt", **options)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_foreign_checkpoints_open_in_the_registered_order(prefix, models, tmp_path):
    for step, model in models.items():
        save_foreign(tmp_path, step, foreign_state(model, prefix))
    (tmp_path / "ckpt_notes.pt").write_bytes(b"not a checkpoint by its name")
    snapshots = open_checkpoints(tmp_path)
    assert snapshots.steps == [0, 200, 1000]
    assert list(snapshots.shapes) == [prefix + name for name in models[0].trunk()]
    for step, model in models.items():
        for name, weight in model.trunk().items():
            assert np.array_equal(snapshots.rows(step, prefix + name, 1, 6), weight.detach().numpy()[1:6])


def test_foreign_checkpoints_in_half_precision_are_read_as_float32(models, tmp_path):
    save_foreign(tmp_path, 1, {name: p.detach().bfloat16() for name, p in models[0].named_parameters()})
    snapshots = open_checkpoints(tmp_path)
    name = next(iter(snapshots.shapes))
    rows = snapshots.rows(1, name, 0, 8)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, dict(models[0].trunk())[name].detach().numpy(), rtol=0.01)


def test_foreign_folders_that_do_not_fit(models, tmp_path):
    with pytest.raises(BadInput, match=r"there is no ckpt_XXXXXX\.pt file"):
        open_checkpoints(tmp_path)
    save_foreign(tmp_path, 1, {"fc.weight": torch.zeros(2, 2)})
    with pytest.raises(BadInput, match="no trunk weights"):
        open_checkpoints(tmp_path)
    state = foreign_state(models[0])
    save_foreign(tmp_path, 1, state)
    save_foreign(tmp_path, 2, {**state, "blocks.0.attn.qkv.weight": torch.zeros(2, 2)})
    with pytest.raises(BadInput, match=r"ckpt_000002\.pt: blocks\.0\.attn\.qkv\.weight is missing or of another"):
        open_checkpoints(tmp_path)
    for wrong in (b"", b"junk", b"PK\x03\x04 and junk"):
        (tmp_path / "ckpt_000002.pt").write_bytes(wrong)
        with pytest.raises(BadInput, match=r"ckpt_000002\.pt: not a checkpoint"):
            open_checkpoints(tmp_path)
    torch.save([1, 2], tmp_path / "ckpt_000002.pt")
    with pytest.raises(BadInput, match=r"ckpt_000002\.pt: not a checkpoint"):
        open_checkpoints(tmp_path)
