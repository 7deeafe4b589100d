"""python -m lib ...: what make calls. No logic of its own."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lib.base.errors import BadInput, nearest, plain_name
from lib.base.files import ROOT
from lib.base.imports import without_collection, without_unused
from lib.base.sentence import sentence
from lib.params.run import load_params
from lib.workflow.processes import signals_as_one_interrupt

if TYPE_CHECKING:
    from lib.workflow.queue import Asked

OUTPUTS = Path("outputs")
MOST_NAMES = 12  # of runs in one message
REMADE = ("paper", "report", "claims", "arxiv")  # from what is there, without running a stage


def main(arguments: list[str]) -> int:
    try:
        with signals_as_one_interrupt():
            return run_command(arguments)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = open(os.devnull, "w")
        return 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130
    except Exception as error:
        if not (told := sentence(error)):
            raise
        print(told, file=sys.stderr)
        return 2


def run_command(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("make", "bring every stage of a study up to date"),
        ("status", "runs and stages, with step, rate and time left"),
        ("why", "what would run, and because of what"),
        ("plan", "the runs of a study, where their parameters are from, and how long they train"),
        ("paper", "the paper from what is there"),
        ("report", "the HTML report from what is there"),
        ("claims", "the table of claims and verdicts"),
        ("arxiv", "the paper's sources in one tarball"),
        ("pack", "a study's results without its snapshots, a few MB that the paper can be made from"),
        ("compare", "runs beside each other: a table, a figure and a page"),
        ("watch", "keep the page that compares a study's runs up to date while they go on"),
        ("clean", "say what a study's outputs take on disk, and remove what was set aside"),
    ):
        study_parser = commands.add_parser(name, help=text)
        study_parser.add_argument("--study", default="", help="a name in params/ or a path; empty: the main study")
        study_parser.add_argument("--profile", default="laptop", help="a profile of the study, as smoke")
        study_parser.add_argument("--set", default="", help="'optim.lr=6e-4 seed=271'")
        study_parser.add_argument("--seeds", default="", help="how many, each with every value of the axes")
        study_parser.add_argument("--outputs", type=Path, default=OUTPUTS)
        if name in ("make", "plan", "status", "why"):
            study_parser.add_argument("--only", default="", help="runs or arms by name, or parts of names")
            study_parser.add_argument(
                "--since", default="", help="the number of a run, they are meant from there on"
            )
        if name == "make":
            study_parser.add_argument("--runs-only", action="store_true", help="no figures, paper and report")
        if name in REMADE:
            study_parser.add_argument(
                "--from", dest="source", type=Path, help="a packed study, instead of outputs/"
            )
        if name == "compare":
            study_parser.add_argument("--runs", default="", help="names, parts of names, folders; empty: all")
            study_parser.add_argument("--metric", default="", help="what is drawn, by commas; parts of names do")
        if name == "pack":
            study_parser.add_argument("--to", type=Path, help="default: results/<study>-<profile>")
    execute = commands.add_parser("execute", help="stages of one run, in this order (make calls this)")
    execute.add_argument("stages", nargs="+", metavar="stage")
    execute.add_argument("run", type=Path)
    foreign = commands.add_parser("explore", help="notebooks 02, 03 and 05 on a folder of ckpt_XXXXXX.pt files")
    foreign.add_argument("checkpoints", type=Path)
    foreign.add_argument("--set", default="")
    foreign.add_argument("--outputs", type=Path, default=OUTPUTS)
    lab = commands.add_parser("lab", help="open a notebook on a run in JupyterLab")
    lab.add_argument("run", help="a run's folder, or the part of its name that tells it apart")
    lab.add_argument("--notebook", default="01_train")
    lab.add_argument("--outputs", type=Path, default=OUTPUTS)
    listed = commands.add_parser("studies", help="every study: its question, its size, what there is of it")
    listed.add_argument("--outputs", type=Path, default=OUTPUTS)
    every = commands.add_parser("everything", help="make of every study")
    every.add_argument("--profile", default="laptop", help="studies that do not have it are passed over")
    every.add_argument("--set", default="", help="'optim.lr=6e-4 seed=271'")
    every.add_argument("--seeds", default="", help="how many, each with every value of the axes")
    every.add_argument("--outputs", type=Path, default=OUTPUTS)
    new = commands.add_parser("new-study", help="begin a study as a copy of one that is there")
    new.add_argument("name")
    new.add_argument("--from", dest="source", default="", help="the study to begin from; default: the main one")
    commands.add_parser("importable", help="let notebooks of this Python import the project, from any folder")
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
        return execute_command(options.stages, options.run)
    if options.command == "train":
        with without_collection():
            from lib.train.loop import train

        train(load_params(options.params), options.run, options.corpora)
        return 0
    if options.command == "explore":
        from lib.workflow.explore import explore

        folder, failed = explore(options.checkpoints, options.outputs, options.set)
        print(f"{folder}/figures: {len(list((folder / 'figures').glob('*.png')))} figures")
        return 1 if failed else 0
    if options.command == "studies":
        from lib.workflow.studies import studies_table

        print(studies_table(options.outputs))
        return 0
    if options.command == "everything":
        from lib.workflow.studies import make_everything

        return make_everything(options.profile, overrides(options), options.outputs)
    if options.command == "new-study":
        return new_study_command(options.name, options.source)
    if options.command == "importable":
        from lib.workflow.importable import make_importable

        print(f"{make_importable()}: notebooks of {sys.executable} find this project")
        return 0
    if options.command == "lab":
        return open_lab(options.run, options.notebook, options.outputs)
    return study_command(options)


def new_study_command(name: str, source: str) -> int:
    from lib.params.study_file import main_study
    from lib.workflow.studies import new_study

    written = new_study(name, source or main_study())
    print("\n".join(os.path.relpath(path) for path in written))
    print(f"\nmake all STUDY={name} PROFILE=smoke builds it; params/{name}.yaml is where to begin")
    return 0


def overrides(options: argparse.Namespace) -> str:
    """What SET and SEEDS say, in one text that a study's folder remembers."""
    return f"{options.set} seeds={shlex.quote(options.seeds)}".strip() if options.seeds else options.set


