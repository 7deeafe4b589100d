"""What is measured on a run's snapshots alone: the digest, every preset on it and on its nulls."""

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.errors import BadInput
from lib.base.files import json_text, read_json, write_atomically
from lib.base.snapshots import Snapshots, open_snapshots
from lib.geometry.gram import Digest, digest, load_digest, save_digest
from lib.geometry.ladder import DRAWS, SHUFFLES, climb
from lib.geometry.null import NOISE, compare, decay_share, fit_scale, fitted_null, isotropic_scale
from lib.geometry.presets import PRESETS, fit, measure
from lib.optim.schedules import learning_rate
from lib.params.members import member
from lib.params.run import Params, load_params, run_hash
from lib.train.places import results_place
from lib.train.records import read_evaluations

TOLD = ("G0", "G1", "G2", "R0", "R1", "U0", "U2", "P0", "F2", "C0")  # presets with an error on every rung
MEMORY = ("share", "time_constant", "fitted", "judged", "size")
FOREIGN = "foreign.json"  # in a folder whose snapshots are checkpoints of other code


def write_analysis(folder: Path, name: str, data: Any) -> Any:
    """Write analysis/<name>.json of a run; what a notebook measures that make did not execute goes beside it."""
    write_atomically(results_place(folder) / "analysis" / f"{name}.json", json_text(plain(data)))
    return data


def plain(data: Any) -> Any:
    """Arrays, numpy scalars, tuples and dataclasses as JSON knows them."""
    if hasattr(data, "__dataclass_fields__"):
        return plain(asdict(data))
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if isinstance(data, np.ndarray):
        return plain(data.tolist())
    return data.item() if isinstance(data, np.generic) else data


def run_snapshots(folder: Path) -> Snapshots:
    """The snapshots of a run, or the foreign checkpoints that its folder points to."""
    if (folder / FOREIGN).is_file():
        found = read_json(folder / FOREIGN)
        if not isinstance(found, dict) or not isinstance(found.get("checkpoints"), str):
            raise BadInput(
                f"{folder / FOREIGN}: this file does not say where the checkpoints are; explore them again"
            )
        from lib.measure.foreign import open_checkpoints  # and with it torch

        return open_checkpoints(Path(found["checkpoints"]))
    p = load_params(folder / "params.yaml")
    return open_snapshots(folder, run_hash(p))


def run_digest(folder: Path) -> Digest:
    """The digest of a run, from disk when it is current, else from one pass over the snapshots."""
    path, run = folder / "digest.npz", run_hash(load_params(folder / "params.yaml"))
    if path.exists() and not (folder / "snapshots").exists() and not (folder / FOREIGN).exists():
        return load_digest(path, run)  # published without its snapshots
    snapshots = run_snapshots(folder)
    if path.exists():
        try:
            found = load_digest(path, run)
            if sorted([*found.steps.tolist(), *found.dropped.tolist()]) == snapshots.steps:
                return found
        except BadInput:
            pass  # made again below; the snapshots are what counts
    save_digest(path, digest(snapshots), run)
    # Read back: the same numbers in another layout are summed in another order, and the last digits differ.
    return load_digest(path, run)


def steps_scale(p: Params) -> Fraction:
    """Steps of this run for each published step."""
    return 1 / Fraction(p.time_scale)


def schedule(p: Params) -> np.ndarray:
    """Learning rate of every step, the first first."""
    return np.array([learning_rate(t, p.optim.lr, p.schedule) for t in range(1, p.schedule.steps + 1)])


def accuracies(folder: Path) -> dict[int, float]:
    """The accuracy at longer gaps by step, which the reference's correlations are with; empty for other tasks."""
    found = {e["step"]: e.get("probe_ood_acc") for e in read_evaluations(folder)}
    return {step: value for step, value in found.items() if value is not None}


