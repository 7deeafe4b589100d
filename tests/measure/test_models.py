import dataclasses
import json

import numpy as np
import pytest
import torch
from lib.measure.analysis import (
    adam_direction,
    analysis_batches,
    load_model,
    objective_losses,
    relabel,
    run_directions,
    sequence_losses,
    step_directions,
    weighted,
    whole_steps,
)
from safetensors.torch import load_file

from lib.base.errors import BadInput
from lib.base.files import snapshot_path
from lib.base.snapshots import open_snapshots
from lib.base.tensors import write_snapshot
from lib.geometry.backbone import pca
from lib.geometry.fisher import empirical_fisher, quotients, sampled_fisher
from lib.geometry.gradients import alignment, gradient_gram, interference
from lib.geometry.gram import digest
from lib.models.gpt import build_model
from lib.optim.adamw import build_optimizer
from lib.params.run import dump_params, run_hash
from lib.tasks.stories.batches import batch
from lib.train.checkpoint import CURRENT, full_state, save_checkpoint
from lib.train.loop import objective
from lib.train.parallel import Ranks
from tests.geometry.toy_model import flat

CPU = torch.device("cpu")


def training_loss(p, model, b, lam):
    return objective(p, model, Ranks(0, 1, CPU))(b, lam)


@pytest.fixture(scope="module")
def trained(smoke, changed, corpus, probes, tmp_path_factory):
    """A run of a few steps: trunk snapshots at 0..3, the whole model at 2 and 4, a checkpoint at 4."""
    folder = tmp_path_factory.mktemp("run")
    p = changed(smoke, schedule__steps=4, schedule__warmup=1, task__lambda_step=4, snapshots__whole=[2],
                eval__every=2, optim__beta2=0.9)  # fmt: skip
    (folder / "params.yaml").write_text(dump_params(p))
    model = build_model(p.model, corpus.vocab, p.seed)
    optimizer = build_optimizer(model, p.optim)
    write_snapshot(folder, 0, dict(model.trunk()), run_hash(p))
    for step in range(1, 5):
        loss = training_loss(p, model, batch(corpus, probes, p, step), 2.0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        whole = step in (2, 4)
        write_snapshot(folder, step, dict(model.named_parameters()) if whole else dict(model.trunk()), run_hash(p))
    save_checkpoint(folder, full_state(model, optimizer), json.dumps({"step": 4}), run_hash(p))
    return folder, p


@pytest.fixture
def model(trained):
    return load_model(trained[0], 4, CPU)


@pytest.fixture
def drawn(corpus, probes, smoke):
    return analysis_batches(corpus, probes, smoke, count=3, seed=0)


def without_probes(b):
    """The same stories with every answer counted as text."""
    return dataclasses.replace(b, language=b.language | b.answer, answer=np.zeros_like(b.answer))


# ----------------------------------------------------------------------------------------------------- batches


def test_every_arm_and_every_seed_is_analysed_on_the_same_batches(corpus, probes, smoke, changed, drawn):
    for other in (changed(smoke, optim__beta2=0.0), changed(smoke, seed=7)):
        assert analysis_batches(corpus, probes, other, count=3, seed=0).digest == drawn.digest
    assert analysis_batches(corpus, probes, smoke, count=3, seed=1).digest != drawn.digest
    longer = analysis_batches(corpus, probes, smoke, count=5, seed=0)
    assert [b.digest for b in longer.batches[:3]] == [b.digest for b in drawn.batches]
    assert longer.digest != drawn.digest and len({b.digest for b in longer.batches}) == 5


def test_analysis_batches_are_of_the_training_kind_but_not_training_batches(corpus, probes, smoke, changed):
    many = analysis_batches(corpus, probes, smoke, count=40, seed=0)
    share = np.mean([b.probed.mean() for b in many.batches])
    assert abs(share - smoke.task.probe.p) < 4 * np.sqrt(smoke.task.probe.p * 0.8 / (40 * smoke.batch.size))
    trained_on = {batch(corpus, probes, changed(smoke, seed=s), k).digest for s in (0, 42) for k in range(1, 41)}
    assert not trained_on & {b.digest for b in many.batches}
    accumulated = changed(smoke, batch__accumulate=2)
    assert analysis_batches(corpus, probes, accumulated, count=40, seed=0).digest == many.digest


# ------------------------------------------------------------------------------------------------------ losses


@pytest.mark.parametrize("lam", [0.0, 2.0])
@pytest.mark.parametrize("probed", [True, False])
def test_losses_of_sequences_average_to_the_training_loss(smoke, model, drawn, lam, probed):
    for b in drawn.batches:
        b = b if probed else without_probes(b)
        found = sequence_losses(model, weighted(b, lam, CPU))
        expected = training_loss(smoke, model, b, lam)
        assert found.shape == (len(b.tokens),)
        torch.testing.assert_close(found.mean(), expected, rtol=1e-5, atol=1e-6)


def test_objectives_add_up_to_the_training_loss_and_a_batch_without_probes_has_one(smoke, model, drawn):
    b = drawn.batches[0]
    language, probe = objective_losses(model, b)
    expected = training_loss(smoke, model, b, 2.0)
    torch.testing.assert_close(language + 2 * probe, expected)
    assert objective_losses(model, without_probes(b))[1] is None


def test_labels_are_drawn_from_the_predictions_of_the_model(model, drawn):
    s = weighted(drawn.batches[0], 2.0, CPU)
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


def test_a_snapshot_of_the_trunk_alone_is_refused(trained):
    with pytest.raises(BadInput, match=r"000003.*holds only the trunk; the whole model is there at steps \[2, 4\]"):
        load_model(trained[0], 3, CPU)


# -------------------------------------------------------------------------------------------------- directions


def test_directions_are_those_of_the_weights(trained, model):
    folder, _ = trained
    trunk = list(model.trunk())
    snapshots = open_snapshots(folder, trunk)
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
    step, adam = adam_direction(folder, trunk)
    before, after = (load_file(snapshot_path(folder, k)) for k in (3, 4))
    decayed = {name: before[name] * (1 - p.optim.lr * p.optim.weight_decay) for name in trunk}
    moved = flat({name: after[name] - decayed[name] for name in trunk})
    assert step == 4
    torch.testing.assert_close(moved, -p.optim.lr * flat(adam), rtol=1e-3, atol=1e-7)
    empty = folder / "empty"
    empty.mkdir()
    (empty / "params.yaml").write_text(dump_params(p))
    with pytest.raises(BadInput, match=f"{CURRENT}: there is no such file"):
        adam_direction(empty, trunk)


# -------------------------------------------------------------------------------------------------- end to end


def measure(folder, model, drawn):
    trunk = list(model.trunk())
    snapshots = open_snapshots(folder, trunk)
    source = digest(snapshots)
    directions = run_directions(snapshots, source, pca(source)) | step_directions(model, snapshots, source, 4)
    s = [weighted(b, 2.0, CPU) for b in drawn.batches]
    gram = gradient_gram(model, drawn.batches, objective_losses, directions)
    return (
        quotients(empirical_fisher(model, s, sequence_losses, directions)),
        quotients(sampled_fisher(model, s, sequence_losses, relabel, directions, seed=0)),
        interference(gram),
        alignment(gram, 2.0),
    )


def test_a_run_is_measured_from_its_folder(trained, model, drawn):
    empirical, sampled, both, along = measure(trained[0], model, drawn)
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
    empirical, sampled, both, along = measure(trained[0], model, drawn)
    for values in (empirical.q, sampled.anisotropy, both.batches, both.mean, along.of_means):
        assert np.isnan(values).all()
