"""Random numbers that are a pure function of what they are for: nothing to save, nothing to fast-forward.

They come from a counter-based generator, mapped to ranges by hand so that no library version can move them.
"""

import numpy as np


def uniforms(seed: int, stream: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1) that depend on (seed, stream, index) alone."""
    bits = np.random.Philox(key=[seed, stream], counter=[0, 0, 0, index])
    return (bits.random_raw(int(np.prod(shape))) >> np.uint64(11)).reshape(shape) * 2.0**-53


def between(u: np.ndarray, low: np.ndarray | int, high: np.ndarray | int) -> np.ndarray:
    """Uniform integers in [low, high], both included."""
    return low + np.floor(u * (np.asarray(high) - low + 1)).astype(np.int64)
