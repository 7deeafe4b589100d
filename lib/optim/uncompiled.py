"""Optimizers of torch without its compiler.

torch wraps their methods so that a compiled function leaves them alone, and whatever is wrapped imports the
compiler when it is first called: more than a second of every process that trains. No compiled function calls an
optimizer here.
"""

import inspect

import torch
from torch.optim import Optimizer

WRAPPED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def uncompiled(kind: type[Optimizer]) -> type[Optimizer]:
    """The same optimizer, its methods as they were before they were wrapped."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})
