"""The task `modular`: arithmetic modulo p for all pairs of residues, some of which are held out.

The training pairs are a seeded share of all p^2 of each operation; a full batch is all of them. The loss is the
mean cross-entropy, and penalties where they are asked for (`penalties`).
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
from lib.tasks.modular import fourier, penalties
from lib.tasks.modular.data import Data, make_data

if TYPE_CHECKING:
    from lib.params.run import Params

EXAMPLES = 1  # a stream of random numbers
SOLVED = {"solved_accuracy": 0.99, "solved_evaluations": 5}
JUDGED = "train_nll"  # by which divergence is noticed: held-out pairs may be answered worse than by guessing

Sequences = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    tokens: np.ndarray  # (B, 2) int64
    labels: np.ndarray  # (B,) int64

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.tokens.tobytes() + self.labels.tobytes(), digest_size=8).hexdigest()


def prepare(p: "Params", store: Path) -> Data:
    """The pairs of a run; nothing is kept in `store`, they are made in no time."""
    return make_data(p)


def batch(data: Data, p: "Params", step: int, micro: int = 0) -> Batch:
    """All training pairs, or `batch.size` of them drawn with replacement, by (seed, step, micro) alone."""
    chosen = data.train
    if p.batch.size:
        k = (step - 1) * p.batch.accumulate + micro
        chosen = data.train[between(uniforms(p.seed, EXAMPLES, k, (p.batch.size,)), 0, len(data.train) - 1)]
    return Batch(data.tokens[chosen], data.labels[chosen])


def weights(p: "Params", step: int) -> dict[str, float]:
    """What each objective counts for at a step."""
    return {"answer": 1.0}


def logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """(B, n) -> (B, p): of a model that classifies, or of one that reads text, at its last position."""
    found = model(tokens)
    return found if found.ndim == 2 else model.head(found[:, -1])


def logits_of_many(model: nn.Module, tokens: Tensor) -> Tensor:
    """`logits`, by the way that a model may have of sharing what a large part of the table has in common."""
    return model.shared(tokens) if hasattr(model, "shared") else logits(model, tokens)


Loss = Callable[[Batch, int], Tensor]


def plain_loss(
    model: nn.Module,
    p: "Params",
    device: torch.device,
    share: slice = slice(None),
    autocast: bool = False,
    compiled: bool = False,
) -> Loss:
    """(batch, step) -> this process's part of the mean cross-entropy of a micro-batch, scaled for accumulation."""
    forward = torch.compile(logits) if compiled else logits if p.batch.size else logits_of_many

    def loss(example: Batch, step: int) -> Tensor:
        tokens, labels = (torch.from_numpy(x[share]).to(device) for x in (example.tokens, example.labels))
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            found = forward(model, tokens)
        total = F.cross_entropy(found.float(), labels, reduction="sum")
        return total / (len(example.labels) * p.batch.accumulate)

    return loss


