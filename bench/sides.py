"""Both ways of training and evaluating, each in a process of its own, which answers one line of JSON with another.

What a way does to its process is then its own: our loop has the C library keep freed memory, which would help the
plain way as well, and the peak of memory is that of one way.
"""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import limit
from bench.measure import Clock, peak_memory, seconds
from bench.plain_eval import SIZE
from bench.plain_train import PlainRun, plain_step, weights
from bench.training import CPU, Bench, OurRun, setting, shortened, stories_seen
from lib.base.leave import leave
from lib.base.provenance import ROOT
from lib.base.tensors import save_tensors
from lib.models.products import fast_products
from lib.params.run import dump_params
from lib.tasks.stories.batches import validation_batch
from lib.tasks.stories.evaluate import evaluate_all
from lib.tasks.stories.probe import eval_sets
from lib.train.loop import train


@dataclass(frozen=True)
class Shape:
    """What is trained: a profile's run with some parameters changed, and with more words than its corpus has."""

    name: str
    profile: str
    vocab: int = 0
    changes: dict[str, Any] = field(default_factory=dict)
    sequences: int = SIZE  # in one forward pass of the plain evaluation
    steps: int = 1000  # at most, of the plain way, whose data are drawn beforehand


# The vocabulary of GPT-2 on a model as wide as fits: nearly all of a step is its head. The stories are those of the
# built-in corpus, and the words that they do not have never occur. The reference evaluates 128 sequences at once,
# for which the plain way would take more memory than most laptops have.
LARGE = {
    "model__width": 128,
    "model__ff": 512,
    "model__context": 256,
    "batch__size": 16,
    "batch__accumulate": 2,
    "task__probe__gap_in": [5, 30],
    "task__probe__gap_ood": [80, 200],
    "task__probe__eval_examples": 32,
    "task__validation__stories": 32,
}


def large(profile: str) -> Shape:
    return Shape("50,257 words", profile, 50257, LARGE, sequences=16, steps=50)


# ------------------------------------------------------------------------------------------- in the process asked


class Plain:
    def __init__(self, b: Bench, shape: Shape) -> None:
        self.b, self.shape = b, shape
        self.run = PlainRun(b.p, b.corpus, b.probes, shape.steps, stories_seen(b.p, b.corpus))
        self.items = iter(self.run.loader)

    def steps(self, first: int, count: int) -> dict[str, Any]:
        clock, took, losses = Clock(), [], []
        for step in range(first, first + count):
            one, loss = seconds(lambda step=step: plain_step(self.run, self.items, step, clock))
            took.append(one)
            losses.append(loss)
        # The plain forward pass includes the head, ours does not.
        both = [sum(x) for x in zip(clock.parts["forward"], clock.parts["loss"], strict=True)]
        return {"seconds": took, "losses": losses, "parts": clock.parts | {"forward and loss": both}}

    def evaluate(self, step: int) -> dict[str, Any]:
        took, scores = seconds(lambda: self.run.evaluate(step, self.shape.sequences))
        return {"seconds": took, "scores": scores}

    def whole(self, folder: str, steps: int) -> dict[str, Any]:
        p = shortened(self.b.p, steps)
        run = PlainRun(p, self.b.corpus, self.b.probes, steps, stories_seen(self.b.p, self.b.corpus))
        took, _ = seconds(lambda: run.run(Path(folder)))
        names = [name for name, _ in run.model.named_parameters()]
        save_tensors(Path(folder) / "last.safetensors", weights(run.model, names), {})
        return {"seconds": took, "evaluations": run.evaluations}

    def peak(self) -> float:
        return peak_memory()


