"""The published training loop, plainly: everything that is measured against `lib.train.loop.loop`."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.measure import Clock
from bench.plain_data import Item, ProbeDataset, StoryDataset, texts, training_loader, validation_loader
from bench.plain_eval import SIZE, evaluate_plainly
from bench.plain_model import PlainGPT, plain_loss, plain_optimizer, plain_twin
from lib.models.gpt import build_model
from lib.optim.schedules import learning_rate
from lib.params.cadence import is_evaluation, snapshot_steps
from lib.params.run import Params
from lib.tasks.stories.batches import batch
from lib.tasks.stories.corpus import Corpus
from lib.tasks.stories.probe import Probes, eval_sets
from lib.tasks.stories.probe_weight import probe_weight


class PlainRun:
    """A plain run of `p` up to step `steps`, set up and not yet started.

    seen: the share of its examples whose story has been tokenised before, as late in a run.
    """

    def __init__(self, p: Params, corpus: Corpus, probes: Probes, steps: int, seen: float = 0.0) -> None:
        self.p, self.corpus, self.steps = p, corpus, steps
        self.model = plain_twin(build_model(p.model, corpus.vocab, p.seed), p.model)
        self.optimizer = plain_optimizer(self.model, p.optim)
        stories = texts(p)
        made = (corpus.tokenizer, corpus.pad, probes.codewords, p)
        self.train = StoryDataset(stories["train"], *made, p_probe=p.task.probe.p)
        self.validation = StoryDataset(stories["validation"], *made, p_probe=0.0)
        self.sets = {
            name: ProbeDataset(s, corpus.pad, p.model.context) for name, s in eval_sets(corpus, probes, p).items()
        }
        self.loader = training_loader(self.train, corpus, probes, p, steps)
        self._remember(probes, seen)
        self.losses: list[float] = []
        self.evaluations: list[dict] = []

    def _remember(self, probes: Probes, seen: float) -> None:
        """Tokenise in advance the stories of that share of the steps, spread evenly."""
        for step in range(1, self.steps + 1):
            if int(step * seen) > int((step - 1) * seen):
                for micro in range(self.p.batch.accumulate):
                    for story in batch(self.corpus, probes, self.p, step, micro).stories:
                        self.train.tokens(int(story))

    def evaluate(self, step: int, size: int = SIZE) -> dict[str, float]:
        validation = validation_loader(self.validation, self.corpus, self.p, step, size)
        return evaluate_plainly(self.model, validation, self.sets, size)

    def run(self, folder: Path) -> None:
        """The whole loop, with its evaluations and checkpoints."""
        saving, since = set(snapshot_steps(self.p)) - {0}, 0
        items = iter(self.loader)
        for step in range(1, self.steps + 1):
            plain_step(self, items, step)
            if is_evaluation(step, self.p):
                scores = self.evaluate(step)
                train_loss = sum(self.losses[since:]) / (len(self.losses) - since)
                self.evaluations.append({"step": step, "train_loss": train_loss, **scores})
                since = len(self.losses)
            if step in saving:
                save_plainly(folder, self.model, step)
        (folder / "pilot_metrics.json").write_text(json.dumps(self.evaluations))


def plain_step(run: PlainRun, items: Iterator[Item], step: int, clock: Clock | None = None) -> float:
    """One optimizer step; returns its composite loss, averaged over the micro-batches."""
    clock = clock or Clock()
    p, model, optimizer = run.p, run.model, run.optimizer
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, p.optim.lr, p.schedule)
    lam, total = probe_weight(step, p), 0.0
    for _ in range(p.batch.accumulate):
        with clock("data"):
            inputs, targets, probe = next(items)
        with clock("forward"):
            logits = model(inputs)
        with clock("loss"):
            loss = plain_loss(logits, targets, probe, lam)
        with clock("backward"):
            (loss / p.batch.accumulate).backward()
        run.losses.append(loss.item())
        total += run.losses[-1] / p.batch.accumulate
    with clock("optimizer"):
        torch.nn.utils.clip_grad_norm_(model.parameters(), p.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return total


def save_plainly(folder: Path, model: PlainGPT, step: int) -> None:
    """The whole model, mask buffers and all, as the reference keeps it."""
    torch.save({"step": step, "model_state_dict": model.state_dict()}, folder / f"ckpt_{step:06d}.pt")


def weights(model: torch.nn.Module, names: list[str]) -> dict[str, Tensor]:
    named = dict(model.named_parameters())
    return {name: named[name].detach() for name in names}
