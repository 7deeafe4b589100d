"""Execute one notebook for one run: check, isolate, time, record where it came from, publish atomically.

The notebook is a jupytext `.py`; papermill executes a copy in a private kernel. Nothing appears under its
final name before it is whole, and `<stage>.done`, which holds everything that went in, is written last.
"""

import ast
import contextlib
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from lib.base import memory, provenance
from lib.base.clock import clock, now_text
from lib.base.errors import BadInput, nearest
from lib.base.files import ROOT, fingerprint, json_text, write_atomically
from lib.base.imports import without_collection, without_unused
from lib.base.locks import hold
from lib.base.sentence import sentence
from lib.params.dotted import flatten
from lib.params.run import Params, load_params, run_hash
from lib.train.folder import record_failure
from lib.train.places import BRANCHES, MADE_BY_MAKE
from lib.train.prepare import prepare_run
from lib.train.records import training_files
from lib.train.run_record import run_record
from lib.workflow.done import KEPT, is_current, read_inputs
from lib.workflow.kernels import ENVIRONMENT, Waiting, kernel_manager, scratch_folder, waiting_kernels
from lib.workflow.processes import signals_as_one_interrupt


class StageFailed(Exception):
    """A notebook failed; the message is the whole summary for the terminal, and `cause` its one sentence."""

    def __init__(self, summary: str, cause: str) -> None:
        super().__init__(summary)
        self.cause = cause


def execute_stages(stages: list[str], run: Path) -> list[str]:
    """Make `<run>/<stage>.done` of each stage current, in this order; returns what failed or was not tried.

    What fails is told at once, and stops the stages that need it. The notebooks that will run have kernels
    waiting for them, in which everything is imported: see `waiting_kernels`.
    """
    kept = run.parent / KEPT / run.name
    params = load_params(kept / "params.yaml")
    known = sorted(path.stem for path in kept.glob("*.inputs"))
    for stage in stages:
        if stage not in known:
            raise BadInput(
                f"{stage}: {run.name} has no such stage; there are {', '.join(known)}{nearest(stage, known)}"
            )
    inputs = {stage: read_inputs(kept / f"{stage}.inputs") for stage in stages}
    stale = [stage for stage in stages if not is_current(run / f"{stage}.done", inputs[stage])]
    notebooks = [ROOT / inputs[stage]["stage"]["notebook"] for stage in stale]
    imports = dict.fromkeys(line for notebook in notebooks for line in notebook_imports(notebook))
    failed: list[str] = []
    with waiting_kernels(len(stale), imports) as kernels:
        for stage in stages:
            if any(need in failed for need in inputs[stage]["stage"]["needs"]):
                failed.append(stage)
                continue
            try:
                execute_stage(stage, run, inputs[stage], params, kernels)
            except StageFailed as failure:
                print(failure, file=sys.stderr, flush=True)
                failed.append(stage)
            except Exception as error:
                print(sentence(error) or traceback.format_exc(), file=sys.stderr, flush=True)
                failed.append(stage)
    return failed


def execute_stage(
    stage: str, run: Path, inputs: dict[str, Any], params: Params, kernels: list[Waiting] | None = None
) -> None:
    """Make `<run>/<stage>.done` current: nothing to do, or execute the notebook and publish its results."""
    done, about = run / f"{stage}.done", inputs["stage"]
    if is_current(done, inputs):
        os.utime(done)  # other inputs came and went again; the result on disk is of these
        return
    run.mkdir(parents=True, exist_ok=True)
    lock = hold(run / f".{stage}.lock", run, patience=15.0)
    try:
        refuse_other_data(params, params.task.data_key(), inputs["data"])
        if about["trains"]:
            prepare_run(run, params)
        started = time.monotonic()
        parameters = {"run_folder": str(run)} | inputs["parameters"]
        execute_notebook(stage, ROOT / about["notebook"], run, parameters, kernels)
        if about["trains"]:
            refuse_other_data(params, run_record(run).identity.data, inputs["data"])
        outputs = {name: fingerprint(run / name) for name in stage_outputs(stage, about, run, params)}
        record = {"inputs": inputs, "outputs": outputs, "finished": now_text()}
        write_atomically(done, json_text(record))
        print(f"{run.name}: {stage} done in {clock(time.monotonic() - started)}", flush=True)
    except StageFailed as failure:
        if about["trains"]:
            record_failure(run, failure.cause)
        for name in about["makes"]:  # whatever a failed stage measured is not to be relied on
            (run / name).unlink(missing_ok=True)
        raise
    finally:
        os.close(lock)


def refuse_other_data(p: Params, found: str, expected: str) -> None:
    """All runs of one make train on the same data, also when its files are edited meanwhile."""
    if found != expected and not expected.startswith("unreadable"):
        raise BadInput(
            f"{_named_data(p)}: the data changed since this make began, and its other runs have the earlier ones; "
            "put those back, or run make again to train all of them on the new ones"
        )


def _named_data(p: Params) -> str:
    """The files that the data are read from, or the name of the task."""
    values = flatten(p.task.model_dump(mode="json"))
    paths = [f"{value} (task.{name})" for name, value in values.items() if name.endswith("path") and value]
    return ", ".join(paths) or f"task {p.task.name}"