def study_command(options: argparse.Namespace) -> int:
    from lib.workflow.pack import PACKED, packed_arguments, unpack
    from lib.workflow.queue import asked, make
    from lib.workflow.status import status_table, why_text

    arguments = {"study": options.study, "profile": options.profile, "overrides": overrides(options)}
    packed = getattr(options, "source", None)
    if options.command in ("compare", "watch"):
        return compare_command(options, arguments)
    if packed:
        a = asked(packed_arguments(packed), options.outputs, f"packed-{packed.resolve().name}")
        unpack(packed, a.folder)
    else:
        some = {name: getattr(options, name, "") for name in ("only", "since")}
        a = asked(arguments, options.outputs, **some)
    if options.command == "clean":
        return clean(a.folder)
    if options.command == "make":
        return make(a, options.runs_only)
    if options.command == "pack":
        return pack_command(a, options.to or Path(os.path.relpath(PACKED / a.folder.name)))
    if options.command in REMADE:
        return remake_command(options.command, a)
    if options.command == "plan":
        from lib.workflow.sweep import plan_text

        print(plan_text(a.study, a.folder, a.runs))
        return 0
    waiting = a.pending()
    if options.command == "status":
        print(status_table(a.every, waiting, a.steps(waiting)))
    else:
        print(why_text(waiting, a.steps(waiting)))
    return 0


def compare_command(options: argparse.Namespace, arguments: dict[str, str]) -> int:
    from lib.params.study import load_study
    from lib.params.study_file import main_study
    from lib.workflow.compare import compare, watch

    study = load_study(**arguments | {"study": arguments["study"] or main_study()})
    folder = options.outputs / study.folder_name
    if options.command == "watch":
        return watch(folder)
    print(compare(options.runs, options.metric, folder, options.outputs))
    return 0


def remake_command(what: str, a: "Asked") -> int:
    from lib.workflow.queue import remake
    from lib.workflow.status import claims_table

    failed = remake(a, ("paper" if what == "arxiv" else what,))
    if what == "claims" and not failed:
        print(claims_table(a.folder))
    if what == "arxiv" and not failed:
        from lib.report.paper import arxiv_tarball
        from lib.report.paper_folder import paper_folder

        own = paper_folder(a.study)
        print(arxiv_tarball(own.build, own.arxiv))
    return 1 if failed else 0


def pack_command(a: "Asked", target: Path) -> int:
    """Pack a finished study: what is stale would be a paper about something else."""
    from lib.workflow.pack import pack

    for p in a.pending():
        raise BadInput(
            f"{a.folder}: {p.target.name} of {p.target.run.name} is not up to date ({p.reasons[0]}); make all first"
        )
    size = pack(a.study, a.folder, target, a.arguments)
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


def execute_command(stages: list[str], run: Path) -> int:
    from lib.workflow.runner import execute_stages

    try:
        return 1 if execute_stages(stages, run) else 0
    except KeyboardInterrupt:
        if os.environ.get("LAUNCH"):  # it may be this job alone that was asked to stop
            raise
        return 130  # the make above says it once for all stages


def open_lab(run: str, notebook: str, outputs: Path) -> int:
    """Open a notebook on a run in JupyterLab."""
    folder = find_run(run, outputs)
    page = lab_page(folder, notebook)
    print(f"{page} opens on {folder.name}")
    # A kernel that the user once installed under the same name must not be taken for this environment's.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "jupyter", "lab", page.name]
    if os.geteuid() == 0:  # in a container; Jupyter wants to hear it said
        command.append("--allow-root")
    return subprocess.run(command, cwd=page.parent, env=environment).returncode


def lab_page(folder: Path, notebook: str) -> Path:
    """The notebook filled in with the run's parameters, beside the run; a page once opened is the user's."""
    from lib.params.arguments import kept_arguments
    from lib.params.stages import notebook_path
    from lib.params.study_file import main_study, study_names
    from lib.workflow.done import KEPT, read_inputs
    from lib.workflow.runner import filled_notebook

    with without_unused():
        import nbformat

    page = folder / "notebooks" / "lab" / f"{notebook}.ipynb"
    if page.exists():
        return page
    inputs = folder.parent / KEPT / folder.name / f"{notebook}.inputs"
    if inputs.is_file():
        found = read_inputs(inputs)
        path, parameters = ROOT / found["stage"]["notebook"], found["parameters"]
    else:  # a run that make knows nothing of
        study = kept_arguments(folder.parent).get("study", "")
        study = study if study in study_names() else main_study()
        path, parameters = notebook_path([study], notebook, f"NOTEBOOK={notebook}"), {}
    filled = filled_notebook(path, {"run_folder": str(folder.resolve())} | parameters)
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(filled, page)
    return page


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
