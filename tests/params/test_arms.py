"""Arms: named sets of parameters in published units, a time scale of their own among them."""

from fractions import Fraction

import pytest

from lib.params.cadence import snapshot_steps
from lib.params.dotted import flatten
from lib.params.origin import origins
from lib.params.run import run_hash
from lib.params.study import load_study
from tests.params.test_study import refusal, user_study

ARMS = """\
study: mine
stages: {01_train: {}}
arms:
  base: {}
  plain: {optim: {name: sgd, momentum: 0.8}, optim.lr: 0.1}
  late: {schedule.warmup: 2000, optim.weight_decay: 0.1}
  half: {time_scale: 2, schedule.warmup: 1000}
profiles:
  own:
    {time_scale: 5, seeds: 2, set: {schedule.warmup: 7}, arms: {late: {optim.lr: 5e-4}}, only: [half, base, late]}
"""


def by_arm(study):
    return {run.point["arm"]: run for run in study.runs}


def differing(run, base):
    theirs = flatten(base.params.model_dump(mode="json"))
    return {
        name: value for name, value in flatten(run.params.model_dump(mode="json")).items() if theirs[name] != value
    }


def test_an_arm_differs_from_the_base_in_what_it_sets(tmp_path):
    found = by_arm(load_study(user_study(tmp_path, ARMS), "paper"))
    assert list(found) == ["base", "plain", "late", "half"]
    assert differing(found["late"], found["base"]) == {"schedule.warmup": 2000, "optim.weight_decay": 0.1}
    o = found["plain"].params.optim
    assert (o.name, o.momentum, o.lr, o.weight_decay) == ("sgd", 0.8, 0.1, 0.5)
    assert found["half"].params.time_scale == "2"


def test_its_steps_shrink_with_the_scale_and_a_profile_adds_as_written(tmp_path):
    study = load_study(user_study(tmp_path, ARMS), "own")
    assert [run.point for run in study.runs] == [
        {"arm": arm, "seed": seed} for arm in ("base", "late", "half") for seed in (42, 43)
    ]
    found = by_arm(study)
    assert found["base"].params.schedule.warmup == 7  # of the profile, and no arm's
    assert differing(found["late"], found["base"]) == {
        "schedule.warmup": 400,
        "optim.weight_decay": 0.1,
        "optim.lr": 5e-4,
    }
    half, base = found["half"].params, found["base"].params
    assert (half.schedule.steps, half.schedule.warmup, half.time_scale) == (400, 100, "10")
    # the same protocol: every step that is published is divided by twice the scale
    assert snapshot_steps(half)[2:] == [step // 2 for step in snapshot_steps(base)[2:]]


def test_steps_that_a_profile_writes_need_not_be_whole_before(tmp_path):
    text = ARMS.replace("schedule.warmup: 2000", "schedule.warmup: 2001")
    assert "2001" in refusal(user_study(tmp_path, text), "own")
    written = user_study(tmp_path, text.replace("optim.lr: 5e-4", "schedule.warmup: 9"))
    assert by_arm(load_study(written, "own"))["late"].params.schedule.warmup == 9


def test_names_are_the_patterns_or_say_the_arm(tmp_path):
    path = user_study(tmp_path, ARMS)
    assert load_study(path, "paper").runs[2].name.endswith("_s42_armlate")
    named = user_study(tmp_path, ARMS + 'run_name: "{arm}_s{seed}"\n')
    assert [run.name for run in load_study(named, "paper").runs] == [
        "base_s42",
        "plain_s42",
        "late_s42",
        "half_s42",
    ]


def test_a_name_changes_no_run_and_an_axis_multiplies_them(tmp_path):
    runs = load_study(user_study(tmp_path, ARMS), "paper").runs
    text = "study: mine\nstages: {01_train: {}}\narms: {other: {}}\naxes: {optim.beta2: [0.95, 0.9]}\n"
    other = load_study(user_study(tmp_path, text), "paper").runs
    assert run_hash(other[0].params) == run_hash(runs[0].params)
    assert [run.point for run in other] == [{"arm": "other", "optim.beta2": b} for b in (0.95, 0.9)]
    assert len(load_study(user_study(tmp_path, ARMS), "paper", axes={}).runs) == 1  # one run is one run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study: mine\n", "the key axes is missing, and so is arms"),
        (
            ARMS.replace("late: {opt", "lat: {opt"),
            "arm lat is unknown; there are base, plain, late, half (did",
        ),
        (
            ARMS.replace("optim.weight_decay", "optim.wait_decay"),
            "unknown parameter optim.wait_decay (did you",
        ),
        (ARMS.replace("half:", "Half!:"), "Half!"),
        (ARMS.replace("only: [half", "only: [halv"), "arm halv is unknown; there are base, plain, late, half (did"),
        (ARMS.replace("arms: {late: {optim.lr: 5e-4}}", "arms: {late: null}"), "profiles.own.arms.late"),
        (ARMS + "axes: {optim.weight_decay: [0.5]}\n", "optim.weight_decay is in axes and in the arm late"),
        (ARMS.replace("time_scale: 2,", "time_scale: 3,"), "not a whole number of steps at time_scale 15"),
        (
            ARMS.replace("time_scale: 2,", "time_scale: fast,"),
            "time_scale = 'fast': expected a number like",
        ),
        (ARMS.replace("{optim.lr: 5e-4}", "{time_scale: 4}"), "arm late has a time_scale; it goes into"),
        (
            ARMS.replace("{01_train: {}}", "{03_fisher: {parameters: {steps: [400]}}}"),
            "arms with a time_scale",
        ),
    ],
)
def test_wrong_arms_are_refused(text, said, tmp_path):
    assert said in refusal(user_study(tmp_path, text), "own" if "own" in text else "paper")


