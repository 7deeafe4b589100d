"""Parameters, arithmetic and memory of a run, against the model itself and a process that trains it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base.files import ROOT
from lib.models.gpt import build_model
from lib.params.study import load_study
from lib.train.size import flops_per_token, parameters, training_memory, trunk


@pytest.fixture(scope="module")
def paper():
    return load_study("beta2", "paper", axes={}).runs[0].params


def test_the_published_model_has_its_published_size(paper):
    assert parameters(paper.model, 50257) == 51_045_888
    assert trunk(paper.model) == 25_165_824


def test_counts_are_those_of_the_model(smoke):
    model = build_model(smoke.model, 777, seed=0)
    assert parameters(smoke.model, 777) == sum(p.numel() for p in model.parameters())
    assert trunk(smoke.model) == sum(p.numel() for p in model.trunk().values())


def test_flops_of_the_published_model(paper):
    """6 (25,165,824 + 25,731,584) + 12 x 8 x 256 x 512, by hand."""
    assert flops_per_token(paper.model, 50257) == 6 * 50_897_408 + 12_582_912


def test_memory_of_the_published_run_on_a_gpu_fits_one_of_24_gb(paper):
    memory = training_memory(paper, 50257, rows=4096, bf16=True)
    assert memory.state == 4 * (4 * 51_045_888 + 25_165_824)
    assert 5e9 < memory.total < 12e9


MEASURE = r"""
import ctypes, json, re, sys, torch
from lib.tasks.stories.loss import piece_rows
from lib.optim.adamw import build
from lib.params.run import (load_params)
from lib.tasks.stories.batches import Batch
from lib.models.gpt import build_model
from lib.models import products
from lib.models.products import fast_products
from lib.tasks.stories.task import training_loss
import numpy as np
torch.set_num_threads(1)
p, vocab = load_params(__import__("pathlib").Path(sys.argv[1])), 8000


def peak():  # not ru_maxrss, which begins with the memory of the process that started this one
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) * 1024


def train(p, vocab):
    model = build_model(p.model, vocab, 0)
    optimizer = build(model, p.optim)
    start = [t.detach().clone() for t in model.trunk().values()]
    loss = training_loss(model, p, torch.device("cpu"))
    tokens = np.random.default_rng(0).integers(0, vocab, (p.batch.size, p.model.context + 1))
    every = np.ones((p.batch.size, p.model.context), dtype=bool)
    for _ in range(2):
        with fast_products(model, torch.device("cpu")):
            loss(Batch(tokens, every, ~every, tokens[:, 0], every[:, 0]), 1).backward()
        optimizer.step()
        copies = [t.clone() for s in optimizer.state.values() for t in s.values()] + [t.clone() for t in start]

tiny = p.model_copy(update={"model": p.model.model_copy(update={"layers": 1, "width": 8, "heads": 1, "ff": 8}),
                            "batch": p.batch.model_copy(update={"size": 1})})
mallopt = ctypes.CDLL(None).mallopt
keep, products.keep_freed_memory = products.keep_freed_memory, lambda: mallopt(-3, 2**17)  # M_MMAP_THRESHOLD
train(tiny, 50)  # libraries and their buffers, without the arrays in question
before = peak()
train(p, vocab)
arrays, products.keep_freed_memory = peak() - before, keep
train(p, vocab)
print(json.dumps({"arrays": arrays, "kept": peak() - before, "rows": piece_rows(vocab, "cpu")}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_the_memory_of_a_process_that_trains_is_what_the_arithmetic_says(paper, changed, tmp_path):
    from lib.params.run import dump_params

    p = changed(paper, model__layers=3, model__width=256, model__heads=4, model__ff=1024, batch__size=8,
                train__precision="fp32")  # fmt: skip
    (tmp_path / "params.yaml").write_text(dump_params(p))
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "params.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = training_memory(p, 8000, found["rows"], bf16=False).total
    assert expected == pytest.approx(found["arrays"], rel=0.2)
    assert found["kept"] < 1.35 * expected  # freed blocks, which arrays of other sizes do not fill
