"""python -m lib ...: what make calls. No logic of its own."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lib.base import memory
from lib.base.errors import BadInput, nearest, plain_name
from lib.base.files import disk_trouble
from lib.params.run import load_params
from lib.workflow.processes import signals_as_one_interrupt

if TYPE_CHECKING:
    from lib.params.study import Study
    from lib.workflow.rules import Target

OUTPUTS = Path("outputs")
REMADE = ("paper", "report", "claims", "arxiv")  # from what is there, without running a stage
MOST_NAMES = 12  # of runs in one message
RUNS_ONLY = Path(".make") / "runs-only"  # in a study's folder: nobody asked for a paper of it


def main(arguments: list[str]) -> int:
    try:
        with signals_as_one_interrupt():
            return run_command(arguments)
    except BadInput as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = open(os.devnull, "w")
        return 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = disk_trouble(error) or memory.ran_out(type(error).__name__, str(error))
        if not sentence:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 2


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
        ("pack", "a study's results without its snapshots, a few MB that the paper can be made from"),
        ("clean", "say what a study's outputs take on disk, and remove what was set aside"),
    ):
        study_parser = commands.add_parser(name, help=text)
        study_parser.add_argument("--study", default="beta2", help="a name in params/ or a path")
        study_parser.add_argument("--profile", default="laptop", help="smoke, laptop or paper")
        study_parser.add_argument("--set", default="", help="'optim.lr=6e-4 seed=271'")
        study_parser.add_argument("--outputs", type=Path, default=OUTPUTS)
        if name == "make":
            study_parser.add_argument("--runs-only", action="store_true", help="no figures, paper and report")
        if name in REMADE:
            study_parser.add_argument(
                "--from", dest="source", type=Path, help="a packed study, instead of outputs/"
            )
        if name == "pack":
            study_parser.add_argument("--to", type=Path, help="default: results/<study>-<profile>")
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
    several = commands.add_parser("train", help="one process of a run on several devices (torchrun calls this)")
    several.add_argument("params", type=Path)
    several.add_argument("run", type=Path)
    several.add_argument("corpora", type=Path)
    commands.add_parser("pilot", help="train one run; the author's command, word for word", add_help=False)

    if arguments[:1] == ["pilot"]:
        from lib.workflow.pilot import pilot

        return pilot(arguments[1:])
    options = parser.parse_args(arguments)
    if options.command == "execute":
        return execute_command(options.stage, options.run)
    if options.command == "train":
        from lib.train.loop import train

        train(load_params(options.params), options.run, options.corpora)
        return 0
    if options.command == "explore":
        from lib.workflow.explore import explore

        folder, failed = explore(options.checkpoints, options.outputs, options.set)
        print(f"{folder}/figures: {len(list((folder / 'figures').glob('*.pdf')))} figures")
        return 1 if failed else 0
    if options.command == "lab":
        return open_lab(options.run, options.notebook, options.outputs)
    return study_command(options)


def study_command(options: argparse.Namespace) -> int:
    from lib.params.study import load_study
    from lib.workflow.finish import steps
    from lib.workflow.pack import packed_arguments, unpack
    from lib.workflow.rules import reasons, targets
    from lib.workflow.status import status_table, why_text

    arguments = {"study": options.study, "profile": options.profile, "overrides": options.set}
    packed = getattr(options, "source", None)
    if packed:
        arguments = packed_arguments(packed)
    study = load_study(**arguments)
    folder = options.outputs / (f"packed-{packed.resolve().name}" if packed else study.folder_name)
    if packed:
        unpack(packed, folder)
    if options.command == "clean":
        return clean(folder)
    every = targets(study, folder)
    if options.command in ("status", "why"):
        runs_only = (folder / RUNS_ONLY).exists()
        show = {"status": status_table, "why": why_text}[options.command]
        why = [reasons(target) for target in every]
        print(show(every, why, [] if runs_only else steps(study, folder, every, why, arguments)))
        return 0
    if options.command == "pack":
        return pack_command(study, folder, every, options.to or Path("results") / folder.name, arguments)
    if options.command in REMADE:
        return remake(options.command, study, folder, every, arguments)
    return make(study, folder, every, None if options.runs_only else arguments)


def make(study: "Study", folder: Path, every: list["Target"], arguments: dict[str, str] | None) -> int:
    """Hold the study's folder, let make run what is stale, make the paper, and end with the table of runs."""
    from lib.train.folder import hold
    from lib.workflow.finish import finish, steps
    from lib.workflow.launch import job_count, launch_command, run_rules
    from lib.workflow.processes import refuse_limits
    from lib.workflow.rules import discard, reasons, refuse_place, write_rules
    from lib.workflow.status import runs_table

    refuse_place(folder)
    refuse_limits()
    launch = launch_command()
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder / ".lock", folder, patience=1.0)
    rules = write_rules(study, folder, every)
    if arguments is None:
        (folder / RUNS_ONLY).touch()
    else:
        (folder / RUNS_ONLY).unlink(missing_ok=True)
    jobs, given = job_count(len(study.runs), launch)
    why = [reasons(t) for t in every]
    stale = [t for t, found in zip(every, why, strict=True) if found]
    code, failed = 0, []
    if stale:
        for target in stale:
            discard(target)
        print(f"{study.folder_name}: {len(stale)} of {len(every)} stages to run, {jobs} at a time", flush=True)
        code = run_rules(rules, launch, None if given else jobs, lock)
        why = [reasons(t) for t in every]
        failed = [f"{t.run.name} {t.stage}" for t, found in zip(every, why, strict=True) if found]
    else:
        print(f"{study.folder_name}: all {len(every)} stages are up to date")
    if arguments is not None:
        failed += finish(steps(study, folder, every, why, arguments))
    os.close(lock)
    print(runs_table(study.runs, folder))
    for name in failed:
        print(f"not done: {name}", file=sys.stderr)
    return 1 if code or failed else 0


