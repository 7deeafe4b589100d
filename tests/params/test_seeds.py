"""How many seeds a study has, and which of its stages are of the first alone."""

import pytest

from lib.params.study import load_study
from tests.params.test_study import refusal


def test_seeds_are_paired_and_later_stages_are_of_the_first():
    study = load_study("beta2", "laptop")
    beta2 = study.axes["optim.beta2"]
    points = [(run.params.optim.beta2, run.params.seed) for run in study.runs]
    assert points == [(b, seed) for b in beta2 for seed in (42, 43, 44)]
    stages = {run.params.seed: [s.name for s in study.stages_of(run)] for run in study.runs}
    assert stages[43] == stages[44] == ["01_train", "02_pca"]
    assert "03_fisher" in stages[42] and "05_interference" in stages[42]
    first, second = (study.runs[n].params for n in (0, 1))
    assert first.model_copy(update={"seed": 43}) == second


def test_seeds_count_from_the_one_that_is_given():
    study = load_study("beta2", "smoke", "seed=7 seeds=2")
    assert study.axes["seed"] == [7, 8] and len(study.runs) == 10
    assert len(load_study("beta2", "smoke", "seed=7").runs) == 5
    assert len(load_study("beta2", "laptop", "seeds=1").runs) == 5
    assert len(load_study("beta2", "laptop", "seeds=2", axes={}).runs) == 1  # one run is one run


def test_a_study_laid_over_another_has_one_seed_unless_it_says_so(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("study: own\nbase: beta2\naxes: {optim.beta2: [0.95]}\n")
    assert len(load_study(str(file), "laptop").runs) == 1
    assert len(load_study(str(file), "laptop", "seeds=4").runs) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("seeds=0", "SEEDS=0: expected a number of seeds from 1 to 1000"),
        ("seeds=many", "SEEDS='many': expected a number of seeds"),
        ("seeds=2.0", "SEEDS=2.0: expected a number of seeds"),
        ("seeds=1001", "SEEDS=1001: expected a number of seeds"),
        ("seeds=2 seed=x", "seed = 'x' is no number to count from"),
    ],
)
def test_odd_numbers_of_seeds_are_refused(given, said):
    assert said in refusal("beta2", "smoke", given)


def test_seeds_beside_an_axis_of_seeds_are_refused(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("study: own\nbase: beta2\naxes: {seed: [1, 5]}\n")
    assert "SEEDS=3: this study has an axis seed with the values [1, 5]" in refusal(str(file), "smoke", "seeds=3")
