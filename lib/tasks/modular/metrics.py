"""What `train.watch` can measure of modular arithmetic, besides `lib.train.metrics`: public functions are metrics.

Of derivatives by the input (the two unit vectors of an MLP, the embeddings of a transformer) a fixed, seeded set of
held-out pairs is asked; of what a network computes all pairs are, which needs no error.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.models.look import Look
from lib.models.traces import Estimate, input_hessian_trace, jacobian_square, mean_of
from lib.tasks.draws import uniforms
from lib.tasks.modular.fourier import (
    SIGNS,
    along,
    explained,
    key_frequencies,
    power_of,
    progress,
    spectrum,
)
from lib.tasks.modular.smoothness import share_below, smooth_share
from lib.tasks.modular.task import logits_of_many

PAIRS = 256  # held-out pairs that derivatives are asked of, at most
DIRECTIONS, PROBES = 10, 5  # for each of them
STREAM = 1000  # of random numbers: no draw of training has it


def jacobian(at: Look) -> dict[str, Estimate]:
    """squared length of the Jacobian of the logits by the input, on fixed held-out pairs

    jacobian_norm    mean over pairs of ||d logits / d input||_F^2; squared, as the reference has it
    """
    model = at.model
    return {"jacobian_norm": jacobian_square(model.from_inputs, _inputs(at), at.random(), DIRECTIONS)}


def input_hessian(at: Look) -> dict[str, Estimate]:
    """trace of the Hessian of the predicted logit by the input, on fixed held-out pairs

    hessian_trace    mean over pairs of tr d^2 logit_y / d input^2, y the class that is predicted; signed
    """
    x = _inputs(at)
    with torch.no_grad():
        predicted = at.model.from_inputs(x).argmax(dim=1, keepdim=True)

    def chosen(x: Tensor) -> Tensor:
        return at.model.from_inputs(x).gather(1, predicted).squeeze(1)

    return {"hessian_trace": input_hessian_trace(chosen, x, at.random(), PROBES)}


def representation(at: Look) -> dict[str, Estimate]:
    """mean length of what the head reads, over all held-out pairs

    representation_norm    mean over the held-out pairs of the L2 norm
    """
    with torch.no_grad():
        hidden = at.model.representation(at.model.inputs(_tokens(at, at.data.test)))
    return {"representation_norm": Estimate(mean_of(hidden.norm(dim=1)).value)}


def smoothness(at: Look) -> dict[str, Estimate]:
    """low frequencies in the table of answers: as executed, and of the logits without their mean

    spectral_smoothness    as executed: share of low frequencies of the predicted classes as numbers, DC included;
                           1 for a network that always gives the same answer
    smooth_share           the same share of the logits, a number a class, without DC; rows and columns in the
                           order of discrete logarithms where the operation is a product
    operation_share        share of the logits' power, without DC, that depends on the result of the operation alone
    """
    found: dict[str, Estimate] = {}
    for name, operation, table, _ in _tables(at):
        found[f"spectral_smoothness{name}"] = Estimate(smooth_share(table.argmax(dim=2).double()))
        if (ordered := _ordered(table, operation)) is not None:
            found[f"smooth_share{name}"] = Estimate(share_below(spectrum(ordered), len(ordered) // 4))
            found[f"operation_share{name}"] = Estimate(float(explained(ordered, SIGNS[operation])))
    return found


def fourier(at: Look) -> dict[str, Estimate]:
    """what the key frequencies alone give, and what is left without them, over all pairs

    key_frequencies    how many frequencies have at least 0.15 of the largest power
    full_loss, restricted_loss, excluded_loss    mean cross-entropy of the logits, of the key frequencies (and DC)
                       alone, and without them
    """
    found: dict[str, Estimate] = {}
    for name, operation, table, answers in _tables(at):
        if (ordered := _ordered(table, operation)) is not None:
            keys = key_frequencies(power_of(ordered, SIGNS[operation]))
            losses = progress(ordered, along(answers, operation), keys, SIGNS[operation])
            found[f"key_frequencies{name}"] = Estimate(float(len(keys)))
            found |= {f"{what}_loss{name}": Estimate(float(loss)) for what, loss in losses._asdict().items()}
    return found


def routing(at: Look) -> dict[str, Estimate]:
    """entropy of the routing weights and how much each head is used, on all training pairs

    routing_entropy    mean over layers and pairs of -sum_i w_i ln w_i;  head_<i>_utilization    mean of w_i
    """
    if not hasattr(at.model, "routed"):
        return {}
    with torch.no_grad():
        _, layers = at.model.routed(_tokens(at, at.data.train))
    if not layers:
        return {}
    weights = torch.stack([w.flatten(0, -2).double().mean(dim=0) for w in layers]).mean(dim=0)
    entropies = [-(w.double() * w.double().clamp_min(1e-300).log()).sum(dim=-1).mean() for w in layers]
    found = {"routing_entropy": Estimate(float(torch.stack(entropies).mean()))}
    return found | {f"head_{i}_utilization": Estimate(float(w)) for i, w in enumerate(weights)}


# ------------------------------------------------------------------------------------------------------ their parts


def _inputs(at: Look) -> Tensor:
    """The inputs of fixed held-out pairs, as numbers that can be differentiated by."""

    def chosen() -> np.ndarray:
        order = np.argsort(uniforms(at.p.seed, STREAM, 0, (len(at.data.test),)), kind="stable")
        return at.data.test[order[:PAIRS]]

    with torch.no_grad():
        return at.model.inputs(_tokens(at, at.keep("held-out pairs", chosen)))


def _tokens(at: Look, chosen: Any) -> Tensor:
    return torch.from_numpy(at.data.tokens[chosen]).to(at.device)


def _tables(at: Look) -> list[tuple[str, str, Tensor, Tensor]]:
    """(suffix of the columns, operation, logits (p, p, C), answers (p, p)) of every operation that there is."""

    def made() -> list[tuple[str, str, Tensor, Tensor]]:
        data = at.data
        with torch.no_grad():
            found = logits_of_many(at.model, torch.from_numpy(data.tokens).to(at.device)).double()
        labels = torch.from_numpy(data.labels).to(at.device)
        p, several = data.modulus, len(data.operations) > 1
        rows = {o: data.rows(o) for o in data.operations}
        return [
            (f"_{o}" if several else "", o, found[own].view(p, p, -1), labels[own].view(p, p))
            for o, own in rows.items()
        ]

    return at.share("tables", made)


def _ordered(table: Tensor, operation: str) -> Tensor | None:
    """In the operation's own order; None for products modulo what is no prime, which have none."""
    try:
        return along(table, operation)
    except ValueError:
        return None
