"""What `train.watch` can measure of any run: every public function here is a metric by its name.

A metric takes a `Look` and returns columns of watch.parquet with their estimates; one that the run has nothing for
returns none. Metrics of one task stand in lib/tasks/<task>/metrics.py and are found in the same way.

Derivatives by the weights are those of a fixed set of training examples, the first of the run: the same at every
step, so that a curve shows the network and not the draw.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lib.models.look import Look
from lib.models.traces import Estimate, gradient_length, hessian_trace, mean_of, square_gradients

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lib.params.fields import OptimizerParameters

EXAMPLES = 256  # of the training data, at most
PROBES = 10  # of the weights' Hessian
EXECUTED_EPS = 1e-8  # which the reference adds within the root


def gradient_norm(at: Look) -> dict[str, Estimate]:
    """length of the gradient of the mean training loss, on fixed examples

    gradient_norm    ||grad_w mean loss||; its error is that of examples drawn at random, to first order
    """
    if not _has_losses(at):
        return {}
    return {"gradient_norm": gradient_length(at.model, at.task.sequence_losses, _examples(at))}


def weight_hessian(at: Look) -> dict[str, Estimate]:
    """trace of the Hessian of the mean training loss, on fixed examples

    weight_hessian_trace    by Hutchinson's probes, signs instead of the reference's Gaussians: the same mean
    """
    if not _has_losses(at):
        return {}
    examples = _examples(at)
    loss = at.task.sequence_losses(at.model, examples).mean()
    weights = list(at.model.parameters())
    count = len(next(iter(examples.values())))
    return {"weight_hessian_trace": hessian_trace(loss, weights, count, at.random(), PROBES)}


def fisher(at: Look) -> dict[str, Estimate]:
    """mean square of the gradients of single training examples, with their own labels

    fisher_trace    mean over examples of ||grad_w loss_i||^2, of which the reference takes 32
    """
    if not _has_losses(at):
        return {}
    squares = square_gradients(at.model, at.task.sequence_losses, _examples(at))
    return {"fisher_trace": mean_of(squares, len(squares))}


def adam(at: Look) -> dict[str, Estimate]:
    """what Adam's moments say of the step: as executed by the reference, and as Adam has them

    As executed, with eps in the root and without the correction of the first steps:
        effective_lr_mean, _max     sqrt(v + eps): the inverse of an effective rate
        adam_ratio_mean, _max       |m| / sqrt(v + eps)
        update_decay_ratio          ||m / sqrt(v + eps)|| of all / sqrt(sum of w^2 decay) of what decays
    As Adam has them, with m_hat and v_hat:
        adam_rms_gradient_mean, _max    sqrt(v_hat)
        adam_rate_mean, _max            lr / (sqrt(v_hat) + eps)
        adam_step_mean, _max            |m_hat| / (sqrt(v_hat) + eps)
        update_decay                    ||lr step|| / ||lr decay w|| of what decays, as this step did both
    """
    found: dict[str, list[Tensor]] = {"executed": [], "ratio": [], "rms": [], "rate": [], "step": []}
    decayed, moved, taken = (torch.zeros((), dtype=torch.float64) for _ in range(3))
    for w, m, v, steps, (beta1, beta2), eps, lr, decay in _moments(at):
        root = (v + EXECUTED_EPS).sqrt()
        m_hat, v_hat = m / (1 - beta1**steps), v / (1 - beta2**steps)
        step = m_hat / (v_hat.sqrt() + eps)
        rows = (root, m.abs() / root, v_hat.sqrt(), lr / (v_hat.sqrt() + eps), step.abs())
        for name, row in zip(found, rows, strict=True):
            found[name].append(row.flatten())
        if decay:
            before = (w + lr * step) / (1 - lr * decay)
            decayed += decay * w.double().square().sum().cpu()
            moved += (lr * step).double().square().sum().cpu()
            taken += (lr * decay * before).double().square().sum().cpu()
    if not found["step"]:
        return {}
    every = {name: torch.cat(parts) for name, parts in found.items()}
    columns = {
        "effective_lr": "executed",
        "adam_ratio": "ratio",
        "adam_rms_gradient": "rms",
        "adam_rate": "rate",
        "adam_step": "step",
    }
    means = {f"{column}_mean": every[name].double().mean() for column, name in columns.items()}
    largest = {f"{column}_max": every[name].max() for column, name in columns.items()}
    ratios = {}
    if decayed > 1e-12:
        ratios["update_decay_ratio"] = (every["ratio"].double().square().sum().cpu() / decayed).sqrt()
    if taken > 0:
        ratios["update_decay"] = (moved / taken).sqrt()
    return {name: Estimate(float(x)) for name, x in (means | largest | ratios).items()}


def weight_norms(at: Look) -> dict[str, Estimate]:
    """lengths of all weights, of those that decay, and of every matrix

    total_weight_norm, decayed_weight_norm, weight_norm.<name of a matrix>; the head is decayed like the others
    """
    named = {name: w.detach().double() for name, w in at.model.named_parameters()}
    decayed = {id(w) for group in at.optimizer.param_groups if _decay(group, at.p.optim) for w in group["params"]}
    found = {
        "total_weight_norm": _length(named.values()),
        "decayed_weight_norm": _length(named[n] for n, w in at.model.named_parameters() if id(w) in decayed),
    }
    matrices = {n.removesuffix(".weight"): w for n, w in named.items() if w.ndim >= 2}
    found |= {f"weight_norm.{name}": _length([w]) for name, w in matrices.items()}
    return {name: Estimate(x) for name, x in found.items()}


# ------------------------------------------------------------------------------------------------------ their parts


def _has_losses(at: Look) -> bool:
    """Whether the task tells the losses of examples one by one; one that only trains need not."""
    return hasattr(at.task, "sequence_losses")


def _examples(at: Look) -> dict[str, Tensor]:
    """Some training examples, the same at every step; their weights in the loss are those of the step."""
    batch = at.keep("training batch", lambda: at.task.batch(at.data, at.p, 1))
    found = at.task.sequences(batch, at.p, at.step, at.device)
    return {name: x[:EXAMPLES] for name, x in found.items()}


def _moments(at: Look) -> "Iterator[tuple[Any, ...]]":
    """Of every parameter that Adam has: itself, m, v, steps, betas, eps, learning rate and decay."""
    o = at.p.optim
    for group in at.optimizer.param_groups:
        betas = group.get("betas") or (getattr(o, "adam_memory", 0.0), getattr(o, "adam_square_memory", 0.0))
        lr = group["lr"]
        if "betas" not in group and hasattr(o, "adam_lr"):
            lr = o.adam_lr * (lr / o.lr if o.adam_schedule else 1.0)
        for w in group["params"]:
            state = at.optimizer.state[w]
            if "exp_avg_sq" in state:
                moments = state["exp_avg"], state["exp_avg_sq"], float(state["step"])
                eps = group.get("eps", getattr(o, "adam_eps", 0.0))
                yield w.detach(), *moments, betas, eps, lr, _decay(group, o)


def _decay(group: dict[str, Any], o: "OptimizerParameters") -> float:
    """Of a group of parameters; matrices that an optimizer of ours steps say nothing of it themselves."""
    return group.get("decay", group.get("weight_decay", getattr(o, "weight_decay", 0.0)))


def _length(tensors: "Iterable[Tensor]") -> float:
    return float(sum((w.square().sum() for w in tensors), torch.zeros(())) ** 0.5)
