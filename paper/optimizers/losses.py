"""Final losses against the baseline's, seed by seed: a bootstrap interval, an exact p, and how many seeds would do.

A difference is that of the validation losses of two runs of one seed, which share initial weights, data and
order, in percent of the baseline's. Below 0 is better than the baseline.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from lib.report.axis import Level
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.run_tables import value

BASELINE = "muon"
BASELINES = (BASELINE, "muon_fresh")  # the second on seeds of its own, as the arms it is for
LOSS = "val.final"
DRAWS = 10_000  # of the bootstrap
LINE = 1.0  # percent: the plan's smallest advantage
EXACT = 16  # seeds up to which every way to flip signs is counted


@dataclass(frozen=True)
class Difference:
    """Of an arm and the baseline over seeds, in percent.

    low, high   95 % of bootstrap means; None of fewer than three seeds
    p           two-sided, of signs flipped in every way; None of one seed
    needed      seeds at which LINE would be told from 0 at this spread; None of one seed
    """

    mean: float
    each: tuple[float, ...]
    low: float | None
    high: float | None
    p: float | None
    needed: int | None


def difference(results: StudyResults, arm: Level, name: str = LOSS) -> Difference | None:
    """None where no seed has both runs, and of the baseline itself."""
    if arm in BASELINES:
        return None
    here, there = results.by_seed(arm, name), baseline(results, name)
    each = [100 * (here[s].value / there[s].value - 1) for s in here if s in there]
    return compared(each) if each else None


def baseline(results: StudyResults, name: str) -> dict[int, Estimate]:
    """The baseline's value of every seed that any arm has."""
    return {seed: found for arm in BASELINES for seed, found in results.by_seed(arm, name).items()}


def compared(each: list[float]) -> Difference:
    x = np.array(each)
    n = len(x)
    low, high = bootstrap(x) if n > 2 else (None, None)
    # 80 % power at 5 %; with fewer than six seeds no way to flip signs is as rare as that.
    needed = max(6, math.ceil((2.8 * x.std(ddof=1) / LINE) ** 2) + 1) if n > 1 else None
    return Difference(float(x.mean()), tuple(each), low, high, sign_flips(x) if n > 1 else None, needed)


def bootstrap(x: np.ndarray) -> tuple[float, float]:
    """The central 95 % of means of as many values drawn with replacement; the same every time.

    Of few values it is too short: where the signs of all n agree it leaves 0 out, by chance once in 2^(n-1).
    """
    drawn = np.random.default_rng(0).choice(x, (DRAWS, len(x)))
    low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def sign_flips(x: np.ndarray) -> float:
    """The share of all ways to flip signs whose mean is as far from 0: 2^(1-n) at the least; of many a sample."""
    if len(x) > EXACT:
        signs = np.random.default_rng(0).choice((1.0, -1.0), (2**EXACT, len(x)))
    else:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(x))))
    return float(np.mean(np.abs(signs @ x) >= abs(x.sum()) * (1 - 1e-12)))


def steps_to_baseline(results: StudyResults, arm: Level) -> dict[int, float]:
    """Seed -> published step at which an arm's loss is the baseline's last, by lines between evaluations."""
    goals, found = baseline(results, LOSS), {}
    for run in (run for run in results.present if run.level == arm and run.params.seed in goals):
        goal = goals[run.params.seed].value
        rows = [(row["step"], row["val_loss"]) for row in run.evaluations if row["val_loss"] is not None]
        for (step, loss), (later, lower) in itertools.pairwise(rows):
            if loss > goal >= lower:
                found[run.params.seed] = run.time_scale * (step + (loss - goal) / (loss - lower) * (later - step))
                break
    return found


def loss_rows(results: StudyResults) -> list[list[str]]:
    """A row an arm: loss, difference in percent with interval, p, seeds needed, step of the baseline's loss."""
    rows = []
    for arm in results.levels:
        loss = results.at(arm, LOSS)
        cells = [str(arm), value(loss.value, 3, loss.error) or "–"]
        found = difference(results, arm)
        if found is None:
            rows.append([*cells, *[""] * 5])
            continue
        interval = "" if found.low is None else f"{value(found.low, 2)} to {value(found.high, 2)}"
        reached = list(steps_to_baseline(results, arm).values())
        error = np.std(reached, ddof=1) / math.sqrt(len(reached)) if len(reached) > 1 else None
        there = f"{value(np.mean(reached), 0, error)} ({len(reached)} of {len(found.each)})" if reached else "never"
        p = "" if found.p is None else f"{found.p:.2g}"
        rows.append([*cells, value(found.mean, 2), interval, p, str(found.needed or ""), there])
    return rows
