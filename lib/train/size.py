"""How big a run is: parameters, arithmetic and memory, before anything is built."""

from dataclasses import dataclass

from lib.models.gpt import Parameters as ModelParams
from lib.params.run import Params

FLOAT = 4  # bytes


def parameters(m: ModelParams, vocab: int) -> int:
    """Embeddings of tokens and positions, the blocks' matrices, and two vectors for each LayerNorm."""
    return (vocab + m.context) * m.width + trunk(m) + (2 * m.layers + 1) * 2 * m.width


def trunk(m: ModelParams) -> int:
    """Weights of the attention (4 d^2 a block) and feedforward (2 d f) matrices."""
    return m.layers * (4 * m.width**2 + 2 * m.width * m.ff)


def flops_per_token(m: ModelParams, vocab: int) -> int:
    """Forward and backward: 6 for each weight that multiplies, and 12 L T d for attention (not halved by the mask).

    The convention under which model FLOPs utilisation is usually quoted; the output head counts, looking
    up an embedding does not.
    """
    return 6 * (trunk(m) + vocab * m.width) + 12 * m.layers * m.context * m.width


@dataclass(frozen=True)
class Memory:
    """Bytes that training needs at once, by what they are for."""

    state: int  # weights, gradients, both moments, the initial trunk, the average where there is one
    activations: int  # what the backward pass of one micro-batch needs
    head: int  # the rows of logits that exist at once, and the head's own gradient
    copies: int  # of the state, while a checkpoint and snapshots are on their way to disk

    @property
    def total(self) -> int:
        return self.state + self.activations + self.head + self.copies


def training_memory(p: Params, vocab: int, rows: int, bf16: bool) -> Memory:
    """Memory of a run's arrays; `rows` is `lib.tasks.stories.loss.ROWS` of the device,
    bf16 whether it multiplies in bfloat16.

    A block keeps, for each token: the inputs of both norms (2 d, float32), and in the precision of the
    products the norms' outputs (2 d), q, k, v (3 d), what attention made of them (d, and once more where the
    heads are put together again), and both sides of the GELU (2 f). The last block's output and norm add 2 d.
    """
    m, n = p.model, parameters(p.model, vocab)
    averaged = n if p.snapshots.average else 0
    width = 2 if bf16 else FLOAT
    tokens = p.batch.size * m.context // p.machine.processes
    block = 2 * m.width * FLOAT + (7 * m.width + 2 * m.ff) * width
    return Memory(
        state=FLOAT * (4 * n + trunk(m) + averaged),
        activations=tokens * (m.layers * block + 3 * m.width * FLOAT),
        head=min(rows, tokens) * vocab * (FLOAT + width) + 2 * vocab * m.width * FLOAT + tokens * m.width * FLOAT,
        copies=FLOAT * (3 * n + averaged),
    )
