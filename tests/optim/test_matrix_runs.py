"""The Muon family in the training loop: killed and resumed, in two processes, and measured."""

import json
import os
import signal
import socket
import traceback
from fractions import Fraction

import numpy as np
import pytest
import torch

from lib.base.files import CURRENT
from lib.base.tensors import load_tensors, save_tensors
from lib.geometry.null import polar_null
from lib.geometry.presets import measure
from lib.measure.models import optimizer_direction
from lib.measure.trajectory import geometry, run_digest, schedule
from lib.params.study import load_study
from lib.train import loop
from lib.train.loop import train
from lib.train.records import read_evaluations

SHORT = (
    "seed=7 schedule.steps=24 schedule.warmup=4 eval.every=4 snapshots.whole=[8,20] snapshots.dense_from=2 "
    "snapshots.dense_every=2 snapshots.dense_to=24 snapshots.sparse_every=4 snapshots.sparse_from=24 optim.lr=0.02 "
    "optim.weight_decay=0.1 machine.checkpoint_seconds=0.001 model.layers=2 model.embedding=16 batch.size=32 "
    "model.biases=false model.init=he model.activation=relu"
)
NOISE = "optim.anneal=constant optim.alpha=0.05 optim.rank_threshold=1.0"
ARMS = {
    "muon": "optim.name=muon optim.polar=quintic optim.nesterov=true",
    "nolah": "optim.name=nolah",
    "orthonoise": f"optim.name=orthonoise {NOISE}",
    "literal": f"optim.name=orthonoise {NOISE} optim.ns_target=buffer optim.matrices=all2d optim.polar=svd",
    "isotropic": f"optim.name=isotropic {NOISE}",
}


def params(arm, more=""):
    return load_study("grokking", "smoke", f"{SHORT} {ARMS[arm]} {more}", axes={}).runs[0].params


def results(run):
    names = ["pilot_metrics.json", "metrics.jsonl", "checkpoint.safetensors"]
    files = [*sorted(run.glob("snapshots/*.safetensors")), *(run / name for name in names)]
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("matrices")


@pytest.fixture(scope="module")
def trained(home):
    """A function that gives the folder of an arm's run, trained once without an interruption."""

    def folder(arm):
        run = home / "study" / arm
        if not run.exists():
            train(params(arm), run, home / "corpora")
        return run

    return folder


def forked(work, **environment):
    """The process that does `work`, and nothing of what a test would do afterwards."""
    process = os.fork()
    if process:
        return process
    os.environ |= environment
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def train_until_killed(p, run, corpora, step):
    """Train, and be gone without a word once that step is done."""
    own = loop.look

    def look(state, new):
        own(state, new)
        if state.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    loop.look = look
    loop.train(p, run, corpora)


@pytest.mark.filterwarnings("ignore:step .*stands still")  # the literal memory ends up beyond all numbers
@pytest.mark.parametrize("arm", ARMS)
def test_killed_and_resumed_is_uninterrupted_to_the_byte(arm, home, trained):
    expected = results(trained(arm))
    run = home / "study" / f"{arm}_killed"
    process = forked(lambda: train_until_killed(params(arm), run, home / "corpora", 14))
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    assert json.loads((run / "run.json").read_text())["state"] == "training"
    train(params(arm), run, home / "corpora")
    found = results(run)
    assert [name for name in expected if found.get(name) != expected[name]] == []


def test_two_processes_have_one_set_of_weights_after_twenty_noisy_steps(home, tmp_path):
    """Ranks draw the same noise: each keeps what it ends with."""
    p = params("literal", "machine.processes=2 optim.adaptive=false optim.ns_target=none")
    build = loop.initial_model

    def work():
        kept = []
        loop.initial_model = lambda *a: kept.append(build(*a)) or kept[0]
        loop.train(p, tmp_path / "run", home / "corpora")
        save_tensors(tmp_path / os.environ["RANK"], dict(kept[0].named_parameters()), {})

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = [forked(work, RANK=rank, **shared) for rank in "01"]
    assert [os.waitpid(process, 0)[1] for process in both] == [0, 0]
    one, two = (load_tensors(tmp_path / rank)[0] for rank in "01")
    assert one.keys() == two.keys() and len(one) == 4
    assert all(torch.equal(one[name], two[name]) for name in one)
    evaluations = read_evaluations(tmp_path / "run")
    assert evaluations[-1]["step"] == 24 and evaluations[-1]["noise_fired"] > 0.8


@pytest.mark.parametrize("seed", [7, 1])
def test_noise_is_that_of_the_runs_seed(seed, home, trained):
    """And ranks that drew noise of their own would drift apart."""
    build, run = loop.member("optim", "isotropic").build, home / "study" / f"noise{seed}"

    def fixed(model, o):
        optimizer = build(model, o)
        optimizer.param_groups = [Fixed(group, seed=seed) for group in optimizer.param_groups]
        return optimizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.member("optim", "isotropic"), "build", fixed)
        train(params("isotropic"), run, home / "corpora")
    ours, theirs = (load_tensors(r / "snapshots/000024.safetensors")[0] for r in (trained("isotropic"), run))
    assert {torch.equal(ours[name], theirs[name]) for name in ours} == {seed == 7}


class Fixed(dict):
    """A group whose seed stays what it is."""

    def __setitem__(self, key, value):
        if key != "seed":
            super().__setitem__(key, value)


@pytest.mark.filterwarnings("ignore:step .*stands still")
def test_evaluations_tell_of_the_matrices(trained):
    assert read_evaluations(trained("literal"))[-1]["matrix_failures"] > 0
    last = read_evaluations(trained("orthonoise"))[-1]
    assert last["matrix_failures"] == 0
    assert 0 < last["memory_rank"] < 1
    assert last["noise_ratio"] > 0 and 0 < last["noise_fired"] <= 1
    assert "noise_fired" not in read_evaluations(trained("nolah"))[-1]


def test_a_run_is_measured_against_noise_through_it_where_there_is_such_a_null(trained):
    folder, p = trained("muon"), params("muon")
    found = geometry(folder, (3, 5))
    null = polar_null(run_digest(folder), schedule(p), 0.1, momentum=0.95, nesterov=True)
    expected = measure(null, ["G0"], time_scale=1 / Fraction(p.time_scale))["G0.pc1"]
    np.testing.assert_allclose(found["rungs"]["momentum"].values["G0.pc1"], expected, rtol=1e-9)
    assert optimizer_direction(folder, list(found["tensors"]))[1] == "polar"
    absent = geometry(trained("nolah"), (3, 5))["rungs"]
    assert "momentum" not in absent and {"schedule", "lengths", "memory", "shuffled"} == set(absent)
    step, kind, direction = optimizer_direction(trained("nolah"), list(found["tensors"]))
    assert (step, kind) == (24, "nolah")
    assert direction.keys() == found["tensors"].keys()
    assert 0.8 < float(direction["layers.1.weight"].norm()) / min(direction["layers.1.weight"].shape) ** 0.5 < 1.01


@pytest.mark.filterwarnings("ignore:step .*stands still")
def test_a_memory_that_is_lost_leads_nowhere(trained):
    """As in a step, in which such a matrix stands still; gradients are measured of these runs too."""
    _, _, direction = optimizer_direction(trained("literal"), list(run_digest(trained("literal")).tensors))
    memories = load_tensors(trained("literal") / CURRENT)[0]
    lost = {name: not memories[f"optimizer.{name}.momentum_buffer"].isfinite().all() for name in direction}
    assert any(lost.values())
    assert lost == {name: not tensor.any() for name, tensor in direction.items()}
