"""What the per-run notebooks ask of models: one function a stage, from a run's folder to `analysis/*.json`.

Every function reads the run from disk, measures it and its null by the same code, writes plain JSON and
returns it. They take what there is: a diverged run, a run with one snapshot, a run without whole snapshots.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.base.snapshots import Snapshots
from lib.geometry.directions import random_direction
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import alignment, gradient_gram, interference, squared_batch
from lib.geometry.gram import Digest
from lib.geometry.presets import fit
from lib.geometry.spectrum import batch_spectrum
from lib.measure.analysis import (
    adam_direction,
    analysis_batches,
    load_model,
    objective_losses,
    relabel,
    run_directions,
    sequence_losses,
    step_directions,
    weighted,
    whole_steps,
)
from lib.measure.trajectory import run_digest, run_snapshots, write_analysis
from lib.models.products import fast_products
from lib.models.trunk import trunk_names
from lib.optim.schedules import probe_weight
from lib.params.run import Params, load_params
from lib.tasks.stories.corpus import build_corpus, corpora_folder
from lib.tasks.stories.evaluate import evaluate
from lib.tasks.stories.probe import build_probes, eval_sets

# ---------------------------------------------------------------------------------------------------- the probe


def fillers(folder: Path) -> list[dict[str, Any]]:
    """p_in and p_ood of the whole snapshots with either filler between key and question.

    The published evaluation fills with random tokens, so that p_ood mixes a longer gap with text that no model
    has ever read. The same weights asked in running story text tell the two apart.
    """
    p = load_params(folder / "params.yaml")
    corpus = build_corpus(p, corpora_folder(folder))
    probes = build_probes(corpus, p)
    sets = {}
    for filler in ("random", "story"):
        own = p.model_copy(update={"probe": p.probe.model_copy(update={"filler": filler})})
        sets[filler] = eval_sets(corpus, probes, own)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    points = []
    for step in whole_steps(folder):
        model = load_model(folder, step, device)
        scores = {"step": step}
        for filler, pair in sets.items():
            for name, s in pair.items():
                with fast_products(model, device):
                    found = evaluate(model, s.tokens, s.answer, np.zeros_like(s.language), autocast=False)
                scores[f"{name}_{filler}"] = found.accuracy
        points.append(scores)
    return write_analysis(folder, "fillers", points)


# ---------------------------------------------------------------------------------------- curvature, gradients


def _prepared(folder: Path, count: int, seed: int) -> tuple[Params, Any]:
    p = load_params(folder / "params.yaml")
    corpus = build_corpus(p, corpora_folder(folder))
    return p, analysis_batches(corpus, build_probes(corpus, p), p, count, seed)


def _directions(folder: Path, p: Params, time_scale: str) -> tuple[Snapshots, Digest, dict[str, Any]]:
    snapshots, source = run_snapshots(folder), run_digest(folder)
    if len(source.steps) < 3:
        return snapshots, source, {}
    backbone, _ = fit(source, "G0", 1 / Fraction(time_scale))
    return snapshots, source, run_directions(snapshots, source, backbone)


def _finite(model: torch.nn.Module) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in model.parameters())


def curvature(folder: Path, time_scale: str, steps: list[int], batches: list[int], seed: int = 0) -> dict[str, Any]:
    """Rayleigh quotients along v_b, PC2, the update, -theta_0 and a random direction at whole snapshots.

    Args:
        batches: how many for the empirical Fisher, the sampled-label Fisher and the batch gradients.
    """
    p, drawn = _prepared(folder, max(batches), seed)
    snapshots, source, fixed = _directions(folder, p, time_scale)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    points = []
    for step in (s for s in whole_steps(folder) if s in steps):
        model = load_model(folder, step, device)
        if not _finite(model):
            continue
        lam = probe_weight(step, p.schedule)
        along = dict(fixed) | {"random": random_direction(model, seed)}
        update = step_directions(model, snapshots, source, step).get("update")
        along |= {"update": update} if update else {}
        inputs = [weighted(b, lam, device) for b in drawn.batches]
        few, fewer, many = batches
        with fast_products(model, device):
            grams = gradient_gram(model, drawn.batches[:many], objective_losses, along)
        found = [
            quotients(empirical_fisher(model, inputs[:few], sequence_losses, along)),
            quotients(sampled_fisher(model, inputs[:fewer], sequence_losses, relabel, along, seed)),
            quotients(squared_batch(grams, lam)),
        ]
        points.append({"step": step, "quotients": found, "spectrum": batch_spectrum(grams, lam)})
    result = {"batches": drawn.digest, "counts": batches, "size": p.batch.size, "points": points}
    return write_analysis(folder, "fisher", result)


def gradients(folder: Path, time_scale: str, steps: list[int], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Signed cosine of the LM and the probe gradient, and of both with directions, at whole snapshots."""
    p, drawn = _prepared(folder, count, seed)
    snapshots, source, fixed = _directions(folder, p, time_scale)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = []
    for step in (s for s in whole_steps(folder) if s in steps or s == whole_steps(folder)[-1]):
        model = load_model(folder, step, device)
        if not _finite(model):
            continue
        along = dict(fixed) | step_directions(model, snapshots, source, step)
        if (folder / "checkpoint.safetensors").exists():
            at, adam = adam_direction(folder, trunk_names(p.model))
            along |= {"adam": adam} if at == step else {}
        with fast_products(model, device):
            grams = gradient_gram(model, drawn.batches, objective_losses, along)
        found = interference(grams)
        results.append(
            {
                "step": step,
                "mean_cos": found.mean,
                "std_cos": float(np.std(found.batches)) if found.count else None,
                "cos_values": found.batches,
                "detail": found,
                "alignment": alignment(grams, probe_weight(step, p.schedule)),
                "batches": drawn.digest,
            }
        )
    return write_analysis(folder, "interference_metrics", results)
