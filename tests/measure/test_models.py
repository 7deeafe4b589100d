"""A run measured from its folder: batches, losses, models, directions, and all of them together."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib.base.errors import BadInput
from lib.base.files import snapshot_path
from lib.base.snapshots import open_snapshots
from lib.base.tensors import write_snapshot
from lib.geometry.backbone import pca
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import alignment, gradient_gram, interference
from lib.geometry.gram import digest
from lib.measure.gradients import losses_of
from lib.measure.models import (
    analysis_batches,
    load_model,
    newest_model,
    optimizer_direction,
    prepared,
    run_directions,
    step_directions,
    whole_steps,
)
from lib.models.gpt import build_model
from lib.optim.adamw import build
from lib.params.run import dump_params, run_hash
from lib.tasks.stories import task
from lib.tasks.stories.batches import batch
from lib.tasks.stories.task import relabel, sequence_losses, sequences
from lib.train.checkpoint import CURRENT, full_state, save_checkpoint
from tests.geometry.toy_model import flat

CPU = torch.device("cpu")


def training_loss(p, model, b):
    return task.training_loss(model, p, CPU)(b, 1)


@pytest.fixture(scope="module")
def data(smoke, corpora):
    return task.prepare(smoke, corpora)


@pytest.fixture(scope="module")
def trained(smoke, changed, corpus, probes, tmp_path_factory):
    """A run of a few steps: trunk snapshots at 0..3, the whole model at 2 and 4, a checkpoint at 4."""
    folder = tmp_path_factory.mktemp("run")
    p = changed(smoke, schedule__steps=4, schedule__warmup=1, task__lambda_step=4, snapshots__whole=[2],
                eval__every=2, optim__beta2=0.9)  # fmt: skip
    (folder / "params.yaml").write_text(dump_params(p))
    model = build_model(p.model, corpus.vocab, p.seed)
    optimizer = build(model, p.optim)
    write_snapshot(folder, 0, model.trunk(), run_hash(p), list(model.trunk()))
    for step in range(1, 5):
        loss = training_loss(p, model, batch(corpus, probes, p, step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        whole = step in (2, 4)
        tensors = dict(model.named_parameters()) if whole else model.trunk()
        write_snapshot(folder, step, tensors, run_hash(p), list(model.trunk()))
    save_checkpoint(folder, full_state(model, optimizer), json.dumps({"step": 4}), run_hash(p))
    return folder, p


@pytest.fixture
def model(trained, data):
    return load_model(trained[0], 4, data, CPU)


@pytest.fixture
def drawn(data, smoke):
    return analysis_batches(task, data, smoke, count=3, seed=0)


def without_probes(b):
    """The same stories with every answer counted as text."""
    return dataclasses.replace(b, language=b.language | b.answer, answer=np.zeros_like(b.answer))


# ----------------------------------------------------------------------------------------------------- batches


def digests(batches):
    return [b.digest for b in batches]


def test_every_arm_and_every_seed_is_analysed_on_the_same_batches(data, smoke, changed, drawn):
    for other in (changed(smoke, optim__beta2=0.0), changed(smoke, seed=7)):
        assert digests(analysis_batches(task, data, other, count=3, seed=0)) == digests(drawn)
    assert not set(digests(analysis_batches(task, data, smoke, count=3, seed=1))) & set(digests(drawn))
    longer = analysis_batches(task, data, smoke, count=5, seed=0)
    assert digests(longer[:3]) == digests(drawn)
    assert len(set(digests(longer))) == 5


def test_one_digest_stands_for_all_batches(smoke, changed, corpora):
    def found(p, name, count, seed):
        folder = corpora.parent / "study" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text(dump_params(p))
        return prepared(folder, count, seed)

    first = found(smoke, "a", 3, 0)
    assert digests(first.batches) == digests(analysis_batches(task, first.data, smoke, 3, 0))
    assert found(changed(smoke, optim__beta2=0.0, seed=7), "b", 3, 0).digest == first.digest
    assert len({first.digest, found(smoke, "a", 3, 1).digest, found(smoke, "a", 4, 0).digest}) == 3


def test_analysis_batches_are_of_the_training_kind_but_not_training_batches(data, smoke, changed):
    many = analysis_batches(task, data, smoke, count=40, seed=0)
    share = np.mean([b.probed.mean() for b in many])
    assert abs(share - smoke.task.probe.p) < 4 * np.sqrt(smoke.task.probe.p * 0.8 / (40 * smoke.batch.size))
    trained_on = {task.batch(data, changed(smoke, seed=s), k).digest for s in (0, 42) for k in range(1, 41)}
    assert not trained_on & set(digests(many))
    accumulated = changed(smoke, batch__accumulate=2)
    assert digests(analysis_batches(task, data, accumulated, count=40, seed=0)) == digests(many)


# ------------------------------------------------------------------------------------------------------ losses


@pytest.mark.parametrize("lam", [0.0, 2.0])
@pytest.mark.parametrize("probed", [True, False])
def test_losses_of_sequences_average_to_the_training_loss(smoke, changed, model, drawn, lam, probed):
    p = changed(smoke, task__lambda_probe=lam)
    for b in drawn:
        b = b if probed else without_probes(b)
        found = sequence_losses(model, sequences(b, p, 1, CPU))
        expected = training_loss(p, model, b)
        assert found.shape == (len(b.tokens),)
        torch.testing.assert_close(found.mean(), expected, rtol=1e-5, atol=1e-6)


def test_objectives_add_up_to_the_training_loss_and_a_batch_without_probes_has_one(smoke, model, drawn):
    b, weight = drawn[0], task.weights(smoke, 1)
    losses = task.objectives(model, b)
    assert weight == {"language": 1.0, "probe": 2.0}
    found = sum(weight[name] * loss for name, loss in losses.items())
    torch.testing.assert_close(found, training_loss(smoke, model, b))
    assert task.objectives(model, without_probes(b))["probe"] is None


def test_labels_are_drawn_from_the_predictions_of_the_model(model, drawn, smoke):
    s = sequences(drawn[0], smoke, 1, CPU)
    many = {key: x[:1, :6].expand(4000, -1) for key, x in s.items()}
    found = relabel(model, many, torch.Generator().manual_seed(0))
    p = model.head(model(s["inputs"][:1])).softmax(-1)[0].detach()
    for t in range(6):
        seen = torch.bincount(found["targets"][:, t], minlength=p.shape[-1]) / 4000
        assert (seen - p[t]).abs().max() < 5 * (p[t].max() / 4000).sqrt()
    torch.testing.assert_close(found["weights"] ** 2, many["weights"])
    assert torch.equal(found["inputs"], many["inputs"])


# ------------------------------------------------------------------------------------------------------ models


def test_a_model_comes_back_with_all_its_weights(trained, model):
    folder, _ = trained
    saved = load_file(snapshot_path(folder, 4))
    assert all(torch.equal(p, saved[name]) for name, p in model.named_parameters())
    assert whole_steps(folder) == [2, 4]


def test_a_snapshot_of_the_trunk_alone_is_refused(trained, data):
    with pytest.raises(BadInput, match=r"000003.*holds only the trunk; the whole model is there at steps \[2, 4\]"):
        load_model(trained[0], 3, data, CPU)


# -------------------------------------------------------------------------------------------------- directions


def test_directions_are_those_of_the_weights(trained, model):
    folder, _ = trained
    trunk = list(model.trunk())
    snapshots = open_snapshots(folder)
    source = digest(snapshots)
    theta = {step: flat({n: load_file(snapshot_path(folder, step))[n] for n in trunk}) for step in range(5)}
    fixed = run_directions(snapshots, source, pca(source, normalise=False))
    drifts = torch.stack([theta[step] - theta[0] for step in range(1, 5)]).double()
    for label, row in zip(("v_b", "PC2"), torch.linalg.svd(drifts, full_matrices=False).Vh, strict=False):
        assert abs(float(flat(fixed[label]).double() @ row)) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(flat(fixed["-theta_0"]), -theta[0])
    moving = step_directions(model, snapshots, source, 4)
    torch.testing.assert_close(flat(moving["update"]), theta[4] - theta[3], rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(flat(moving["-theta"]), -theta[4])
    assert list(fixed["v_b"]) == list(moving["update"]) == trunk
    assert "update" not in step_directions(model, snapshots, source, 0)


def test_adam_steps_against_the_adam_direction(trained, model):
    folder, p = trained
    trunk = list(model.trunk())
    step, kind, adam = optimizer_direction(folder, trunk)
    before, after = (load_file(snapshot_path(folder, k)) for k in (3, 4))
    decayed = {name: before[name] * (1 - p.optim.lr * p.optim.weight_decay) for name in trunk}
    moved = flat({name: after[name] - decayed[name] for name in trunk})
    assert (step, kind) == (4, "adam")
    torch.testing.assert_close(moved, -p.optim.lr * flat(adam), rtol=1e-3, atol=1e-7)
    empty = folder / "empty"
    empty.mkdir()
    (empty / "params.yaml").write_text(dump_params(p))
    with pytest.raises(BadInput, match=f"{CURRENT}: there is no such file"):
        optimizer_direction(empty, trunk)


def test_the_newest_model_is_that_of_the_last_step(trained, model, data, tmp_path, changed):
    folder, p = trained
    step, newest = newest_model(folder, data, CPU)
    assert step == 4 and not newest.training
    for (name, found), wanted in zip(newest.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0, msg=name)
    (tmp_path / CURRENT).write_bytes((folder / CURRENT).read_bytes())
    (tmp_path / "params.yaml").write_text(dump_params(changed(p, seed=p.seed + 1)))
    with pytest.raises(BadInput, match="this checkpoint belongs to other parameters"):
        newest_model(tmp_path, data, CPU)


# -------------------------------------------------------------------------------------------------- end to end


def measure(folder, p, model, drawn):
    snapshots = open_snapshots(folder)
    source = digest(snapshots)
    directions = run_directions(snapshots, source, pca(source)) | step_directions(model, snapshots, source, 4)
    s = [sequences(b, p, 1, CPU) for b in drawn]
    gram = gradient_gram(model, drawn, losses_of(task), directions)
    return (
        quotients(empirical_fisher(model, s, sequence_losses, directions)),
        quotients(sampled_fisher(model, s, sequence_losses, relabel, directions, seed=0)),
        interference(gram),
        alignment(gram, 2.0),
    )


def test_a_run_is_measured_from_its_folder(trained, model, drawn):
    empirical, sampled, both, along = measure(*trained, model, drawn)
    assert empirical.count == sampled.count == 48 and both.count + both.skipped == 3
    for values in (
        empirical.anisotropy,
        empirical.anisotropy_structured_se,
        sampled.q,
        along.of_means,
        both.tensors,
    ):
        assert np.isfinite(values).all()


def test_a_diverged_model_is_measured_as_nan(trained, model, drawn):
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(float("nan"))
    empirical, sampled, both, along = measure(*trained, model, drawn)
    for values in (empirical.q, sampled.anisotropy, both.batches, both.mean, along.of_means):
        assert np.isnan(values).all()
