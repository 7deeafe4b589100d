"""How many seeds a study has, and what of it seeds after the first have."""

import pytest

from lib.base.files import ROOT
from lib.params.study import load_study
from tests.params.test_study import refusal


def test_seeds_are_paired_and_have_every_stage():
    study = load_study("beta2", "laptop")
    beta2 = study.axes["optim.beta2"]
    points = [(run.params.optim.beta2, run.params.seed) for run in study.runs]
    assert points == [(b, seed) for b in beta2 for seed in (42, 43, 44)]
    stages = {run.params.seed: [s.name for s in study.stages_of(run)] for run in study.runs}
    assert stages[42] == stages[43] == stages[44]
    first, second = (study.runs[n].params for n in (0, 1))
    assert first.model_copy(update={"seed": 43}) == second


def test_further_seeds_have_fewer_branches():
    study = load_study("beta2", "laptop")
    counts = {}
    for run in study.runs:
        for stage in study.stages_of(run):
            if stage.branches:
                found = study.branches_of(stage, run.params)
                trained = len(found.snapshots) * len(found.points())
                counts[run.params.seed] = counts.get(run.params.seed, 0) + trained
                assert found.snapshots[-1] == run.params.schedule.steps
    assert counts == {42: 12, 43: 2, 44: 2}


def test_rates_that_somebody_sets_are_those_of_every_seed():
    study = load_study("beta2", "smoke", "seeds=2 branches.reheat.vary={optim.lr:[2e-3,1e-4]}")
    stage = study.stage("04_reheat")
    points = [study.branches_of(stage, run.params).points() for run in study.runs[:2]]
    assert points[0] == points[1] == [{"optim.lr": 2e-3}, {"optim.lr": 1e-4}]


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (
            "{snapshots: [3000], vary: {optim.lr: [6e-4]}}",
            "snapshots = 3000, of the first seed there are [2000, 4000]",
        ),
        ("{snapshots: [4000], vary: {optim.lr: [5e-4]}}", "further.optim.lr = 0.0005, of the first seed there are"),
        ("{snapshots: [4000], vary: {seed: [1]}}", "further.seed = 1, of the first seed there are []"),
        ("{snapshots: [], vary: {}}", "further.snapshots"),
    ],
)
def test_further_branches_are_some_of_the_first(tmp_path, further, said):
    text = (ROOT / "params" / "beta2.yaml").read_text()
    before = "{snapshots: [4000], vary: {optim.lr: [6e-4]}}"
    assert before in text
    file = tmp_path / "own.yaml"
    file.write_text(text.replace(before, further))
    assert said in refusal(str(file), "smoke")


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


ARMS = "study: own\nbase: beta2\narms: {base: {}, fresh: {seed: 142}}\n"


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ("seeds=2", [(42, 43), (142, 143)]),
        ("", [(42,), (142,)]),
        ("seed=7 seeds=2", [(7, 8), (107, 108)]),
        ("seed=7", [(7,), (107,)]),
    ],
)
def test_an_arm_with_a_seed_has_its_seeds_as_far_from_those_of_the_others(tmp_path, given, seeds):
    file = tmp_path / "own.yaml"
    file.write_text(ARMS)
    study = load_study(str(file), "smoke", given)
    assert [(run.point["arm"], run.params.seed) for run in study.runs] == [
        *(("base", seed) for seed in seeds[0]),
        *(("fresh", seed) for seed in seeds[1]),
    ]
    assert [run.name.rpartition("_s")[2].split("_")[0] for run in study.runs] == [
        str(s) for s in (*seeds[0], *seeds[1])
    ]
    assert "seed = 'x' is no" in refusal(str(file), "smoke", "seeds=2 seed=x")
    assert "seed" in refusal(str(file), "smoke", "seed=x")
