"""The study of grokking: censored medians, turns of a path, cosines of directions, against counts by hand."""

import math

import numpy as np
import pytest
import torch

from lib.base.files import CURRENT, snapshot_path
from lib.geometry.gram import Digest
from lib.params.study import load_study
from lib.report.numbers import missing
from lib.report.reader import collect
from lib.train.loop import train
from paper.grokking.circuits import circuits, random_ablation, strongest_ablation
from paper.grokking.interference import cosine, null, pairs_of
from paper.grokking.numbers import wanted
from paper.grokking.transition import Transition, median, median_grok, survival, transition
from paper.grokking.turn import phases_cosine, turning
from tests.compare_runs import grokking_rows, modular_study, write_run
from tests.modular_run import modular_params


def evaluations(*rows: tuple[int, float, float]) -> list[dict[str, float]]:
    return [{"step": step, "train_acc": train, "test_acc": test} for step, train, test in rows]


# ---------------------------------------------------------------------------------------------- steps, censoring


def test_the_first_evaluation_that_reaches_a_level_counts():
    rows = evaluations((1, 0.1, 0.0), (100, 0.98, 0.1), (200, 0.97, 0.95), (300, 1.0, 0.5))
    assert transition(rows) == Transition(100, 200, 300)


def test_a_run_that_has_not_grokked_is_censored():
    found = transition(evaluations((1, 0.1, 0.0), (500, 1.0, 0.2)))
    assert (found.memorised, found.grokked, found.said) == (500, None, "> 500")
    assert transition([]) == Transition(None, None, 0)


def test_survival_by_hand():
    # Events at 6, 6, 6, 7, 10; lost at 6, 9, 10, 11: of nine at first, the estimate goes 6/9, x 4/5, x 2/3
    times = [6, 6, 6, 6, 7, 9, 10, 10, 11]
    seen = [True, True, True, False, True, False, True, False, False]
    found = survival(times, seen)
    assert [t for t, _ in found] == [6, 7, 10]
    assert [s for _, s in found] == pytest.approx([6 / 9, 6 / 9 * 4 / 5, 6 / 9 * 4 / 5 * 2 / 3])


def test_without_censoring_it_is_the_empirical_distribution():
    times = np.random.default_rng(0).permutation(20) + 1.0
    for t, share in survival(list(times), [True] * 20):
        assert share == pytest.approx(np.mean(times > t))


def test_medians():
    assert median([3, 1, 2], [True, True, True]) == 2
    assert median([3, 1, 2, 4], [True] * 4) == 2
    assert median([100, 100, 50], [False, False, True]) is None
    assert median([100, 60, 50], [False, True, True]) == 60
    assert median([], []) is None
    assert median_grok([Transition(1, 400, 900), Transition(1, None, 900), Transition(1, 600, 900)]) == 600


def test_who_is_lost_early_does_not_count_as_an_event():
    """A naive median over grokked runs alone is 10; three of four runs had not grokked when they were lost at 9."""
    assert median([9, 9, 9, 10], [False, False, False, True]) == 10
    assert median([10, 20, 20, 20], [True, False, False, False]) is None


# --------------------------------------------------------------------------------------------------- the path


def digest_of(points: np.ndarray, spacing: int = 10) -> Digest:
    """Of positions, the first of which is theta_0; the rows of a digest are drifts and then theta_0."""
    rows = np.concatenate([points - points[0], points[:1]])
    gram = rows @ rows.T
    steps = np.arange(len(points)) * spacing
    return Digest(
        steps=steps,
        dropped=np.empty(0, dtype=int),
        tensors=("w",),
        sizes=np.array([points.shape[1]]),
        gram=gram[None],
    )


def test_a_corner_turns_and_a_straight_way_does_not():
    along, across = np.arange(11.0), np.arange(1.0, 11.0)
    points = np.zeros((21, 3))
    points[:11, 0], points[11:, 0], points[11:, 1] = along, 10.0, across
    points += [3.0, 1.0, 2.0]
    found = turning(digest_of(points), 30)
    assert found.at(100) == pytest.approx(90.0, abs=1e-4)
    assert found.at(50) == pytest.approx(0.0, abs=1e-3)
    assert found.steps[[0, -1]].tolist() == [30, 170]
    assert math.isnan(found.at(None))
    assert math.isnan(found.at(10_000))
    assert phases_cosine(digest_of(points), 100) == pytest.approx(0.0, abs=1e-6)
    assert phases_cosine(digest_of(points), 50) > 0.5


def test_a_random_walk_turns_by_a_right_angle():
    walk = np.random.default_rng(0).standard_normal((60, 4000)).cumsum(axis=0)
    assert turning(digest_of(walk), 50).angles.mean() == pytest.approx(90.0, abs=1.0)


# ---------------------------------------------------------------------------------------------- gradients, tables


def test_cosines_over_all_tensors():
    x, y = [torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])], [torch.tensor([[1.0, 0.0]]), torch.tensor([0.0])]
    assert cosine(x, y) == pytest.approx(0.6)
    assert cosine(x, [torch.zeros(1, 2), torch.zeros(1)]) == 0.0


