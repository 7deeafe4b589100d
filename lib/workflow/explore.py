"""Runs trained by other code: a folder of `ckpt_XXXXXX.pt` files through the notebooks that measure snapshots."""

import shutil
import sys
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, nearest
from lib.base.files import json_text, write_atomically
from lib.base.tensors import write_snapshot
from lib.measure.foreign import foreign_model, open_checkpoints
from lib.measure.trajectory import FOREIGN
from lib.models.gpt import build_model, trunk_names
from lib.params.dotted import flatten, unflatten
from lib.params.overrides import parse_overrides
from lib.params.run import Params, dump_params, run_hash, validate
from lib.params.stages import Stage
from lib.params.study import Study, load_study
from lib.workflow.kernels import waiting_kernels
from lib.workflow.runner import StageFailed, execute_notebook, notebook_imports

WHICH = (
    "say which: SET='task.corpus.source=file task.corpus.path=FILE task.tokenizer.path=FILE', or "
    "SET=task.corpus.source=tinystories"
)
PROFILE = "paper"  # what the files do not say is that of the published experiment


def explore(checkpoints: Path, outputs: Path, overrides: str) -> tuple[Path, list[str]]:
    """(the run's folder, names of notebooks that failed) for a folder of foreign checkpoints.

    What the files do not say (schedule, weight decay, corpus) is that of the published experiment, unless
    `overrides` says otherwise; the last checkpoint is taken for the end of the schedule. Geometry comes first,
    from the files alone; what reads text besides is left out, and says so, where nobody says which text.
    """
    snapshots = open_checkpoints(checkpoints)
    folder = outputs / "explore" / checkpoints.resolve().name
    study = load_study("", PROFILE, axes={})
    given = parse_overrides(overrides)
    params = foreign_params(study, checkpoints, snapshots.steps, given)
    write_atomically(folder / "params.yaml", dump_params(params))
    write_atomically(folder / FOREIGN, json_text({"checkpoints": str(checkpoints.resolve())}))
    if (checkpoints / "pilot_metrics.json").is_file():
        shutil.copy(checkpoints / "pilot_metrics.json", folder / "pilot_metrics.json")
    wanted = {step for stage in study.stages for step in stage.parameters.get("steps", ())}
    wanted = sorted({*wanted, snapshots.steps[-1]} & set(snapshots.steps))
    trunk = trunk_names(params.model)
    for step in wanted:
        write_snapshot(folder, step, foreign_model(checkpoints, step), run_hash(params), trunk)
    text = any(name.startswith("task.corpus.") for name in given)
    possible = [stage for stage in measuring(study) if text or "steps" not in stage.parameters]
    imports = dict.fromkeys(line for stage in possible for line in notebook_imports(stage.notebook))
    failed = []
    with waiting_kernels(len(possible), imports) as kernels:
        for stage in measuring(study):
            if stage not in possible:
                print(f"{folder}: {stage.name} is left out, it reads stories; {WHICH}", flush=True)
                continue
            try:
                execute_notebook(stage.name, stage.notebook, folder, _parameters(stage, folder, wanted), kernels)
                print(f"{folder}: {stage.name} done", flush=True)
            except StageFailed as failure:
                print(failure, file=sys.stderr)
                failed.append(stage.name)
    return folder, failed


def measuring(study: Study) -> list[Stage]:
    """The stages that measure snapshots and train nothing."""
    return [s for s in study.stages if not (s.trains or s.of_study or s.branches)]


def _parameters(stage: Stage, folder: Path, steps: list[int]) -> dict[str, Any]:
    own = {"steps": steps} if "steps" in stage.parameters else {}
    return {"run_folder": str(folder)} | stage.parameters | own


def foreign_params(study: Study, checkpoints: Path, steps: list[int], given: dict[str, Any]) -> Params:
    """The published parameters with the model's sizes as they are in the files, and `given` over them."""
    model = foreign_model(checkpoints, steps[-1])
    try:
        layers = 1 + max(int(name.split(".")[1]) for name in model if name.startswith("blocks."))
        context, width = model["pos_emb.weight"].shape
        vocabulary, ff = len(model["tok_emb.weight"]), len(model["blocks.0.mlp.w_up.weight"])
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise BadInput(f"{checkpoints}: these weights are not those of such a model ({error})") from None
    sizes = {"layers": layers, "width": width, "ff": ff, "context": context}
    values = flatten(study.runs[0].params.model_dump(mode="json"))
    where = f"{checkpoints} with SET"
    for name in given:
        if name not in values:
            raise BadInput(f"{where}: unknown parameter {name}{nearest(name, values)}")
    values |= {f"model.{name}": value for name, value in sizes.items()}
    values |= {"schedule.steps": steps[-1], "snapshots.whole": [], "task.lambda_step": steps[-1]}
    if values["schedule.warmup"] >= steps[-1]:
        values["schedule.warmup"] = 1 + steps[-1] // 3
    # Gaps that the context cannot hold ask nothing: the longest that it can.
    longest = max(1, context + 1 - 10 - values["task.probe.prefix_eval"][1])
    for name in ("task.probe.gap_in", "task.probe.gap_ood"):
        values[name] = [min(gap, longest) for gap in values[name]]
    values |= {"task.probe.prefix_eval": [min(n, max(1, context - 10)) for n in values["task.probe.prefix_eval"]]}
    params = validate(Params, unflatten(values | given, where), where)
    expected = build_model(params.model, vocabulary, 0).state_dict()
    wrong = [name for name, t in expected.items() if name not in model or model[name].shape != t.shape]
    if wrong:
        raise BadInput(f"{checkpoints}: {wrong[0]} is missing or not of the shape of this model")
    return params
