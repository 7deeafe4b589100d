"""The plain way of `bench` computes what ours computes, and a difference between them is noticed."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from bench import __main__ as command
from bench import compare, gpu, matrices, training
from bench.compare import same_ends, same_scores
from bench.geometry import ALL, Size, our_way, plain_way, same_geometry, write_trajectory
from bench.measure import Clock, Differs, Pair, agree
from bench.plain_eval import evaluate_plainly
from bench.plain_model import plain_loss, plain_twin
from bench.plain_train import PlainRun
from bench.table import render
from bench.training import Bench, OurRun, same_items
from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.models.gpt import build_model
from lib.optim.matrices import Polar
from lib.params.cadence import snapshot_steps
from lib.params.study import load_study
from lib.report.paper_folder import paper_folder
from lib.tasks.stories.batches import batch, validation_batch
from lib.tasks.stories.evaluate import evaluate_all
from lib.tasks.stories.probe import eval_sets
from lib.tasks.stories.task import training_loss

EXECUTED = {
    "task__variant": "executed",
    "task__pad_targets": "count",
    "task__probe__answer_mask": "bare",
    "task__validation__crops": "fresh",
    "batch__accumulate": 2,
}


@pytest.fixture(params=["corrected", "executed"])
def variant(request, changed, smoke, corpus, probes, corpora):
    p = smoke if request.param == "corrected" else changed(smoke, **EXECUTED)
    return Bench(p, corpus, training.build_probes(corpus, p), corpora)


@pytest.fixture
def trained(variant):
    """(ours, plain) at the same weights, a few steps into training."""
    mine = OurRun(variant)
    for step in range(1, 6):
        mine.step(step, Clock())
    theirs = PlainRun(variant.p, variant.corpus, variant.probes, 1)
    theirs.model.load_state_dict(mine.model.state_dict(), strict=False)
    return mine, theirs


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_the_plain_model_has_our_loss_and_our_gradients(variant, lam):
    b = batch(variant.corpus, variant.probes, variant.p, 1)
    assert b.answer.any()
    ours = build_model(variant.p.model, variant.corpus.vocab, 3)
    plain = plain_twin(ours, variant.p.model)
    targets = torch.where(torch.from_numpy(b.language | b.answer), torch.from_numpy(b.tokens[:, 1:]), -100)
    logits = plain(torch.from_numpy(b.tokens[:, :-1]))
    theirs = plain_loss(logits, targets, torch.from_numpy(b.answer), lam)
    p = training.changed(variant.p, task__lambda_probe=lam, task__lambda_probe2=None)
    mine = p.batch.accumulate * training_loss(ours, p, training.CPU)(b, 1)
    agree("loss", theirs.item(), mine.item(), 1e-6)
    theirs.backward()
    mine.backward()
    gradients = [{name: p.grad for name, p in m.named_parameters()} for m in (plain, ours)]
    agree("gradient", *gradients, 1e-4)


def test_the_plain_data_are_our_batches_also_in_the_next_epoch(variant):
    steps = 45 // variant.p.batch.accumulate  # an epoch has 37 batches
    items = iter(PlainRun(variant.p, variant.corpus, variant.probes, steps).loader)
    seen = [
        same_items(items, variant, step, micro)
        for step in range(1, steps + 1)
        for micro in range(variant.p.batch.accumulate)
    ]
    assert len(seen) > 37 and next(items, None) is None


def test_a_wrong_token_is_noticed(variant):
    run = PlainRun(variant.p, variant.corpus, variant.probes, 2)
    story = int(batch(variant.corpus, variant.probes, variant.p, 2).stories[0])
    run.train.cache[story] = [token ^ 1 for token in run.train.tokens(story)]
    items = iter(run.loader)
    with pytest.raises(Differs, match="inputs of step"):
        [same_items(items, variant, step) for step in (1, 2)]


def test_plain_evaluation_gives_our_scores(variant, trained):
    mine, theirs = trained
    sets = eval_sets(variant.corpus, variant.probes, variant.p)
    ours, _ = evaluate_all(mine.model, validation_batch(variant.corpus, variant.p, 5), sets, False)
    plain = theirs.evaluate(5)
    assert plain.keys() == ours.keys()
    same_scores(plain, ours, variant.p.task.probe.eval_examples)
    with pytest.raises(Differs, match="nll_ood"):
        same_scores(plain, {**ours, "nll_ood": ours["nll_ood"] * 1.001}, variant.p.task.probe.eval_examples)
    with pytest.raises(Differs, match="probe_in_acc"):
        same_scores(plain, {**ours, "probe_in_acc": ours["probe_in_acc"] + 0.1}, variant.p.task.probe.eval_examples)


def test_plain_accuracy_counts_whole_answers(trained):
    """At these weights nobody is right; with the head bent towards one example's answer, somebody is."""
    _, theirs = trained
    example = theirs.sets["ood"].items[0]
    inputs, targets, probe = (x[None] for x in example)
    with torch.no_grad():
        theirs.model.lm_head.weight[targets[probe]] *= 1e3
    right = (theirs.model(inputs).argmax(-1) == targets)[probe].all()
    alone = {"in": [example], "ood": [example]}
    scores = evaluate_plainly(theirs.model, [(inputs, targets, probe)], alone)
    assert scores["probe_ood_acc"] == float(right)


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory):
    folder, size = tmp_path_factory.mktemp("trajectory"), Size("tiny", "laptop", 2, 8, ALL, 0)
    write_trajectory(folder, size)
    return plain_way(folder, size), plain_way(folder, size, exact=True), our_way(folder, size)


