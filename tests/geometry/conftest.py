"""Small dense trajectories, and a reader of them with the interface that `digest` consumes."""

import numpy as np
import pytest

from lib.geometry.gram import Digest, digest
from lib.geometry.null import noise_null
from tests.geometry.oracle import START, WD

BETA2_STEPS = [0, 1, 200, 400, *range(600, 2001, 50), *range(2100, 4001, 100)]
LONG_STEPS = [0, 1, *range(200, 10001, 200)]


class ArraySnapshots:
    """theta: (T, D), cut into the given shapes in order."""

    def __init__(self, steps, theta, shapes):
        self.steps = list(steps)
        self.shapes = shapes
        self.tensors, at = {}, 0
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            self.tensors[name] = theta[:, at : at + size].reshape(len(steps), *shape)
            at += size
        self.reads = []

    def rows(self, step, name, lo, hi):
        self.reads.append((step, name, lo, hi))
        return self.tensors[name][self.steps.index(step), lo:hi]


def _walk(steps, size=360, seed=0):
    """A random walk with a pull towards zero and a persistent direction: nothing in it is degenerate."""
    rng = np.random.default_rng(seed)
    theta = [rng.normal(size=size)]
    pull = rng.normal(size=size)
    for dt in np.diff(steps):
        theta.append(theta[-1] * (1 - 2e-4 * dt) + 1e-3 * dt * pull + 0.05 * np.sqrt(dt) * rng.normal(size=size))
    return np.array(theta, dtype=np.float32)


def _digest_of(steps, theta, shapes=None) -> Digest:
    theta = np.asarray(theta, dtype=np.float32)
    return digest(ArraySnapshots(steps, theta, shapes or {"w": (theta.shape[1],)}))


def _clamped_cosine(total, warmup=1500, peak=1e-3):
    t = np.arange(1, total + 1)
    x = np.clip((t - warmup) / (total - warmup), 0, 1)
    return np.where(t < warmup, peak * t / warmup, peak * np.maximum(0.5 * (1 + np.cos(np.pi * x)), 0.1))


@pytest.fixture
def array_snapshots():
    return ArraySnapshots


@pytest.fixture
def walk():
    return _walk


@pytest.fixture(scope="session")
def digest_of():
    return _digest_of


@pytest.fixture
def beta2_steps():
    return BETA2_STEPS


@pytest.fixture
def long_steps():
    return LONG_STEPS


@pytest.fixture
def clamped_cosine():
    return _clamped_cosine


@pytest.fixture(params=["beta2", "long"])
def run(request, walk, digest_of):
    steps = {"beta2": BETA2_STEPS, "long": LONG_STEPS}[request.param]
    theta = walk(steps)
    shapes = {"a": (10, 20), "b": (60,), "c": (5, 4, 5)}
    return steps, theta.astype(float), digest_of(steps, theta, shapes)


@pytest.fixture
def short(beta2_steps, clamped_cosine):
    """The null of the 4000-step runs, with the scale fitted to the last drift at beta2 = 0.95."""
    return noise_null(np.array(beta2_steps), clamped_cosine(4000), WD, START, 4415)


@pytest.fixture
def long(long_steps, clamped_cosine):
    def make(scale):
        return noise_null(np.array(long_steps), clamped_cosine(10000), WD, START, scale)

    return make
