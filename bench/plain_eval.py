"""Evaluation as the reference does it: two whole passes over each probe set, one for accuracy and one for NLL."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from bench.plain_data import IGNORED, ProbeDataset
from bench.plain_model import PlainGPT

SIZE = 64  # sequences in one forward pass, as published


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    flat = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED, reduction="none"
    )
    return flat.view_as(targets)


@torch.no_grad()
def validation_loss(model: PlainGPT, loader: DataLoader) -> float:
    """The mean loss of each batch, weighted by its number of targets."""
    total, count = 0.0, 0
    for inputs, targets, _ in loader:
        logits = model(inputs)
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=IGNORED)
        n = int((targets != IGNORED).sum())
        total += loss.item() * n
        count += n
    return total / count


@torch.no_grad()
def exact_match(model: PlainGPT, loader: DataLoader) -> float:
    """Share of the examples all of whose probe targets are the argmax."""
    correct, count = 0, 0
    for inputs, targets, probe in loader:
        right = (model(inputs).argmax(dim=-1) == targets) | ~probe
        asked = probe.any(dim=1)
        correct += int((right.all(dim=1) & asked).sum())
        count += int(asked.sum())
    return correct / count


@torch.no_grad()
def answer_and_language_nll(model: PlainGPT, loader: DataLoader) -> tuple[float, float]:
    sums, counts = [0.0, 0.0], [0, 0]
    for inputs, targets, probe in loader:
        losses = token_losses(model(inputs), targets)
        for i, mask in enumerate((probe, (targets != IGNORED) & ~probe)):
            sums[i] += losses[mask].sum().item()
            counts[i] += int(mask.sum())
    return sums[0] / counts[0], sums[1] / counts[1]


def evaluate_plainly(
    model: PlainGPT, validation: DataLoader, sets: dict[str, ProbeDataset], size: int = SIZE
) -> dict[str, float]:
    """The reference's record, a fresh loader for every pass."""
    model.eval()
    val = validation_loss(model, validation)
    accuracy = {name: exact_match(model, DataLoader(s, batch_size=size)) for name, s in sets.items()}
    nll = {name: answer_and_language_nll(model, DataLoader(s, batch_size=size)) for name, s in sets.items()}
    model.train()
    answer, language = nll["ood"]
    return {
        "val_loss": val,
        "probe_in_acc": accuracy["in"],
        "probe_ood_acc": accuracy["ood"],
        "nll_in": nll["in"][0],
        "nll_ood": answer,
        "lm_ood": language,
        "r_ood": answer / max(language, 1e-8),
    }