def test_the_svd_of_the_drifts_gives_our_geometry(trajectory):
    timed, plain, ours = trajectory
    assert {name.split(".")[0] for name in plain} == set(ALL)
    assert all(np.isfinite(value).all() and np.size(value) for value in plain.values())
    assert same_geometry(plain, ours) < 1e-6
    for name in plain:  # what is timed has the reference's float32
        agree(name, np.abs(plain[name]), np.abs(timed[name]), 1e-5)


@pytest.mark.parametrize("name", ["G2.pc1", "R0.cosines", "P0.A_E", "U1.cosines"])
def test_another_geometry_is_noticed(trajectory, name):
    _, plain, ours = trajectory
    with pytest.raises(Differs, match=name):
        same_geometry(plain, {**ours, name: ours[name] * (1 + 1e-4)})


@pytest.mark.parametrize(
    ("a", "b"), [(1.0, 1.001), ([1.0, 2.0], [1.0]), (float("nan"), 1.0), ({"a": 1.0}, {"b": 1.0})]
)
def test_what_differs_does_not_agree(a, b):
    assert agree("same", a, a, 0.0) == 0.0
    with pytest.raises(Differs, match="pair"):
        agree("pair", a, b, 1e-4)


def test_one_weight_that_stays_behind_is_a_difference():
    first = {"a": np.zeros(300), "b": np.zeros((20, 20))}
    plain = {name: np.full(values.shape, 0.01) for name, values in first.items()}
    ours = {name: values.copy() for name, values in plain.items()}
    ours["b"][3, 4] += 1e-6
    assert same_ends(first, plain, ours) == pytest.approx(1e-4 / np.sqrt(700))
    ours["b"][3, 4] = 0.0
    with pytest.raises(Differs, match=r"0[.]038 of the way trained"):
        same_ends(first, plain, ours)
    ours["b"][3, 4] = np.nan
    with pytest.raises(Differs):
        same_ends(first, plain, ours)


def test_a_measurement_whose_ways_differ_ends_the_bench(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compare, "LOSSES", -1.0)
    threads = torch.get_num_threads()
    arguments = ["--profile", "smoke", "--only", "training", "--steps", "8", "--outputs", str(tmp_path)]
    assert command.main(arguments) == 1
    torch.set_num_threads(threads)
    assert "loss of step 1" in capsys.readouterr().err
    record = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert not record["complete"] and not record["measurements"]


def test_the_command_writes_both_files_and_prints_the_table(tmp_path):
    arguments = ["--profile", "smoke", "--only", "training evaluation", "--steps", "8", "--pairs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--outputs", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "bench" / "bench.json").read_text())
    table = (tmp_path / "bench" / "table.md").read_text()
    assert record["complete"] and table == render(record) and table.strip() in done.stdout
    assert {bar["what"] for bar in record["bars"] if bar["met"] is None} == {
        "pipeline, share of a run",
        "pipeline, share of the laptop study",
    }
    assert "whole training, 8 steps" in table and "Where time goes: one laptop run" in table
    assert all(len(line) <= 110 for line in table.splitlines() if line.startswith("|"))
    assert [row["what"] for row in record["limits"]] == ["step, smoke", "step, smoke", "evaluation, smoke"]
    assert all(0 < row["share"]["median"] < 1 for row in record["limits"])
    assert max(record["agreement"].values()) < 1e-4


def test_a_step_of_muon_is_timed_beside_the_decompositions_that_it_replaces(variant, monkeypatch):
    monkeypatch.setattr(matrices, "BEFORE", 3)
    run = matrices.MuonRun(variant)
    pair, shares = matrices.one_step(run, 2)
    assert len(pair.plain) == len(pair.ours) == 2 and all(0 < share < 1 for share in shares)
    assert len(run.momenta()) == 2 + 8  # the embeddings, and four matrices of either block
    assert matrices.by_shape((6, 9), 1).keys() == {"eigh", "svd", "quintic", "two SVDs"}
    monkeypatch.setattr(matrices, "polar", lambda m: Polar(m / m.norm(), None))
    with pytest.raises(Differs, match="sum of singular values"):
        matrices.one_step(run, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [("--only trainin", "did you mean training"), ("--sizes lap", "laptop"), ("--steps 2", "8 steps")],
)
def test_a_wrong_option_gets_one_sentence(given, said):
    with pytest.raises(BadInput, match=said):
        command.parse(given.split())