LIKE = """\
study: mine
stages: {01_train: {}}
arms:
  late: {schedule.warmup: 2000, optim: {weight_decay: 0.1}}
  later: {like: late, schedule: {warmup: 3000}}
  latest: {optim.lr: 5e-4, like: later}
  base: {}
profiles:
  own:
    {time_scale: 5, set: {seed: 7, model.width: 256}, seeds: 3, only: [latest, late],
     arms: {late: {optim.eps: 1e-6}}}
  narrow: {like: own, seeds: 2, set: {model: {width: 128}}}
  all: {like: narrow, time_scale: 10, only: []}
"""


def test_an_arm_like_another_has_what_that_one_has_and_its_own_in_place_of_it(tmp_path):
    study = load_study(user_study(tmp_path, LIKE), "paper")
    found = by_arm(study)
    assert differing(found["later"], found["base"]) == {"schedule.warmup": 3000, "optim.weight_decay": 0.1}
    assert differing(found["latest"], found["later"]) == {"optim.lr": 5e-4}


def test_an_arm_with_another_optimizer_has_what_it_says_and_not_what_the_first_alone_has(tmp_path):
    text = LIKE.replace(
        "  base: {}", "  base: {optim: {name: muon, momentum: 0.8}}\n  plain: {like: base, optim.name: adamw}"
    )
    plain = by_arm(load_study(user_study(tmp_path, text), "paper"))["plain"].params.optim
    assert (plain.name, plain.lr) == ("adamw", 1e-3)
    mistaken = text.replace("optim.name: adamw", "optim.name: adamw, optim.polar: svd")
    assert "optim.polar" in refusal(user_study(tmp_path, mistaken), "paper")


def test_a_profile_like_another_has_what_it_does_not_say_itself(tmp_path):
    path = user_study(tmp_path, LIKE)
    own, narrow, every = (load_study(path, name) for name in ("own", "narrow", "all"))
    assert [run.point["seed"] for run in own.runs] == [7, 8, 9] * 2
    # what a profile gives to an arm goes to no arm that is like it
    assert {name: run.params.optim.eps for name, run in by_arm(own).items()} == {"late": 1e-6, "latest": 1e-8}
    assert [run.point["seed"] for run in narrow.runs] == [7, 8] * 2
    assert [study.runs[0].params.model.width for study in (own, narrow, every)] == [256, 128, 128]
    assert (narrow.time_scale, every.time_scale) == (5, 10)
    assert list(by_arm(every)) == ["late", "later", "latest", "base"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "like: later",
            "like: latr",
            "arms.latest: like: arm latr is unknown; there are late, later, latest, base",
        ),
        ("like: late,", "like: latest,", "arms.later: like leads back to it, by later and latest"),
        ("like: late,", "like: [late],", "is unknown"),
        ("like: own", "like: owm", "narrow is like owm, which is no profile of this file; there are own, narrow"),
        ("like: own", "like: all", "like"),
        ("own:\n    {time_scale: 5, ", "own:\n    {", "the key time_scale of own is missing"),
        ("late: {optim.eps", "latest: {like: late, optim.eps", "arms.latest: unknown parameter like"),
        ("only: [latest, late]", "only: [latest]", "of late, which is not in only"),
        ("  base: {}", "  base: {like: latter}", "arms.base: like: arm latter is unknown"),
        ("  base: {}", "  base: {optim.lrr: 1}", "arms.base: unknown parameter optim.lrr (did you mean optim.lr?)"),
    ],
)
def test_what_is_like_nothing_or_itself_is_refused(old, new, said, tmp_path):
    assert LIKE.replace(old, new) != LIKE
    assert said in refusal(user_study(tmp_path, LIKE.replace(old, new)), "own")


def test_the_command_line_counts_before_an_arm_unless_two_would_be_one_run(tmp_path):
    path = user_study(tmp_path, ARMS)
    found = by_arm(load_study(path, "own", "optim.weight_decay=0.2"))
    assert {run.params.optim.weight_decay for run in found.values()} == {0.2}
    late = {o.name: (o.source, o.instead) for o in origins(found["late"])}
    assert late["optim.weight_decay"] == ("SET", "0.1 (arms.late)")
    assert {run.params.optim.eps for run in load_study(path, "own", "optim.eps=1e-6").runs} == {1e-6}
    alike = user_study(tmp_path, LIKE)
    assert [run.params.optim.eps for run in load_study(alike, "own", "optim.eps=1e-7").runs] == [1e-7] * 6
    said = refusal(alike, "paper", "schedule.warmup=5")
    assert "_armlate and " in said and "_armlater one run, since their arms differ in schedule.warmup alone" in said


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_the_arms_of_the_study_of_robustness(profile):
    study = load_study("robustness", profile)
    found = by_arm(study)
    base = found["base"].params
    assert {run.params.optim.beta2 for run in study.runs} == {0.95}
    assert (profile == "smoke") or [run.params.seed for run in study.runs[:3]] == [42, 43, 44]
    half = found["half"].params
    assert 2 * half.schedule.steps == base.schedule.steps
    # as much decay in all
    assert half.optim.weight_decay * half.schedule.steps == base.optim.weight_decay * base.schedule.steps
    if "matched" in found:
        assert found["matched"].params.optim.weight_decay == 0.5 * float(Fraction(base.time_scale))
    assert found["averaged"].params.snapshots.average == 200 / Fraction(base.time_scale)
    alike = [run_hash(run.params) for run in study.runs]
    assert len(set(alike)) == len(alike)
