"""What a study is to run: every stage of every run, with everything that goes into it, and why it is stale.

Staleness is by content, all of it: parameters, data, code, notebook, and what the stages before it pass on. A
`touch`, a checkout, a comment in a module or the wording of an error changes nothing. A notebook is read: a word of
its text makes it again, and nothing after it.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lib.base.code import EVERYTHING, reached
from lib.base.computing import computed
from lib.base.errors import BadInput
from lib.base.files import ROOT, content_hash
from lib.params.run import differences, identity
from lib.params.stages import Stage
from lib.params.study import Run, Study
from lib.report.paper_folder import PAPERS
from lib.train.identity import GENERATORS, branching_definitions, member_paths, training_code, watched
from lib.train.places import BRANCHES
from lib.train.prepare import changed_since
from lib.train.run_record import run_record
from lib.workflow.done import KEPT, lost_outputs, read_done, read_table

# What shows results counts for the stage whose notebook shows them, and not for what is made of its numbers.
DRAWING = ("lib/report/",)
WORKFLOW = ("lib/workflow/",)
STYLE = ("lib/report/style.py",)  # a colour redraws the paper's figures, and makes no stage of a run stale
DRAWING_OF_PAPERS = ("figures.py", "tables.py", "numbers.py")
HEADER = re.compile(r"\A(#!.*\n)?# ---\n(#.*\n)*?# ---\n")  # jupytext's, which it writes anew at every save

TRAIN, MEASURE, DRAW = "train", "measure", "draw"


@dataclass(frozen=True)
class Target:
    """One stage of one run."""

    stage: Stage
    run: Run
    folder: Path  # the run's
    inputs: dict[str, Any]  # everything that goes in
    code: dict[str, str]  # 'file: name' -> hash of every definition that it runs
    drawing: dict[str, str]  # the same of those that only show what came out

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def done(self) -> Path:
        return self.folder / f"{self.name}.done"

    @property
    def kept(self) -> Path:
        """Where make's own files of this run live, beside the results."""
        return self.folder.parent / KEPT / self.folder.name

    @property
    def inputs_file(self) -> Path:
        return self.kept / f"{self.name}.inputs"


@dataclass(frozen=True)
class Pending:
    """A stage that will run, because of what, and whether it trains, measures or draws."""

    target: Target
    kind: str
    reasons: list[str]


def targets(study: Study, folder: Path) -> list[Target]:
    """Every stage of every run, in the order in which they need each other."""
    found = []
    for run in study.runs:
        passed_on: dict[str, str] = {}
        of_run = run_inputs(run)
        for stage in study.stages_of(run):
            metrics = watched(run.params) if stage.trains or stage.branches else ()
            code = stage_code(stage.notebook, member_paths(run.params), metrics)
            drawing = drawing_code(stage.notebook)
            inputs = of_run | {
                "parameters": parameters_of(study, stage, run),
                "code": content_hash(code),
                "drawing": content_hash(drawing),
                "notebook": notebook_hash(stage.notebook),
                "needs": {name: passed_on[name] for name in stage.needs if name in passed_on},
                "stage": {
                    "notebook": str(stage.notebook.relative_to(ROOT)),
                    "needs": list(stage.needs),
                    "makes": list(stage.makes),
                    "trains": stage.trains,
                    "branches": stage.branches,
                },
            }
            # Of a training its weights are passed on, of a measurement its numbers, and not what else is shown.
            trained = of_run | {"code": training_code(run.params)}
            measured = inputs | {"notebook": notebook_code(stage.notebook), "drawing": ""}
            passed_on[stage.name] = content_hash(trained if stage.trains else measured)
            found.append(Target(stage, run, folder / run.name, inputs, code, drawing))
    return found


def run_inputs(run: Run) -> dict[str, Any]:
    """What goes into every stage of a run."""
    try:
        data = run.params.task.data_key()
    except BadInput as error:
        data = f"unreadable: {error}"  # the stage itself says so, and the other runs go on
    return {"params": identity(run.params), "time_scale": run.params.time_scale, "data": data}


def parameters_of(study: Study, stage: Stage, run: Run) -> dict[str, Any]:
    """The parameters of a stage's notebook; of one that trains branches also what they are."""
    protocol = {"protocol": asdict(study.branches_of(stage, run.params))} if stage.branches else {}
    return protocol | stage.parameters


@cache
def stage_code(
    notebook: Path, members: tuple[Path, ...], metrics: tuple[tuple[Path, str], ...] = ()
) -> dict[str, str]:
    """The definitions that a notebook runs for a run with these members, but for how their results are shown."""
    looks = tuple(str(p.relative_to(ROOT)) for name in DRAWING_OF_PAPERS for p in PAPERS.glob(f"*/{name}"))
    found = reached([(notebook, EVERYTHING), *metrics], members, without=DRAWING + WORKFLOW + GENERATORS + looks)
    return {name: digest for name, digest in found.items() if not name.startswith("notebooks/")}


