"""Study + profile + overrides: what every profile shares, how it scales, and what is refused."""

import itertools
import re
from fractions import Fraction

import pytest
import torch

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.base.tensors import write_snapshot
from lib.params.cadence import snapshot_steps
from lib.params.dotted import flatten, unflatten
from lib.params.run import dump_params, run_hash
from lib.params.stages import scaled_branches
from lib.params.study import load_study
from lib.params.study_file import PARAMS_FOLDER
from lib.tasks.stories.params import VARIANTS
from lib.train.branch import branch_changes, branch_params

PROFILES = ("paper", "laptop", "smoke")

# Published step counts (core experiment), none of which may be rounded by a profile.
PUBLISHED_STEPS = {
    "schedule.steps": 4000,
    "schedule.warmup": 1500,
    "task.lambda_step": 4000,
    "eval.every": 200,
    "snapshots.dense_every": 50,
    "snapshots.dense_from": 600,
    "snapshots.dense_to": 2000,
    "snapshots.sparse_every": 100,
    "snapshots.sparse_from": 2000,
    "snapshots.whole": [400, 1000, 1600, 2000, 3000, 4000],
}
PUBLISHED_ANALYSIS = {
    "05_interference": [1600, 3000],
    "03_fisher": [400, 1000, 1600, 2000, 3000, 4000],
}
PUBLISHED_REHEAT = {"snapshots": [2000, 4000], "steps": 2000, "warmup": 200, "eval_every": 200}


def divided(value, scale):
    return [Fraction(v, scale) for v in value] if isinstance(value, list) else Fraction(value, scale)


def refusal(*arguments, **named):
    with pytest.raises(BadInput) as caught:
        load_study(*arguments, **named)
    return str(caught.value)


