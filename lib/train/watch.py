"""What is measured inside the loop: watch.parquet.

Of the whole model what `train.watch` asks for (`lib.train.whole`), a row a step in the group `model`. Of what steps
do to matrices what follows, every `train.watch_every` steps.

A row is a step and a group: every hidden matrix of one name, whatever its layer. Of a matrix W of m x n with
k = min(m, n), its gradient g as the optimizer met it and U = what the step added to W besides decay, a row has
means over the group:

    gradient_norm, weight_norm    ||g||_F, ||W||_F after the step
    update_rms                    ||U||_F / sqrt(m n)
    gradient_rank, update_rank    effective rank, as a share of a Gaussian matrix's of that shape
    unevenness                    ||I - X X^T||_F / sqrt(k) of X = U sqrt(k) / ||U||_F: 0 where all singular
                                  values are equal, sqrt(k / max(m, n)) of a Gaussian matrix
    memory_norm, memory_rank      Frobenius norm and effective rank likewise of the optimizer's memory of gradients,
                                  where it has one
    memory_cosine                 of -U with where that memory by itself leads: noise turns a step away from it

and every count that the optimizer keeps of a matrix, such as how often noise was added. What is not finite is null.
"""

import io
import re
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lib.base.errors import BadInput
from lib.base.files import WATCH, content_hash, finite, write_atomically
from lib.optim.matrices import effective_rank, gaussian_rank
from lib.params.cadence import measured_metrics
from lib.params.run import Params
from lib.train.whole import GROUP, Row, Whole

if TYPE_CHECKING:
    import pyarrow

MEMORIES = ("momentum_buffer", "exp_avg")  # as torch names them
TOLD = ("step", "effective_rank", "memory_rank")  # states that other columns have
SEAL = b"seal"  # a hash of the rows, in the file's own metadata


