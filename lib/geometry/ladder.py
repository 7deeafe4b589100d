"""The ladder of nulls: how much of a trajectory's geometry noise has, when it is given more and more of the run.

Between two snapshots a run with decoupled decay w adds to what decay leaves of its weights

    xi_i = theta_i - (f_i / f_{i-1}) theta_{i-1},       f_t = prod_{s<=t} (1 - lr_s w),

so that theta_i = f_i theta_0 + sum_{j<=i} (f_i / f_j) xi_j. Every rung replaces the inner products of these
additions by those of a noise, and rebuilds the digest:

    schedule   independent steps as long as the learning rate, one scale fitted to the last drift
    momentum   the same noise through the run's optimizer, which remembers it for a few steps
    lengths    orthogonal additions as long as the run's own
    memory     additions as long as the run's own, whose cosines are those of steps that share a little of a slow
               noise: a share q of the variance of a step, forgotten with a time constant tau. Two numbers, fitted
               to the cosines of every second addition and judged on the others
    shuffled   the run's own directions in another order, each as long as the addition in whose place it comes

The first four are closed forms for noise in very many dimensions. A run has fewer: distant additions are not
quite orthogonal, and the mean square of what the memory leaves of their cosines is 1 / D_eff. The error of a rung
is the spread of its quantities over draws of the same noise in D_eff dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lib.geometry.gram import Digest
from lib.geometry.null import decay_factors, fitted_null, pseudo_digest

RUNGS = ("schedule", "momentum", "lengths", "memory", "shuffled")
FEWEST = 6  # additions, for two numbers to be fitted to half of their cosines
SHORTEST, LONGEST = 0.25, 8.0  # time constants looked at: of the median interval, of the whole run
SMALLEST, LARGEST = 1e-6, 1.0  # shares looked at
DRAWS, SHUFFLES = 50, 200  # an error is known to a tenth of itself

Measure = Callable[[Digest], Mapping[str, float | np.ndarray]]


@dataclass(frozen=True)
class Additions:
    """What a run adds to its decaying weights between snapshots.

    steps     (T,) the snapshots
    factors   (T,) what decay leaves of theta_0 at each
    lengths   (T-1,) ||xi_i||
    cosines   (T, T) of the additions with one another, and in the last row and column with theta_0
    start     ||theta_0||
    """

    steps: np.ndarray
    factors: np.ndarray
    lengths: np.ndarray
    cosines: np.ndarray
    start: float


def additions(observed: Digest, lr: np.ndarray, wd: float) -> Additions:
    """The additions of a run, with their inner products, from its digest."""
    factors = decay_factors(lr, wd)[observed.steps]
    here = np.eye(len(observed.total))[:-1]
    here[:, -1] = 1.0  # theta_i = Delta_i + theta_0
    rows = here[1:] - (factors[1:] / factors[:-1])[:, None] * here[:-1]
    rows = np.vstack([rows, np.eye(len(observed.total))[-1]])
    gram = rows @ observed.total @ rows.T
    norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.where(np.outer(norms, norms) > 0, gram / np.outer(norms, norms), 0.0)
    np.fill_diagonal(cosines, 1.0)
    return Additions(observed.steps, factors, norms[:-1], cosines, float(norms[-1]))


def rebuilt(a: Additions, cosines: np.ndarray) -> Digest:
    """The digest of a run whose additions are as long as those of `a` and have these cosines.

    Args:
        cosines: (T-1, T-1) of the additions, then orthogonal to theta_0; or (T, T), as those of `Additions`.
    """
    if len(cosines) == len(a.lengths):
        cosines = np.pad(cosines, ((0, 1), (0, 1)))
        cosines[-1, -1] = 1.0
    norms = np.append(a.lengths, a.start)
    left = np.tril(a.factors[:, None] / a.factors[None, 1:], -1)  # (T, T-1): of addition j, at snapshot i
    rows = np.hstack([left, (a.factors / a.factors[0] - 1)[:, None]])
    rows = np.vstack([rows, np.eye(len(norms))[-1]])
    return pseudo_digest(a.steps, rows @ (np.outer(norms, norms) * cosines) @ rows.T)


# -------------------------------------------------------------------------------------------------------- memory


@dataclass(frozen=True)
class Memory:
    """The slow noise that the cosines of a run's additions speak of.

    share          q, of the variance of a step
    time_constant  tau, in steps; nan where q is too small to have one
    fitted, judged 1 - (what is left of the squared cosines) / (the squared cosines), over the pairs of the half
                   that was fitted and of the other one
    size           D_eff: 1 / the mean square of what is left, over pairs at least half the run apart
    cosines        (T-1, T-1) that the two numbers give
    """

    share: float
    time_constant: float
    fitted: float
    judged: float
    size: float
    cosines: np.ndarray


def fit_memory(a: Additions, lr: np.ndarray, wd: float) -> Memory:
    """The share and the time constant whose cosines are nearest to those of a run's additions.

    The rest of the noise is fresh at every step: an optimizer's momentum is over within one interval.
    """
    found = a.cosines[:-1, :-1]
    odd = np.arange(len(found)) % 2 == 1
    above = np.triu(np.ones_like(found, dtype=bool), 1)
    fitted, judged = above & np.outer(odd, odd), above & np.outer(~odd, ~odd)
    weights = step_weights(a, lr, wd)
    quick = interval_covariance(a.steps, weights, 0.0)
    best = (np.inf, 0.0, float("nan"))
    if fitted.sum() >= FEWEST // 2 and len(found) >= FEWEST:
        intervals = np.diff(a.steps)
        taus = np.log([SHORTEST * np.median(intervals), LONGEST * (a.steps[-1] - a.steps[0])])
        shares = np.log([SMALLEST, LARGEST])
        (lo, hi), (q_lo, q_hi) = taus, shares
        for _ in range(4):
            for log_tau in np.linspace(lo, hi, 17):
                slow = interval_covariance(a.steps, weights, float(np.exp(-np.exp(-log_tau))))
                for log_q in np.linspace(q_lo, q_hi, 17):
                    q = float(np.exp(log_q))
                    left = float(np.sum((found - _cosines((1 - q) * quick + q * slow))[fitted] ** 2))
                    if left < best[0]:
                        best = (left, q, float(np.exp(log_tau)))
            if best[1] == 0.0:
                break
            lo, hi = np.clip([np.log(best[2]) + d * (hi - lo) / 12 for d in (-1, 1)], *taus)
            q_lo, q_hi = np.clip([np.log(best[1]) + d * (q_hi - q_lo) / 12 for d in (-1, 1)], *shares)
    _, q, tau = best
    given = quick if q == 0.0 else (1 - q) * quick + q * interval_covariance(a.steps, weights, np.exp(-1 / tau))
    given = _cosines(given)
    middles = (a.steps[:-1] + a.steps[1:]) / 2
    distant = above & (np.abs(middles[:, None] - middles[None, :]) >= (a.steps[-1] - a.steps[0]) / 2)
    left = (found - given)[distant] ** 2
    return Memory(
        share=q,
        time_constant=tau,
        fitted=_explained(found, given, fitted),
        judged=_explained(found, given, judged),
        size=float(1 / np.mean(left)) if left.any() else float("inf"),
        cosines=given,
    )


def step_weights(a: Additions, lr: np.ndarray, wd: float) -> np.ndarray:
    """What a unit of noise at each step after the first snapshot is in its interval's addition."""
    factors = decay_factors(lr, wd)
    first, last = int(a.steps[0]), int(a.steps[-1])
    at = np.arange(first + 1, last + 1)
    end = a.steps[np.searchsorted(a.steps, at)]
    return lr[at - 1] * factors[end] / factors[at]


