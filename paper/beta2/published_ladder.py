"""The lowest rungs of the ladder on the author's own runs, whose published series hold lengths but no directions.

Noise scaled by the learning rate (`schedule`), and orthogonal steps as long as the run's own (`lengths`): what
they leave of the published PC1. The series are in published_series.yaml.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from lib.base.yaml_text import read_yaml
from lib.geometry.backbone import pca
from lib.geometry.ladder import Additions, rebuilt
from lib.geometry.null import decay_factors, fitted_null, pseudo_digest
from lib.optim.schedules import learning_rate
from lib.params.run import ScheduleParams

SERIES = Path(__file__).with_name("published_series.yaml")
INIT_STD = 0.02  # of the trunk's weights at the start


@dataclass(frozen=True)
class PublishedRun:
    """A published PC1 (percent, all snapshots), and what two nulls give."""

    name: str
    pc1: float
    schedule: float
    lengths: float


@cache
def published_ladder() -> tuple[PublishedRun, ...]:
    """The four runs of the beta2 study that did not diverge, and the two of 10,000 steps."""
    told = read_yaml(SERIES, "published series")
    start = INIT_STD * np.sqrt(told["trunk"])
    found = []
    for run in told["runs"]:
        steps, lengths = np.array(run["steps"]), np.array(run["lengths"])
        rate, wd = told["learning_rate"], told["weight_decay"]
        last = int(steps[-1])
        shape = ScheduleParams(steps=last, warmup=rate["warmup"], min_lr_ratio=rate["min_ratio"], decay="clamped")
        lr = np.array([learning_rate(t, rate["peak"], shape) for t in range(1, last + 1)])
        # Of the drifts a null is fitted to the last one alone.
        gram = np.zeros((len(steps) + 1, len(steps) + 1))
        gram[-2, -2], gram[-1, -1] = run["drift"] ** 2, start**2
        factors = decay_factors(lr, wd)[steps]
        own = Additions(steps, factors, lengths, np.eye(len(steps)), start)
        found.append(
            PublishedRun(
                name=run["name"],
                pc1=run["pc1"],
                schedule=pca(fitted_null(pseudo_digest(steps, gram), lr, wd)).pc1,
                lengths=pca(rebuilt(own, np.eye(len(lengths)))).pc1,
            )
        )
    return tuple(found)