def stage_outputs(stage: str, about: dict[str, Any], run: Path, params: Params) -> list[str]:
    """Every file that this stage is answerable for, relative to the run."""
    files = [run / "notebooks" / f"{stage}.ipynb", *sorted((run / "figures").glob(f"{stage}_*"))]
    if about.get("branches"):
        files += sorted(p for p in (run / BRANCHES).rglob("*") if p.is_file() and not p.name.startswith("."))
    names = [str(path.relative_to(run)) for path in files]
    return names + about["makes"] + (training_files(run, params) if about["trains"] else [])


# ------------------------------------------------------------------------------------------------ the notebook


def notebook_imports(path: Path) -> list[str]:
    """The import statements of a notebook, in order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def filled_notebook(path: Path, parameters: dict[str, Any]) -> Any:
    """The notebook as papermill will run it: parameters checked by name, then written in."""
    with without_unused(), without_collection():
        import jupytext
        from papermill.inspection import _infer_parameters
        from papermill.parameterize import parameterize_notebook

    notebook = jupytext.read(path)
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill looks for its tag in every cell
    notebook.metadata["papermill"] = {}
    notebook.metadata.pop("jupytext", None)  # JupyterLab refuses an .ipynb that says it is paired with a .py alone
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    known = [p.name for p in _infer_parameters(notebook)]
    for name in parameters:
        if name not in known:
            raise BadInput(f"{path.stem}: unknown notebook parameter {name}{nearest(name, known)}")
    return parameterize_notebook(notebook, parameters, kernel_name="python3", language="python")


def execute_notebook(
    stage: str, path: Path, run: Path, parameters: dict[str, Any], kernels: list[Waiting] | None = None
) -> None:
    """Run the notebook in its own kernel; publish it, or keep the failed copy and raise `StageFailed`.

    Args:
        path: the jupytext file.
        run: the folder of a run, or of a study for a notebook about all of it.
        kernels: those that wait for a notebook; without one left, a kernel starts cold.
    """
    with without_unused(), without_collection():
        import nbformat
        import papermill
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

    home = run / "notebooks"
    home.mkdir(parents=True, exist_ok=True)
    part, failed = home / f".{stage}.part.ipynb", home / f"{stage}.failed.ipynb"
    notebook = filled_notebook(path, parameters)
    notebook.metadata["provenance"] = stage_provenance(run)
    scratch, held = scratch_folder()
    manager = kernel_manager(scratch, kernels.pop() if kernels else None)
    kills = memory.out_of_memory_kills()
    environment = ENVIRONMENT | {
        "BACKBONE_PROGRESS": "lines",
        MADE_BY_MAKE: stage,
        "IPYTHONDIR": str(scratch),  # nobody's start-up files
        "PYTHONSTARTUP": "",
        "PYTHONPATH": str(provenance.ROOT),
    }
    echo = _ProgressOnly(sys.stdout, run.name)
    try:
        with _environment(environment), _quiet(), signals_as_one_interrupt():
            papermill.execute_notebook(
                notebook,
                str(part).replace("{", "{{").replace("}", "}}"),  # papermill takes it for a format
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
                stdout_file=echo,
                cwd=str(provenance.ROOT),
                kernel_manager_class=manager,
            )
        os.replace(part, home / f"{stage}.ipynb")
        failed.unlink(missing_ok=True)
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":  # the request to stop reached the kernel before it reached us
            raise KeyboardInterrupt from None
        os.replace(part, failed)
        cause = memory.ran_out(error.ename, error.evalue) or f"{error.ename}: {error.evalue}"
        cause = cause.removeprefix("BadInput: ")
        raise StageFailed(_summary(stage, run, f"cell {error.exec_count}", cause, failed), cause) from None
    except DeadKernelError:
        nbformat.write(notebook, failed)
        cause = memory.of_death(manager.exit_code, kills)
        raise StageFailed(_summary(stage, run, "some cell", cause, failed), cause) from None
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(held)


def _summary(stage: str, run: Path, cell: str, cause: str, failed: Path) -> str:
    return (
        f"FAILED  {run.name}\n"
        f"  notebook  {stage}, {cell}\n"
        f"  cause     {cause}\n"
        f"  open it   make lab RUN={os.path.relpath(run)} NOTEBOOK={stage}\n"
        f"  as run    {os.path.relpath(failed)}"
    )


def stage_provenance(run: Path) -> dict[str, Any]:
    commit, dirty = provenance.commit()
    params = run / "params.yaml"
    return {
        "run": run.name,
        "params": run_hash(load_params(params)) if params.exists() else "",
        "commit": commit,
        "dirty": dirty,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "executed": now_text(),
    }


class _ProgressOnly:
    """Of all that a kernel prints, the terminal gets the lines that begin with the run's name."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self.stream, self.name, self.rest = stream, name, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        shown = [line + "\n" for line in lines if line.startswith(self.name)]
        if shown:
            self.stream.write("".join(shown))

    def flush(self) -> None:  # papermill calls it after every write
        self.stream.flush()  # the log of a job is read while it runs, and is complete when the job is killed


@contextlib.contextmanager
def _environment(values: dict[str, str]):  # noqa: ANN202 - a context manager
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@contextlib.contextmanager
def _quiet():  # noqa: ANN202 - a context manager
    """papermill's own log lines say nothing that ours do not."""
    import logging
    import warnings

    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)  # what nbclient says of a kernel that died
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # and of its death once nobody waits for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
