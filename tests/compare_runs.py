"""Runs with made-up courses, as folders on disk: evaluations and a watched table a run."""

import json

import numpy as np
import pandas

from lib.base.files import content_hash, json_text
from lib.params.run import dump_params
from lib.params.study import load_study
from lib.params.study_file import study_names

EVERY = 40


def modular_study(overrides="seeds=2"):
    """A study whose task is modular arithmetic, whatever it is called."""
    found = (load_study(name, "smoke", overrides) for name in study_names())
    return next(study for study in found if study.runs[0].params.task.name == "modular")


def write_run(folder, run, rows, *, state="done", diverged=None, watched=None):
    """One run's folder.

    Args:
        rows: its evaluations.
        diverged: the own step at which it did.
        watched: column -> group -> steps, values.
    """
    place = folder / run.name
    place.mkdir(parents=True)
    (place / "params.yaml").write_text(dump_params(run.params))
    record = {"state": state, "step": rows[-1]["step"], "steps": run.params.schedule.steps, "seconds": 1.0}
    if diverged is not None:
        ended = {"step": diverged, "reason": "the loss ran away", "finite": True}
        record |= {"state": "diverged", "step": diverged, "diverged": ended}
    (place / "run.json").write_text(json_text(record))
    (place / "pilot_metrics.json").write_text(json_text(rows))
    lines = [json.loads(json_text(row)) for row in rows]
    text = "".join(json.dumps({**row, "seal": content_hash(row)}) + "\n" for row in lines)
    (place / "metrics.jsonl").write_text(text)
    if watched is not None:
        watched.to_parquet(place / "watch.parquet")
    return place


def grokking_rows(memorised, grokked, last=4000, every=EVERY, shift=0.0):
    """Accuracies that jump at steps of their own; None: never."""
    steps = [1, *range(every, last + 1, every)]
    rows = []
    for step in steps:
        train = 1.0 if memorised is not None and step >= memorised else 0.4
        test = 0.97 if grokked is not None and step >= grokked else 0.01 + shift
        rows.append({"step": step, "val_loss": 5.0 / step + shift, "test_acc": test, "train_acc": train})
    return rows


def write_many(folder, count, columns, points):
    """So many runs of beta2 with so many watched columns of noise of the full eight bytes."""
    study = load_study("beta2", "laptop", f"seeds={-(-count // 5)}")
    rng = np.random.default_rng(0)
    groups = [f"layer {n}" for n in range(4)]
    names = [f"column_{n}" for n in range(columns // len(groups))]
    steps = np.arange(1, points + 1) * 16
    for run in study.runs[:count]:
        table = pandas.DataFrame(
            {
                "step": np.repeat(steps, len(groups)),
                "group": np.tile(groups, points),
                **{name: np.cumsum(rng.normal(size=points * len(groups))) for name in names},
            }
        )
        at = range(80, 1601, 80)
        rows = [
            {"step": s, "val_loss": 7 - s / 400 + rng.normal() / 9, "probe_ood_acc": float(rng.random())}
            for s in at
        ]
        write_run(folder / study.folder_name, run, rows, watched=table)
    return folder / study.folder_name


def write_grokking(home):
    """Runs of modular arithmetic: two seeds that grok, at 2000 and 800, one with a gap, one that diverges."""
    study = modular_study()
    folder = home / study.folder_name
    first, second, third, fourth = study.runs[:4]
    write_run(folder, first, grokking_rows(200, 2000))
    write_run(folder, second, grokking_rows(200, 800, shift=0.01))
    gap = [{**row, "test_acc": None} if 1000 <= row["step"] < 1400 else row for row in grokking_rows(400, None)]
    write_run(folder, third, gap)
    write_run(folder, fourth, grokking_rows(None, None, last=80), diverged=80)
    return study, folder
