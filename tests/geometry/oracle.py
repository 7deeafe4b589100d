"""The float64 oracle: dense singular value decompositions, one window at a time."""

import numpy as np

BETA2 = [0, 1, 200, 400, *range(600, 2001, 50), *range(2100, 4001, 100)]
LONG = [0, 1, *range(200, 10001, 200)]
close = {"rtol": 1e-9, "atol": 1e-9}


# --- the oracle -----------------------------------------------------------------------------------


def naive_pca(rows, normalise=True):
    if normalise:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    _, s, v = np.linalg.svd(rows, full_matrices=False)
    v = v * np.where(v @ rows[-1] < 0, -1, 1)[:, None]
    return s, v


def naive_k(share, s):
    return next(k for k in range(1, len(s) + 1) if np.sum(s[:k] ** 2) / np.sum(s**2) >= share)


def naive_decomposition(steps, theta, anchor, rows, v):
    """a, r, fraction, a_dot, r_dot over the anchor and the rows."""
    ref = theta[steps.index(anchor)]
    delta = np.array([theta[steps.index(s)] - ref for s in (anchor, *rows)])
    dt = np.diff((anchor, *rows))
    a = delta @ v
    perp = delta - np.outer(a, v)
    r = np.linalg.norm(perp, axis=1)
    fraction = np.r_[0, a[1:] ** 2 / np.sum(delta[1:] ** 2, axis=1)]
    a_dot = np.r_[0, np.diff(a) / dt]
    return a, r, fraction, a_dot, np.r_[0, np.linalg.norm(np.diff(perp, axis=0), axis=1) / dt]


def at(steps, theta, step):
    return theta[steps.index(step)]


def pick(steps, test):
    return [s for s in steps if test(s)]


# (anchor, rows, normalise, components) as the definitions state them, on either grid
def backbone_rows(name, steps):
    return {
        "G0": (0, pick(steps, lambda s: s > 0 and s % 200 == 0), True, None),
        "G1": (600, pick(steps, lambda s: 600 < s <= 2000), True, None),
        "G2": (1, pick(steps, lambda s: s > 1), True, None),
        "G2raw": (1, pick(steps, lambda s: s > 1), False, None),
        "G3": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), True, 10),
        "G3all": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), True, None),
        "G3raw": (1, pick(steps, lambda s: s >= 200 and s % 200 == 0), False, None),
    }[name]


def naive_backbone(name, steps, theta):
    anchor, rows, normalise, components = backbone_rows(name, steps)
    s, v = naive_pca(np.array([at(steps, theta, t) - at(steps, theta, anchor) for t in rows]), normalise)
    return s[:components], v[0]


# --- the null of the published runs ---

TRUNK = 25_165_824
START = 0.02 * np.sqrt(TRUNK)
WD = 0.5


def values_at(steps, values, wanted):
    return [float(values[list(steps).index(step)]) for step in wanted]
