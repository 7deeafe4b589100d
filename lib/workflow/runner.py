"""Execute one notebook for one run: check, isolate, time, record where it came from, publish atomically.

The notebook is a jupytext `.py`; papermill executes a copy in a private kernel. Nothing appears under its
final name before it is whole, and `<stage>.done`, which holds everything that went in, is written last.
"""

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from lib.base import memory, provenance
from lib.base.errors import BadInput, nearest
from lib.base.files import fingerprint, json_text, read_json, write_atomically
from lib.params.run import Params, differences, dump_params, identity, load_params, run_hash
from lib.tasks.stories.corpus import corpus_key
from lib.train.folder import LOCK_PATIENCE, clock, hold, now_text, record_failure
from lib.train.records import read_record, training_files
from lib.workflow.kernels import kernel_manager, scratch_folder
from lib.workflow.processes import signals_as_one_interrupt

NOTEBOOKS = provenance.ROOT / "notebooks"
TRAINING = "01_train"
# Files that each later stage is answerable for, besides its notebook and its figures.
RESULTS = {
    TRAINING: ["analysis/fillers.json"],
    "02_pca": ["digest.npz", *(f"analysis/{n}.json" for n in ("backbone", "backbone_metrics", "update_alignment"))],
    "03_fisher": ["analysis/fisher.json"],
    "04_reheat": ["analysis/reheat.json"],
    "05_interference": ["analysis/interference_metrics.json"],
}


# An optional check of web addresses, which notebooks here have none of: building its grammar takes longer than
# everything else that jupytext and papermill import.
sys.modules.setdefault("rfc3987_syntax", None)


class StageFailed(Exception):
    """A notebook failed; the message is the whole summary for the terminal, and `cause` its one sentence."""

    def __init__(self, summary: str, cause: str) -> None:
        super().__init__(summary)
        self.cause = cause


def execute_stage(stage: str, run: Path, inputs_file: Path, params: Params) -> None:
    """Make `<run>/<stage>.done` current: nothing to do, or execute the notebook and publish its results."""
    inputs = read_inputs(inputs_file)
    done = run / f"{stage}.done"
    before = read_done(done)
    if before and before["inputs"] == inputs and not lost_outputs(run, before):
        os.utime(done)  # other inputs came and went again; the result on disk is of these
        return
    run.mkdir(parents=True, exist_ok=True)
    lock = hold(run / f".{stage}.lock", run, patience=15.0)
    try:
        refuse_other_corpus(params, corpus_key(params), inputs["corpus"])
        if stage == TRAINING:
            prepare_run(run, params)
        started = time.monotonic()
        execute_notebook(stage, run, {"run_folder": str(run)} | inputs["parameters"])
        if stage == TRAINING:
            refuse_other_corpus(params, read_record(run)["identity"]["corpus"], inputs["corpus"])
        outputs = {name: fingerprint(run / name) for name in stage_outputs(stage, run, params)}
        record = {"inputs": inputs, "outputs": outputs, "finished": now_text()}
        write_atomically(done, json_text(record))
        print(f"{run.name}: {stage} done in {clock(time.monotonic() - started)}", flush=True)
    except StageFailed as failure:
        if stage == TRAINING:
            record_failure(run, failure.cause)
        for name in RESULTS[stage]:  # whatever a failed stage measured is not to be relied on
            (run / name).unlink(missing_ok=True)
        raise
    finally:
        os.close(lock)


# --------------------------------------------------------------------------------------------- before training


def prepare_run(run: Path, params: Params) -> None:
    """Give the folder this run's params.yaml; what another run left there is set aside, whole."""
    reason = changed_since(run, params)
    if reason:
        lock = hold(run / ".lock", run, LOCK_PATIENCE)  # whoever trains here would write on into an empty folder
        aside = set_aside(run)
        os.close(lock)
        print(f"{run.name}: {reason}; the earlier run is kept in {aside}", flush=True)
    if not (run / "params.yaml").exists():
        write_atomically(run / "params.yaml", dump_params(params))


def changed_since(run: Path, params: Params) -> str:
    """Why the run in this folder cannot be gone on with; empty when it can, or when there is none."""
    if not (run / "params.yaml").exists():
        return "run.json without params.yaml" if (run / "run.json").exists() else ""
    try:
        theirs = load_params(run / "params.yaml")
    except BadInput as error:
        return str(error)
    changed = differences(identity(theirs), identity(params))
    if changed:
        return f"{', '.join(changed)} changed"
    record = read_record(run)
    if not record or "identity" not in record:
        return ""
    was = record["identity"]
    if was["code"] != provenance.training_code():
        return "the training code changed"
    if was["corpus"] != corpus_key(params):
        return "the corpus changed"
    if record["state"] not in ("done", "diverged") and was["versions"] != provenance.versions():
        return "an unfinished run, and library versions changed"
    if record["state"] not in ("done", "diverged") and was.get("processes") != params.machine.processes:
        return "an unfinished run, and machine.processes changed"
    return ""


