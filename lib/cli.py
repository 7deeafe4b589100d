"""python -m lib ...: what make calls, and `pilot`, the author's training command. No logic of its own."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import BadInput, nearest
from lib.params import Params, dotted_names, load_params, parse_yaml, reheat_name, run_name

if TYPE_CHECKING:
    from lib.rules import Target
    from lib.study import Study

OUTPUTS = Path("outputs")
RUNS_ONLY = Path(".make") / "runs-only"  # in a study's folder: nobody asked for a paper of it
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


def main(arguments: list[str]) -> int:
    try:
        return run_command(arguments)
    except BadInput as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = open(os.devnull, "w")
        return 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130


def run_command(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("make", "bring every stage of a study up to date"),
        ("status", "runs and stages, with step, rate and time left"),
        ("why", "what would run, and because of what"),
        ("paper", "the paper from what is there"),
        ("report", "the HTML report from what is there"),
        ("claims", "the table of claims and verdicts"),
        ("arxiv", "the paper's sources in one tarball"),
        ("clean", "say what a study's outputs take on disk, and remove what was set aside"),
    ):
        study_parser = commands.add_parser(name, help=text)
        study_parser.add_argument("--study", default="beta2", help="a name in params/ or a path")
        study_parser.add_argument("--profile", default="laptop", help="smoke, laptop or paper")
        study_parser.add_argument("--set", default="", help="'optim.lr=6e-4 seed=271'")
        study_parser.add_argument("--outputs", type=Path, default=OUTPUTS)
        if name == "make":
            study_parser.add_argument("--runs-only", action="store_true", help="no figures, paper and report")
    execute = commands.add_parser("execute", help="one stage of one run (make calls this)")
    execute.add_argument("stage")
    execute.add_argument("run", type=Path)
    foreign = commands.add_parser("explore", help="notebooks 02, 03 and 05 on a folder of ckpt_XXXXXX.pt files")
    foreign.add_argument("checkpoints", type=Path)
    foreign.add_argument("--set", default="")
    foreign.add_argument("--outputs", type=Path, default=OUTPUTS)
    lab = commands.add_parser("lab", help="open a notebook on a run in JupyterLab")
    lab.add_argument("run", help="a run's folder, or the part of its name that tells it apart")
    lab.add_argument("--notebook", default="01_train")
    lab.add_argument("--outputs", type=Path, default=OUTPUTS)
    commands.add_parser("pilot", help="train one run; the author's command, word for word", add_help=False)

    if arguments[:1] == ["pilot"]:
        return pilot(arguments[1:])
    options = parser.parse_args(arguments)
    if options.command == "execute":
        return execute_command(options.stage, options.run)
    if options.command == "explore":
        from lib.explore import explore

        folder, failed = explore(options.checkpoints, options.outputs, options.set)
        print(f"{folder}/figures: {len(list((folder / 'figures').glob('*.pdf')))} figures")
        return 1 if failed else 0
    if options.command == "lab":
        return open_lab(options.run, options.notebook, options.outputs)
    return study_command(options)


def study_command(options: argparse.Namespace) -> int:
    from lib.finish import steps
    from lib.rules import targets
    from lib.status import status_table, why_text
    from lib.study import load_study

    study = load_study(options.study, options.profile, options.set)
    folder = options.outputs / study.folder_name
    if options.command == "clean":
        return clean(folder)
    every = targets(study, folder)
    arguments = {"study": options.study, "profile": options.profile, "overrides": options.set}
    if options.command in ("status", "why"):
        runs_only = (folder / RUNS_ONLY).exists()
        show = {"status": status_table, "why": why_text}[options.command]
        print(show(every, [] if runs_only else steps(study, folder, every, arguments)))
        return 0
    if options.command in ("paper", "report", "claims", "arxiv"):
        return remake(options.command, study, folder, every, arguments)
    return make(study, folder, every, None if options.runs_only else arguments)


def make(study: "Study", folder: Path, every: list["Target"], arguments: dict[str, str] | None) -> int:
    """Hold the study's folder, let make run what is stale, make the paper, and end with the table of runs."""
    from lib.finish import finish, steps
    from lib.launch import job_count, launch_command, run_rules
    from lib.rules import discard, reasons, write_rules
    from lib.runfolder import hold
    from lib.status import runs_table

    launch = launch_command()
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder / ".lock", folder, patience=1.0)
    rules = write_rules(study, folder, every)
    if arguments is None:
        (folder / RUNS_ONLY).touch()
    else:
        (folder / RUNS_ONLY).unlink(missing_ok=True)
    jobs, given = job_count(len(study.runs), launch)
    stale = [t for t in every if reasons(t)]
    code, failed = 0, []
    if stale:
        for target in stale:
            discard(target)
        print(f"{study.folder_name}: {len(stale)} of {len(every)} stages to run, {jobs} at a time", flush=True)
        code = run_rules(rules, launch, None if given else jobs, lock)
        failed = [f"{t.run.name} {t.stage}" for t in every if reasons(t)]
    else:
        print(f"{study.folder_name}: all {len(every)} stages are up to date")
    if arguments is not None:
        failed += finish(steps(study, folder, every, arguments))
    os.close(lock)
    print(runs_table(study.runs, folder))
    for name in failed:
        print(f"not done: {name}", file=sys.stderr)
    return 1 if code or failed else 0


