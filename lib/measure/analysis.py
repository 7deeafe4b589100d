"""From a run's folder to what the kernels of `lib.geometry` ask for: batches, losses, weights, directions.

Every snapshot of every run is measured on the same batches, drawn like those of training but from seeds that
no training run can have.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.base.errors import BadInput
from lib.base.files import CURRENT, snapshot_path
from lib.base.tensors import load_snapshot, load_tensors
from lib.geometry.backbone import Pca
from lib.geometry.gram import Digest, Snapshots, materialise
from lib.geometry.sequences import Sequences
from lib.models.gpt import GPT, build_model
from lib.params.run import Params, load_params, run_hash
from lib.tasks.stories.batches import Batch, batch
from lib.tasks.stories.corpus import Corpus
from lib.tasks.stories.loss import head_loss, position_weights
from lib.tasks.stories.probe import Probes

ANALYSIS_SEEDS = 1 << 32  # the smallest seed above every seed of a run


# ----------------------------------------------------------------------------------------------------- batches


@dataclass(frozen=True)
class AnalysisBatches:
    batches: tuple[Batch, ...]
    digest: str  # of all of them, in order; equal digests mean equal batches


def analysis_batches(corpus: Corpus, probes: Probes, p: Params, count: int, seed: int) -> AnalysisBatches:
    """`count` batches that depend on the data, the probe and `seed`, not on the run's own seed.

    The first batches of a longer list are those of a shorter one.
    """
    own = p.model_copy(update={"seed": ANALYSIS_SEEDS + seed})
    drawn = tuple(
        batch(corpus, probes, own, *divmod(k + p.batch.accumulate, p.batch.accumulate)) for k in range(count)
    )
    digest = hashlib.blake2b("".join(b.digest for b in drawn).encode(), digest_size=16).hexdigest()
    return AnalysisBatches(drawn, digest)


def weighted(b: Batch, lam: float, device: torch.device) -> Sequences:
    """A batch whose per-sequence losses l_n = sum_t w_nt CE_nt average to the training loss.

    With N_a and N_p the language and answer positions of the batch of B sequences, w is B / N_a on the former
    and lambda B / N_p on the latter; with lambda = 0 both are ordinary text and share B / (N_a + N_p).
    """
    weights = len(b.tokens) * position_weights(b, lam)
    tokens = torch.from_numpy(b.tokens).to(device)
    return {
        "inputs": tokens[:, :-1],
        "targets": tokens[:, 1:],
        "weights": torch.from_numpy(weights).to(device),
    }


# ------------------------------------------------------------------------------------------------------ losses


def sequence_losses(model: GPT, s: Sequences) -> Tensor:
    """(B,) losses l_n of the sequences of a weighted batch, in a form that `vmap` maps without detours."""
    logits = model.head(model(s["inputs"]))
    picked = logits.gather(-1, s["targets"][..., None]).squeeze(-1)
    return ((logits.logsumexp(dim=-1) - picked) * s["weights"]).sum(dim=1)


@torch.no_grad()
def relabel(model: GPT, s: Sequences, generator: torch.Generator) -> Sequences:
    """The batch with targets drawn from the model and the weights' square roots: see `sampled_fisher`."""
    below = model.head(model(s["inputs"])).softmax(dim=-1).cumsum(dim=-1)
    # One uniform number per position, drawn on the CPU, so that every device draws the same labels.
    u = torch.rand(s["targets"].shape, generator=generator).to(below.device)
    targets = (below < u[..., None]).sum(dim=-1).clamp(max=below.shape[-1] - 1)
    return {"inputs": s["inputs"], "targets": targets, "weights": s["weights"].sqrt()}


def objective_losses(model: GPT, b: Batch) -> tuple[Tensor, Tensor | None]:
    """(language, probe) losses of a batch as in training, for first derivatives; None where it holds no probe."""
    return _mean_loss(model, b.tokens, b.language), _mean_loss(
        model, b.tokens, b.answer
    ) if b.answer.any() else None


