"""`python -m lib pilot`: the author's training command, word for word."""

import shlex
import sys
from fractions import Fraction
from pathlib import Path

from lib.base.errors import BadInput, nearest
from lib.base.imports import without_collection
from lib.base.yaml_text import parse_yaml
from lib.params.help import as_markdown, as_text, described
from lib.params.members import parameters_of
from lib.params.run import Params, dotted_names, load_params
from lib.params.stages import scaled_branches
from lib.params.study import load_study
from lib.params.study_file import main_study
from lib.train.places import BRANCHES
from lib.train.run_record import run_record

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
    "lambda_probe": "task.lambda_probe",
    "lambda_probe2": "task.lambda_probe2",
    "lambda_step": "task.lambda_step",
    "p_probe": "task.probe.p",
    "batch_size": "batch.size",
    "alpha": "optim.alpha",
    "rank_threshold": "optim.rank_threshold",
    "gate": "optim.gate",
    "scale": "optim.damping",
}
# Flags without a value: what they say.
PILOT_SWITCHES = {"no_anneal": ("optim.anneal", "constant"), "no_adaptive": ("optim.adaptive", "false")}
# Given in one command whatever the optimizer: one that has no such parameter does without.
FAMILY_FLAGS = ("alpha", "rank_threshold", "gate", "scale", *PILOT_SWITCHES)
PILOT_PLACES = ("study", "profile", "out_dir", "resume_from")

PILOT_HELP = """usage: python -m lib pilot [--study {study}] [--profile paper] [--out_dir FOLDER]
                           [--resume_from RUN:STEP] [--PARAMETER VALUE ...]

Train one run, by default of the published experiment (profile paper), into a folder that is named by its
parameters; the same command resumes it. With --resume_from a run's folder and step
(outputs/{study}-laptop/pilot_...:400) it reheats from that snapshot with a fresh optimizer, into RUN/branches/.

Every parameter by its name, then the author's flag for it (dashes or underscores), its default in the profile
{profile} of the study {study} (or of another, named beside --help), and what it means and may be.

"""
MARKDOWN_HELP = """# Parameters

Every parameter of a run, with its default in the profile `{profile}` of the study `{study}`. They have these names
in `SET='...'`, in a params file and as `python -m lib pilot --...`; a flag beside a name is the author's for it.
Counts of steps are a run's own. `python -m lib pilot --help --profile laptop` says the same of another profile.

This page is made by `python -m lib pilot --help --markdown > docs/parameters.md`.

"""
HELP, AS_MARKDOWN = ("-h", "--help"), "--markdown"


def pilot(arguments: list[str]) -> int:
    if not arguments or any(word in HELP for word in arguments):
        print(help_text(arguments), end="")
        return 0
    places, values = parse_pilot(arguments)
    study_name, profile = places.get("study", main_study()), places.get("profile", "paper")
    start = places.get("resume_from")
    if start is not None:
        params, folder = branch_from(start, study_name, values)
    else:
        study = load_study(study_name, profile, as_overrides(values), axes={})
        params = study.runs[0].params
        folder = Path("outputs") / study.folder_name / study.runs[0].name
    if "out_dir" in places:
        folder = Path(places["out_dir"]) / folder.name

    with without_collection():
        from lib.train.loop import train  # torch takes seconds to import; every mistake above is told before

    if not train(params, folder):  # one of several processes, and not the one that keeps the record
        return 0
    record = run_record(folder)
    where = f"{record.state} at step {record.step} of {record.steps}"
    print(f"{folder}: {where}{': ' + record.reason if record.reason else ''}")
    return 0


def help_text(arguments: list[str]) -> str:
    """What there is to set, with the defaults of the study, profile and values that the arguments name."""
    markdown = AS_MARKDOWN in arguments
    places, values = parse_pilot([word for word in arguments if word not in (*HELP, AS_MARKDOWN)])
    study, profile = places.get("study", main_study()), places.get("profile", "paper")
    switches = {f"{switch} (is {value})": name for switch, (name, value) in PILOT_SWITCHES.items()}
    p = load_study(study, profile, as_overrides(values), axes={}).runs[0].params
    groups = described(p, PILOT_FLAGS | switches)
    if markdown:
        return MARKDOWN_HELP.format(study=study, profile=profile) + as_markdown(groups)
    return PILOT_HELP.format(study=study, profile=profile) + as_text(groups) + "\n"


def as_overrides(values: dict[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())


def parse_pilot(arguments: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(places, parameter overrides) of a pilot command line."""
    known = [*PILOT_PLACES, *PILOT_FLAGS, *PILOT_SWITCHES, *dotted_names(Params)]
    places: dict[str, str] = {}
    values: dict[str, str] = {}
    family: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in known:
            hint = nearest(name, known).replace("did you mean ", "did you mean --")
            raise BadInput(f"pilot: unknown argument {word}{hint}")
        if name in PILOT_SWITCHES:
            if equals:
                raise BadInput(f"pilot: --{name} takes no value")
            value = PILOT_SWITCHES[name][1]
        elif not equals:
            if not words or words[0].startswith("--"):
                raise BadInput(f"pilot: --{name} needs a value")
            value = words.pop(0)
        target = places if name in PILOT_PLACES else values
        key = PILOT_SWITCHES[name][0] if name in PILOT_SWITCHES else PILOT_FLAGS.get(name, name)
        if key in target:
            raise BadInput(f"pilot: --{name} is given twice")
        target[key] = value
        if name in FAMILY_FLAGS:
            family[name] = key
    optimizer = values.get("optim.name")
    own = parameters_of("optim", optimizer)
    for name, key in family.items():
        if own and key.partition(".")[2] not in own.model_fields:
            print(f"pilot: optim.name = {optimizer} has no --{name}; it is left out", file=sys.stderr)
            del values[key]
    return places, values


def branch_from(start: str, study: str, values: dict[str, str]) -> tuple[Params, Path]:
    """Parameters and folder of a branch from RUN:STEP, by the study's first protocol with `values` over it."""
    from lib.train.branch import branch_changes, branch_name, branch_params

    place, _, step = start.rpartition(":")
    folder = Path(place)
    if not step.isdecimal() or not (folder / "params.yaml").is_file():
        raise BadInput(
            f"pilot: --resume_from {start}: expected RUN:STEP, a run's folder and the step of one of its snapshots"
        )
    parent = load_params(folder / "params.yaml")
    protocol = scaled_branches(study, Fraction(parent.time_scale))
    overrides = {name: parse_yaml(value, f"pilot, --{name}") for name, value in values.items()}
    changes = branch_changes(protocol, protocol.points()[0]) | overrides
    name = branch_name(folder, int(step), changes, protocol.name)
    return branch_params(folder, int(step), changes), folder / BRANCHES / name
