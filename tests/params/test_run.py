"""Parameters: YAML read strictly, one clear sentence per fault, names and hashes."""

import functools
import operator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.base.errors import BadInput, nearest
from lib.base.files import content_hash
from lib.base.yaml_text import parse_yaml, read_yaml
from lib.params.branches import fitting
from lib.params.cadence import is_evaluation, snapshot_steps
from lib.params.dotted import flatten
from lib.params.names import name_of, two_decimals
from lib.params.run import (
    Params,
    differences,
    dotted_names,
    dump_params,
    identity,
    load_params,
    run_hash,
    validate,
)
from lib.params.study import load_study
from lib.tasks.stories.params import VARIANTS


def message(function, *arguments, **named):
    with pytest.raises(BadInput) as caught:
        function(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize("text", ["1e-8", "1E-8", "+1e-8", ".1e-7", "10.e-9", "0.00000001"])
def test_numbers_with_an_exponent_are_floats(text):
    assert parse_yaml(f"eps: {text}", "f") == {"eps": pytest.approx(1e-8, rel=1e-12)}


@pytest.mark.parametrize("text", ["e-8", "1e", "v1e-8", "1e-8x", "2000-01e"])
def test_what_only_looks_like_a_number_stays_text(text):
    assert parse_yaml(f"a: {text}", "f") == {"a": text}


def test_a_key_given_twice_is_an_error_at_any_depth():
    assert "the key 'lr' is given twice" in message(parse_yaml, "optim:\n  lr: 1\n  lr: 2\n", "mine.yaml")
    assert "mine.yaml, line 3" in message(parse_yaml, "optim:\n  lr: 1\n  lr: 2\n", "mine.yaml")
    assert "is not text" in message(parse_yaml, "1: 2\n", "mine.yaml")


def test_broken_yaml_names_file_line_and_column():
    assert message(parse_yaml, "a: 1\nb: [1, 2\nc: 3\n", "mine.yaml").startswith("mine.yaml, line 3, column")
    assert "mine.yaml, line 2" in message(parse_yaml, "a: 1\n\tb: 2\n", "mine.yaml")


def test_yaml_runs_nothing():
    assert "mine.yaml" in message(parse_yaml, "a: !!python/object/apply:os.getcwd []", "mine.yaml")


def test_a_params_file_that_is_no_mapping(tmp_path):
    path = tmp_path / "p.yaml"
    assert "there is no such params file" in message(read_yaml, path, "params file")
    for text, kind in [("", "empty"), ("- 1\n", "a list"), ("3\n", "a int")]:
        path.write_text(text)
        assert f"this file is {kind}" in message(read_yaml, path, "params file")
    path.write_bytes(b"a: \xff\n")
    assert "byte 3" in message(read_yaml, path, "params file")


FAULTS = {
    "optim__lr_": (1.0, "unknown key optim.lr_ (did you mean optim.lr?)"),
    "optim__lr": ("fast", "optim.lr = 'fast': input should be a valid number"),
    "optim__beta2": (1.0, "optim.beta2 = 1.0: input should be less than 1"),
    "optim__eps": (float("nan"), "optim.eps = nan"),
    "optim__weight_decay": (float("inf"), "optim.weight_decay = inf"),
    "seed": (True, "seed = True: input should be a valid integer"),
    "model__layers": (2.0, "model.layers = 2.0: input should be a valid integer"),
    "model__heads": (3, "model.heads = 3 does not divide model.width = 32"),
    "schedule__warmup": (80, "schedule.warmup = 80 must end before schedule.steps = 80"),
    "schedule__decay": ("cosine", "schedule.decay = 'cosine': input should be 'clamped', 'affine' or 'constant'"),
    "task__probe__gap_in": ([9, 2], "task.probe.gap_in = [9, 2] must be [smallest, largest]"),
    "task__probe__gap_ood": ([25, 77], "task.probe.gap_ood ends at 77"),
    "snapshots__whole": (
        [8, 41],
        "snapshots.whole names step 41, at which the cadence (eval.every = 4, dense 12..40",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_one_sentence_that_names_the_key(name, smoke, changed):
    value, expected = FAULTS[name]
    assert message(changed, smoke, **{name: value}).startswith(f"test: {expected}")


def test_longest_gap_that_fits(smoke, changed):
    # of the context and the last target, less two sentences of 5 and the longest prefix
    longest = smoke.model.context + 1 - 10 - smoke.task.probe.prefix_eval[1]
    assert changed(smoke, task__probe__gap_ood=[25, longest]).task.probe.gap_ood == [25, longest]
    message(changed, smoke, task__probe__gap_ood=[25, longest + 1])


SWITCHES = flatten({"task": VARIANTS["corrected"]})
UNASKED = ("snapshots.average", "train.watch_every")  # null where nobody asks for them


def test_every_missing_field_is_named(smoke):
    whole = flatten(smoke.model_dump(mode="json"))
    assert set(whole) <= set(dotted_names(Params))
    for name in whole:
        rest = smoke.model_dump(mode="json")
        *sections, leaf = name.split(".")
        del functools.reduce(operator.getitem, sections, rest)[leaf]
        if name in SWITCHES or name in UNASKED:  # the variant sets the former where nobody else does
            assert validate(Params, rest, "f") == smoke
        else:
            assert message(validate, Params, rest, "f").startswith(f"f: the key {name} is missing")


def test_all_faults_are_told_at_once(smoke, changed):
    lines = message(changed, smoke, optim__lr="x", seed=-1).splitlines()
    assert [line.split(" = ")[0] for line in lines] == ["test: seed", "test: optim.lr"]


def test_parameters_cannot_be_changed_in_place(smoke):
    with pytest.raises(ValueError, match="frozen"):
        smoke.optim.lr = 1.0


@pytest.mark.parametrize(
    ("beta2", "text"), [(0.99, "0.99"), (0.95, "0.95"), (0.9, "0.90"), (0.8, "0.80"), (0, "0.0")]
)
def test_run_names_are_the_authors(beta2, text, paper, changed):
    study = load_study("beta2", "paper")
    p = changed(paper, optim__beta2=float(beta2))
    assert name_of(p, study.run_name) == f"pilot_wd0.5_lr0.001_lp2.0_b2{text}_s42"
    assert [run.name for run in study.runs if run.params == p] == [name_of(p, study.run_name)]


def test_finer_beta2_keeps_its_digits():
    assert [two_decimals(b) for b in (0.999, 0.9999, 0.5, 0.123)] == ["0.999", "0.9999", "0.50", "0.123"]


def test_names_of_branches_are_the_authors(smoke, changed):
    pattern = load_study("beta2", "smoke").branches["reheat"].name
    assert name_of(changed(smoke, optim__lr=6e-4), pattern, step=40) == "reheat_ckpt40_lr0.0006"


def test_a_part_of_a_name_whose_parameter_is_not_there_is_left_out():
    (run,) = load_study("beta2", "smoke", "optim.name=sgd optim.lr=0.1").runs
    assert run.name == "pilot_wd0.5_lr0.1_lp2.0_s42"


def test_hash_names_the_content_and_not_the_machine(smoke, changed):
    machine = changed(smoke, machine__device="cuda", machine__compile=True, machine__checkpoint_seconds=9.0)
    assert run_hash(machine) == run_hash(smoke)
    assert differences(identity(smoke), identity(machine)) == []
    for name, value in {"optim__eps": 2e-8, "seed": 43, "train__threads": 2, "task__pad_targets": "count"}.items():
        other = changed(smoke, **{name: value})
        assert run_hash(other) != run_hash(smoke)
        assert differences(identity(smoke), identity(other)) == [name.replace("__", ".")]


def test_hash_ignores_the_order_of_keys():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1}) != content_hash({"a": 1})


@settings(max_examples=50, deadline=None)
@given(
    lr=st.floats(1e-12, 10, allow_subnormal=False),
    beta2=st.floats(0, 1, exclude_max=True),
    eps=st.floats(1e-300, 1),
    seed=st.integers(0, 2**32 - 1),
    path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda2=st.none() | st.floats(0, 1e6),
)
@example(lr=1e-3, beta2=0.0, eps=1e-8, seed=0, path="0E0", lambda2=None)  # text that looks like a number
@example(lr=1.0, beta2=0.5, eps=1.0, seed=1, path="null", lambda2=0.0)
def test_a_dumped_run_loads_as_itself(lr, beta2, eps, seed, path, lambda2, smoke, changed, tmp_path_factory):
    values = {"optim__lr": lr, "optim__beta2": beta2, "optim__eps": eps, "seed": seed, "task__corpus__path": path}
    p = changed(smoke, task__lambda_probe2=lambda2, **values)
    file = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    file.write_text(dump_params(p), encoding="utf-8")
    loaded = load_params(file)
    assert loaded == p
    assert run_hash(loaded) == run_hash(p)


def test_snapshot_steps_hold_ends_evaluations_and_both_cadences(smoke, changed):
    p = changed(
        smoke,
        eval__every=30,
        snapshots__whole=[],
        snapshots__dense_from=10,
        snapshots__dense_to=18,
        snapshots__dense_every=4,
        snapshots__sparse_from=61,
        snapshots__sparse_every=7,
    )
    assert snapshot_steps(p) == [0, 1, 10, 14, 18, 30, 60, 61, 68, 75, 80]
    assert [step for step in range(1, 81) if is_evaluation(step, p)] == [1, 30, 60, 80]


def test_nearest_right_spelling():
    known = ["optim.beta2", "optim.lr", "task.probe.p"]
    assert nearest("optim.beta_2", known) == " (did you mean optim.beta2?)"
    assert nearest("schedule.lr", known) == " (did you mean optim.lr?)"
    assert nearest("colour", known) == ""


def test_metrics_of_the_studys_own_task_are_left_out_with_another():
    """Whoever names another task does not mean them."""
    known = fitting({"train.watch.jacobian": 5, "train.watch.fisher": 5}, {"task.name": "stories"}, keep=set())
    assert known == {"train.watch.fisher": 5}
    assert fitting({"train.watch.jacobi": 5}, {"task.name": "stories"}, keep=set())  # a slip, to be told of
