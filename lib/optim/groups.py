"""Which parameters decay."""

from torch import nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """The parameters that decay, and those that do not."""
    decaying = decays(model)
    decayed = [p for name, p in model.named_parameters() if decaying[name]]
    rest = [p for name, p in model.named_parameters() if not decaying[name]]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def decays(model: nn.Module) -> dict[str, bool]:
    """Name -> whether a parameter decays: matrices and embeddings do but for roles that the model spares."""
    spared = getattr(model, "spared", frozenset())
    roles = model.roles() if spared else {}
    return {name: p.ndim >= 2 and roles.get(name) not in spared for name, p in model.named_parameters()}
