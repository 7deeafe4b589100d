"""At which steps a run is evaluated and measured, and at which it leaves snapshots."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.params.run import Params

PER_DOUBLING = 4  # log-spaced steps


def snapshot_steps(p: "Params") -> list[int]:
    """Every step with a snapshot: 0 (the initial weights), 1, each evaluation, and the cadences."""
    return sorted({0, 1, p.schedule.steps}.union(*cadences(p)))


def cadences(p: "Params") -> "list[range | list[int]]":
    s, end = p.snapshots, p.schedule.steps
    return [
        range(p.eval.every, end + 1, p.eval.every),
        range(s.dense_from, min(s.dense_to, end) + 1, s.dense_every),
        range(s.sparse_from, end + 1, s.sparse_every),
        log_spaced(min(s.log_to or 0, end)),
    ]


@cache
def log_spaced(last: int) -> list[int]:
    """1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, ..., `last`: four a doubling, once there are as many; none for 0."""
    count = PER_DOUBLING * last.bit_length()
    return sorted({n for k in range(count) if (n := round(2 ** (k / PER_DOUBLING))) <= last} | {last} - {0})


def is_evaluation(step: int, p: "Params") -> bool:
    return step == 1 or step % p.eval.every == 0 or step == p.schedule.steps


def is_whole(step: int, p: "Params") -> bool:
    """Whether the snapshot of a step holds the whole model, and not the trunk alone."""
    return step in p.snapshots.whole or step == p.schedule.steps


def measured_metrics(step: int, p: "Params", event: int | None = None) -> list[str]:
    """The metrics that are measured at a step; `event` is the step of the newest event, None without one."""
    early, near = p.train.watch_early or 0, p.events
    every = step <= early and step in log_spaced(early)
    if event is not None and near.watch_every and near.watch_for:
        every |= 0 < step - event <= near.watch_for and (step - event) % near.watch_every == 0
    return [name for name, steps in p.train.watch.items() if steps and (every or step % steps == 0)]
