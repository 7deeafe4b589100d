"""A small complete study on disk, made from formulas: five runs of the laptop profile, one of them diverged.

The trajectories are simulated noise-Adams, measured by the real presets, so that every array has the length
that a run of that schedule gives it.
"""

import base64
import io
import json
from fractions import Fraction

import matplotlib.image
import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.base.files import json_text
from lib.geometry.gram import save_digest
from lib.geometry.ladder import climb
from lib.geometry.null import adam_null, compare, fitted_null
from lib.geometry.presets import fit, measure
from lib.measure.trajectory import MEMORY, plain
from lib.optim.schedules import learning_rate
from lib.params.cadence import snapshot_steps
from lib.params.run import dump_params, run_hash
from lib.params.study import load_study
from tests.noise_adam import noise_adam

MEASURED = ("G0", "G1", "U0", "U0in", "U1", "R0", "P0")
DIVERGED_AT = 70
LABELS = ["v_b", "PC2", "-theta_0", "random", "update"]
DEFINITIONS = [
    "empirical Fisher: of data",
    "sampled-label Fisher: of the model",
    "squared batch gradient: of batches",
]
MATH = r"""# A page of mathematics

Inline $\Delta_t = a(t)\,v_b + r(t)$ with $\lVert v_b\rVert = 1$, and on its own line

$$\mathcal L = \mathcal L_{\mathrm{LM}} + \lambda\,\mathcal L_{\mathrm{probe}}, \qquad
\frac{a(t)^2}{\lVert\Delta_t\rVert^2} \le 1$$

$$\begin{aligned} a(t) &= \langle \Delta_t, v_b\rangle \\ r(t) &= \Delta_t - a(t)\,v_b \end{aligned}$$

![a picture from afar](https://example.org/picture.png)
"""


def synthetic_study():
    return load_study("beta2", "laptop", "seeds=1")


def build_study(parent):
    """The study `beta2` with the profile `laptop`, as its stages would leave it on disk."""
    study = synthetic_study()
    folder = parent / study.folder_name
    for run in study.runs:
        _build_run(folder / run.name, run.params, 1 / Fraction(study.time_scale))
    claims = [
        {"id": "diverges", "claim": "beta2 = 0 diverges", "source": "abstract", "verdict": "holds", "why": "at 70"},
        {"id": "pc1", "claim": "PC1 <falls>", "source": "README", "verdict": "excluded", "why": "70 > 60"},
        {"id": "gain", "claim": "0.95 gains more", "source": "README", "verdict": "cannot tell", "why": "one seed"},
    ]
    _write(folder / "summary" / "claims.json", {"claims": claims})


def _build_run(folder, p, scale):
    beta2, diverged = p.optim.beta2, p.optim.beta2 == 0.0
    rng = np.random.default_rng(round(100 * beta2))
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(dump_params(p))
    record = {"name": folder.name, "state": "done", "reason": "", "step": p.schedule.steps, "seconds": 80.0}
    record |= {"commit": "0123456789abcdef", "dirty": False, "machine": {"processor": "a processor", "cores": 2}}
    if diverged:
        ended = {"step": DIVERGED_AT, "reason": "loss", "finite": True}
        record |= {"state": "diverged", "step": DIVERGED_AT, "reason": "loss at step 70", "diverged": ended}
    _write(folder / "run.json", record)
    _write(folder / "pilot_metrics.json", _evaluations(p, DIVERGED_AT if diverged else p.schedule.steps))
    _write(folder / "analysis" / "backbone.json", _backbone(folder, p, scale, DIVERGED_AT if diverged else None))
    whole = [] if diverged else [640, 1200, 1600]
    fisher = {"points": [_fisher(step, rng) for step in whole]}
    _write(folder / "analysis" / "fisher.json", fisher)
    _write(folder / "analysis" / "interference_metrics.json", [_interference(step, rng) for step in whole])
    _write(folder / "analysis" / "fillers.json", [_fillers(step, beta2) for step in whole])
    if beta2 in (0.95, 0.80):
        conditions = [_reheat(beta2, step, lr, rng) for step in (800, 1600) for lr in (1e-3, 6e-4, 3e-4)]
        _write(folder / "analysis" / "reheat.json", conditions)
    for name in ("01_train", "02_pca"):
        _notebook(folder / "notebooks" / f"{name}.ipynb")


def _evaluations(p, last):
    steps = [1, *range(p.eval.every, last + 1, p.eval.every)]
    rise = [float(np.exp(-(((step - 800) / 300) ** 2)) * p.optim.beta2) for step in steps]
    found = [
        {"step": s, "probe_ood_acc": r, "probe_in_acc": r**0.5, "val_loss": 2 + 5 * np.exp(-s / 600)}
        for s, r in zip(steps, rise, strict=True)
    ]
    if last < p.schedule.steps:
        found.append({"step": last, "probe_ood_acc": None, "probe_in_acc": None, "val_loss": 1e9})
    return found


