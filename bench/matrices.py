"""Optimizers of matrices: a step of Muon beside its reference's decompositions, and the ways to a polar factor."""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bench.measure import Pair, agree
from bench.report import Report
from bench.training import Bench, OurRun, setting
from lib.models.products import fast_products
from lib.optim import muon
from lib.optim.matrices import polar
from lib.optim.schedules import learning_rate
from lib.tasks.stories.batches import batch

STEP_BAR, SVD_BAR = 0.25, 0.2
SIZE_S = {
    "model__layers": 4,
    "model__width": 128,
    "model__heads": 4,
    "model__ff": 512,
    "model__context": 128,
    "batch__size": 16,
    "task__tokenizer__vocab": 2048,
}
SHAPES = ((128, 128), (384, 128), (128, 512), (256, 256), (256, 1024), (512, 2048))
WAYS = ("eigh", "svd", "quintic")
BEFORE = 20  # steps, after which momenta are those of training
AGREE = 1e-3  # of the sum of a matrix's singular values, by two ways


def cpu(do: Callable[[], object]) -> float:
    """CPU seconds of one call; with one thread they are the clock's without the waiting."""
    start = time.process_time()
    do()
    return time.process_time() - start


def two_svds(matrices: list[Tensor]) -> list[Tensor]:
    """What the reference does to every matrix in every step; their polar factors."""
    found = []
    for m in matrices:
        torch.linalg.svdvals(m)
        u, _, vh = torch.linalg.svd(m, full_matrices=False)
        found.append(u @ vh)
    return found


class MuonRun(OurRun):
    """The loop's own calls at size S, with Muon."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.o = muon.Parameters(name="muon", lr=0.02, clip=1.0)
        self.optimizer = muon.build(self.model, self.o)

    def gradients(self, step: int) -> None:
        p = self.b.p
        with fast_products(self.model, torch.device("cpu")):
            self.loss_of(batch(self.b.corpus, self.b.probes, p, step), step).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), p.optim.clip, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.o.lr, p.schedule)

    def update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def momenta(self) -> list[Tensor]:
        """Of the hidden matrices; of the embeddings, which the reference takes too, their weights."""
        state = self.optimizer.state
        return [state[p].get("momentum_buffer", p.detach()) for p in self.model.parameters() if p.ndim == 2]


def one_step(run: MuonRun, rounds: int) -> tuple[Pair, list[float]]:
    """(the reference's SVDs beside our whole optimizer step, shares of ours in a training step)."""
    for step in range(1, BEFORE + 1):
        run.gradients(step)
        run.update()
    pair, shares = Pair("two SVDs a matrix | a step of muon, size S", note="CPU seconds"), []
    for step in range(BEFORE + 1, BEFORE + 1 + rounds):
        rest = cpu(lambda step=step: run.gradients(step))
        pair.ours.append(cpu(run.update))
        pair.plain.append(cpu(lambda: two_svds(run.momenta())))
        shares.append(pair.ours[-1] / (rest + pair.ours[-1]))
    for m, theirs in zip(run.momenta(), two_svds(run.momenta()), strict=True):
        agree("sum of singular values", float((theirs * m).sum()), float((polar(m).factor * m).sum()), AGREE)
    return pair, shares


def by_shape(shape: tuple[int, int], rounds: int) -> dict[str, float]:
    """CPU seconds of one polar factor of a Gaussian matrix, the fewest of several, ways next to each other."""
    a = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    best = dict.fromkeys((*WAYS, "two SVDs"), float("inf"))
    for _ in range(rounds + 1):
        for way in WAYS:
            best[way] = min(best[way], cpu(lambda way=way: polar(a, way)))
        best["two SVDs"] = min(best["two SVDs"], cpu(lambda: two_svds([a])))
    return best


def measure(b: Bench, report: Report, options: argparse.Namespace) -> None:
    report.say("a step of muon at size S")
    pair, shares = one_step(MuonRun(setting("laptop", b.corpora, **SIZE_S)), max(5, options.pairs))
    report.pairs(pair)
    share = sorted(shares)[len(shares) // 2]
    for what, value, bar in (
        ("a step of muon, share of a training step, size S", share, STEP_BAR),
        ("a step of muon, share of two SVDs a matrix", 1 / pair.ratio, SVD_BAR),
    ):
        report.bar(what, value, f"<= {100 * bar:g} %", value <= bar)
    for shape in SHAPES:
        found = by_shape(shape, max(5, options.pairs))
        report.where(
            f"a polar factor, {shape[0]} x {shape[1]}", [(way, took, False) for way, took in found.items()]
        )