def interval_covariance(steps: np.ndarray, weights: np.ndarray, keeps: float) -> np.ndarray:
    """sum_{t in i, s in j} w_t w_s keeps^|t - s| for the intervals between snapshots: (T-1, T-1).

    Over two intervals the sum is a product, of what the first hands on and what of it arrives at the second.
    """
    starts, lengths = steps[:-1] - steps[0], np.diff(steps)
    within = np.arange(len(weights)) - np.repeat(starts, lengths)  # 0 at the first step of each interval
    squares = np.add.reduceat(weights**2, starts)
    if keeps <= 0.0:
        return np.diag(squares)
    from_start = keeps**within
    to_end = keeps ** (np.repeat(lengths, lengths) - 1 - within)
    handed = np.add.reduceat(weights * to_end, starts)
    arrives = np.add.reduceat(weights * from_start, starts)
    gap = keeps ** np.maximum(starts[None, :] - (starts + lengths - 1)[:, None], 0)
    upper = np.triu(np.outer(handed, arrives) * gap, 1)
    return upper + upper.T + np.diag(squares + 2 * _pairs(weights, starts, lengths, keeps))


def _pairs(weights: np.ndarray, starts: np.ndarray, lengths: np.ndarray, keeps: float) -> np.ndarray:
    """sum over t > s of one interval of w_t w_s keeps^(t - s), of every interval."""
    # All intervals side by side, so that the recursion is over the steps of the longest.
    table = np.zeros((len(starts), lengths.max()))
    rows = np.repeat(np.arange(len(starts)), lengths)
    table[rows, np.arange(len(weights)) - np.repeat(starts, lengths)] = weights
    kept, total = np.zeros(len(starts)), np.zeros(len(starts))
    for column in table.T:
        total += column * kept
        kept = keeps * (kept + column)
    return total


