"""What each per-run notebook asks for: one function a stage, from a run's folder to `analysis/*.json`.

Every function reads the run from disk, measures it and its null by the same code, writes plain JSON and
returns it. They take what there is: a diverged run, a run with one snapshot, a run without whole snapshots.
"""

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.analysis import (
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
from lib.corpus import build_corpus, corpora_folder
from lib.errors import BadInput
from lib.evaluate import evaluate
from lib.files import json_text, write_atomically
from lib.geometry.directions import random_direction
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import alignment, gradient_gram, interference, squared_batch
from lib.geometry.gram import Digest, digest, load_digest, save_digest
from lib.geometry.null import compare, decay_share, fit_scale, fitted_null, isotropic_scale, noise_adam
from lib.geometry.presets import PRESETS, fit, measure
from lib.geometry.spectrum import batch_spectrum
from lib.model import TRUNK_MATRICES
from lib.optim import learning_rate, probe_weight
from lib.params import Params, load_params
from lib.probe import build_probes, eval_sets
from lib.runfolder import read_evaluations
from lib.snapshots import Snapshots, open_checkpoints, open_snapshots

FOREIGN = "foreign.json"  # in a folder whose snapshots are checkpoints of other code
NOISE_ADAM_SIZE = 10_000  # coordinates of the simulated null: PC1 to about half a point


def write_analysis(folder: Path, name: str, data: Any) -> Any:
    write_atomically(folder / "analysis" / f"{name}.json", json_text(plain(data)))
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


# --------------------------------------------------------------------------------------------------- geometry


def trunk_names(p: Params) -> list[str]:
    return [f"blocks.{i}.{matrix}" for i in range(p.model.layers) for matrix in TRUNK_MATRICES]


def run_snapshots(folder: Path) -> Snapshots:
    """The snapshots of a run, or the foreign checkpoints that its folder points to."""
    if (folder / FOREIGN).is_file():
        return open_checkpoints(Path(json.loads((folder / FOREIGN).read_text())["checkpoints"]))
    return open_snapshots(folder, trunk_names(load_params(folder / "params.yaml")))


def run_digest(folder: Path) -> Digest:
    """The digest of a run, from disk when it is current, else from one pass over the snapshots."""
    path = folder / "digest.npz"
    if path.exists() and not (folder / "snapshots").exists() and not (folder / FOREIGN).exists():
        return load_digest(path)  # published without its snapshots
    snapshots = run_snapshots(folder)
    if path.exists():
        try:
            found = load_digest(path)
            if sorted([*found.steps.tolist(), *found.dropped.tolist()]) == snapshots.steps:
                return found
        except BadInput:
            pass  # made again below; the snapshots are what counts
    save_digest(path, digest(snapshots))
    # Read back: the same numbers in another layout are summed in another order, and the last digits differ.
    return load_digest(path)


def schedule(p: Params) -> np.ndarray:
    """Learning rate of every step, the first first."""
    return np.array([learning_rate(t, p.optim.lr, p.schedule) for t in range(1, p.schedule.steps + 1)])


def accuracies(folder: Path) -> dict[int, float]:
    return {e["step"]: e["probe_ood_acc"] for e in read_evaluations(folder) if e["probe_ood_acc"] is not None}


def geometry(folder: Path, time_scale: str) -> dict[str, Any]:
    """Every preset on the run, on its null, and the difference; the nulls themselves; the reference's files.

    Args:
        time_scale: the profile's, as text: published steps per step of this run.
    """
    p, scale = load_params(folder / "params.yaml"), 1 / Fraction(time_scale)
    found = run_digest(folder)
    lr, p_ood = schedule(p), accuracies(folder)

    def quantities(d: Digest) -> dict[str, Any]:
        return measure(d, [n for n in PRESETS if not n.startswith(("C", "F3", "P3"))], time_scale=scale)

    null = fitted_null(found, lr, p.optim.weight_decay)
    three = compare(quantities, found, null)
    correlations = measure(found, ["C0", "C2"], time_scale=scale, p_ood=p_ood)
    simulated = noise_adam(
        found.steps,
        lr,
        p.optim.weight_decay,
        beta1=p.optim.beta1,
        beta2=p.optim.beta2,
        eps=p.optim.eps,
        size=NOISE_ADAM_SIZE,
        represents=int(found.sizes.sum()),
        seed=p.seed,
    )
    result = {
        "steps": found.steps,
        "dropped": found.dropped,
        "tensors": dict(zip(found.tensors, found.sizes.tolist(), strict=True)),
        "observed": three.observed | correlations,
        "null": three.null,
        "excess": three.excess,
        "simulated": {k: v for k, v in quantities(simulated).items() if np.ndim(v) == 0},
        "spectrum": {
            name: {
                "observed": fit(found, name, scale)[0].shares,
                "null": fit(null, name, scale)[0].shares,
            }
            for name in ("G0", "G1", "G2")
        },
        "blocks": blocks(found, lr, p, scale),
        "drift": {"observed": found.drift_norms, "null": null.drift_norms},
        "null_fit": {
            "scale": fit_scale(found, lr, p.optim.weight_decay),
            "isotropic_scale": isotropic_scale(int(found.sizes.sum())),
            "decay_share": decay_share(found, lr, p.optim.weight_decay),
            "start_norm": found.start_norm,
        },
    }
    write_analysis(folder, "backbone", result)
    write_reference_files(folder, result, scale)
    return result


def blocks(found: Digest, lr: np.ndarray, p: Params, scale: Fraction) -> list[dict[str, Any]]:
    """The per-block presets on the trunk matrices of each block, with a null fitted to that block.

    The reference's blocks also hold their LayerNorm vectors, which are no part of the trunk.
    """
    rows = []
    for i in range(p.model.layers):
        own = found.select([name for name in found.tensors if name.startswith(f"blocks.{i}.")])

        def quantities(d: Digest) -> dict[str, Any]:
            return measure(d, ["G3raw", "R3", "U3"], time_scale=scale)

        three = compare(quantities, own, fitted_null(own, lr, p.optim.weight_decay))
        rows.append({"observed": three.observed, "null": three.null, "excess": three.excess})
    return rows


def write_reference_files(folder: Path, result: dict[str, Any], scale: Fraction) -> None:
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
            {"window_start": s, "window_end": s + lag, "abs_cos": abs(c), "signed_cos": c}
            for s, c in zip(starts, np.asarray(seen["U1.cosines"]).tolist(), strict=False)
        ],
    )


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
                found = evaluate(model, s.tokens, s.answer, s.language, autocast=False)
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
            at, adam = adam_direction(folder, trunk_names(p))
            along |= {"adam": adam} if at == step else {}
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
