"""A small study folder with made-up numbers, written as the stages write it."""

import json

from lib.geometry.ladder import RUNGS
from lib.params.run import dump_params
from lib.params.study import load_study

PRESET_NUMBERS = {
    "G1.pc1": 68.0,
    "G1.k95": 6,
    "G1.k99": 14,
    "G1.drift": 10.0,
    "G2.pc1": 70.0,
    "G2.drift": 12.0,
    "G2.a_peak_step": 40,
    "U1.mean_abs": 0.25,
    "U2.mean_abs": 0.30,
    "U0.mean_abs": 0.05,
    "R1.mean": 0.995,
    "G0.pc1": 69.0,
    "G0.k95": 5,
    "R0.mean": 0.9,
    "P0.cosine": 0.02,
    "U0.mean": 0.03,
    "U0.early_mean": 0.06,
}
DEFINITIONS = ("empirical Fisher: x", "sampled-label Fisher: x", "squared batch gradient: x")
LABELS = ["v_b", "PC2", "update"]


def smoke_study():
    return load_study("beta2", "smoke")


def write_study(folder, study, *, pc1=None, skip=()):
    """Every run of `study`: beta2 = 0 diverged at step 3, the others done.

    Args:
        pc1: G2.pc1 by beta2, where it is not the same for all.
        skip: values of beta2 whose run is not there.
    """
    for run in study.runs:
        beta2 = run.params.optim.beta2
        if beta2 not in skip:
            _write_run(folder / run.name, run, study, 70.0 if pc1 is None else pc1.get(beta2, 70.0))
    return folder


def _write_run(place, run, study, pc1):
    diverged = run.params.optim.beta2 == 0
    last = 3 if diverged else run.params.schedule.steps
    record = {
        "state": "diverged" if diverged else "done",
        "step": last,
        "steps": run.params.schedule.steps,
        "seconds": 12.5,
        "commit": "abcdef0123456789",
        "dirty": False,
        "identity": {"params": "1" * 32, "code": "2" * 32, "fingerprint": "3" * 32, "versions": {"python": "3.11"}},
        "machine": {"processor": "a processor", "cores": 2, "threads": 1, "device": "cpu"},
    }
    if diverged:
        record["diverged"] = {"step": 3, "reason": "the loss ran away", "finite": True}
    (place / "analysis").mkdir(parents=True)
    (place / "params.yaml").write_text(dump_params(run.params))
    write(place / "run.json", record)
    p_ood = [0.0] if diverged else [0.0, 0.9, 0.2]
    steps = [1] if diverged else [1, last // 2, last]
    rows = [
        {"step": s, "val_loss": 3.0 - 0.1 * i, "probe_ood_acc": p}
        for i, (s, p) in enumerate(zip(steps, p_ood, strict=True))
    ]
    write(place / "pilot_metrics.json", rows)
    write(place / "analysis" / "backbone.json", backbone(study, pc1, diverged))
    if not diverged:
        write(
            place / "analysis" / "interference_metrics.json",
            [gradients(s) for s in study.stage("05_interference").parameters["steps"]],
        )
        steps = study.stage("03_fisher").parameters["steps"]
        write(place / "analysis" / "fisher.json", {"points": [fisher(s) for s in steps]})


def backbone(study, pc1, diverged):
    observed = {**PRESET_NUMBERS, "G2.pc1": pc1}
    null = {name: value * 0.8 for name, value in observed.items()}
    none = dict.fromkeys(observed)
    none_of_it = {"values": none, "errors": none}
    stride = round(200 / float(study.time_scale))
    steps = [0, 1, *range(stride, 20 * stride + 1, stride)]
    a = [float(s) for s in steps if s != 1]
    return {
        "steps": steps,
        "observed": none if diverged else {**observed, "G0.a": a},
        "null": none if diverged else null,
        "excess": none if diverged else {name: observed[name] - null[name] for name in observed},
        "rungs": {rung: none_of_it if diverged else climbed(null, n) for n, rung in enumerate(RUNGS)},
        "null_fit": {"scale": 2.0, "isotropic_scale": 4.0, "decay_share": [None, 0.2]},
    }


def climbed(null, rung):
    """Every rung a little nearer to what was observed, with an error of one percent of it."""
    scalars = {name: value for name, value in null.items() if not isinstance(value, list)}
    return {
        "values": {name: value * (1 + 0.05 * rung) for name, value in scalars.items()},
        "errors": {name: abs(0.01 * value) for name, value in scalars.items()},
    }


def gradients(step):
    detail = {f"{k}{se}": v for k in ("mean", "of_means", "across") for se, v in (("", 0.1), ("_se", 0.01))}
    rows = [[0.001, 0.002, 0.003]] * 3
    found = {
        "objectives": ["language", "probe", "combined"],
        "labels": LABELS,
        "of_means": rows,
        "of_means_se": rows,
    }
    return {"step": step, "detail": detail, "alignment": {**found, "noise_floor": 0.0017}}


def fisher(step):
    values = {"anisotropy": [5.0, 9.0, 50.0], "anisotropy_se": [0.5, 0.5, 5.0]}
    values |= {"structured": [1.5] * 3, "isotropic": [1.0] * 3}
    return {"step": step, "quotients": [{"definition": d, "labels": LABELS, **values} for d in DEFINITIONS]}


def write_reheat(folder, study, beta2, gain, along=0.0):
    run = next(r for r in study.runs if r.params.optim.beta2 == beta2)
    conditions = [
        {
            "beta2": beta2,
            "ckpt_step": step,
            "lr": lr,
            "state": "done",
            "start_p_ood": 0.2,
            "peak_p_ood": 0.2 + gain,
            "gain": gain,
            "area": gain / 2,
            "final_p_ood": 0.2,
            "final_val_loss": 2.5,
            "peak_step": 10,
            "n_steps": 40,
            "displacement": 3.0,
            "along": along,
            "across": 2.9,
            "null_along": along / 2,
            "null_across": 2.5,
            "null_displacement": 2.6,
        }
        for step in study.branches["reheat"].snapshots
        for lr in study.branches["reheat"].vary["optim.lr"]
    ]
    write(folder / run.name / "analysis" / "reheat.json", conditions)


def write(path, data):
    path.write_text(json.dumps(data))
