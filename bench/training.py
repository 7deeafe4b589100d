"""Training: a step and its parts, the data of a batch, a whole run, and two runs side by side."""

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.measure import Clock, Pair, agree, seconds
from bench.plain_data import Item, training_loader
from bench.plain_train import PlainRun, plain_step, save_plainly, weights
from lib.base.tensors import load_tensors, write_snapshot
from lib.models.gpt import GPT, build_model
from lib.models.products import fast_products
from lib.optim.adamw import build_optimizer
from lib.optim.schedules import learning_rate, probe_weight
from lib.params.cadence import snapshot_steps
from lib.params.run import Params, dump_params, validate
from lib.params.study import flatten, load_study, unflatten
from lib.tasks.stories.batches import batch
from lib.tasks.stories.corpus import Corpus, build_corpus
from lib.tasks.stories.probe import Probes, build_probes
from lib.train.checkpoint import full_state, save_checkpoint
from lib.train.loop import objective, train
from lib.train.parallel import Ranks
from lib.train.records import read_evaluations

LOSSES = 1e-4  # relative, of the losses of one run computed in two ways
WEIGHTS = 1e-4  # of the final weights: AdamW enlarges the rounding of the smallest gradients
BLOCKS = 5  # samples that the steps of one measurement are averaged to
CPU = torch.device("cpu")


@dataclass
class Bench:
    """What the training measurements share: the run's parameters, its corpus and its probes."""

    p: Params
    corpus: Corpus
    probes: Probes
    corpora: Path


def setting(profile: str, corpora: Path, **changes: object) -> Bench:
    """The baseline run of a profile; dots in changed names are written as double underscores."""
    p = load_study("beta2", profile, "optim.beta2=0.95", axes={}).runs[0].params
    p = changed(p, **changes)
    corpus = build_corpus(p, corpora)
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
        self.b = bench
        self.model: GPT = build_model(bench.p.model, bench.corpus.vocab, bench.p.seed)
        self.optimizer = build_optimizer(self.model, bench.p.optim)

    def step(self, step: int, clock: Clock) -> float:
        with fast_products(self.model, CPU):
            return self._step(step, clock)

    def _step(self, step: int, clock: Clock) -> float:
        p, total = self.b.p, 0.0

        def forward(tokens: torch.Tensor) -> torch.Tensor:
            with clock("forward"):
                return self.model(tokens)

        loss_of = objective(p, self.model, Ranks(0, 1, CPU), forward=forward)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, p.optim.lr, p.schedule)
        lam = probe_weight(step, p.schedule)
        for micro in range(p.batch.accumulate):
            with clock("data"):
                example = batch(self.b.corpus, self.b.probes, p, step, micro)
                example.digest  # noqa: B018 - every batch goes into the run's chain of hashes
            with clock("forward and loss"):
                loss = loss_of(example, lam)
            clock.parts["loss"].append(clock.parts["forward and loss"].pop() - clock.parts["forward"][-1])
            with clock("backward"):
                loss.backward()
            total += loss.item()
        with clock("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), p.optim.clip, foreach=True)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        return total


PARTS = ("data", "forward", "loss", "backward", "optimizer")


def steps_in_parts(bench: Bench, count: int, warm: int = 3) -> tuple[list[Pair], dict[str, float], float]:
    """`count` steps of both ways, alternating: (pairs, the median seconds of our parts, how well losses agree)."""
    p = bench.p
    theirs = PlainRun(p, bench.corpus, bench.probes, warm + count, stories_seen(p, bench.corpus))
    mine, items = OurRun(bench), iter(theirs.loader)
    clocks = {"plain": Clock(), "ours": Clock()}
    whole = Pair("training step")
    worst = 0.0
    for step in range(1, warm + count + 1):
        if step == warm + 1:
            for clock in clocks.values():
                clock.parts.clear()
        took_plain, plain_loss = seconds(lambda step=step: plain_step(theirs, items, step, clocks["plain"]))
        took_ours, our_loss = seconds(lambda step=step: mine.step(step, clocks["ours"]))
        worst = max(worst, agree(f"loss of step {step}", plain_loss, our_loss, LOSSES))
        if step > warm:
            whole.plain.append(took_plain)
            whole.ours.append(took_ours)
    for clock in clocks.values():  # the plain forward pass includes the head, ours does not
        forward = zip(clock.parts["forward"], clock.parts["loss"], strict=True)
        clock.parts["forward and loss"] = [sum(both) for both in forward]
    pairs = [
        Pair(f"  {part}", clocks["plain"].parts[part], clocks["ours"].parts[part])
        for part in ("data", "forward and loss", "backward", "optimizer")
    ]
    medians = {part: clocks["ours"].median(part, BLOCKS) for part in PARTS}
    return [pair.in_blocks(BLOCKS) for pair in (whole, *pairs)], medians, worst


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


# ------------------------------------------------------------------------------------------------- whole runs


def whole_runs(bench: Bench, steps: int, count: int, say: Callable[[str], None]) -> tuple[Pair, dict[str, float]]:
    """Training with its evaluations and snapshots, from initial weights to the last, `count` pairs."""
    p = shortened(bench.p, steps)
    pair, worst = Pair(f"whole training, {steps} steps"), {}
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        for n in range(count):
            plain_folder, our_folder = Path(home) / "plain", Path(home) / "ours"
            for folder in (plain_folder, our_folder):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            theirs = PlainRun(p, bench.corpus, bench.probes, steps, stories_seen(bench.p, bench.corpus))
            pair.plain.append(seconds(lambda run=theirs, f=plain_folder: run.run(f))[0])
            (our_folder / "params.yaml").write_text(dump_params(p))
            with redirect_stdout(io.StringIO()):  # the run's own progress lines
                pair.ours.append(seconds(lambda f=our_folder: train(p, f, bench.corpora))[0])
            worst = same_runs(theirs, our_folder, steps)
            say(f"pair {n + 1} of {count}: plain {pair.plain[-1]:.1f} s, ours {pair.ours[-1]:.1f} s")
    return pair, worst


def same_runs(theirs: PlainRun, folder: Path, steps: int) -> dict[str, float]:
    """Both runs recorded the same losses and ended at the same weights."""
    mine = read_evaluations(folder)
    losses = 0.0
    for a, b in zip(theirs.evaluations, mine, strict=True):
        for name in ("train_loss", "val_loss"):
            losses = max(losses, agree(f"{name} of step {a['step']}", a[name], b[name], LOSSES))
    tensors, _ = load_tensors(folder / "snapshots" / f"{steps:06d}.safetensors")
    final = weights(theirs.model, list(tensors))
    return {"losses": losses, "weights": agree("final weights", final, tensors, WEIGHTS)}


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
            snapshot.ours.append(seconds(lambda step=step, t=trunk: write_snapshot(folder, step, t, "bench"))[0])
            full = seconds(lambda: save_checkpoint(folder, full_state(mine.model, mine.optimizer), "{}", "bench"))[
                0
            ]
            checkpoint.plain.append(took)
            checkpoint.ours.append(full)
    return {"snapshot": snapshot, "checkpoint": checkpoint}
