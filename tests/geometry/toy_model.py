"""A float64 toy transformer with attention, and naive oracles over it."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

VOCAB, WIDTH, LENGTH = 3, 4, 3
# Neither the order of registration in the module nor the alphabetical one.
TRUNK = ("up.weight", "value.weight", "query.weight")


class Toy(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(VOCAB, WIDTH)
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.head = nn.Linear(2 * WIDTH, VOCAB, bias=False)
        self.double()

    def forward(self, tokens):
        x = self.embed(tokens)[:, None]
        x = x + F.scaled_dot_product_attention(self.query(x), x, self.value(x), is_causal=True)
        return self.head(F.gelu(self.up(x)))[:, 0]

    def trunk(self):
        named = dict(self.named_parameters())
        return {name: named[name] for name in TRUNK}


def make_batch(n, seed):
    g = torch.Generator().manual_seed(seed)
    return {
        "inputs": torch.randint(VOCAB, (n, LENGTH), generator=g),
        "targets": torch.randint(VOCAB, (n, LENGTH), generator=g),
        "weights": torch.rand(n, LENGTH, generator=g, dtype=torch.float64),
    }


def losses(model, batch):
    ce = F.cross_entropy(model(batch["inputs"]).flatten(0, 1), batch["targets"].flatten(), reduction="none")
    return (ce.view_as(batch["weights"]) * batch["weights"]).sum(1)


def relabel(model, batch, generator):
    below = model(batch["inputs"]).detach().softmax(-1).cumsum(-1)
    u = torch.rand(batch["targets"].shape, generator=generator, dtype=torch.float64)
    targets = (below < u[..., None]).sum(-1).clamp(max=VOCAB - 1)
    return {"inputs": batch["inputs"], "targets": targets, "weights": batch["weights"].sqrt()}


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors.values()])


def direction(model, vector):
    """A flat vector as a direction."""
    pieces = torch.as_tensor(vector).split([p.numel() for p in model.trunk().values()])
    return {name: v.view_as(p) for (name, p), v in zip(model.trunk().items(), pieces, strict=True)}


def gradient(model, loss):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.trunk().values()))])


def sequence_gradients(model, batch):
    """(n, D), one backward pass per sequence."""
    rows = ({key: x[i : i + 1] for key, x in batch.items()} for i in range(len(batch["inputs"])))
    return torch.stack([gradient(model, losses(model, row)[0]) for row in rows])


def gauss_newton(model, batch):
    """(D, D) mean over sequences of sum_t w_t J_t^T (diag p - p p^T) J_t, from explicit Jacobians."""
    total = 0
    logits = model(batch["inputs"])
    for n, t in itertools.product(range(len(logits)), range(LENGTH)):
        jacobian = torch.stack([gradient_of(model, logits[n, t, c]) for c in range(VOCAB)])
        p = logits[n, t].detach().softmax(-1)
        total += batch["weights"][n, t] * jacobian.T @ (p.diag() - torch.outer(p, p)) @ jacobian
    return total / len(logits)


def gradient_of(model, output):
    trunk = list(model.trunk().values())
    return torch.cat([g.flatten() for g in torch.autograd.grad(output, trunk, retain_graph=True)])