def remake(what: str, study: "Study", folder: Path, every: list["Target"], arguments: dict[str, str]) -> int:
    """The figures and one thing that is made from them, from what the runs left; no stage is run."""
    from lib.train.folder import hold
    from lib.workflow.finish import BUILD, FIGURES, finish, steps
    from lib.workflow.rules import reasons
    from lib.workflow.status import claims_table

    if not folder.is_dir():
        raise BadInput(f"{folder}: this study has no results yet; make all makes them")
    lock = hold(folder / ".lock", folder, patience=1.0)
    wanted = (FIGURES, "paper" if what == "arxiv" else what)
    why = [reasons(target) for target in every]
    failed = finish([s for s in steps(study, folder, every, why, arguments) if s.name in wanted])
    os.close(lock)
    if what == "claims" and not failed:
        print(claims_table(folder))
    if what == "arxiv" and not failed:
        from lib.report.paper import arxiv_tarball

        print(arxiv_tarball(BUILD))
    return 1 if failed else 0


def pack_command(
    study: "Study", folder: Path, every: list["Target"], target: Path, arguments: dict[str, str]
) -> int:
    """Pack a finished study: what is stale would be a paper about something else."""
    from lib.workflow.pack import pack
    from lib.workflow.rules import reasons

    for stage in every:
        if why := reasons(stage):
            raise BadInput(
                f"{folder}: {stage.stage} of {stage.run.name} is not up to date ({why[0]}); make all first"
            )
    size = pack(study, folder, target, arguments)
    print(f"{target}: {size / 1e6:.1f} MB; make paper FROM={target} makes the paper from it")
    return 0


def clean(folder: Path) -> int:
    """Remove runs that were set aside; results are never removed by a command that can be mistyped."""
    aside = folder / "superseded"
    freed = sum(f.stat().st_size for f in aside.rglob("*") if f.is_file()) if aside.is_dir() else 0
    shutil.rmtree(aside, ignore_errors=True)
    kept = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{aside}: {freed / 1e6:.0f} MB removed; {folder} holds {kept / 1e6:.0f} MB (rm -r it to start over)")
    return 0


def execute_command(stage: str, run: Path) -> int:
    from lib.workflow.runner import StageFailed, execute_stage

    kept = run.parent / ".make" / run.name
    try:
        execute_stage(stage, run, kept / f"{stage}.inputs", load_params(kept / "params.yaml"))
    except StageFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if os.environ.get("LAUNCH"):  # it may be this job alone that was asked to stop
            raise
        return 130  # the make above says it once for all stages
    return 0


def open_lab(run: str, notebook: str, outputs: Path) -> int:
    """Write the notebook, filled in with the run's parameters, beside the run and open it."""
    import nbformat

    from lib.workflow.runner import filled_notebook, read_inputs

    folder = find_run(run, outputs)
    page = folder / "notebooks" / "lab" / f"{notebook}.ipynb"
    if not page.exists():  # a page once opened is the user's
        page.parent.mkdir(parents=True, exist_ok=True)
        inputs = folder.parent / ".make" / folder.name / f"{notebook}.inputs"
        parameters = read_inputs(inputs)["parameters"] if inputs.is_file() else {}
        nbformat.write(filled_notebook(notebook, {"run_folder": str(folder.resolve())} | parameters), page)
    print(f"{page} opens on {folder.name}")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
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
    others = matches or known
    names = "; ".join(map(str, others[:MOST_NAMES])) or "none yet: make all trains them"
    names += f" and {len(others) - MOST_NAMES} more" if others[MOST_NAMES:] else ""
    problem = "fits several runs" if matches else "is no trained run"
    raise BadInput(f"RUN={plain_name(run)} {problem}; there are: {names}{nearest(run, [p.name for p in known])}")
