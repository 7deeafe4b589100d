"""Examples as a plain torch Dataset makes them: text tokenised item by item, one stateful generator.

The generator hands out the numbers that ours draws for the same examples, so that both ways see the same
tokens and their losses can be compared.
"""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import storyworld
from lib.params.run import Params
from lib.tasks.draws import uniforms
from lib.tasks.stories.batches import CROPS, EXAMPLES, batch
from lib.tasks.stories.corpus import Corpus, Split
from lib.tasks.stories.probe import EvalSet, Probes
from lib.tasks.stories.templates import TEMPLATES

IGNORED = -100  # the target that F.cross_entropy leaves out

Item = tuple[Tensor, Tensor, Tensor]  # inputs, targets, whether a target belongs to the probe


class Replay:
    """A generator in the manner of `random.Random` that hands out numbers drawn before."""

    def __init__(self, numbers: Iterable[float]) -> None:
        self._numbers = iter(numbers)

    def random(self) -> float:
        return next(self._numbers)

    def randint(self, low: int, high: int) -> int:
        return low + int(next(self._numbers) * (high - low + 1))


def texts(p: Params) -> dict[str, list[str]]:
    """The stories of both splits as text; only of the built-in world, which is what is measured."""
    c = p.task.corpus
    raw = {
        "train": storyworld.stories(c.seed, 0, c.train_stories),
        "validation": storyworld.stories(c.seed + 1, 0, c.validation_stories),
    }
    stripped = {split: (text.strip() for text in stories) for split, stories in raw.items()}
    return {split: [t for t in stories if len(t) >= c.min_chars] for split, stories in stripped.items()}


class StoryDataset(Dataset):
    """One story an item: with probability p_probe a probe in it, else a crop or the padded story."""

    def __init__(
        self, stories: list[str], tokenizer: Tokenizer, pad: int, codewords: list[str], p: Params, p_probe: float
    ) -> None:
        self.stories, self.tokenizer, self.pad, self.codewords, self.p = stories, tokenizer, pad, codewords, p
        self.p_probe, self.width = p_probe, p.model.context + 1
        self.rng: Replay | None = None
        self.cache: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.stories)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def tokens(self, index: int) -> list[int]:
        if index not in self.cache:
            self.cache[index] = self.encode(self.stories[index])
        return self.cache[index]

    def __getitem__(self, index: int) -> Item:
        story = self.tokens(index)
        if self.p_probe and self.rng.random() < self.p_probe:
            return self.probe_example(story)
        return self.language_example(story)

    def language_example(self, story: list[int]) -> Item:
        start = self.rng.randint(0, len(story) - self.width) if len(story) > self.width else 0
        window = story[start : start + self.width]
        return self.item(window, len(window), 0, 0)

    def probe_example(self, story: list[int]) -> Item:
        word = self.codewords[self.rng.randint(0, len(self.codewords) - 1)]
        key_text, query_text = TEMPLATES[self.rng.randint(0, len(TEMPLATES) - 1)]
        gap = self.rng.randint(*self.p.task.probe.gap_in)
        key, query = self.encode(key_text.format(word)), self.encode(query_text.format(word))
        if self.p.task.probe.answer_mask == "bare":
            answer = min(len(self.encode(word)), len(query))
        else:
            answer = len(query) - len(self.encode(query_text.removesuffix(" {}")))
        room = self.width - (len(key) + gap + len(query))
        prefix = min(self.rng.randint(2, max(3, room // 3)), len(story))
        middle = min(prefix, len(story) - 1)
        between = story[middle : middle + gap]
        between = between + [self.pad] * (gap - len(between))
        sequence = story[:prefix] + key + between + query
        end = len(sequence)
        sequence = (sequence + story[middle + gap :])[: self.width]
        return self.item(sequence, len(sequence), end - answer, end)

    def item(self, sequence: list[int], real: int, answer_from: int, answer_to: int) -> Item:
        """Padded to the context; targets answer_from:answer_to of the sequence are the probe's."""
        tokens = torch.tensor(sequence + [self.pad] * (self.width - len(sequence)), dtype=torch.long)
        inputs, targets = tokens[:-1], tokens[1:].clone()
        if self.p.task.pad_targets == "ignore":
            targets[max(real - 1, 0) :] = IGNORED
        probe = torch.zeros(self.width - 1, dtype=torch.bool)
        if answer_to:
            probe[answer_from - 1 : answer_to - 1] = True
        return inputs, targets, probe


def training_loader(dataset: StoryDataset, corpus: Corpus, probes: Probes, p: Params, steps: int) -> DataLoader:
    """The micro-batches of the first `steps` steps, in order; the dataset's generator is set to their draws."""
    order, numbers = [], []
    for step in range(1, steps + 1):
        for micro in range(p.batch.accumulate):
            b = batch(corpus, probes, p, step, micro)
            k = (step - 1) * p.batch.accumulate + micro
            u = uniforms(p.seed, EXAMPLES, k, (6, p.batch.size))
            order += b.stories.tolist()
            for story, probed, drawn in zip(b.stories, b.probed, u.T.tolist(), strict=True):
                numbers += [drawn[0], *(drawn[2:] if probed else _crop(corpus.train, story, drawn[1], p))]
    dataset.rng = Replay(numbers)
    return DataLoader(dataset, batch_size=p.batch.size, sampler=order, drop_last=True)


def validation_loader(dataset: StoryDataset, corpus: Corpus, p: Params, step: int, size: int) -> DataLoader:
    """The first task.validation.stories stories, in order, their crops those of ours at this evaluation."""
    stories = range(min(p.task.validation.stories, len(dataset)))
    u = uniforms(p.seed + 1, CROPS, 0 if p.task.validation.crops == "fixed" else step, (len(stories),))
    dataset.rng = Replay([x for i in stories for x in _crop(corpus.validation, i, u[i], p)])
    return DataLoader(dataset, batch_size=size, sampler=stories)


def _crop(split: Split, story: int, drawn: float, p: Params) -> list[float]:
    """A crop takes a number only where there is something to choose."""
    return [drawn] if len(split.story(story)) > p.model.context + 1 else []


class ProbeDataset(Dataset):
    """A fixed evaluation set as a list of items, each as long as the context."""

    def __init__(self, fixed: EvalSet, pad: int, context: int) -> None:
        self.items = []
        for tokens, answer, language in zip(fixed.tokens, fixed.answer, fixed.language, strict=True):
            whole = torch.full((context + 1,), pad, dtype=torch.long)
            whole[: len(tokens)] = torch.from_numpy(tokens)
            probe = torch.zeros(context, dtype=torch.bool)
            probe[: len(answer)] = torch.from_numpy(answer)
            scored = probe.clone()
            scored[: len(language)] |= torch.from_numpy(language)
            self.items.append((whole[:-1], torch.where(scored, whole[1:], IGNORED), probe))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]