def remake(what: str, study: "Study", folder: Path, every: list["Target"], arguments: dict[str, str]) -> int:
    """The figures and one thing that is made from them, from what the runs left; no stage is run."""
    from lib.finish import BUILD, FIGURES, finish, steps
    from lib.runfolder import hold
    from lib.status import claims_table

    if not folder.is_dir():
        raise BadInput(f"{folder}: this study has no results yet; make all makes them")
    lock = hold(folder / ".lock", folder, patience=1.0)
    wanted = (FIGURES, "paper" if what == "arxiv" else what)
    failed = finish([s for s in steps(study, folder, every, arguments) if s.name in wanted])
    os.close(lock)
    if what == "claims" and not failed:
        print(claims_table(folder))
    if what == "arxiv" and not failed:
        from lib.paper import arxiv_tarball

        print(arxiv_tarball(BUILD))
    return 1 if failed else 0


def clean(folder: Path) -> int:
    """Remove runs that were set aside; results are never removed by a command that can be mistyped."""
    import shutil

    aside = folder / "superseded"
    freed = sum(f.stat().st_size for f in aside.rglob("*") if f.is_file()) if aside.is_dir() else 0
    shutil.rmtree(aside, ignore_errors=True)
    kept = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{aside}: {freed / 1e6:.0f} MB removed; {folder} holds {kept / 1e6:.0f} MB (rm -r it to start over)")
    return 0


def execute_command(stage: str, run: Path) -> int:
    from lib.runner import StageFailed, execute_stage

    kept = run.parent / ".make" / run.name
    try:
        execute_stage(stage, run, kept / f"{stage}.inputs", load_params(kept / "params.yaml"))
    except StageFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def open_lab(run: str, notebook: str, outputs: Path) -> int:
    """Write the notebook, filled in with the run's parameters, beside the run and open it."""
    import nbformat

    from lib.runner import filled_notebook

    folder = find_run(run, outputs)
    page = folder / "notebooks" / "lab" / f"{notebook}.ipynb"
    if not page.exists():  # a page once opened is the user's
        page.parent.mkdir(parents=True, exist_ok=True)
        inputs = folder.parent / ".make" / folder.name / f"{notebook}.inputs"
        parameters = json.loads(inputs.read_text())["parameters"] if inputs.is_file() else {}
        nbformat.write(filled_notebook(notebook, {"run_folder": str(folder.resolve())} | parameters), page)
    print(f"{page} opens on {folder.name}")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-m", "jupyter", "lab", page.name]
    if os.geteuid() == 0:  # in a container; Jupyter wants to hear it said
        command.append("--allow-root")
    return subprocess.run(command, cwd=page.parent, env=environment).returncode


def find_run(run: str, outputs: Path) -> Path:
    if (Path(run) / "params.yaml").is_file():
        return Path(run)
    known = sorted(path.parent for path in outputs.glob("*/*/params.yaml") if path.parent.parent.name != ".make")
    matches = [path for path in known if run in str(path)]
    if len(matches) == 1:
        return matches[0]
    names = "; ".join(map(str, matches or known)) or "none yet: make all trains them"
    problem = "fits several runs" if matches else "is no trained run"
    raise BadInput(f"RUN={run} {problem}; there are: {names}{nearest(run, [p.name for p in known])}")


# --------------------------------------------------------------------------------------------------------- pilot

PILOT_HELP = """usage: python -m lib pilot [--profile paper] [--out_dir FOLDER] [--resume_from RUN:STEP]
                           [--FLAG VALUE ...]

Train one run, by default of the published experiment (profile paper), into
FOLDER/pilot_wd{wd}_lr{lr}_lp{lambda}_b2{beta2}_s{seed}; the same command resumes it.
With --resume_from a run's folder and step (outputs/beta2-laptop/pilot_...:400) it reheats from that snapshot
with a fresh optimizer, into RUN/reheat/reheat_ckpt{step}_lr{lr}.

The author's flags (with dashes or underscores):
"""


def pilot(arguments: list[str]) -> int:
    from lib.study import load_study

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
        overrides = " ".join(f"{name}={_quoted(value)}" for name, value in values.items())
        study = load_study(study_name, profile, overrides, axes={})
        params = study.runs[0].params
        folder = Path(places.get("out_dir", OUTPUTS / study.folder_name)) / run_name(params)
    if start is not None and "out_dir" in places:
        folder = Path(places["out_dir"]) / reheat_name(params)

    from lib.train import train  # torch takes seconds to import; every mistake above is told before

    record = train(params, folder)
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
    from lib.files import snapshot_path
    from lib.snapshots import snapshot_digest
    from lib.study import complete, flatten, load_reheat, reheat_params

    place, _, step = start.rpartition(":")
    folder = Path(place)
    if not step.isdigit() or not (folder / "params.yaml").is_file():
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


def _quoted(value: str) -> str:
    import shlex

    return shlex.quote(value)