def user_study(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("profile", PROFILES)
def test_step_counts_are_the_published_ones_over_the_time_scale(profile):
    loaded = load_study("beta2", profile)
    scale = loaded.time_scale
    assert (scale == 1) == (profile == "paper")
    for run in loaded.runs:
        values = flatten(run.params.model_dump())
        for name, published in PUBLISHED_STEPS.items():
            assert values[name] == divided(published, scale), name
    for name, published in PUBLISHED_ANALYSIS.items():
        steps, all_of_them = loaded.stage(name).parameters["steps"], divided(published, scale)
        assert set(steps) <= set(all_of_them) and (steps == all_of_them or profile == "laptop"), name
    for name, published in PUBLISHED_REHEAT.items():
        assert getattr(loaded.branches["reheat"], name) == divided(published, scale), name


@pytest.mark.parametrize("profile", PROFILES)
def test_hard_constraints_are_those_of_the_paper_in_every_profile(profile):
    runs = load_study("beta2", profile).runs
    seeds = [42, 43, 44] if profile == "laptop" else [42]
    found = [(run.params.optim.beta2, run.params.seed) for run in runs]
    assert found == [(beta2, seed) for beta2 in (0.99, 0.95, 0.90, 0.80, 0.0) for seed in seeds]
    for run in runs:
        o, s = run.params.optim, run.params.schedule
        assert (o.name, o.lr, o.beta1, o.eps, o.weight_decay, o.clip) == ("adamw", 1e-3, 0.9, 1e-8, 0.5, 1.0)
        t = run.params.task
        assert (s.min_lr_ratio, s.decay, t.lambda_probe, t.lambda_probe2) == (0.1, "clamped", 2.0, 4.0)
        assert run.params.task.probe.p == 0.20


def test_paper_profile_is_the_published_experiment(paper):
    assert paper.task.variant == "executed"
    assert paper.model.model_dump() == {
        "name": "gpt",
        "layers": 8,
        "width": 512,
        "heads": 16,
        "ff": 2048,
        "context": 256,
    }
    assert (paper.batch.size, paper.batch.accumulate, paper.task.pad_targets) == (64, 2, "count")
    assert (paper.task.probe.codewords, paper.task.probe.eval_examples) == (512, 2000)
    assert (paper.task.probe.gap_in, paper.task.probe.gap_ood, paper.task.probe.prefix_eval) == (
        [5, 30],
        [80, 200],
        [2, 10],
    )
    assert (paper.task.corpus.train_stories, paper.task.corpus.validation_stories, paper.task.corpus.min_chars) == (
        200000,
        5000,
        40,
    )
    assert (paper.task.validation.stories, paper.task.validation.crops) == (1280, "fresh")


def test_published_snapshots_and_the_initial_weights(paper):
    published = {1, 200, 400, *range(600, 2001, 50), *range(2100, 4001, 100)}
    assert len(published) == 52
    assert snapshot_steps(paper) == sorted({0} | published)


def test_profiles_are_of_the_default_and_named_folder():
    assert load_study("beta2").profile == "laptop"
    assert load_study("beta2", "smoke").folder_name == "beta2-smoke"


def test_runs_of_a_study_differ_in_their_axes_alone():
    runs = load_study("beta2", "laptop").runs
    first = flatten(runs[0].params.model_dump())
    for run in runs[1:]:
        values = flatten(run.params.model_dump())
        differ = {name for name in values if values[name] != first[name]}
        assert differ == {name for name in ("optim.beta2", "seed") if run.point[name] != first[name]}
    assert [run.name[-9:-4] for run in runs[::3]] == ["20.99", "20.95", "20.90", "20.80", "b20.0"]
    assert [run.name[-4:] for run in runs[:3]] == ["_s42", "_s43", "_s44"]


def test_unknown_profile_and_study_name_the_nearest(tmp_path):
    assert "beta2.yaml has smoke, laptop, paper (did you mean smoke?)" in refusal("beta2", "smok")
    assert "(did you mean beta2?)" in refusal("beta_2", "smoke")
    assert "there is no such study" in refusal(str(tmp_path / "none.yaml"), "smoke")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_sets_five_switches_and_each_can_be_set_alone(variant):
    own, other = (
        flatten({"task": VARIANTS[name]})
        for name in (variant, "corrected" if variant == "executed" else "executed")
    )
    values = flatten(load_study("beta2", "smoke", f"task.variant={variant}").runs[0].params.model_dump())
    assert len(own) == 5
    assert {name: values[name] for name in other} == own
    for name in other:
        text = f"task.variant={variant} {name}={other[name]}"
        values = flatten(load_study("beta2", "smoke", text).runs[0].params.model_dump())
        assert {n: values[n] for n in other} == {**own, name: other[name]}


def test_the_paper_is_as_executed_and_the_small_profiles_corrected():
    variants = {profile: load_study("beta2", profile).runs[0].params.task.variant for profile in PROFILES}
    assert variants == {"paper": "executed", "laptop": "corrected", "smoke": "corrected"}


def test_later_stages_must_find_their_snapshots():
    assert "step 32, which is not in snapshots.whole" in refusal(
        "beta2", "smoke", "snapshots.whole=[8,20,40,60,80]"
    )


def test_branches_must_be_of_the_grid():
    where = "branches.reheat.where={optim.beta2:[0.5]}"
    assert "where optim.beta2 = 0.5 is not in the grid" in refusal("beta2", "smoke", f"'{where}'")
    assert "warmup = 40 must end before" in refusal("beta2", "smoke", "branches.reheat.warmup=40")


def test_a_single_run_has_no_branches():
    alone = load_study("beta2", "smoke", axes={})
    assert alone.branches == {}
    assert "04_reheat" not in [stage.name for stage in alone.stages]


def test_stages_of_its_own_need_not_be_those_that_a_profile_of_the_base_speaks_of(tmp_path):
    file = tmp_path / "two.yaml"
    stages = "stages: {01_train: {}, 02_pca: {needs: [01_train]}}\n"
    file.write_text(f"study: two\nbase: beta2\naxes: {{seed: [1]}}\n{stages}")
    assert [stage.name for stage in load_study(str(file), "smoke").stages] == ["01_train", "02_pca"]
    file.write_text(f"{file.read_text()}profiles: {{smoke: {{time_scale: 50, stages: {{03_fisher: {{}}}}}}}}\n")
    assert "profiles: stage 03_fisher is unknown" in refusal(str(file), "smoke")


def test_stages_of_its_own_have_the_notebooks_of_the_study_that_it_is_laid_over(tmp_path):
    text = "study: own\nbase: {}\naxes: {{seed: [0]}}\nstages: {{01_train: {{}}, {}: {{needs: [01_train]}}}}\n"

    def notebooks(base, second):
        study = load_study(user_study(tmp_path, text.format(base, second)), "smoke")
        return [str(stage.notebook.relative_to(ROOT / "notebooks")) for stage in study.stages]

    assert notebooks("grokking", "02_path") == ["grokking/01_train.py", "grokking/02_path.py"]
    assert notebooks("beta2", "02_pca") == ["01_train.py", "02_pca.py"]
    assert notebooks("grokking", "02_pca") == ["grokking/01_train.py", "02_pca.py"]  # the shared one


def test_settings_of_branches_and_stages_are_no_part_of_any_run():
    plain = [run_hash(run.params) for run in load_study("beta2", "smoke").runs]
    text = (
        "branches.reheat.vary='{optim.lr: [2e-3, 1e-4]}' branches.reheat.steps=20 stages.05_interference.batches=8"
    )
    other = [run_hash(run.params) for run in load_study("beta2", "smoke", text).runs]
    assert plain == other


@pytest.fixture
def parent(paper, tmp_path):
    """The folder of a run whose whole snapshot at step 2000 is there."""
    (tmp_path / "params.yaml").write_text(dump_params(paper))
    write_snapshot(tmp_path, 2000, {"w": torch.zeros(2)}, run_hash(paper), ["w"])
    return tmp_path


def test_a_reheat_is_the_parent_with_a_short_schedule(paper, parent):
    reheat = load_study("beta2", "paper").branches["reheat"]
    assert [point["optim.lr"] for point in reheat.points()] == [1e-3, 6e-4, 3e-4]
    p = branch_params(parent, 2000, branch_changes(reheat, {"optim.lr": 6e-4}))
    s, t = p.schedule, p.task
    assert (p.optim.lr, s.steps, s.warmup, t.lambda_probe, t.lambda_probe2) == (6e-4, 2000, 200, 4.0, None)
    assert (p.model, p.task.probe, p.batch, p.task.corpus) == (
        paper.model,
        paper.task.probe,
        paper.batch,
        paper.task.corpus,
    )
    assert p.start.step == 2000
    assert snapshot_steps(p) == [0, 1, *range(200, 2001, 200)]
    one_process = {"batch.accumulate": 1, "task.probe.p": 0.10}
    one = branch_params(parent, 2000, branch_changes(reheat, {"optim.lr": 6e-4}) | one_process)
    assert (one.batch.accumulate, one.task.probe.p, one.task.lambda_probe) == (1, 0.10, 4.0)


def test_a_branch_starts_where_there_is_a_whole_snapshot(parent):
    with pytest.raises(BadInput, match=r"has no whole-model snapshot at step 1000; it has them at \[400, 1000"):
        branch_params(parent, 1000, {})
    with pytest.raises(BadInput, match="has no whole-model snapshot at step 13"):
        branch_params(parent, 13, {})


def test_branches_of_a_lone_run_scale_with_it(smoke):
    reheat = scaled_branches("beta2", Fraction(smoke.time_scale))
    assert (reheat.steps, reheat.warmup, reheat.snapshots) == (40, 4, [40, 80])


def test_a_grid_of_ones_own_over_any_parameter(tmp_path):
    axes = "axes:\n  task.probe.p: [0.1, 0.5]\n  model.layers: [1, 2]\n"
    text = f"study: mine\n{axes}set: {{optim: {{lr: 6e-4}}, seed: 7}}\n"
    runs = load_study(user_study(tmp_path, text), "smoke").runs
    assert [(r.params.task.probe.p, r.params.model.layers) for r in runs] == [
        (0.1, 1),
        (0.1, 2),
        (0.5, 1),
        (0.5, 2),
    ]
    assert {(r.params.optim.lr, r.params.seed) for r in runs} == {(6e-4, 7)}
    assert runs[1].name == "pilot_wd0.5_lr0.0006_lp2.0_b20.95_s7_task.probe.p0.1_model.layers2"
    assert len({run_hash(r.params) for r in runs}) == 4


def test_names_of_runs_are_plain_words_for_make_and_shell(tmp_path):
    text = (
        "study: mine\naxes:\n  task.probe.gap_in: [[2, 8], [3, 8]]\n  task.corpus.path: ['a b/c.txt', '$(x)=*:']\n"
    )
    names = [run.name for run in load_study(user_study(tmp_path, text), "smoke").runs]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[\w.+-]+", name) for name in names)
    assert names[0].endswith("_task.probe.gap_in-2-8_task.corpus.patha-b-c.txt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("study: mine\naxes: {optim.beta: [0.9]}\n", "unknown parameter optim.beta (did you mean optim.beta2?)"),
        ("study: mine\naxes: {optim.momentum: [0.9]}\nset: {optim.beta: 1}\n", "unknown parameter optim.beta "),
        ("study: mine\naxes: {optim.beta2: []}\n", "axes.optim.beta2"),
        ("study: mine\naxes: {optim.beta2: [0.9, 0.9]}\n", "an axis repeats a value"),
        ("study: mine\naxes: {optim.beta2: [0.9, 1.5]}\n", "optim.beta2 = 1.5"),
        ("study: a/b\naxes: {seed: [1]}\n", "study = 'a/b'"),
        ("axes: {seed: [1]}\n", "the key study is missing"),
        ("study: mine\naxis: {seed: [1]}\n", "unknown key axis (did you mean axes?)"),
        ("study: mine\naxes: {seed: [1]}\nset: {sed: 3}\n", "unknown parameter sed (did you mean seed?)"),
    ],
)
def test_wrong_grids_are_refused(text, expected, tmp_path):
    assert expected in refusal(user_study(tmp_path, text), "smoke")


