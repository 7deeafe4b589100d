"""Training: a step and its parts, the data of a batch, a whole run, and what is saved."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from bench.measure import Clock, Pair, agree, seconds
from bench.plain_data import Item, training_loader
from bench.plain_train import PlainRun, save_plainly
from lib.base.tensors import write_snapshot
from lib.models.gpt import GPT, build_model
from lib.models.products import fast_products
from lib.optim import adamw
from lib.optim.schedules import learning_rate
from lib.params.cadence import snapshot_steps
from lib.params.run import Params, validate
from lib.params.study import flatten, load_study, unflatten
from lib.tasks.stories.batches import batch
from lib.tasks.stories.corpus import Corpus, build_corpus
from lib.tasks.stories.probe import Probes, build_probes
from lib.tasks.stories.task import training_loss
from lib.train.checkpoint import full_state, save_checkpoint

BLOCKS = 5  # samples that the steps of one measurement are averaged to
CPU = torch.device("cpu")


@dataclass
class Bench:
    """What the training measurements share: the run's parameters, its corpus and its probes."""

    p: Params
    corpus: Corpus
    probes: Probes
    corpora: Path


@dataclass(frozen=True)
class WithMoreWords(Corpus):
    """A corpus for a model with a larger vocabulary: the further words never occur."""

    vocab: int = 0


def setting(profile: str, corpora: Path, vocab: int = 0, **changes: object) -> Bench:
    """The baseline run of a profile; dots in changed names are written as double underscores."""
    p = load_study("beta2", profile, "optim.beta2=0.95", axes={}).runs[0].params
    p = changed(p, **changes)
    corpus = build_corpus(p, corpora)
    if vocab:
        corpus = WithMoreWords(**{f.name: getattr(corpus, f.name) for f in fields(corpus)}, vocab=vocab)
    return Bench(p, corpus, build_probes(corpus, p), corpora)


def changed(p: Params, **changes: object) -> Params:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return validate(Params, unflatten({**flatten(p.model_dump(mode="json")), **named}), "the benchmark's run")


def shortened(p: Params, steps: int) -> Params:
    """The same run stopped early, with evaluations and snapshots as dense as over the whole of it."""
    if steps >= p.schedule.steps:
        return p
    every = max(1, p.schedule.steps // len(snapshot_steps(p)))
    never = steps + 1
    return changed(
        p,
        schedule__steps=steps,
        schedule__warmup=min(p.schedule.warmup, steps - 1),
        task__lambda_step=max(p.task.lambda_step, never),
        snapshots__dense_every=every,
        snapshots__dense_from=every,
        snapshots__dense_to=steps,
        snapshots__sparse_every=never,
        snapshots__sparse_from=never,
        snapshots__whole=[],
    )


def stories_seen(p: Params, corpus: Corpus) -> float:
    """The share of a whole run's examples whose story it has had before."""
    examples = p.schedule.steps * p.batch.size * p.batch.accumulate
    return max(0.0, 1 - len(corpus.train) / examples)


# ------------------------------------------------------------------------------------------------------ a step


class OurRun:
    """Our loop's own calls, one step at a time."""

    def __init__(self, bench: Bench) -> None:
        self.b, self.clock = bench, Clock()
        self.model: GPT = build_model(bench.p.model, bench.corpus.vocab, bench.p.seed)
        self.optimizer = adamw.build(self.model, bench.p.optim)
        self.loss_of = training_loss(self.model, bench.p, CPU)
        self.model.register_forward_pre_hook(lambda *_: self.clock.start("forward"))
        self.model.register_forward_hook(lambda *_: self.clock.stop("forward"))

    def step(self, step: int, clock: Clock) -> float:
        self.clock = clock
        with fast_products(self.model, CPU):
            return self._step(step, clock)

    def _step(self, step: int, clock: Clock) -> float:
        p, total = self.b.p, 0.0
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, p.optim.lr, p.schedule)
        for micro in range(p.batch.accumulate):
            with clock("data"):
                example = batch(self.b.corpus, self.b.probes, p, step, micro)
                example.digest  # noqa: B018 - every batch goes into the run's chain of hashes
            with clock("forward and loss"):
                loss = self.loss_of(example, step)
            with clock("backward"):
                loss.backward()
            total += loss.item()
        with clock("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), p.optim.clip, foreach=True)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        return total


def same_items(items: Iterator[Item], bench: Bench, step: int, micro: int = 0) -> None:
    """The next plain batch holds the tokens, targets and masks of ours."""
    b = batch(bench.corpus, bench.probes, bench.p, step, micro)
    inputs, targets, probe = next(items)
    agree(f"inputs of step {step}", inputs, b.tokens[:, :-1], 0.0)
    scored = torch.from_numpy(b.language | b.answer)
    agree(f"targets of step {step}", targets, torch.where(scored, torch.from_numpy(b.tokens[:, 1:]), -100), 0.0)
    agree(f"probe mask of step {step}", probe, b.answer, 0.0)


def data(bench: Bench, count: int) -> Pair:
    """Batches alone, after a check that they are the same."""
    p = bench.p
    theirs = PlainRun(p, bench.corpus, bench.probes, count, stories_seen(p, bench.corpus))
    items = iter(training_loader(theirs.train, bench.corpus, bench.probes, p, count))
    pair = Pair("data of one batch", note=f"{100 * stories_seen(p, bench.corpus):.0f} % of the stories seen before")
    for step in range(1, count + 1):
        pair.plain.append(seconds(lambda: next(items))[0])
        pair.ours.append(seconds(lambda step=step: batch(bench.corpus, bench.probes, p, step).digest)[0])
    again = iter(training_loader(theirs.train, bench.corpus, bench.probes, p, min(count, 20)))
    for step in range(1, min(count, 20) + 1):
        same_items(again, bench, step)
    return pair.in_blocks(BLOCKS)


# ------------------------------------------------------------------------------------------------ saving parts


def saving(bench: Bench, count: int) -> dict[str, Pair]:
    """What is written during a run: a snapshot against the reference's checkpoint, and our resume point."""
    mine = OurRun(bench)
    mine.step(1, Clock())
    theirs = PlainRun(bench.p, bench.corpus, bench.probes, 1)
    snapshot, checkpoint = Pair("snapshot"), Pair("checkpoint")
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        folder = Path(home)
        for step in range(1, count + 1):
            took = seconds(lambda step=step: save_plainly(folder, theirs.model, step))[0]
            snapshot.plain.append(took)
            trunk = dict(mine.model.trunk())
            written, _ = seconds(lambda step=step, t=trunk: write_snapshot(folder, step, t, "bench", list(t)))
            snapshot.ours.append(written)
            state = full_state(mine.model, mine.optimizer)
            full, _ = seconds(lambda s=state: save_checkpoint(folder, s, "{}", "bench"))
            checkpoint.plain.append(took)
            checkpoint.ours.append(full)
    return {"snapshot": snapshot, "checkpoint": checkpoint}
