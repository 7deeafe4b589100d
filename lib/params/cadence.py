"""At which steps a run is evaluated, and at which it leaves snapshots."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.params.run import Params


def snapshot_steps(p: "Params") -> list[int]:
    """Every step with a snapshot: 0 (the initial weights), 1, each evaluation, and both cadences."""
    return sorted({0, 1, p.schedule.steps}.union(*cadences(p)))


def cadences(p: "Params") -> list[range]:
    s, end = p.snapshots, p.schedule.steps
    return [
        range(p.eval.every, end + 1, p.eval.every),
        range(s.dense_from, min(s.dense_to, end) + 1, s.dense_every),
        range(s.sparse_from, end + 1, s.sparse_every),
    ]


def is_evaluation(step: int, p: "Params") -> bool:
    return step == 1 or step % p.eval.every == 0 or step == p.schedule.steps


def is_whole(step: int, p: "Params") -> bool:
    """Whether the snapshot of a step holds the whole model, and not the trunk alone."""
    return step in p.snapshots.whole or step == p.schedule.steps