def test_the_null_of_a_cosine_is_that_of_random_directions():
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(30, 40, generator=generator), 5 * torch.randn(20, generator=generator)]
    drawn = []
    for _ in range(400):
        y = [torch.randn(t.shape, generator=generator) for t in x]
        y = [n * t.norm() / n.norm() for n, t in zip(y, x, strict=True)]
        drawn.append(abs(cosine(x, y)))
    assert null(x, x, 0) == pytest.approx(float(np.quantile(drawn, 0.95)), rel=0.15)


def test_pairs_without_a_loss_are_left_out():
    one = [torch.ones(2, 2)]
    assert set(pairs_of({"train": one, "test": one, "decay": one}, 0)) == {
        "train|test",
        "train|decay",
        "test|decay",
    }


def test_leaving_out_components_that_a_table_does_not_have_changes_nothing():
    p = 11
    a, b, c = torch.meshgrid(*[torch.arange(p, dtype=torch.float64)] * 3, indexing="ij")
    labels = ((a + b)[:, :, 0] % p).long()
    for sign in (1, -1):
        table = 5 * torch.cos(2 * math.pi * 2 * (a + sign * b - c) / p)
        whole = torch.nn.functional.cross_entropy(table.flatten(0, 1), labels.flatten()).item()
        found = random_ablation(table, labels, 5, sign, 0)
        assert found["mean"] == pytest.approx(whole, rel=1e-9)
        assert found["spread"] == pytest.approx(0.0, abs=1e-9)
        assert random_ablation(table, labels, 60, -sign, 0)["spread"] > 0.01
    assert random_ablation(table, labels, 0, 1, 0)["mean"] is None


def test_the_strongest_others_are_those_left_out():
    p = 11
    a, b, c = np.meshgrid(*[np.arange(p)] * 3, indexing="ij")

    def waves(*sizes: float) -> torch.Tensor:
        """A table of sums, and components (2, -2), (3, 0) and (0, 4) besides."""
        parts = (5, (a + b - c)), (sizes[0], 2 * (a - b) + c), (sizes[1], 3 * a + 2 * c), (sizes[2], 4 * b - c)
        return torch.from_numpy(sum(size * np.cos(2 * math.pi * phase / p) for size, phase in parts))

    labels = torch.from_numpy(((a + b) % p)[:, :, 0])
    found = [strongest_ablation(waves(3, 2, 1), labels, count, 1) for count in (1, 2, 3)]
    wanted = [waves(0, 2, 1), waves(0, 0, 1), waves(0, 0, 0)]
    losses = [torch.nn.functional.cross_entropy(t.flatten(0, 1), labels.flatten()).item() for t in wanted]
    assert found == pytest.approx(losses, rel=1e-9)
    assert len({round(loss, 3) for loss in losses}) == 3
    assert strongest_ablation(waves(3, 2, 1), labels, 0, 1) is None


def test_a_circuit_has_its_end_wherever_the_run_ended(tmp_path):
    """A whole snapshot of the last step is there only where that step was planned."""
    p = modular_params("optim.name=adamw")
    train(p, tmp_path, tmp_path)
    ends = [point["step"] for point in circuits(tmp_path)["points"]]
    snapshot_path(tmp_path, 60).unlink()
    assert [point["step"] for point in circuits(tmp_path)["points"]] == ends == [0, 20, 60]
    (tmp_path / CURRENT).unlink()
    assert [point["step"] for point in circuits(tmp_path)["points"]] == [0, 20]


def test_a_seed_that_has_not_grokked_is_not_left_out_of_a_mean(tmp_path):
    """Of the steps of those that have, the mean says that all groked early."""
    study = modular_study("seeds=2")
    first, second = [run for run in study.runs if run.point["arm"] == study.runs[0].point["arm"]]
    write_run(tmp_path, first, grokking_rows(80, 800))
    write_run(tmp_path, second, grokking_rows(80, None))
    results = collect(study, tmp_path)
    level = results.levels[0]
    assert results.at(level, "memorised.step").value == 80
    found = results.at(level, "grok.step")
    assert (found.value, found.why) == (None, "not by step 4000") and results.by_seed(level, "grok.step") == {}
    write_run(tmp_path / "both", first, grokking_rows(80, 800))
    write_run(tmp_path / "both", second, grokking_rows(80, 1200))
    assert collect(study, tmp_path / "both").at(level, "grok.step").value == 1000


def test_what_a_run_should_have_is_what_its_stages_make(tmp_path):
    study = load_study("grokking", "laptop")
    results = collect(study, tmp_path)
    found = {run.level: wanted(results, run).keys() - {"backbone", "turn"} for run in results.runs}
    everything = {"fisher", "circuits", "named_gradients"}
    assert found["mlp"] == found["transformer"] == everything
    assert found["adamw"] == found["muon"] == {"circuits"} and found["p17"] == set()
    write_run(tmp_path, next(run for run in study.runs if run.point["arm"] == "adamw"), grokking_rows(80, 200))
    assert "the circuit of the run at AdamW" in missing(collect(study, tmp_path), lambda r: wanted(results, r))
