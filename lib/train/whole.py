"""Metrics of the whole model, measured inside the loop: at the steps that were planned, and denser after events."""

import time

from lib.base.files import finite
from lib.models.look import Look
from lib.models.products import plain_products
from lib.params.cadence import measured_metrics
from lib.params.members import metrics

GROUP = "model"  # of the rows of watch.parquet that speak of all of it
Row = dict[str, float | int | str]


class Whole:
    """What `train.watch` asks for: a row of every step at which something is due.

    spent    metric -> rows, examples that went backwards, and seconds, of this process
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.metrics = metrics(look.p.task.name)
        self.spent: dict[str, dict[str, float]] = {}

    def row(self, step: int, lr: float, event: int | None) -> Row | None:
        """The row after a step; None where nothing is due.

        Args:
            event: the step of the newest event.
        """
        due = measured_metrics(step, self.look.p, event)
        if not due:
            return None
        self.look.move(step, lr)
        row: Row = {"step": step, "group": GROUP}
        with plain_products(self.look.model):
            for name in due:
                row |= self._columns(name)
        return row

    def _columns(self, name: str) -> Row:
        begun = time.perf_counter()
        found = self.metrics[name](self.look)
        spent = self.spent.setdefault(name, {"rows": 0, "examples": 0, "seconds": 0.0})
        spent["rows"] += 1
        spent["examples"] += sum(estimate.cost for estimate in found.values())
        spent["seconds"] += time.perf_counter() - begun
        columns: Row = {}
        for column, estimate in found.items():
            for key, value in ((column, estimate.value), (f"{column}_se", estimate.error)):
                if (x := finite(value)) is not None:
                    columns[key] = x
        return columns