def test_flatten_and_unflatten_are_inverse():
    nested = {"a": {"b": {"c": 1}, "d": [1, {"e": 2}]}, "f": None, "start": {"snapshot": "x"}}
    assert unflatten(flatten(nested)) == nested
    assert flatten({"optim": {"lr": 1}, "optim.beta2": 2}) == {"optim.lr": 1, "optim.beta2": 2}


def test_a_misspelt_parameter_of_a_studys_own_is_refused_and_not_left_out(tmp_path):
    text = "study: mine\naxes: {seed: [1]}\n" + parameters_of_the_main_study().replace("eps:", "esp:")
    assert "unknown key optim.esp (did you mean optim.eps?)" in refusal(user_study(tmp_path, text), "own")


def parameters_of_the_main_study():
    text = (PARAMS_FOLDER / "beta2.yaml").read_text()
    return text[text.index("params:") : text.index("profiles:")] + "profiles: {own: {time_scale: 1}}\n"


def test_axes_of_another_optimizer_are_left_out_and_named():
    study = load_study("beta2", "smoke", "optim.name=sgd optim.lr=0.1")
    assert study.altered == {"optim.beta2": "is left out: nothing here has that parameter"}
    (run,) = study.runs
    assert (run.params.optim.name, run.params.optim.weight_decay) == ("sgd", 0.5)
    assert (run.name, run.point) == ("pilot_wd0.5_lr0.1_lp2.0_s42", {})