def _mean_loss(model: GPT, tokens: np.ndarray, scored: np.ndarray) -> Tensor:
    """Mean cross-entropy over the scored positions; sequences without any are not even read."""
    rows = scored.any(axis=1)
    device = next(model.parameters()).device
    read = torch.from_numpy(tokens[rows]).to(device)
    at = torch.from_numpy(scored[rows].ravel().nonzero()[0]).to(device)
    hidden = model(read[:, :-1]).flatten(0, 1)[at]
    weights = torch.full((len(at),), 1 / len(at), device=device)
    return head_loss(hidden, model.tok_emb.weight, read[:, 1:].flatten()[at], weights, autocast=False)


# ------------------------------------------------------------------------------------------------------ models


def whole_steps(folder: Path) -> list[int]:
    """Steps of a run whose snapshots hold the whole model; fewer when the run diverged before."""
    p = load_params(folder / "params.yaml")
    wanted = sorted({*p.snapshots.whole, p.schedule.steps})
    return [step for step in wanted if snapshot_path(folder, step).exists()]


def load_model(folder: Path, step: int, device: torch.device) -> GPT:
    """The model of a run at a step, in evaluation mode; diverged weights load as they are.

    Raises: BadInput if the snapshot is missing, damaged, or holds only the trunk.
    """
    p = load_params(folder / "params.yaml")
    path = snapshot_path(folder, step)
    tensors = load_snapshot(path, step, run_hash(p))
    if "tok_emb.weight" not in tensors:
        raise BadInput(
            f"{path}: this snapshot holds only the trunk; the whole model is there at steps {whole_steps(folder)}"
        )
    model = build_model(p.model, len(tensors["tok_emb.weight"]), p.seed)
    model.load_state_dict(tensors)
    return model.eval().to(device)


# -------------------------------------------------------------------------------------------------- directions


def run_directions(snapshots: Snapshots, source: Digest, backbone: Pca) -> dict[str, dict[str, Tensor]]:
    """The directions that are the same at every step: `v_b`, `PC2` (where there is one) and `-theta_0`."""
    rows = dict(zip(("v_b", "PC2"), backbone.directions, strict=False))
    rows["-theta_0"] = -np.eye(len(source.total))[-1]
    return {label: _tensors(snapshots, source, row) for label, row in rows.items()}


def step_directions(model: GPT, snapshots: Snapshots, source: Digest, step: int) -> dict[str, dict[str, Tensor]]:
    """The directions of one step: `update`, from the snapshot before it, and `-theta`, that of weight decay.

    There is no update at the first snapshot, nor at one that the digest dropped.
    """
    found = {"-theta": {name: -p.detach().cpu() for name, p in model.trunk().items()}}
    at = int(np.searchsorted(source.steps, step))
    if 0 < at < len(source.steps) and source.steps[at] == step:
        points = np.eye(len(source.total))
        found["update"] = _tensors(snapshots, source, points[at] - points[at - 1])
    return found


def adam_direction(folder: Path, trunk: list[str]) -> tuple[int, dict[str, Tensor]]:
    """(step, m_hat / (sqrt(v_hat) + eps)) of the newest checkpoint; AdamW steps against it.

    Only the newest optimizer state is on disk, so this is the direction at that one step.
    """
    p = load_params(folder / "params.yaml")
    o = p.optim
    tensors, metadata = load_tensors(folder / CURRENT)
    if metadata.get("run") != run_hash(p):
        raise BadInput(f"{folder / CURRENT}: this checkpoint belongs to other parameters")
    direction = {}
    for name in trunk:
        m, v, t = (tensors[f"optimizer.{name}.{key}"] for key in ("exp_avg", "exp_avg_sq", "step"))
        m_hat, v_hat = m / (1 - o.beta1 ** float(t)), v / (1 - o.beta2 ** float(t))
        direction[name] = m_hat / (v_hat.sqrt() + o.eps)
    return json.loads(metadata["progress"])["step"], direction


def _tensors(snapshots: Snapshots, source: Digest, coefficients: np.ndarray) -> dict[str, Tensor]:
    return {name: torch.from_numpy(v) for name, v in materialise(snapshots, source, coefficients).items()}