@cache
def drawing_code(notebook: Path) -> dict[str, str]:
    """The definitions that a notebook runs only to show results, but for the style that all figures have."""
    found = reached([(notebook, EVERYTHING)], without=STYLE + WORKFLOW + GENERATORS)
    measuring = stage_code(notebook, ())
    return {
        name: digest
        for name, digest in found.items()
        if name not in measuring and not name.startswith("notebooks/")
    }


@cache
def notebook_hash(path: Path) -> str:
    return content_hash(HEADER.sub("", path.read_text(encoding="utf-8"), count=1))


@cache
def notebook_code(path: Path) -> str:
    """A hash of what a notebook computes, whatever it says."""
    return content_hash(computed(path.read_text(encoding="utf-8")))


# ---------------------------------------------------------------------------------------------------------- why


def pending(every: Iterable[Target]) -> list[Pending]:
    """The stages that will run, in order: the stale ones, and those that need them."""
    found: list[Pending] = []
    for target in every:
        if why := reasons(target):
            found.append(Pending(target, kind_of(target), why))
    return found


def kind_of(target: Target) -> str:
    """Whether a stale stage trains again, measures what is there, or shows what it measured."""
    if drawn_otherwise(target):
        return DRAW
    if target.stage.branches:
        return MEASURE if branches_stand(target) else TRAIN
    if not target.stage.trains:
        return MEASURE
    finished = run_record(target.folder).ended
    return MEASURE if finished and not changed_since(target.folder, target.run.params) else TRAIN


def drawn_otherwise(target: Target) -> bool:
    """Whether a stage is stale for nothing but how its results are shown."""
    done = read_done(target.done)
    if done is None or lost_outputs(target.folder, done):
        return False
    return {**done["inputs"], "drawing": target.inputs["drawing"]} == target.inputs


def branches_stand(target: Target) -> bool:
    """Whether the branches that a stage left are those that it would train now, and so are kept."""
    done = read_done(target.done)
    if done is None or any(lost.startswith(f"{BRANCHES}/") for lost in lost_outputs(target.folder, done)):
        return False
    was, now, p = done["inputs"], target.inputs, target.run.params
    if any(_value(was, part) != _value(now, part) for part in ("params", "data", "parameters.protocol")):
        return False
    table = read_table(target.folder.parent, was.get("code")) or {}
    code = branching_definitions(member_paths(p), watched(p))
    return all(table.get(name) == digest for name, digest in code.items())


def reasons(target: Target) -> list[str]:
    """Why this stage will run; empty when its result is current."""
    done = read_done(target.done)
    if done is None:
        return ["it has not run yet"] if not target.done.exists() else ["its done marker is damaged"]
    lost = lost_outputs(target.folder, done)
    found = [lost[0] + (f" (and {len(lost) - 1} more)" if lost[1:] else "")] if lost else []
    was, now = done["inputs"], target.inputs
    if was == now:
        return found
    for part in ("params", "parameters"):
        for name in differences(was.get(part, {}), now[part]):
            found.append(f"{name} was {_value(was.get(part), name)}, now {_value(now[part], name)}")
    if was.get("time_scale") != now["time_scale"]:
        found.append(f"time_scale was {was.get('time_scale')}, now {now['time_scale']}")
    if was.get("data") != now["data"]:
        found.append("the data changed")
    if was.get("code") != now["code"]:
        found += changed_code(read_table(target.folder.parent, was.get("code")), target.code)
    if was.get("drawing") != now["drawing"]:
        found += changed_code(read_table(target.folder.parent, was.get("drawing")), target.drawing)
    if was.get("notebook") != now["notebook"]:
        found.append(f"the text of {now['stage']['notebook']} changed")
    earlier = was.get("needs") if isinstance(was.get("needs"), dict) else {}
    found += [f"{name} runs again" for name in now["needs"] if earlier.get(name) != now["needs"][name]]
    if was.get("stage") != now["stage"]:
        found.append("what the study's file says of it changed")
    return found or ["its inputs were written in another form"]


def changed_code(was: dict[str, str] | None, now: dict[str, str]) -> list[str]:
    """The definitions that differ, by file; a table that is not there any more says nothing."""
    if was is None:
        return ["the code changed"]
    names = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    by_file: dict[str, list[str]] = {}
    for name in names:
        file, _, definition = name.partition(": ")
        by_file.setdefault(file, []).append(definition)
    return [f"{file}: {', '.join(definitions)} changed" for file, definitions in by_file.items()]


def _value(data: Any, name: str) -> Any:
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data
