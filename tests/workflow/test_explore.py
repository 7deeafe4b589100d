"""Runs trained by other code through the real `make explore`."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.models.gpt import build_model
from lib.workflow.explore import explore
from tests.faults.tools import library

STEPS = (8, 20, 32, 40, 60, 80)
# The published definitions look at updates of 200 steps.
LONG_STEPS = tuple(range(0, 1401, 200))
TEXT = (
    "schedule.warmup=30 eval.every=4 model.heads=2 task.probe.gap_in=[1,8] task.probe.gap_ood=[20,50] "
    "task.probe.prefix_eval=[1,2] task.corpus.source=storyworld task.corpus.train_stories=600 "
    "task.corpus.validation_stories=60 task.tokenizer.kind=bpe task.tokenizer.vocab=768 task.probe.codewords=32 "
    "batch.size=16 task.variant=corrected"
)


def write_checkpoints(folder, smoke, steps, context=None):
    """A walk of the smoke model's weights, as other code writes it; returns the trunk at every step."""
    m = smoke.model.model_copy(update={"context": context or smoke.model.context})
    model = build_model(m, smoke.task.tokenizer.vocab, 0)
    random = torch.Generator().manual_seed(1)
    folder.mkdir()
    trunk = []
    for step in steps:
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.01 * torch.randn(p.shape, generator=random))
        state = {name: p.detach().clone() for name, p in model.named_parameters()}
        state["lm_head.weight"] = state["tok_emb.weight"]
        state["blocks.0.attn.bias"] = torch.ones(1, 1, m.context, m.context).tril()
        torch.save({"step": step, "model_state_dict": state}, folder / f"ckpt_{step:06d}.pt")
        trunk.append(torch.cat([state[name].flatten() for name in model.trunk()]).double().numpy())
    return np.array(trunk)


def test_checkpoints_with_a_corpus_go_through_every_notebook_that_measures(smoke, tmp_path):
    write_checkpoints(tmp_path / "foreign", smoke, STEPS)
    said = library("explore", str(tmp_path / "foreign"), f"--outputs={tmp_path / 'outputs'}", f"--set={TEXT}")
    assert said.returncode == 0, said.stdout + said.stderr
    folder = tmp_path / "outputs" / "explore" / "foreign"
    assert [line for line in said.stdout.splitlines() if line.endswith(" done")] == [
        f"{folder}: {stage} done" for stage in ("02_pca", "03_fisher", "05_interference")
    ]
    assert (folder / "figures" / "02_pca_decomposition.png").is_file()
    assert (folder / "figures" / "05_interference_cosines.png").is_file()
    theirs = json.loads((folder / "analysis" / "backbone.json").read_text())
    assert theirs["steps"] == list(STEPS)
    fisher = json.loads((folder / "analysis" / "fisher.json").read_text())
    assert [point["step"] for point in fisher["points"]]


def test_without_a_corpus_geometry_comes_first_and_the_rest_is_left_out_at_once(smoke, tmp_path):
    theta = write_checkpoints(tmp_path / "short", smoke, LONG_STEPS, context=40)
    command = ["make", "explore", f"CKPTS={tmp_path / 'short'}", f"OUTPUTS={tmp_path}", f"PYTHON={sys.executable}"]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    folder = tmp_path / "explore" / "short"
    told = [line.removeprefix(f"{folder}: ") for line in said.stdout.splitlines()]
    assert [line.split(",")[0] for line in told[:3]] == [
        "02_pca done",
        "03_fisher is left out",
        "05_interference is left out",
    ]
    assert all("it reads stories; say which: SET='task.corpus.source=file" in line for line in told[1:3])
    assert sorted(path.stem for path in (folder / "notebooks").glob("*.ipynb")) == ["02_pca"]
    written = json.loads((folder / "analysis" / "update_alignment.json").read_text())
    assert [row["window_start"] for row in written] == [800, 1200]
    for row in written:
        before, after = (theta[LONG_STEPS.index(row[end])] for end in ("window_start", "window_end"))
        np.testing.assert_allclose(row["update_norm"], np.linalg.norm(after - before), rtol=1e-6)


def test_a_misspelt_parameter_is_refused_before_anything_is_measured(smoke, tmp_path):
    write_checkpoints(tmp_path / "foreign", smoke, (0, 1))
    with pytest.raises(BadInput, match=r"unknown parameter model\.head \(did you mean model\.heads\?\)"):
        explore(tmp_path / "foreign", tmp_path / "outputs", "model.head=2")
    assert not (tmp_path / "outputs").exists()