class Ours:
    def __init__(self, b: Bench, shape: Shape) -> None:
        self.b, self.shape, self.run = b, shape, OurRun(b)
        self.sets = eval_sets(b.corpus, b.probes, b.p)

    def steps(self, first: int, count: int) -> dict[str, Any]:
        clock, took, losses = Clock(), [], []
        for step in range(first, first + count):
            one, loss = seconds(lambda step=step: self.run.step(step, clock))
            took.append(one)
            losses.append(loss)
        both = zip(clock.parts["forward and loss"], clock.parts["forward"], strict=True)
        return {"seconds": took, "losses": losses, "parts": clock.parts | {"loss": [a - b for a, b in both]}}

    def evaluate(self, step: int) -> dict[str, Any]:
        took, scores = seconds(lambda: self._scores(step))
        return {"seconds": took, "scores": scores}

    def _scores(self, step: int) -> dict[str, float]:
        validation = validation_batch(self.b.corpus, self.b.p, step)
        with fast_products(self.run.model, CPU):  # as in the training loop
            return evaluate_all(self.run.model, validation, self.sets, False)[0]

    def examples(self) -> int:
        return self.b.p.task.probe.eval_examples

    def whole(self, folder: str, steps: int) -> dict[str, Any]:
        p = shortened(self.b.p, steps)
        (Path(folder) / "params.yaml").write_text(dump_params(p))
        with redirect_stdout(io.StringIO()):  # the run's own progress lines
            took, _ = seconds(lambda: train(p, Path(folder), self.b.corpora))
        return {"seconds": took}

    def peak(self) -> float:
        return peak_memory()

    def shares(self, first: int, rounds: int, count: int) -> dict[str, Any]:
        """Rounds of the limit, `count` steps and an evaluation, next to each other, in CPU seconds."""
        p, vocab = self.b.p, self.b.corpus.vocab
        reads: list[tuple[int, int]] = []
        hook = self.run.model.register_forward_pre_hook(lambda _, given: reads.append(tuple(given[0].shape)))
        self._scores(first)
        hook.remove()
        validation = validation_batch(self.b.corpus, p, first)
        inside, outside = self.sets["in"], self.sets["ood"]
        scored = [validation.language, inside.answer, outside.answer | outside.language]
        positions = int(sum(mask.sum() for mask in scored))
        found: dict[str, list[float]] = {}
        for round_ in range(rounds):
            limits = limit.measure(p, vocab)
            low = first + round_ * count
            steps = [_cpu(lambda s=s: self.run.step(s, Clock())) for s in range(low, low + count)]
            memory = limit.traffic(p, vocab) / limit.bandwidth(p)
            row = {
                "limit": limits.step,
                "with memory": limits.step + memory,
                "step": float(np.median(steps)),
                "evaluation limit": limits.evaluation(p, reads, positions),
                "evaluation": _cpu(lambda: self._scores(first)),
                "handicap": limits.handicap,
            }
            for part in (limit.TRUNK, limit.HEAD):
                row |= {f"{part}, {library}": limits.rate(part, library) for library in limit.LIBRARIES}
            for name, value in row.items():
                found.setdefault(name, []).append(value)
        return found

    def by_part(self, first: int, count: int) -> dict[str, float]:
        total = limit.by_part(lambda: [self.run.step(s, Clock()) for s in range(first, first + count)])
        return {part: took / count for part, took in total.items()}


def _cpu(do: Any) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def serve(way: str, shape: str, corpora: str) -> None:
    """Answer every line of standard input, [what, {named arguments}], with one of standard output."""
    if way == "plain":
        with suppress(OSError):  # should memory run out after all, this process goes and no other
            Path("/proc/self/oom_score_adj").write_text("1000")
    torch.set_num_threads(1)
    given = Shape(**json.loads(shape))
    b = setting(given.profile, Path(corpora), given.vocab, **given.changes)
    side = {"plain": Plain, "ours": Ours}[way](b, given)
    for line in sys.stdin:
        what, named = json.loads(line)
        print(json.dumps(getattr(side, what)(**named)), flush=True)


# -------------------------------------------------------------------------------------------- in the one that asks


class Side:
    def __init__(self, way: str, shape: Shape, corpora: Path) -> None:
        command = [sys.executable, "-m", "bench.sides", way, json.dumps(asdict(shape)), str(corpora)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self.way, self.process = way, subprocess.Popen(command, **pipes)

    def ask(self, what: str, **named: Any) -> Any:
        with suppress(BrokenPipeError):
            print(json.dumps([what, named]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of the {self.way} way ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextmanager
def both(shape: Shape, corpora: Path) -> Iterator[tuple[Side, Side]]:
    """(plain, ours) for the time of a measurement; they take turns."""
    sides = [Side(way, shape, corpora) for way in ("plain", "ours")]
    try:
        yield sides[0], sides[1]
    finally:
        for side in sides:
            side.close()


if __name__ == "__main__":
    serve(*sys.argv[1:])
    leave(0)
