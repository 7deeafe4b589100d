"""The probe asked of the whole snapshots with either filler between key and question: `analysis/fillers.json`.

The published evaluation fills with random tokens, so that p_ood mixes a longer gap with text that no model has
ever read. The same weights asked in running story text tell the two apart.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.measure.models import device_here, load_model, whole_steps
from lib.measure.trajectory import write_analysis
from lib.models.products import fast_products
from lib.params.run import load_params
from lib.tasks.stories.evaluate import evaluate
from lib.tasks.stories.probe import eval_sets
from lib.tasks.stories.task import prepare
from lib.train.places import data_store

FILLERS = ("random", "story")


def fillers(folder: Path) -> list[dict[str, Any]]:
    """p_in and p_ood of the whole snapshots with either filler."""
    p = load_params(folder / "params.yaml")
    data = prepare(p, data_store(folder))
    sets = {}
    for filler in FILLERS:
        probe = p.task.probe.model_copy(update={"filler": filler})
        own = p.model_copy(update={"task": p.task.model_copy(update={"probe": probe})})
        sets[filler] = eval_sets(data.corpus, data.probes, own)
    device = device_here()
    points = []
    for step in whole_steps(folder):
        model = load_model(folder, step, data, device)
        scores = {"step": step}
        for filler, pair in sets.items():
            for name, s in pair.items():
                with fast_products(model, device):
                    found = evaluate(model, s.tokens, s.answer, np.zeros_like(s.language), autocast=False)
                scores[f"{name}_{filler}"] = found.accuracy
        points.append(scores)
    return write_analysis(folder, "fillers", points)
