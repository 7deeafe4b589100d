"""Curvature along directions, at the whole snapshots of a run: `analysis/fisher.json`.

A run is taken as far as there is of it: a diverged one, one with a single snapshot, one without whole snapshots.
"""

from pathlib import Path
from typing import Any

from lib.geometry.directions import random_controls
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import only, squared_batch
from lib.geometry.spectrum import batch_spectrum
from lib.measure.gradients import GRAMS, batch_grams, second_weight, write_grams
from lib.measure.models import device_here, prepared
from lib.measure.trajectory import write_analysis
from lib.train.places import results_place

CONTROLS = 128  # random directions
STIFF = ("v_b", "PC2", "-theta_0", "random", "update")  # the directions whose curvature is asked for


def curvature(folder: Path, steps: list[int], batches: list[int], seed: int = 0) -> dict[str, Any]:
    """Rayleigh quotients along v_b, PC2, the update, -theta_0 and a random direction at whole snapshots.

    Args:
        batches: how many for the empirical Fisher, the sampled-label Fisher and the batch gradients.
    """
    (results_place(folder) / GRAMS).unlink(missing_ok=True)
    found = prepared(folder, max(batches), seed)
    p, task = found.params, found.task
    few, fewer, many = batches
    points, kept, controls = [], {}, None
    for step, model, along, grams in batch_grams(folder, found, steps, many, seed):
        kept[step] = grams
        controls = controls or random_controls(model, CONTROLS, seed)
        stiff = {label: along[label] for label in STIFF if label in along}
        inputs = [task.sequences(b, p, step, device_here()) for b in found.batches[: max(few, fewer)]]
        lam = second_weight(task, p, step)
        measured = [
            quotients(empirical_fisher(model, inputs[:few], task.sequence_losses, stiff, controls)),
            quotients(
                sampled_fisher(model, inputs[:fewer], task.sequence_losses, task.relabel, stiff, seed, controls)
            ),
            quotients(squared_batch(only(grams, list(stiff)), lam)),
        ]
        spectrum = batch_spectrum(only(grams, list(stiff)), lam)
        points.append({"step": step, "quotients": measured, "spectrum": spectrum})
    write_grams(folder, found, many, kept)
    size = len(found.batches[0].tokens)
    result = {"batches": found.digest, "counts": batches, "size": size, "controls": CONTROLS, "points": points}
    return write_analysis(folder, "fisher", result)
