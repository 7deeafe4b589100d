"""The arithmetic limit: what a step or an evaluation would take if it were its matrix products and nothing else.

What counts: for every position of a batch, padding too, the products of each block (q k v, output, up, down) and
of the head with their two derivatives, and attention's own (q k^T, a v and their four derivatives) at half of their
time, since the mask leaves half of them. An evaluation counts the forward products of the positions it reads, and
the head's at those it scores. Every product is timed at its own shape in the process that trains, in memory that
has been used before, by MKL and by oneDNN; the faster of both counts. The head is timed at the rows of a piece and
at four times as many. Nothing else counts: no softmax, GELU or norm, no optimizer, no copy, no Python.

The limit with memory adds that every other array of a step is read and written as often as it must be, at the
bandwidth with which this process copies an array of the size of the hidden layer. It counts no arithmetic for them:
exponentials and error functions are free in it as well.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.models.products import ONEDNN, product
from lib.params.run import Params
from lib.tasks.stories.loss import piece_rows

LIBRARIES = ("MKL", "oneDNN") if ONEDNN else ("MKL",)
FLOAT = 4  # bytes
ENOUGH = 5e-3  # seconds after which a product has been repeated often enough
TRUNK, HEAD, ATTENTION = "trunk", "head", "attention"


@dataclass(frozen=True)
class Product:
    """(batch, m, k) times (batch, k, n), `times` a step; forward, or the derivative by input or weight."""

    part: str
    kind: str
    m: int
    k: int
    n: int
    times: float
    batch: int = 1

    @property
    def flops(self) -> float:
        return 2.0 * self.batch * self.m * self.k * self.n * self.times


def products(p: Params, vocab: int) -> list[list[Product]]:
    """The products of a step; of each list of alternatives the fastest counts."""
    m, micro = p.model, p.batch.accumulate
    tokens, size = p.batch.size * m.context, m.width // m.heads
    found = []
    for inputs, outputs in ((m.width, 3 * m.width), (m.width, m.width), (m.width, m.ff), (m.ff, m.width)):
        found += [[x] for x in _three(TRUNK, tokens, inputs, outputs, m.layers * micro)]
    piece = min(tokens, piece_rows(vocab, "cpu"))
    sizes = sorted({piece, min(tokens, 4 * piece)})
    by_rows = [_three(HEAD, rows, m.width, vocab, micro * tokens / rows) for rows in sizes]
    found += [list(alternatives) for alternatives in zip(*by_rows, strict=True)]
    heads, half = p.batch.size * m.heads, 0.5 * m.layers * micro
    length = m.context
    # q k^T and, backward, d a = d o v^T; the rest are (T, T) times (T, size), some of them transposed.
    found.append([Product(ATTENTION, "forward", length, size, length, half, heads)])
    found.append([Product(ATTENTION, "forward", length, length, size, half, heads)])
    found.append([Product(ATTENTION, "input", length, size, length, half, heads)])
    found.append([Product(ATTENTION, "input", length, length, size, 3 * half, heads)])
    return found


def _three(part: str, rows: int, inputs: int, outputs: int, times: float) -> list[Product]:
    """y = x W^T, d x = d y W and d W = d y^T x."""
    return [
        Product(part, "forward", rows, inputs, outputs, times),
        Product(part, "input", rows, outputs, inputs, times),
        Product(part, "weight", outputs, rows, inputs, times),
    ]


def best(do: Callable[[], object]) -> float:
    """CPU seconds of one call, the fewest of several. With one thread they are the clock's without the waiting."""
    do()
    fewest, spent = float("inf"), 0.0
    while spent < ENOUGH:
        start = time.process_time()
        do()
        took = time.process_time() - start
        fewest, spent = min(fewest, took), spent + took
    return fewest


def timed(x: Product) -> dict[str, float]:
    """Seconds of one such product by library, with the layouts that a linear layer gives it."""
    if x.batch > 1:  # attention: one library has them
        a, b = torch.ones(x.batch, x.m, x.k), torch.ones(x.batch, x.k, x.n)
        out = torch.empty(x.batch, x.m, x.n)
        return {"MKL": best(lambda: torch.bmm(a, b, out=out))}
    out = torch.empty(x.m, x.n)
    if x.kind == "forward":  # (rows, in), (out, in)
        a, b = torch.ones(x.m, x.k), torch.ones(x.n, x.k).t()
    elif x.kind == "input":  # (rows, out), (out, in)
        a, b = torch.ones(x.m, x.k), torch.ones(x.k, x.n)
    else:  # (rows, out), (rows, in)
        a, b = torch.ones(x.k, x.m).t(), torch.ones(x.k, x.n)
    ways = {"MKL": lambda: torch.mm(a, b, out=out), "oneDNN": lambda: _small_first(a, b)}
    return {library: best(ways[library]) for library in LIBRARIES}


def _small_first(a: Tensor, b: Tensor) -> Tensor:
    """a b by oneDNN, which copies a first factor that is transposed: then the smaller one is the first."""
    if a.is_contiguous() or len(a) <= b.shape[1]:
        return product(a, b.t())
    return product(b.t(), a).t()