def _backbone(folder, p, scale, last):
    lr = np.array([learning_rate(t, p.optim.lr, p.schedule) for t in range(1, p.schedule.steps + 1)])
    steps = np.array([step for step in snapshot_steps(p) if last is None or step <= last])
    wd = p.optim.weight_decay
    found = noise_adam(steps, lr, wd, beta2=p.optim.beta2, size=300, seed=round(100 * p.optim.beta2))
    save_digest(folder / "digest.npz", found, run_hash(p))
    null = fitted_null(found, lr, wd)

    def all_of_it(d):
        return measure(d, MEASURED, time_scale=scale)

    three = compare(all_of_it, found, null)
    rungs, memory = climb(found, lr, wd, adam_null(found, lr, wd), all_of_it, all_of_it, counts=(3, 3))
    far = 1e4 if last else 1.0
    return {
        "steps": steps,
        "observed": three.observed,
        "null": three.null,
        "excess": three.excess,
        "rungs": rungs,
        "memory": {name: getattr(memory, name) for name in MEMORY},
        "spectrum": {
            name: {"observed": fit(found, name, scale)[0].shares, "null": fit(null, name, scale)[0].shares}
            for name in ("G0", "G1")
        },
        "drift": {"observed": far * found.drift_norms, "null": null.drift_norms},
    }


def _fisher(step, rng):
    def quotients(definition):
        q = np.exp(rng.normal(2, 1, len(LABELS)))
        return {
            "definition": definition,
            "labels": LABELS,
            "anisotropy": q,
            "anisotropy_se": 0.3 * q,
            "isotropic": np.ones(len(LABELS)),
            "structured": 1.5 * np.ones(len(LABELS)),
        }

    return {"step": step, "quotients": [quotients(d) for d in DEFINITIONS]}


def _fillers(step, beta2):
    found = {"step": step}
    for n, filler in enumerate(("random", "seen", "unigram", "shuffled", "story")):
        found[f"dose_{filler}"] = 0.2 if filler == "random" else 0.0
        for cell, most in (("in", 1.0), ("ood", beta2), ("prefix", 0.9)):
            found[f"{cell}_{filler}"] = most * (n + 1) / 5
            found[f"{cell}_{filler}_se"] = 0.02
    return found


def _interference(step, rng):
    labels, objectives = ["v_b", "PC2", "update"], ["language", "probe", "combined"]
    cosines = rng.normal(0, 0.02, (3, 3))
    return {
        "step": step,
        "detail": {
            "mean": 0.05,
            "mean_se": 0.01,
            "of_means": 0.2,
            "of_means_se": 0.05,
            "across": 0.4,
            "across_se": None,
        },
        "alignment": {
            "objectives": objectives,
            "labels": labels,
            "of_means": cosines,
            "of_means_se": np.full((3, 3), 0.005),
            "noise_floor": 0.0017,
        },
    }


def _reheat(beta2, step, lr, rng):
    steps = list(range(0, 1001, 100))
    p_ood = (0.1 + beta2 * lr * 600 * np.sin(np.linspace(0, 3, len(steps)))).tolist()
    return {
        "beta2": beta2,
        "ckpt_step": step,
        "lr": lr,
        "state": "done",
        "steps": steps,
        "p_ood": p_ood,
        "gain": max(p_ood) - p_ood[0],
        "along": float(rng.normal()),
        "null_along": -0.5,
        "across": 4000 * lr,
        "null_across": 3.0,
    }


def _notebook(path):
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.tile(np.linspace(0, 1, 1500), (20, 1)), format="png")
    image = base64.b64encode(buffer.getvalue()).decode()
    table = "<table><tr><th>step</th></tr><tr><td>70</td></tr></table>"
    outputs = [
        new_output("stream", name="stdout", text="a line \x1b[31min red\x1b[0m <and> brackets\n"),
        new_output("stream", name="stdout", text="a line that goes on " * 30),
        new_output("display_data", {"image/png": image, "text/plain": "a figure"}),
        new_output("execute_result", {"text/html": table, "text/plain": "a table"}, execution_count=1),
        new_output("display_data", {"application/javascript": "alert(1)", "text/plain": "a script"}),
        new_output("display_data", {"text/latex": r"$\sqrt{2}$", "text/plain": "root"}),
    ]
    cells = [new_markdown_cell(MATH, id="text"), new_code_cell("x = 1  # comment", outputs=outputs, id="code")]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(json.loads(json.dumps(plain(data)))))
