"""Runs trained by other code: a folder of `ckpt_XXXXXX.pt` files through notebooks 02, 03 and 05."""

import shutil
import sys
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput
from lib.base.files import json_text, write_atomically
from lib.base.tensors import write_snapshot
from lib.measure.foreign import foreign_model, open_checkpoints
from lib.measure.trajectory import FOREIGN
from lib.models.gpt import build_model
from lib.params.dotted import flatten
from lib.params.run import Params, dump_params, run_hash
from lib.params.study import complete, load_study, parse_overrides
from lib.workflow.runner import StageFailed, execute_notebook


def explore(checkpoints: Path, outputs: Path, overrides: str) -> tuple[Path, list[str]]:
    """(the run's folder, names of notebooks that failed) for a folder of foreign checkpoints.

    What the files do not say (schedule, weight decay, corpus) is that of the published experiment, unless
    `overrides` says otherwise; the last checkpoint is taken for the end of the schedule.
    """
    snapshots = open_checkpoints(checkpoints)
    folder = outputs / "explore" / checkpoints.resolve().name
    params = foreign_params(checkpoints, snapshots.steps, overrides)
    write_atomically(folder / "params.yaml", dump_params(params))
    write_atomically(folder / FOREIGN, json_text({"checkpoints": str(checkpoints.resolve())}))
    if (checkpoints / "pilot_metrics.json").is_file():
        shutil.copy(checkpoints / "pilot_metrics.json", folder / "pilot_metrics.json")
    study = load_study("beta2", "paper", axes={})
    wanted = {*study.analysis.fisher_steps, *study.analysis.interference_steps, snapshots.steps[-1]}
    for step in sorted(wanted & set(snapshots.steps)):
        write_snapshot(folder, step, foreign_model(checkpoints, step), run_hash(params))
    common = {"run_folder": str(folder), "time_scale": "1"}
    parameters: dict[str, dict[str, Any]] = {
        "02_pca": common,
        "03_fisher": common | {"steps": sorted(wanted), "batches": study.analysis.fisher_batches},
        "05_interference": common | {"steps": sorted(wanted), "batches": study.analysis.interference_batches},
    }
    failed = []
    for stage, values in parameters.items():
        try:
            execute_notebook(stage, folder, values)
            print(f"{folder}: {stage} done", flush=True)
        except StageFailed as failure:
            print(failure, file=sys.stderr)
            failed.append(stage)
    return folder, failed


def foreign_params(checkpoints: Path, steps: list[int], overrides: str) -> Params:
    """The published parameters with the model's sizes as they are in the files."""
    base = load_study("beta2", "paper", axes={}).runs[0].params
    model = foreign_model(checkpoints, steps[-1])
    try:
        layers = 1 + max(int(name.split(".")[1]) for name in model if name.startswith("blocks."))
        context, width = model["pos_emb.weight"].shape
        vocabulary, ff = len(model["tok_emb.weight"]), len(model["blocks.0.mlp.w_up.weight"])
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise BadInput(f"{checkpoints}: these weights are not those of such a model ({error})") from None
    sizes = {"layers": layers, "width": width, "ff": ff, "context": context}
    values = flatten(base.model_dump(mode="json"))
    values |= {f"model.{name}": value for name, value in sizes.items()}
    values |= {"schedule.steps": steps[-1], "snapshots.whole": [], "schedule.lambda_step": steps[-1]}
    where = f"{checkpoints} with SET"
    given = parse_overrides(overrides)
    for name in given:
        if name not in values:
            raise BadInput(f"{where}: unknown parameter {name}")
    params = complete(values | given, where)
    expected = build_model(params.model, vocabulary, 0).state_dict()
    wrong = [name for name, t in expected.items() if name not in model or model[name].shape != t.shape]
    if wrong:
        raise BadInput(f"{checkpoints}: {wrong[0]} is missing or not of the shape of this model")
    return params
