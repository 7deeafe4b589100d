"""What of a network's table of logits belongs to the operation, at whole snapshots: analysis/circuits.json."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.base.files import CURRENT
from lib.measure.models import device_here, finite, load_model, newest_model, whole_steps
from lib.measure.trajectory import write_analysis
from lib.params.run import Params, load_params
from lib.tasks.modular import fourier
from lib.tasks.modular.data import Data, make_data
from lib.tasks.modular.task import logits_of_many
from lib.train.loop import initial_model

DRAWS = 20  # of other components that are left out instead of the keys


def circuits(folder: Path, seed: int = 0) -> dict[str, Any]:
    """From the initial weights to the end: shares, keys, losses with them and without, and the null of that."""
    p = load_params(folder / "params.yaml")
    data, device = make_data(p), device_here()
    points = []
    for step, model in models(folder, p, data, device):
        if finite(model):
            points.append({"step": step} | table_of(model, data, data.operations[0], seed))
    last = points[-1] if points else {}
    for point in points:  # embeddings are large, and only their first and last are drawn
        if point["step"] not in (0, last["step"]):
            point.pop("embedding")
            point.pop("power")
    name = data.operations[0]
    white = (p.task.p - 1) / (p.task.p**2 - 1) if name != "mul" else 1 / p.task.p
    return write_analysis(folder, "circuits", {"operation": name, "white": white, "points": points})


def models(folder: Path, p: Params, data: Data, device: torch.device) -> Iterator[tuple[int, nn.Module]]:
    """(step, model): the initial weights, every whole snapshot, and the end of a run that ended elsewhere."""
    yield 0, initial_model(p, data).to(device)
    steps = whole_steps(folder)
    for step in steps:
        yield step, load_model(folder, step, data, device)
    if (folder / CURRENT).exists():
        end, model = newest_model(folder, data, device)
        if end > max(steps, default=0):
            yield end, model


@torch.no_grad()
def table_of(model: nn.Module, data: Data, operation: str, seed: int) -> dict[str, Any]:
    """Of the logits of one operation: its share of their power, keys, losses, and the same without random keys."""
    sign, m, own = fourier.SIGNS[operation], data.modulus, data.rows(operation)
    device = next(model.parameters()).device
    found = logits_of_many(model, torch.from_numpy(data.tokens[own]).to(device)).double()
    table = fourier.along(found.view(m, m, -1), operation)
    labels = fourier.along(torch.from_numpy(data.labels[own]).to(device).view(m, m), operation)
    power = fourier.power_of(table, sign)
    keys = fourier.key_frequencies(power)
    losses = fourier.progress(table, labels, keys, sign)
    return {
        "share": float(fourier.explained(table, sign)),
        "keys": keys.tolist(),
        "full": float(losses.full),
        "restricted": float(losses.restricted),
        "excluded": float(losses.excluded),
        "accuracy": right(table, labels),
        "accuracy_restricted": right(fourier.restricted(table, keys, sign), labels),
        "accuracy_excluded": right(fourier.excluded(table, keys, sign), labels),
        "random": random_ablation(table, labels, len(keys), sign, seed),
        "strongest": strongest_ablation(table, labels, len(keys), sign),
        "power": (power / fourier.spectrum(table).sum()).tolist(),
        "embedding": embedding_of(model, data).tolist(),
    }


def random_ablation(table: Tensor, labels: Tensor, count: int, sign: int, seed: int) -> dict[str, float | None]:
    """Mean and spread of the loss without `count` other components; None where there is nothing to leave out.

    Each is a pair of conjugates (u, v) and (-u, -v) off the operation's diagonal v = sign u.
    """
    if not count:
        return {"mean": None, "spread": None}
    others, whole, random = off_diagonal(len(table), sign), spectrum_of(table), np.random.default_rng(seed)
    losses = [loss_without(whole, labels, random.choice(others, count, replace=False)) for _ in range(DRAWS)]
    return {"mean": float(np.mean(losses)), "spread": float(np.std(losses, ddof=1))}


def strongest_ablation(table: Tensor, labels: Tensor, count: int, sign: int) -> float | None:
    """The loss without the `count` other components that have most of the power; None without any to leave out."""
    if not count:
        return None
    n, whole = len(table), spectrum_of(table)
    others = off_diagonal(n, sign)
    pairs = others[others <= -(others // n) % n * n + -(others % n) % n]  # one of each two conjugates
    power = whole.abs().square().sum(dim=2).flatten()[torch.from_numpy(pairs).to(whole.device)]
    return loss_without(whole, labels, pairs[power.argsort(descending=True)[:count].cpu().numpy()])


def off_diagonal(n: int, sign: int) -> np.ndarray:
    """Places u n + v of the components, the constant one excepted, that do not belong to the operation."""
    u, v = np.divmod(np.arange(1, n * n), n)
    return np.flatnonzero((v - sign * u) % n) + 1


def spectrum_of(table: Tensor) -> Tensor:
    return torch.fft.fft2(table, dim=(0, 1))


def loss_without(whole: Tensor, labels: Tensor, places: np.ndarray) -> float:
    """Cross-entropy of a table whose spectrum is `whole` but for these components and their conjugates."""
    n, drawn = len(whole), torch.from_numpy(places).to(whole.device)
    mask = torch.ones(n, n, dtype=whole.real.dtype, device=whole.device)
    mask[drawn // n, drawn % n] = 0
    mask[-(drawn // n) % n, -(drawn % n) % n] = 0
    left = torch.fft.ifft2(whole * mask[:, :, None], dim=(0, 1)).real
    return float(F.cross_entropy(left.flatten(0, 1), labels.flatten()))


def right(table: Tensor, labels: Tensor) -> float:
    return float((table.argmax(dim=2) == labels).double().mean())


def embedding_of(model: nn.Module, data: Data) -> Tensor:
    """Shares of power by frequency of what the model makes of the first residue before anything else."""
    m = data.modulus
    matrix = model.tok_emb.weight[:m] if hasattr(model, "tok_emb") else first_matrix(model)[:, :m].T
    power = fourier.embedding_power(matrix.double())
    return power / power.sum()


def first_matrix(model: nn.Module) -> Tensor:
    return next(p for p in model.parameters() if p.ndim == 2)
