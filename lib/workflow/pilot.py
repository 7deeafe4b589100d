"""`python -m lib pilot`: the author's training command, word for word."""

import shlex
from pathlib import Path

from lib.base.errors import BadInput, nearest
from lib.base.files import snapshot_path
from lib.base.yaml_text import parse_yaml
from lib.params.dotted import flatten
from lib.params.run import Params, dotted_names, load_params, reheat_name, run_name
from lib.params.study import complete, load_reheat, load_study, reheat_params

# The author's flags and what they are called here.
PILOT_FLAGS = {
    "seed": "seed",
    "wd": "optim.weight_decay",
    "lr": "optim.lr",
    "beta2": "optim.beta2",
    "steps": "schedule.steps",
    "warmup": "schedule.warmup",
    "min_lr_ratio": "schedule.min_lr_ratio",
    "grad_clip": "optim.clip",
    "eval_every": "eval.every",
    "save_ckpt_every": "snapshots.dense_every",
    "save_ckpt_dense_from": "snapshots.dense_from",
    "save_ckpt_dense_to": "snapshots.dense_to",
    "save_ckpt_sparse_every": "snapshots.sparse_every",
    "save_ckpt_sparse_from": "snapshots.sparse_from",
    "lambda_probe": "schedule.lambda_probe",
    "lambda_probe2": "schedule.lambda_probe2",
    "lambda_step": "schedule.lambda_step",
    "p_probe": "probe.p",
    "batch_size": "batch.size",
}
PILOT_PLACES = ("study", "profile", "out_dir", "resume_from")

PILOT_HELP = """usage: python -m lib pilot [--profile paper] [--out_dir FOLDER] [--resume_from RUN:STEP]
                           [--FLAG VALUE ...]

Train one run, by default of the published experiment (profile paper), into
FOLDER/pilot_wd{wd}_lr{lr}_lp{lambda}_b2{beta2}_s{seed}; the same command resumes it.
With --resume_from a run's folder and step (outputs/beta2-laptop/pilot_...:400) it reheats from that snapshot
with a fresh optimizer, into RUN/reheat/reheat_ckpt{step}_lr{lr}.

The author's flags (with dashes or underscores):
"""


def pilot(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(PILOT_HELP + "\n".join(f"  --{flag:24}{name}" for flag, name in PILOT_FLAGS.items()))
        print("\nand every parameter by its own name:\n  " + "\n  ".join(f"--{n}" for n in dotted_names(Params)))
        return 0
    places, values = parse_pilot(arguments)
    study_name, profile = places.get("study", "beta2"), places.get("profile", "paper")
    start = places.get("resume_from")
    if start is not None:
        params, folder = reheat_from(start, values)
    else:
        overrides = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        study = load_study(study_name, profile, overrides, axes={})
        params = study.runs[0].params
        folder = Path(places.get("out_dir", Path("outputs") / study.folder_name)) / run_name(params)
    if start is not None and "out_dir" in places:
        folder = Path(places["out_dir"]) / reheat_name(params)

    from lib.train.loop import train  # torch takes seconds to import; every mistake above is told before

    record = train(params, folder)
    if not record:  # one of several processes, and not the one that keeps the record
        return 0
    where = f"{record['state']} at step {record['step']} of {record['steps']}"
    print(f"{folder}: {where}{': ' + record['reason'] if record['reason'] else ''}")
    return 0


def parse_pilot(arguments: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(places, parameter overrides) of a pilot command line."""
    known = [*PILOT_PLACES, *PILOT_FLAGS, *dotted_names(Params)]
    places: dict[str, str] = {}
    values: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in known:
            hint = nearest(name, known).replace("did you mean ", "did you mean --")
            raise BadInput(f"pilot: unknown argument {word}{hint}")
        if not equals:
            if not words or words[0].startswith("--"):
                raise BadInput(f"pilot: --{name} needs a value")
            value = words.pop(0)
        target = places if name in PILOT_PLACES else values
        key = PILOT_FLAGS.get(name, name)
        if key in target:
            raise BadInput(f"pilot: --{name} is given twice")
        target[key] = value
    return places, values


def reheat_from(start: str, values: dict[str, str]) -> tuple[Params, Path]:
    """Parameters and folder of a reheat from RUN:STEP, by the study's protocol with `values` over it."""
    from lib.base.snapshots import snapshot_digest

    place, _, step = start.rpartition(":")
    folder = Path(place)
    if not step.isdecimal() or not (folder / "params.yaml").is_file():
        raise BadInput(
            f"pilot: --resume_from {start}: expected RUN:STEP, a run's folder and the step of one of its snapshots"
        )
    parent = load_params(folder / "params.yaml")
    path = snapshot_path(folder, int(step))
    if not path.is_file() or int(step) not in [*parent.snapshots.whole, parent.schedule.steps]:
        whole = sorted({*parent.snapshots.whole, parent.schedule.steps})
        raise BadInput(f"pilot: {folder.name} has no whole-model snapshot at step {step}; it has them at {whole}")
    snapshot = {"snapshot": str(path.resolve()), "step": int(step), "digest": snapshot_digest(path)}
    overrides = {name: parse_yaml(value, f"pilot, --{name}") for name, value in values.items()}
    reheat = load_reheat(parent)
    lr = overrides.pop("optim.lr", reheat.lr[0])
    params = reheat_params(parent, reheat, lr, snapshot)
    if overrides:
        params = complete({**flatten(params.model_dump(mode="json")), **overrides}, "pilot")
    return params, folder / "reheat" / reheat_name(params)