@dataclass(frozen=True)
class Limit:
    """Seconds by (part, kind) and library, of the whole step, each at its best shape; and FLOPs likewise."""

    seconds: dict[tuple[str, str], dict[str, float]]
    flops: dict[tuple[str, str], float]

    @property
    def step(self) -> float:
        return sum(min(times.values()) for times in self.seconds.values())

    def rate(self, part: str, library: str) -> float:
        """GFLOP/s of a part of the step's products."""
        mine = [key for key in self.seconds if key[0] == part and library in self.seconds[key]]
        return sum(self.flops[key] for key in mine) / sum(self.seconds[key][library] for key in mine) / 1e9

    @property
    def handicap(self) -> float:
        """Seconds that a step of MKL's products takes longer than one of the faster products."""
        return sum(times["MKL"] - min(times.values()) for times in self.seconds.values())

    def evaluation(self, p: Params, reads: list[tuple[int, int]], scored: int) -> float:
        """Of the forward products, for batches of (sequences, length) and that many scored positions."""
        micro = p.batch.accumulate
        tokens = p.batch.size * p.model.context * micro
        share = {
            TRUNK: sum(size * length for size, length in reads) / tokens,
            HEAD: scored / tokens,
            ATTENTION: sum(size * length**2 for size, length in reads) / (tokens * p.model.context),
        }
        return sum(share[part] * min(self.seconds[part, "forward"].values()) for part in share)


def measure(p: Params, vocab: int) -> Limit:
    seconds: dict[tuple[str, str], dict[str, float]] = {}
    flops: dict[tuple[str, str], float] = {}
    for alternatives in products(p, vocab):
        key = alternatives[0].part, alternatives[0].kind
        found = [{library: x.times * took for library, took in timed(x).items()} for x in alternatives]
        into = seconds.setdefault(key, dict.fromkeys(found[0], 0.0))
        for library in into:
            into[library] += min(times[library] for times in found)
        flops[key] = flops.get(key, 0.0) + alternatives[0].flops
    return Limit(seconds, flops)


# --------------------------------------------------------------------------------------------------- and memory


def traffic(p: Params, vocab: int) -> float:
    """Bytes that the rest of a step reads and writes, every array as often as it must be, products not counted.

    Of a token, in floats: a norm 2 d forward and 3 d backward, a residual 3 d and 3 d, GELU 2 f and 3 f, attention
    4 d and 8 d, the embeddings 2 d and 2 d, the loss 2 V. Of a parameter: 3 for clipping, 7 for AdamW; of the
    head's, which is the embedding's, 3 for each of the two gradients of a micro-batch.
    """
    m, micro = p.model, p.batch.accumulate
    norms, residuals, attention = 5 * (2 * m.layers + 1), 6 * 2 * m.layers, 12 * m.layers
    token = (norms + residuals + attention + 4) * m.width + 5 * m.layers * m.ff + 2 * vocab
    weights = m.layers * (4 * m.width**2 + 2 * m.width * m.ff) + (vocab + m.context) * m.width
    return FLOAT * (micro * (p.batch.size * m.context * token + 6 * vocab * m.width) + 10 * weights)


def bandwidth(p: Params) -> float:
    """Bytes a second, read and written, of a copy as large as the hidden layer of a micro-batch."""
    source = torch.ones(p.batch.size * p.model.context, p.model.ff)
    target = torch.empty_like(source)
    return 2 * FLOAT * source.numel() / best(lambda: target.copy_(source))


# ---------------------------------------------------------------------------------------------- where time goes

# Operations of a step by what they are for; the rest is `everything else`.
PARTS = {
    "products": ("_linear_pointwise", "aten::mm", "aten::addmm", "aten::bmm"),
    "attention": ("_scaled_dot_product",),
    "GELU": ("aten::gelu",),
    "norms": ("layer_norm",),
    "loss, element by element": ("exp_", "amax", "sub_", "aten::sum", "scatter_add", "gather", "log_softmax"),
    "sums and copies": ("aten::copy_", "aten::add", "aten::mul", "aten::cat", "aten::clone"),
    "optimizer and clipping": ("adamw", "AdamW", "_foreach", "vector_norm"),
}


def by_part(do: Callable[[], object]) -> dict[str, float]:
    """Seconds of a call by part, from torch's profiler."""
    with _silent(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        do()
    found = dict.fromkeys([*PARTS, "everything else"], 0.0)
    for event in profiler.key_averages():
        found[_part(event.key)] += event.self_cpu_time_total / 1e6
    return found


@contextmanager
def _silent() -> Iterator[None]:
    """Without the lines that torch's profiler writes, from C++, when it starts and stops."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _part(name: str) -> str:
    return next(iter(_parts_of(name)), "everything else")


def _parts_of(name: str) -> Iterator[str]:
    return (part for part, signs in PARTS.items() if any(sign in name for sign in signs))