def test_the_table_shows_bars_as_met_missed_and_not_measured():
    def bar(what, value, met, **more):
        return {"what": what, "value": value, "bar": ">= 2x", "met": met, **more}

    record = {
        "machine": {"processor": "a processor", "cores": 2},
        "versions": {"torch": "1", "numpy": "2", "python": "3"},
        "commit": "0123456789abcdef",
        "dirty": True,
        "measurements": [
            Pair("training", [3.0, 4.0, 5.0], [1.0, 1.0, 1.0]).record(),
            Pair("rate", [100.0], [150.0], unit="1/s").record(),
        ],
        "bars": [
            bar("training", 4.0, True, of="training"),
            bar("two", 1.5, False, of="rate", inverse=True),
            bar("share", None, None),
        ],
        "limits": [
            {
                "what": "step, laptop",
                "counts": "products",
                "limit": 0.5,
                "ours": 1.0,
                "share": {"median": 0.5, "min": 0.4, "max": 0.6},
                "bar": ">= 85 %",
                "met": False,
            }
        ],
        "rates": {"laptop": {"trunk": {"MKL": 50.0, "oneDNN": 100.0}}},
        "where": {"a run": [{"what": "forward", "seconds": 3.0, "share": True}]},
        "agreement": {"losses": 1e-8},
        "left_out": ["LaTeX: there is none here"],
        "notes": [],
    }
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in render(record).splitlines()]
    assert ["training", "4 s", "1 s", "4x (3-5)", ">= 2x", "met"] in cells
    assert ["rate", "100 1/s", "150 1/s", "1.5x (once)", ">= 2x", "MISSED"] in cells
    assert ["share", "", "-", "", ">= 2x", "not measured"] in cells
    assert ["forward", "3 s", "100.0 %"] in cells
    assert ["step, laptop", "products", "500 ms", "1 s", "50 % (40-60)", ">= 85 %", "MISSED"] in cells
    assert ["trunk, laptop", "50", "100", "2.00x"] in cells
    assert "Not measured: LaTeX: there is none here." in render(record)


def test_the_short_study_leaves_later_stages_as_much_to_do(tmp_path):
    from bench import pipeline

    study, _ = pipeline.short_study(tmp_path)
    assert paper_folder(study).has_text
    laptop = load_study("beta2", "laptop")
    assert [run.name for run in study.runs] == [run.name for run in laptop.runs]
    assert [stage.name for stage in study.stages] == [stage.name for stage in laptop.stages]
    short, whole = study.runs[0].params, laptop.runs[0].params
    assert short.schedule.steps == 80 and short.model == whole.model
    counts = [len(snapshot_steps(p)) for p in (short, whole)]
    assert abs(counts[0] - counts[1]) <= 1
    looked_at = [s.stage("03_fisher").parameters for s in (study, laptop)]
    assert len(looked_at[0]["steps"]) == len(looked_at[1]["steps"])
    assert looked_at[0]["batches"] == looked_at[1]["batches"]


def test_overhead_is_what_is_neither_training_nor_evaluation():
    from bench import pipeline

    found = {
        "01_train": {"seconds": 15.0, "training": 8.0, "evaluation": 3.0},
        "02_pca": {"seconds": 4.0, "training": 0.0, "evaluation": 0.0},
        "04_reheat": {"seconds": 20.0, "training": 18.0, "evaluation": 0.0},
        "06_figures": {"seconds": 99.0, "training": 0.0, "evaluation": 0.0},
    }
    around = pipeline.overhead(found, run=69.0, reheats=118.0)
    assert around["run"] == 72.0 and around["seconds"] == 8.0 and around["share"] == pytest.approx(0.1)
    assert around["seconds_with_reheats"] == 10.0 and around["share_with_reheats"] == pytest.approx(0.05)
    # Three runs, one of which ends at once and one of which is reheated: 3 x 8 + 2 + 4 of 30 + 2 x 72 + 118.
    share = pipeline.study_share(around, reheats=118.0, counts=(3, 2, 1), once=4.0)
    assert share == pytest.approx(30 / 292)


def test_a_study_on_disk_tells_what_it_spent_outside_training(tmp_path):
    from bench import pipeline

    run = tmp_path / "beta2-laptop" / "pilot"
    assert pipeline.study_on_disk(tmp_path) is None
    for stage, took in (("01_train", 90.0), ("02_pca", 10.0)):
        notebook = run / "notebooks" / f"{stage}.ipynb"
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_text(json.dumps({"metadata": {"papermill": {"duration": took}}}))
    (run / "run.json").write_text(json.dumps({"state": "done", "seconds": 80.0}))
    expected = {"runs": 1, "seconds": 100.0, "training": 80.0, "share": 0.2}
    assert pipeline.study_on_disk(tmp_path) == pytest.approx(expected)


def test_the_gpu_benchmark_is_right_about_steps_and_says_where_there_is_no_gpu(variant, capsys):
    found = gpu.report(variant.p, 300, training.CPU, steps=2, compiled=False)
    tokens = variant.p.batch.size * variant.p.batch.accumulate * variant.p.model.context
    assert found["tokens_per_second"] == pytest.approx(tokens / found["seconds"]["step"])
    assert found["utilisation"] is None and found["device"] == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="no CUDA device is visible here"):
            gpu.main([])
