"""The task `modular`: a + b mod p for all pairs of residues, some of which are held out.

The training pairs are a seeded share of all p^2; a full batch is all of them. One objective: mean cross-entropy.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.tasks.draws import between, uniforms

if TYPE_CHECKING:
    from lib.params.run import Params

SPLIT, EXAMPLES = 0, 1  # streams of random numbers
JUDGED = "train_nll"  # by which divergence is noticed: held-out pairs may be answered worse than by guessing

Sequences = dict[str, Tensor]


@dataclass(frozen=True)
class Data:
    """All pairs and their sums, and which of them are trained on."""

    tokens: np.ndarray  # (p^2, 2) int64
    labels: np.ndarray  # (p^2,) int64
    train: np.ndarray  # indices of training pairs, in a random order
    test: np.ndarray
    modulus: int

    inputs = 2  # symbols in an example

    @property
    def fingerprint(self) -> str:
        return hashlib.blake2b(self.train.tobytes() + self.test.tobytes(), digest_size=16).hexdigest()

    @property
    def vocab(self) -> int:
        return self.modulus

    @property
    def outcomes(self) -> int:
        return self.modulus

    @property
    def files(self) -> dict[str, str]:
        """What a run's folder keeps of its data: the parameters say it all."""
        return {}

    def pace(self, p: "Params") -> tuple[int, str]:
        """What a step reads, and the unit that it is counted in."""
        return (p.batch.size or len(self.train)) * p.batch.accumulate, "ex"


@dataclass(frozen=True)
class Batch:
    tokens: np.ndarray  # (B, 2) int64
    labels: np.ndarray  # (B,) int64

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.tokens.tobytes() + self.labels.tobytes(), digest_size=8).hexdigest()


def prepare(p: "Params", store: Path) -> Data:
    """The pairs of a run; nothing is kept in `store`, they are made in no time."""
    m = p.task.p
    a, b = np.divmod(np.arange(m * m), m)
    order = np.argsort(uniforms(p.task.split_seed, SPLIT, 0, (m * m,)), kind="stable")
    cut = round(p.task.train_share * m * m)
    return Data(np.stack([a, b], axis=1), (a + b) % m, order[:cut], np.sort(order[cut:]), m)


def batch(data: Data, p: "Params", step: int, micro: int = 0) -> Batch:
    """All training pairs, or `batch.size` of them drawn with replacement, by (seed, step, micro) alone."""
    chosen = data.train
    if p.batch.size:
        k = (step - 1) * p.batch.accumulate + micro
        chosen = data.train[between(uniforms(p.seed, EXAMPLES, k, (p.batch.size,)), 0, len(data.train) - 1)]
    return Batch(data.tokens[chosen], data.labels[chosen])


def weights(p: "Params", step: int) -> dict[str, float]:
    """What each objective counts for at a step."""
    return {"sum": 1.0}


def logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """(B, 2) -> (B, p): of a model that classifies, or of one that reads text, at its last position."""
    found = model(tokens)
    return found if found.ndim == 2 else model.head(found[:, -1])


def training_loss(
    model: nn.Module,
    p: "Params",
    device: torch.device,
    share: slice = slice(None),
    autocast: bool = False,
    compiled: bool = False,
) -> Callable[[Batch, int], Tensor]:
    """(batch, step) -> this process's part of the mean cross-entropy of a micro-batch, scaled for accumulation."""
    forward = torch.compile(logits) if compiled else logits

    def loss(example: Batch, step: int) -> Tensor:
        tokens, labels = (torch.from_numpy(x[share]).to(device) for x in (example.tokens, example.labels))
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            found = forward(model, tokens)
        total = F.cross_entropy(found.float(), labels, reduction="sum")
        return total / (len(example.labels) * p.batch.accumulate)

    return loss


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: Data, p: "Params", step: int, autocast: bool = False
) -> tuple[dict[str, float], dict[str, str]]:
    """(loss and accuracy on the held-out and on the training pairs, which pairs were right: a digit per four)."""
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        found = logits(model, torch.from_numpy(data.tokens).to(device)).float()
    labels = torch.from_numpy(data.labels).to(device)
    losses = F.cross_entropy(found, labels, reduction="none").double().cpu().numpy()
    right = (found.argmax(1) == labels).cpu().numpy()
    scores = {
        "val_loss": float(losses[data.test].mean()),
        "test_acc": float(right[data.test].mean()),
        "train_nll": float(losses[data.train].mean()),
        "train_acc": float(right[data.train].mean()),
    }
    return scores, {"correct": np.packbits(right).tobytes().hex()}


def solved(evaluations: list[dict[str, Any]], p: "Params") -> str:
    """Why training may stop early, in words; empty while it may not."""
    wanted, count = p.task.solved_accuracy, p.task.solved_evaluations
    last = [e["test_acc"] for e in evaluations[-count:]]
    if len(last) < count or min(last) < wanted:
        return ""
    return f"test accuracy held {wanted} for {count} evaluation{'s' if count > 1 else ''}"


# ----------------------------------------------------------------------------------------- gradients, curvature


def objectives(model: nn.Module, b: Batch) -> dict[str, Tensor | None]:
    """The losses of a batch by objective, for first derivatives."""
    device = next(model.parameters()).device
    tokens, labels = (torch.from_numpy(x).to(device) for x in (b.tokens, b.labels))
    return {"sum": F.cross_entropy(logits(model, tokens), labels)}


def sequences(b: Batch, p: "Params", step: int, device: torch.device) -> Sequences:
    """A batch as tensors whose losses, one an example, average to the training loss."""
    tokens, labels = (torch.from_numpy(x).to(device) for x in (b.tokens, b.labels))
    return {"inputs": tokens, "targets": labels, "weights": torch.ones(len(labels), device=device)}


def sequence_losses(model: nn.Module, s: Sequences) -> Tensor:
    """(B,) losses, in a form that `vmap` maps without detours."""
    found = logits(model, s["inputs"])
    picked = found.gather(-1, s["targets"][:, None]).squeeze(-1)
    return (found.logsumexp(dim=-1) - picked) * s["weights"]


@torch.no_grad()
def relabel(model: nn.Module, s: Sequences, generator: torch.Generator) -> Sequences:
    """The batch with targets drawn from the model: see `sampled_fisher`."""
    below = logits(model, s["inputs"]).softmax(dim=-1).cumsum(dim=-1)
    u = torch.rand(s["targets"].shape, generator=generator).to(below.device)
    targets = (below < u[:, None]).sum(dim=-1).clamp(max=below.shape[-1] - 1)
    return {"inputs": s["inputs"], "targets": targets, "weights": s["weights"]}
