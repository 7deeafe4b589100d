"""Without torch's compiler an optimizer takes the same steps, to the last bit, and does not import it."""

import subprocess
import sys

import pytest
import torch

from lib.base.files import ROOT
from lib.optim.uncompiled import uncompiled

KINDS = {
    "AdamW": {"lr": 0.1, "weight_decay": 0.3, "fused": True},
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3},
}


@pytest.mark.parametrize("name", KINDS)
def test_steps_and_state_are_those_of_torch_to_the_last_bit(name):
    kind = getattr(torch.optim, name)
    weights = {}
    for each in (kind, uncompiled(kind)):
        random = torch.Generator().manual_seed(1)
        w = torch.nn.Parameter(torch.randn(5, 7, generator=random))
        optimizer = each([w], **KINDS[name])
        for step in range(6):
            if step == 3:  # as a run that goes on
                saved = optimizer.state_dict()
                optimizer = each([w], **KINDS[name])
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            assert w.grad is None
            (w.sin() * torch.randn(5, 7, generator=random)).sum().backward()
            optimizer.step()
        assert w.is_leaf
        weights[each] = w.detach()
    assert len(weights) == 2 and torch.equal(*weights.values())


def test_the_optimizers_import_no_compiler():
    code = """
import sys, torch
from lib.optim import adamw, sgd
model = torch.nn.Linear(2, 2)
adam = adamw.Parameters(name="adamw", lr=0.1, clip=1.0, beta1=0.9, beta2=0.9, eps=1e-8, weight_decay=0.1)
every = [(adamw, adam), *((sgd, sgd.Parameters(name="sgd", lr=0.1, clip=1.0, decoupled=d)) for d in (True, False))]
for module, o in every:
    optimizer = module.build(model, o)
    optimizer.zero_grad()
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
