"""All pairs of residues, their symbols, and which of them are trained on."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from lib.params.run import Params

OPERATIONS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}


@dataclass(frozen=True)
class Vocabulary:
    """The residues have their own numbers; after them come the operations, and the equals sign."""

    p: int
    operations: tuple[str, ...]

    @property
    def equals(self) -> int:
        return self.p + len(self.operations)

    @property
    def size(self) -> int:
        return self.equals + 1

    def sign(self, operation: str) -> int:
        return self.p + self.operations.index(operation)

    def sentences(self, pairs: np.ndarray, operation: str) -> np.ndarray:
        """(N, 2) -> (N, 4): a, the operation, b, the equals sign."""
        ones = np.ones(len(pairs), dtype=np.int64)
        return np.stack([pairs[:, 0], self.sign(operation) * ones, pairs[:, 1], self.equals * ones], axis=1)


@dataclass(frozen=True)
class Data:
    """Pairs and answers, a p by p table for each operation, one after another; row a p + b of a table is (a, b)."""

    tokens: np.ndarray  # (N, inputs) int64: a and b, or a whole sentence
    labels: np.ndarray  # (N,) int64
    train: np.ndarray  # indices of training pairs, in a random order
    test: np.ndarray
    vocabulary: Vocabulary

    @property
    def inputs(self) -> int:
        """Symbols in an example."""
        return self.tokens.shape[1]

    @property
    def fingerprint(self) -> str:
        parts = (self.train, self.test, self.labels)
        return hashlib.blake2b(b"".join(x.tobytes() for x in parts), digest_size=16).hexdigest()

    @property
    def vocab(self) -> int:
        """Symbols that there are."""
        return self.modulus if self.inputs == 2 else self.vocabulary.size

    @property
    def outcomes(self) -> int:
        return self.modulus

    @property
    def modulus(self) -> int:
        return self.vocabulary.p

    @property
    def operations(self) -> tuple[str, ...]:
        return self.vocabulary.operations

    def rows(self, operation: str) -> slice:
        """The examples of an operation."""
        at = self.operations.index(operation) * self.modulus**2
        return slice(at, at + self.modulus**2)

    @property
    def files(self) -> dict[str, str]:
        """What a run's folder keeps of its data: the parameters say it all."""
        return {}

    def pace(self, p: "Params") -> tuple[int, str]:
        """What a step reads, and the unit that it is counted in."""
        return (p.batch.size or len(self.train)) * p.batch.accumulate, "ex"


def make_data(p: "Params") -> Data:
    """The tables and their split, in the symbols that the run's model reads."""
    t = p.task
    pairs = np.stack(np.divmod(np.arange(t.p**2), t.p), axis=1)
    vocabulary = Vocabulary(t.p, t.operations)
    tokens = [
        vocabulary.sentences(pairs, o) if getattr(p.model, "reads", "pair") == "sentence" else pairs
        for o in t.operations
    ]
    labels = [OPERATIONS[o](pairs[:, 0], pairs[:, 1]) % t.p for o in t.operations]
    train, test = split(t.p**2, t.train_share, len(t.operations), t.split_seed)
    return Data(np.concatenate(tokens), np.concatenate(labels), train, test, vocabulary)


def split(count: int, share: float, tables: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and of test pairs: the first floor(share count) of torch's permutation of every table.

    With several tables both lists are shuffled in the end, all from one generator. It is the reference's split, to
    the pair, for the reference's seed.
    """
    generator = torch.Generator().manual_seed(seed)
    cut = int(share * count)
    orders = [torch.randperm(count, generator=generator) + n * count for n in range(tables)]
    parts = [torch.cat([o[:cut] for o in orders]), torch.cat([o[cut:] for o in orders])]
    if tables > 1:
        parts = [part[torch.randperm(len(part), generator=generator)] for part in parts]
    return parts[0].numpy(), parts[1].numpy()