class Watch:
    """The table of a run, one step after another; nothing is measured where nobody asked for it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        own: ModuleType,
        p: Params,
        every: int | None,
        whole: Whole | None = None,
    ) -> None:
        """
        Args:
            own: the optimizer's module, for the direction that its memory has.
            whole: what is measured of the whole model.

        Raises: BadInput for a model without a hidden matrix: its table would have no row.
        """
        self.every, self.optimizer, self.own, self.o, self.whole = every, optimizer, own, p.optim, whole
        roles = model.roles() if self.every else {}
        self.matrices = {n: w for n, w in model.named_parameters() if roles.get(n) == "hidden" and w.ndim == 2}
        if self.every and not self.matrices:
            raise BadInput(f"train.watch_every = {self.every}: {p.model.name} has no hidden matrix to watch")
        self.p, self.rows = p, list[Row]()
        self.before: dict[str, Tensor] = {}

    def before_step(self, step: int, lr: float) -> None:
        """Keep what a watched step would leave of the weights by decay alone."""
        if self.every and step % self.every == 0:
            kept = 1 - self.own.decay(lr, self.o)
            self.before = {name: w.detach() * kept for name, w in self.matrices.items()}

    def after_step(self, step: int, lr: float = 0.0, event: int | None = None) -> None:
        """Measure the step, while the gradients that it was made from are still there.

        Args:
            event: the step of the newest event.
        """
        self._matrices(step)
        if self.whole and (row := self.whole.row(step, lr, event)):
            self.rows.append(row)

    @torch.no_grad()
    def _matrices(self, step: int) -> None:
        groups: dict[str, list[dict[str, float]]] = defaultdict(list)
        for name, start in self.before.items():
            groups[group_of(name)].append(self._measured(self.matrices[name], start))
        self.before = {}
        for group, found in groups.items():
            columns = dict.fromkeys(key for one in found for key in one)
            means = {key: finite(fmean(one[key] for one in found if key in one)) for key in columns}
            known = {key: x for key, x in means.items() if x is not None}
            self.rows.append({"step": step, "group": group, **known})

    def _measured(self, w: Tensor, start: Tensor) -> dict[str, float]:
        u, g, state = w.detach() - start, w.grad, self.optimizer.state[w]
        k, size = min(w.shape), torch.linalg.matrix_norm(u)
        counts = {key: float(state[key]) for key in sorted(state) if state[key].ndim == 0 and key not in TOLD}
        memory = next((state[key] for key in MEMORIES if key in state), None)
        known = [u, g] if memory is None else [u, g, memory]
        if size == 0 or not all(torch.isfinite(x).all() for x in known):  # it stands still, or is lost
            return {"weight_norm": float(torch.linalg.matrix_norm(w)), **counts}
        shares = torch.linalg.svdvals(u) * (k**0.5 / size)
        lead = self.own.direction(state, self.o)
        found = {
            "gradient_norm": torch.linalg.matrix_norm(g),
            "weight_norm": torch.linalg.matrix_norm(w),
            "update_rms": size / w.numel() ** 0.5,
            "gradient_rank": effective_rank(torch.linalg.svdvals(g)) / gaussian_rank(*w.shape),
            "update_rank": effective_rank(shares) / gaussian_rank(*w.shape),
            "unevenness": torch.linalg.vector_norm(1 - shares**2) / k**0.5,
        }
        if memory is not None:
            found["memory_norm"] = torch.linalg.matrix_norm(memory)
            found["memory_rank"] = effective_rank(torch.linalg.svdvals(memory)) / gaussian_rank(*w.shape)
        if lead is not None:
            found["memory_cosine"] = -(u * lead).sum() / (size * torch.linalg.matrix_norm(lead))
        return {key: float(x) for key, x in found.items()} | counts

    def save(self, folder: Path) -> None:
        """Write the table as it is now, whole or not at all."""
        if self.every or self.whole:
            import pyarrow.parquet

            buffer = io.BytesIO()
            table = _table(self.rows).replace_schema_metadata({SEAL: content_hash(self.rows)})
            pyarrow.parquet.write_table(table, buffer)
            write_atomically(folder / WATCH, buffer.getvalue())

    def resume(self, folder: Path, step: int) -> None:
        """Take up the rows that were measured up to a step; what came after it will come again."""
        there = read_rows(folder) if planned_rows(self.p, step) else []
        self.rows = [row for row in there if row["step"] <= step]


def lost_rows(folder: Path, p: Params, step: int) -> str:
    """What is missing of a run's table up to a step, in words; else nothing."""
    planned = planned_rows(p, step)
    if not planned:
        return ""
    try:
        there = {(row["step"], row["group"] == GROUP) for row in read_rows(folder)}
    except BadInput as error:
        return str(error)
    missing = next((n for n, whole in planned if (n, whole) not in there), None)
    return f"{WATCH} has no row of step {missing}" if missing else ""


def planned_rows(p: Params, step: int) -> list[tuple[int, bool]]:
    """(step, whether it is of the whole model) of every row that a table must have up to a step."""
    every = p.train.watch_every
    matrices = [(n, False) for n in range(every, step + 1, every)] if every else []
    if not p.train.watch:
        return matrices
    return matrices + [(n, True) for n in range(1, step + 1) if measured_metrics(n, p)]


def group_of(name: str) -> str:
    """A matrix's name without the number of its layer: 'blocks.*.attention.out'."""
    return re.sub(r"(^|\.)\d+(?=\.)", r"\1*", name).removesuffix(".weight")


def read_rows(folder: Path) -> list[Row]:
    """The rows of a run's table; without the columns that a row has nothing in.

    Raises: BadInput when there is no table, or something else.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(folder / WATCH)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(f"{folder / WATCH}: this table cannot be read ({type(error).__name__})") from None
    rows = [{key: x for key, x in row.items() if x is not None} for row in table.to_pylist()]
    if (table.schema.metadata or {}).get(SEAL) != content_hash(rows).encode():
        raise BadInput(f"{folder / WATCH}: this table is not as it was written")
    return rows


def _table(rows: list[Row]) -> "pyarrow.Table":
    import pyarrow

    columns = dict.fromkeys(key for row in rows for key in row)
    return pyarrow.table({key: [row.get(key) for row in rows] for key in columns})
