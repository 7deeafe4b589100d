"""The task `stories`: language modelling of short stories, some of which carry a key that is asked for later.

Two objectives: the mean cross-entropy over language positions, and lambda(t) times that over the answers of probes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.base.files import json_text
from lib.models.gpt import GPT
from lib.params.run import Params
from lib.tasks.stories import batches
from lib.tasks.stories.about import stories_about
from lib.tasks.stories.batches import Batch, validation_batch
from lib.tasks.stories.corpus import Corpus, build_corpus
from lib.tasks.stories.evaluate import evaluate_all
from lib.tasks.stories.loss import head_loss, loss_terms, position_weights
from lib.tasks.stories.probe import EvalSet, Probes, build_probes, eval_sets
from lib.tasks.stories.probe_weight import probe_weight

# The reference's early stop: p_ood of at least this in so many evaluations in a row.
SOLVED_ACCURACY, SOLVED_EVALUATIONS = 0.8, 5
JUDGED = "val_loss"  # the score by which divergence is noticed

Sequences = dict[str, Tensor]


@dataclass(frozen=True)
class Data:
    """What a run reads: packed stories, encoded probes, and the two fixed evaluation sets."""

    corpus: Corpus
    probes: Probes
    params: Params

    @cached_property
    def sets(self) -> dict[str, EvalSet]:
        return eval_sets(self.corpus, self.probes, self.params)

    @property
    def fingerprint(self) -> str:
        return self.corpus.fingerprint

    @property
    def vocab(self) -> int:
        return self.corpus.vocab

    @property
    def outcomes(self) -> int:
        """Among so many a guess is made at every position."""
        return self.corpus.vocab

    def pace(self, p: Params) -> tuple[int, str]:
        """What a step reads, and the unit that it is counted in."""
        return p.batch.size * p.batch.accumulate * p.model.context, "tok"

    @property
    def files(self) -> dict[str, str]:
        """What a run's folder keeps of its data, by file name."""
        words = self.probes.codewords
        return {"codewords.json": json_text({"codewords": words, "count": len(words)})}


def prepare(p: Params, store: Path) -> Data:
    """The data of a run; `store` holds packed corpora, and gets this one when it is not there."""
    corpus = build_corpus(p, store)
    if p.task.about is not None:
        corpus = stories_about(corpus, p.task.about)
    return Data(corpus, build_probes(corpus, p), p)


def batch(data: Data, p: Params, step: int, micro: int = 0) -> Batch:
    """Micro-batch `micro` of a step: a pure function of (seed, step, micro)."""
    return batches.batch(data.corpus, data.probes, p, step, micro)


def weights(p: Params, step: int) -> dict[str, float]:
    """What each objective counts for at a step."""
    return {"language": 1.0, "probe": probe_weight(step, p)}


def training_loss(
    model: GPT,
    p: Params,
    device: torch.device,
    share: slice = slice(None),
    autocast: bool = False,
    compiled: bool = False,
) -> Callable[[Batch, int], Tensor]:
    """(batch, step) -> the loss of one micro-batch, scaled for accumulation; of several processes this one's part.

    `share` are this process's examples of a batch; `compiled` lets torch compile model and loss.
    """
    forward, terms = (torch.compile(model), torch.compile(loss_terms)) if compiled else (model, loss_terms)

    def loss(example: Batch, step: int) -> Tensor:
        scored = position_weights(example, probe_weight(step, p))[share] / p.batch.accumulate
        tokens = to_device(example.tokens[share], device)  # (B, L + 1)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            hidden = forward(tokens[:, :-1])  # (B, L, d)
        targets = tokens[:, 1:].flatten()
        scored = to_device(scored, device).flatten()
        return head_loss(hidden.flatten(0, 1), model.tok_emb.weight, targets, scored, autocast, terms)

    return loss


def evaluate(
    model: GPT, data: Data, p: Params, step: int, autocast: bool = False
) -> tuple[dict[str, float], dict[str, str]]:
    """(scores with the reference's names, who was right: one hex digit per four examples)."""
    scores, correct = evaluate_all(model, validation_batch(data.corpus, p, step), data.sets, autocast)
    return scores | {"cur_lambda": probe_weight(step, p)}, correct


def solved(evaluations: list[dict[str, Any]], p: Params) -> str:
    """Why training may stop early, in words; empty while it may not."""
    last = [e["probe_ood_acc"] for e in evaluations[-SOLVED_EVALUATIONS:]]
    if len(last) < SOLVED_EVALUATIONS or min(last) < SOLVED_ACCURACY:
        return ""
    return f"p_ood held {SOLVED_ACCURACY} for {SOLVED_EVALUATIONS} evaluations"


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    # Only from pinned memory does a copy to a GPU not wait for the work before it.
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


# ----------------------------------------------------------------------------------------- gradients, curvature


def objectives(model: GPT, b: Batch) -> dict[str, Tensor | None]:
    """The losses of a batch by objective, for first derivatives; None where it holds no probe."""
    return {
        "language": _mean_loss(model, b.tokens, b.language),
        "probe": _mean_loss(model, b.tokens, b.answer) if b.answer.any() else None,
    }


def _mean_loss(model: GPT, tokens: np.ndarray, scored: np.ndarray) -> Tensor:
    """Mean cross-entropy over the scored positions; sequences without any are not even read."""
    rows = scored.any(axis=1)
    device = next(model.parameters()).device
    read = torch.from_numpy(tokens[rows]).to(device)
    at = torch.from_numpy(scored[rows].ravel().nonzero()[0]).to(device)
    hidden = model(read[:, :-1]).flatten(0, 1)[at]
    equal = torch.full((len(at),), 1 / len(at), device=device)
    return head_loss(hidden, model.tok_emb.weight, read[:, 1:].flatten()[at], equal, autocast=False)


def sequences(b: Batch, p: Params, step: int, device: torch.device) -> Sequences:
    """A batch whose per-sequence losses l_n = sum_t w_nt CE_nt average to the training loss.

    With N_a and N_p the language and answer positions of the batch of B sequences, w is B / N_a on the former
    and lambda B / N_p on the latter; with lambda = 0 both are ordinary text and share B / (N_a + N_p).
    """
    scored = len(b.tokens) * position_weights(b, probe_weight(step, p))
    tokens = torch.from_numpy(b.tokens).to(device)
    return {
        "inputs": tokens[:, :-1],
        "targets": tokens[:, 1:],
        "weights": torch.from_numpy(scored).to(device),
    }


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
