"""Folders of `ckpt_000600.pt` files written by other code, through the interface of our own snapshots."""

import pickle
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.base.errors import BadInput
from lib.base.snapshots import Snapshots, first_line

FOREIGN_TRUNK = re.compile(r"(.*\.)?blocks\.(\d+)\.(attn\.out_proj|attn\.qkv|mlp\.w_down|mlp\.w_up)\.weight$")


def open_checkpoints(folder: Path) -> Snapshots:
    """A folder of `ckpt_XXXXXX.pt` files ({"step", "model_state_dict"}) written by other code.

    Mask buffers, the tied head and everything that is not trunk are ignored. Only tensors are unpickled
    (`weights_only=True`); anything else in a file is refused, not run.
    """
    paths = {
        int(m[1]): path for path in folder.glob("ckpt_*.pt") if (m := re.fullmatch(r"ckpt_(\d+)\.pt", path.name))
    }
    if not paths:
        raise BadInput(f"{folder}: there is no ckpt_XXXXXX.pt file")
    states = {step: _foreign_state(path) for step, path in sorted(paths.items())}
    names = sorted(
        (name for name in states[min(states)] if FOREIGN_TRUNK.match(name)),
        key=lambda name: (int(FOREIGN_TRUNK.match(name)[2]), FOREIGN_TRUNK.match(name)[3]),
    )
    if not names:
        raise BadInput(f"{folder}: no trunk weights (blocks.i.attn.qkv.weight, ...) in these checkpoints")
    shapes = {name: tuple(states[min(states)][name].shape) for name in names}
    for step, state in states.items():
        for name in names:
            if name not in state or tuple(state[name].shape) != shapes[name]:
                raise BadInput(f"{paths[step]}: {name} is missing or of another shape than at step {min(states)}")

    def read(step: int, name: str, low: int, high: int) -> np.ndarray:
        return states[step][name][low:high].float().numpy()

    return Snapshots(sorted(states), shapes, read)


def foreign_model(folder: Path, step: int) -> dict[str, Tensor]:
    """The weights of one foreign checkpoint under our names, without mask buffers and the tied head."""
    state = _foreign_state(folder / f"ckpt_{step:06d}.pt")
    return {
        name: t.float() for name, t in state.items() if name != "lm_head.weight" and not name.endswith("attn.bias")
    }


def _foreign_state(path: Path) -> dict[str, Tensor]:
    try:
        # mmap keeps a folder of large files out of memory until their rows are read.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = content["model_state_dict"]
        return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    except Exception as error:  # torch.load raises many unrelated types on foreign bytes
        reason = first_line(error)
        if isinstance(error, pickle.UnpicklingError):  # whose text tells how to open the file all the same
            reason = "what else is in it may run anything when it is opened, and is not"
        raise BadInput(
            f"{path}: not a checkpoint of tensors alone ({{'step', 'model_state_dict'}}): {reason}"
        ) from None