@pytest.mark.parametrize("profile", ["smoke", "laptop"])
def test_the_corrected_profiles_ask_in_story_text_and_as_executed_by_one_override(profile):
    assert load_study("beta2", profile).runs[0].params.task.probe.filler == "story"
    executed = load_study("beta2", profile, "task.probe.filler=random").runs[0].params.task
    assert (executed.probe.filler, executed.variant, executed.pad_targets) == ("random", "corrected", "ignore")


def test_a_branch_can_restore_a_memory_only_where_one_is_kept(tmp_path):
    """By what all of its branches set, by what they vary, and by one of its arms."""
    file = tmp_path / "memory.yaml"
    ways = ("set: {start.state: true}", "vary: {start.state: [false, true]}", "arms: {kept: {start.state: true}}")
    for way, kept in itertools.product(ways, ("[8]", "[4, 8]")):
        file.write_text(
            "study: memory\naxes: {seed: [1]}\nset: {snapshots.whole: [4, 8, 80], snapshots.state: " + kept + "}\n"
            'stages: {01_train: {}}\nbranches: {again: {name: "x_{step}_{state}", snapshots: [200], steps: 400, '
            "warmup: 50, eval_every: 50, " + way + "}}\n"
        )
        if kept == "[8]":
            with pytest.raises(BadInput, match="restores the optimizer's memory at step 4, which is not in"):
                load_study(str(file), "smoke")
        else:
            assert load_study(str(file), "smoke").branches["again"].snapshots == [4]