def _cosines(covariance: np.ndarray) -> np.ndarray:
    norms = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(np.outer(norms, norms) > 0, covariance / np.outer(norms, norms), 0.0)
    np.fill_diagonal(found, 1.0)
    return found


def _explained(found: np.ndarray, given: np.ndarray, pairs: np.ndarray) -> float:
    whole = np.sum(found[pairs] ** 2)
    return float(1 - np.sum((found - given)[pairs] ** 2) / whole) if whole > 0 else float("nan")


# --------------------------------------------------------------------------------------------------------- errors


def shuffles(a: Additions, count: int, seed: int) -> Iterator[Digest]:
    """The run's directions in `count` random orders, each as long as what it takes the place of."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        order = np.append(rng.permutation(len(a.lengths)), len(a.lengths))
        yield rebuilt(a, a.cosines[np.ix_(order, order)])


def draws(null: Digest, lr: np.ndarray, wd: float, size: float, count: int, seed: int) -> Iterator[Digest]:
    """`count` digests of the noise of a rung in `size` dimensions instead of infinitely many.

    The Gram matrix of n Gaussian vectors with covariance C in d dimensions is C^1/2 W C^1/2 / d, W of
    Wishart's distribution, here by Bartlett's decomposition.
    """
    a = additions(null, lr, wd)
    values, vectors = np.linalg.eigh(a.cosines)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    n, rng = len(values), np.random.default_rng(seed)
    freedom = max(size, n) - np.arange(n)
    for _ in range(count):
        lower = np.tril(rng.standard_normal((n, n)), -1)
        np.fill_diagonal(lower, np.sqrt(rng.chisquare(freedom)))
        half = root @ lower / np.sqrt(max(size, n))
        yield rebuilt(a, half @ half.T)


@dataclass(frozen=True)
class Rung:
    """Scalar quantities of a rung by name, and the standard deviation of some of them over such noise."""

    values: dict[str, float]
    errors: dict[str, float]


def climb(
    observed: Digest,
    lr: np.ndarray,
    wd: float,
    momentum: Digest | None,
    every: Measure,
    told: Measure,
    seed: int = 0,
    counts: tuple[int, int] = (DRAWS, SHUFFLES),
) -> tuple[dict[str, Rung], Memory]:
    """Every rung's quantities and errors, and the memory that was fitted.

    Args:
        momentum: noise through the run's own optimizer, from `lib.geometry.null.NOISE`; None leaves its rung out.
        every: all quantities, measured once on each closed form.
        told: those that get an error, measured on every draw. Of shuffled steps there are no others.
        counts: draws of each closed form, shuffles.
    """
    a = additions(observed, lr, wd)
    memory = fit_memory(a, lr, wd)
    closed = {
        "schedule": fitted_null(observed, lr, wd),
        "momentum": momentum,
        "lengths": rebuilt(a, np.eye(len(a.lengths))),
        "memory": rebuilt(a, memory.cosines),
    }
    found = {}
    for name, null in ((name, null) for name, null in closed.items() if null is not None):
        drawn = draws(null, lr, wd, memory.size, counts[0], seed) if np.isfinite(memory.size) else iter(())
        found[name] = Rung(_scalars(every(null)), _spread(drawn, told)[1])
    found["shuffled"] = Rung(*_spread(shuffles(a, counts[1], seed), told))
    return found, memory


def _scalars(measured: Mapping[str, float | np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in measured.items() if np.ndim(value) == 0}


def _spread(digests: Iterator[Digest], measure: Measure) -> tuple[dict[str, float], dict[str, float]]:
    """(mean, standard deviation) of every scalar over digests."""
    rows = [_scalars(measure(d)) for d in digests]
    table = {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}
    return (
        {name: float(values.mean()) for name, values in table.items()},
        {name: float(values.std(ddof=1)) for name, values in table.items()},
    )
