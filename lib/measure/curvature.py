"""Curvature along directions, at the whole snapshots of a run: `analysis/fisher.json`.

A run is taken as far as there is of it: a diverged one, one with a single snapshot, one without whole snapshots.
"""

from pathlib import Path
from typing import Any

from lib.geometry.directions import random_direction
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import gradient_gram, squared_batch
from lib.geometry.spectrum import batch_spectrum
from lib.measure.gradients import losses_of, second_weight, trajectory_directions
from lib.measure.models import device_here, finite, load_model, prepared, step_directions, whole_steps
from lib.measure.trajectory import write_analysis
from lib.models.products import fast_products


def curvature(folder: Path, steps: list[int], batches: list[int], seed: int = 0) -> dict[str, Any]:
    """Rayleigh quotients along v_b, PC2, the update, -theta_0 and a random direction at whole snapshots.

    Args:
        batches: how many for the empirical Fisher, the sampled-label Fisher and the batch gradients.
    """
    found = prepared(folder, max(batches), seed)
    p, task = found.params, found.task
    snapshots, source, fixed = trajectory_directions(folder, p)
    device = device_here()
    few, fewer, many = batches
    points = []
    for step in (s for s in whole_steps(folder) if s in steps):
        model = load_model(folder, step, found.data, device)
        if not finite(model):
            continue
        along = dict(fixed) | {"random": random_direction(model, seed)}
        update = step_directions(model, snapshots, source, step).get("update")
        along |= {"update": update} if update else {}
        inputs = [task.sequences(b, p, step, device) for b in found.batches]
        lam = second_weight(task, p, step)
        with fast_products(model, device):
            grams = gradient_gram(model, found.batches[:many], losses_of(task), along)
        measured = [
            quotients(empirical_fisher(model, inputs[:few], task.sequence_losses, along)),
            quotients(sampled_fisher(model, inputs[:fewer], task.sequence_losses, task.relabel, along, seed)),
            quotients(squared_batch(grams, lam)),
        ]
        points.append({"step": step, "quotients": measured, "spectrum": batch_spectrum(grams, lam)})
    size = len(found.batches[0].tokens)
    result = {"batches": found.digest, "counts": batches, "size": size, "points": points}
    return write_analysis(folder, "fisher", result)