def training_loss(
    model: nn.Module,
    p: "Params",
    device: torch.device,
    share: slice = slice(None),
    autocast: bool = False,
    compiled: bool = False,
) -> Loss:
    """The same with the penalties that the run asks for, in the precision of the weights."""
    t, plain = p.task, plain_loss(model, p, device, share, autocast, compiled)
    routed = t.routing_penalty != "none" and t.routing_weight > 0
    if not routed and not t.spectral_weight:
        return plain
    grid = torch.from_numpy(make_data(p).tokens[: t.p**2]).to(device)

    def loss(example: Batch, step: int) -> Tensor:
        total = plain(example, step)
        tokens = torch.from_numpy(example.tokens[share]).to(device)
        part = len(tokens) / (len(example.tokens) * p.batch.accumulate)
        if routed:
            _, weights = model.routed(tokens)
            penalty = penalties.routing(t.routing_penalty, weights, model.inputs(tokens))
            total = total + part * t.routing_weight * penalty
        if t.spectral_weight and step % t.spectral_every == 0:
            table = logits_of_many(model, grid).view(t.p, t.p, -1)
            total = total + part * t.spectral_weight * penalties.roughness(table, t.spectral_k or t.p // 4)
        return total

    return loss


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: Data, p: "Params", step: int, autocast: bool = False
) -> tuple[dict[str, float], dict[str, str]]:
    """(loss and accuracy on the held-out and on the training pairs, which pairs were right: a digit per four).

    With several operations the accuracies of each stand beside those of all.
    """
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        found = logits_of_many(model, torch.from_numpy(data.tokens).to(device)).float()
    labels = torch.from_numpy(data.labels).to(device)
    losses = F.cross_entropy(found, labels, reduction="none").double().cpu().numpy()
    right = (found.argmax(1) == labels).cpu().numpy()
    scores = {
        "val_loss": float(losses[data.test].mean()),
        "test_acc": float(right[data.test].mean()),
        "train_nll": float(losses[data.train].mean()),
        "train_acc": float(right[data.train].mean()),
    }
    if len(data.operations) > 1:
        for operation in data.operations:
            own = data.rows(operation)
            for name, chosen in (("test", data.test), ("train", data.train)):
                kept = chosen[(chosen >= own.start) & (chosen < own.stop)]
                scores[f"{name}_acc_{operation}"] = float(right[kept].mean())
    return scores, {"correct": np.packbits(right).tobytes().hex()}


def solved(evaluations: list[dict[str, Any]], p: "Params") -> str:
    """Why training may stop early, in words; empty while it may not."""
    wanted, count = (getattr(p.task, name, usual) for name, usual in SOLVED.items())  # a task may borrow this one
    last = [e["test_acc"] for e in evaluations[-count:]]
    if len(last) < count or min(last) < wanted:
        return ""
    return f"test accuracy held {wanted} for {count} evaluation{'s' if count > 1 else ''}"


# ----------------------------------------------------------------------------------------- gradients, curvature


def objectives(model: nn.Module, b: Batch) -> dict[str, Tensor | None]:
    """The losses of a batch by objective, for first derivatives."""
    device = next(model.parameters()).device
    tokens, labels = (torch.from_numpy(x).to(device) for x in (b.tokens, b.labels))
    return {"answer": F.cross_entropy(logits(model, tokens), labels)}


def named_losses(model: nn.Module, data: Data) -> dict[str, Tensor]:
    """Mean cross-entropies whose gradients may help or hinder one another.

    train, test               over the training and the held-out pairs
    train.add, train.mul      of several operations each by itself
    restricted, excluded      over all pairs, by the key frequencies of the logits as they are and without them; of
                              several operations the sum. Not of products modulo what is no prime
    """
    device = next(model.parameters()).device
    found = logits_of_many(model, torch.from_numpy(data.tokens).to(device))
    labels = torch.from_numpy(data.labels).to(device)
    losses = F.cross_entropy(found, labels, reduction="none")
    named = {"train": losses[data.train].mean(), "test": losses[data.test].mean()}
    progress = []
    for operation in data.operations:
        own = data.rows(operation)
        if len(data.operations) > 1:
            named[f"train.{operation}"] = losses[
                data.train[(data.train >= own.start) & (data.train < own.stop)]
            ].mean()
        progress.append(table_progress(found[own], labels[own], operation))
    if None not in progress:
        named["restricted"] = sum(each.restricted for each in progress)
        named["excluded"] = sum(each.excluded for each in progress)
    return named


def table_progress(found: Tensor, labels: Tensor, operation: str) -> fourier.Progress | None:
    """Of the p^2 rows of one operation; None where the operation has no frequencies."""
    p = round(len(labels) ** 0.5)
    try:
        table, answers = (fourier.along(x.view(p, p, *x.shape[1:]), operation) for x in (found, labels))
    except ValueError:
        return None
    sign = fourier.SIGNS[operation]
    keys = fourier.key_frequencies(fourier.power_of(table.detach(), sign))
    return fourier.progress(table, answers, keys, sign)


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
