"""Before a training: whose run is in the folder, and may it be gone on with?"""

import os
import shutil
from pathlib import Path

from lib.base import provenance
from lib.base.errors import BadInput
from lib.base.files import write_atomically
from lib.base.locks import hold
from lib.params.run import Params, differences, dump_params, identity, load_params
from lib.train.folder import LOCK_PATIENCE
from lib.train.identity import training_code
from lib.train.places import SUPERSEDED
from lib.train.records import read_record


def prepare_run(run: Path, params: Params) -> None:
    """Give the folder this run's params.yaml; what another run left there is set aside, whole."""
    reason = changed_since(run, params)
    if reason:
        lock = hold(run / ".lock", run, LOCK_PATIENCE)  # whoever trains here would write on into an empty folder
        aside = set_aside(run)
        os.close(lock)
        print(f"{run.name}: {reason}; the earlier run is kept in {aside}", flush=True)
    if not (run / "params.yaml").exists():
        write_atomically(run / "params.yaml", dump_params(params, run))


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
    if was.get("code") != training_code(params):
        return "the training code changed"
    if was.get("data") != params.task.data_key():
        return "the data changed"
    if record["state"] not in ("done", "diverged") and was.get("versions") != provenance.versions():
        return "an unfinished run, and library versions changed"
    if record["state"] not in ("done", "diverged") and was.get("processes") != params.machine.processes:
        return "an unfinished run, and machine.processes changed"
    return ""


def set_aside(run: Path) -> Path:
    """Move a run's folder to `superseded/`, beside the other runs or branches."""
    home = run.parent / SUPERSEDED
    home.mkdir(exist_ok=True)
    numbers = [int(path.suffix[1:]) for path in home.glob(f"{run.name}.*") if path.suffix[1:].isdecimal()]
    target = home / f"{run.name}.{1 + max(numbers, default=0)}"
    # The lock files stay: this process holds them.
    target.mkdir()
    for item in sorted(run.iterdir()):
        if not item.name.endswith(".lock"):
            shutil.move(item, target / item.name)
    return target