def geometry(folder: Path, counts: tuple[int, int] = (DRAWS, SHUFFLES)) -> dict[str, Any]:
    """Every preset on the run, on its null, and the difference; the ladder of nulls; the reference's files.

    Args:
        counts: draws of every null, and shuffles of the run's steps, for the ladder.
    """
    p = load_params(folder / "params.yaml")
    scale, found = steps_scale(p), run_digest(folder)
    optimizer = member("optim", p.optim.name)
    lr, wd, p_ood = schedule(p), optimizer.decay(1.0, p.optim), accuracies(folder)

    def quantities(d: Digest) -> dict[str, Any]:
        # A null has no accuracy of its own: its residual is correlated with that of the run.
        return measure(d, [n for n in PRESETS if n not in ("C3", "F3", "P3")], time_scale=scale, p_ood=p_ood)

    def told(d: Digest) -> dict[str, Any]:
        return measure(d, TOLD, time_scale=scale, p_ood=p_ood, jackknife=False)

    null = fitted_null(found, lr, wd)
    three = compare(quantities, found, null)
    kind, numbers = optimizer.noise(p.optim)
    momentum = NOISE[kind](found, lr, average=p.snapshots.average, **numbers) if kind in NOISE else None
    rungs, memory = climb(found, lr, wd, momentum, quantities, told, p.seed, counts)
    result = {
        "steps": found.steps,
        "dropped": found.dropped,
        "tensors": dict(zip(found.tensors, found.sizes.tolist(), strict=True)),
        "observed": three.observed,
        "null": three.null,
        "excess": three.excess,
        "rungs": rungs,
        "memory": {name: getattr(memory, name) for name in MEMORY},
        "spectrum": {
            name: {
                "observed": fit(found, name, scale)[0].shares,
                "null": fit(null, name, scale)[0].shares,
            }
            for name in ("G0", "G1", "G2")
        },
        "blocks": blocks(found, lr, wd, scale),
        "drift": {"observed": found.drift_norms, "null": null.drift_norms},
        "null_fit": {
            "scale": fit_scale(found, lr, wd),
            "isotropic_scale": isotropic_scale(int(found.sizes.sum())),
            "decay_share": decay_share(found, lr, wd),
            "start_norm": found.start_norm,
        },
    }
    write_analysis(folder, "backbone", result)
    write_reference_files(folder, found, result, scale)
    return result


def blocks(found: Digest, lr: np.ndarray, wd: float, scale: Fraction) -> list[dict[str, Any]]:
    """The per-block presets on the trunk matrices of each block, with a null fitted to that block.

    The reference's blocks also hold their LayerNorm vectors, which are no part of the trunk.
    """
    rows = []
    for block in block_names(found):
        own = found.select([name for name in found.tensors if name.startswith(f"{block}.")])

        def quantities(d: Digest) -> dict[str, Any]:
            return measure(d, ["G3raw", "R3", "U3"], time_scale=scale)

        three = compare(quantities, own, fitted_null(own, lr, wd))
        rows.append({"observed": three.observed, "null": three.null, "excess": three.excess})
    return rows


def distance(found: Digest, start: int, end: int) -> float:
    """||theta_end - theta_start||."""
    a, b = np.searchsorted(found.steps, [start, end])
    row = np.zeros(len(found.total))
    row[a], row[b] = -1.0, 1.0
    return float(np.sqrt(max(0.0, row @ found.total @ row)))


def block_names(found: Digest) -> list[str]:
    """`blocks.0`, `blocks.1`, ... of the trunk, in registered order; none for a model without blocks."""
    heads = (".".join(name.split(".")[:2]) for name in found.tensors if name.split(".")[0] == "blocks")
    return list(dict.fromkeys(heads))


def write_reference_files(folder: Path, found: Digest, result: dict[str, Any], scale: Fraction) -> None:
    """The files of the reference pipeline, with its keys and its definitions (G1, R1, U1)."""
    seen = result["observed"]
    steps = [int(s) for s in result["steps"] if 600 * scale < s <= 2000 * scale]
    rotation = np.asarray(seen["R1.cosines"])
    write_analysis(
        folder,
        "backbone_metrics",
        {
            "pc1_pct": seen["G1.pc1"],
            "k95": seen["G1.k95"],
            "k99": seen["G1.k99"],
            "drift_magnitude": seen["G1.drift"],
            "window": [int(600 * scale), int(2000 * scale)],
            "n_checkpoints": len(steps) + 1,
            "explained_ratio": list(result["spectrum"]["G1"]["observed"][:10]),
            "pc1_rotation": {
                "steps": steps[-len(rotation) :] if len(rotation) else [],
                "cos_pc1": rotation,
                "mean_cos": seen["R1.mean"],
                "min_cos": seen["R1.min"],
            },
        },
    )
    starts = [int(s * scale) for s in PRESETS["U1"].at]
    lag = int(PRESETS["U1"].lag * scale)
    there = set(result["steps"].tolist())
    starts = [s for s in starts if s in there and s + lag in there]
    write_analysis(
        folder,
        "update_alignment",
        [
            {
                "window_start": s,
                "window_end": s + lag,
                "abs_cos": abs(c),
                "signed_cos": c,
                "update_norm": distance(found, s, s + lag),
            }
            for s, c in zip(starts, np.asarray(seen["U1.cosines"]).tolist(), strict=False)
        ],
    )