def refuse_other_corpus(p: Params, found: str, expected: str) -> None:
    """All runs of one make train on one corpus, also when its files are edited meanwhile."""
    if found != expected and not expected.startswith("unreadable"):
        raise BadInput(
            f"{p.corpus.path or p.corpus.source} (corpus.path): the corpus changed since this make began, and its "
            "other runs have the earlier text; put that back, or run make again to train all of them on the new one"
        )


def set_aside(run: Path) -> Path:
    """Move a run's folder to `superseded/`, beside the study's runs."""
    home = run.parent / "superseded"
    home.mkdir(exist_ok=True)
    numbers = [int(path.suffix[1:]) for path in home.glob(f"{run.name}.*") if path.suffix[1:].isdecimal()]
    target = home / f"{run.name}.{1 + max(numbers, default=0)}"
    # The lock files stay: this process holds them.
    target.mkdir()
    for item in sorted(run.iterdir()):
        if not item.name.endswith(".lock"):
            shutil.move(item, target / item.name)
    return target


# -------------------------------------------------------------------------------------------- done and outputs


def read_done(path: Path) -> dict[str, Any] | None:
    """What went into a stage, and the files that came out by fingerprint; None when there is no such marker."""
    record = read_json(path)
    whole = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("inputs", "outputs"))
    return record if whole else None


def read_inputs(path: Path) -> dict[str, Any]:
    """What make wrote down of everything that goes into a stage."""
    inputs = read_json(path)
    if not isinstance(inputs, dict) or not isinstance(inputs.get("parameters"), dict):
        raise BadInput(f"{path}: this file is damaged, or make has not written it; run make again")
    return inputs


def lost_outputs(run: Path, done: dict[str, Any]) -> list[str]:
    """What became of files that a stage left: one phrase for each that is gone or is not what it was."""
    found = []
    for name, was in done["outputs"].items():
        path = run / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif fingerprint(path) != was:
            found.append(f"{name} is not as it was made")
    return found


def stage_outputs(stage: str, run: Path, params: Params) -> list[str]:
    """Every file that this stage is answerable for, relative to the run."""
    files = [run / "notebooks" / f"{stage}.ipynb", *sorted((run / "figures").glob(f"{stage}_*"))]
    if stage == "04_reheat":
        files += sorted(p for p in (run / "reheat").rglob("*") if p.is_file() and not p.name.startswith("."))
    names = [str(path.relative_to(run)) for path in files]
    return names + RESULTS[stage] + (training_files(run, params) if stage == TRAINING else [])


# ------------------------------------------------------------------------------------------------ the notebook


def notebook_path(stage: str) -> Path:
    path = NOTEBOOKS / f"{stage}.py"
    if not path.is_file():
        known = sorted(p.stem for p in NOTEBOOKS.glob("[0-9]*.py"))
        raise BadInput(f"{stage}: there is no such notebook; there are {', '.join(known)}{nearest(stage, known)}")
    return path


def filled_notebook(stage: str, parameters: dict[str, Any]) -> Any:
    """The notebook as papermill will run it: parameters checked by name, then written in."""
    import jupytext
    from papermill.inspection import _infer_parameters
    from papermill.parameterize import parameterize_notebook

    notebook = jupytext.read(notebook_path(stage))
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill looks for its tag in every cell
    notebook.metadata["papermill"] = {}
    notebook.metadata.pop("jupytext", None)  # JupyterLab refuses an .ipynb that says it is paired with a .py alone
    known = [p.name for p in _infer_parameters(notebook)]
    for name in parameters:
        if name not in known:
            raise BadInput(f"{stage}: unknown notebook parameter {name}{nearest(name, known)}")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return parameterize_notebook(notebook, parameters, kernel_name="python3", language="python")


def execute_notebook(stage: str, run: Path, parameters: dict[str, Any]) -> None:
    """Run the notebook in its own kernel; publish it, or keep the failed copy and raise `StageFailed`.

    `run` is the folder of a run, or of a study for a notebook about all of it.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    home = run / "notebooks"
    home.mkdir(parents=True, exist_ok=True)
    part, failed = home / f".{stage}.part.ipynb", home / f"{stage}.failed.ipynb"
    notebook = filled_notebook(stage, parameters)
    notebook.metadata["provenance"] = stage_provenance(stage, run)
    scratch, held = scratch_folder()
    manager, kills = kernel_manager(scratch), memory.out_of_memory_kills()
    environment = {
        # One thread a kernel: sums then have one order whatever -jN is, and busy cores are not fought over.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "BACKBONE_PROGRESS": "lines",
        "IPYTHONDIR": str(scratch),  # nobody's start-up files
        "PYTHONSTARTUP": "",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
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


def stage_provenance(stage: str, run: Path) -> dict[str, Any]:
    commit, dirty = provenance.commit()
    params = run / "params.yaml"
    return {
        "run": run.name,
        "params": run_hash(load_params(params)) if params.exists() else "",
        "commit": commit,
        "dirty": dirty,
        "code": provenance.code_hashes(notebook_path(stage)),
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
