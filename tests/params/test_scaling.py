"""A profile's scales: published steps divided exactly, tokens rounded, and another time scale from SET."""

import pytest

from lib.base.errors import BadInput
from lib.params.study import load_study
from tests.params.test_study import refusal, user_study


@pytest.fixture
def with_profile(tmp_path):
    """(study, profile) of a params file like the main study's, with a profile of its own."""

    def make(text):
        axes = "study: mine\naxes: {optim.beta2: [0.95]}\n"
        return user_study(tmp_path, f"{axes}profiles: {{own: {{{text}}}}}\n"), "own"

    return make


def test_token_counts_shrink_with_the_context_scale(with_profile):
    p = load_study(*with_profile("time_scale: 1, context_scale: 3")).runs[0].params
    # the published 256, [5, 30], [80, 200] and [2, 10], rounded
    q = p.task.probe
    assert (p.model.context, q.gap_in, q.gap_ood, q.prefix_eval) == (85, [2, 10], [27, 67], [1, 3])


def test_a_time_scale_that_divides_no_step_count_is_refused(with_profile):
    said = refusal(*with_profile("time_scale: 7"))
    assert "= 4000 published steps is not a whole number of steps at time_scale 7" in said


def test_fractional_time_scales_are_exact(with_profile):
    assert load_study(*with_profile("time_scale: 5/2")).runs[0].params.schedule.steps == 1600


@pytest.mark.parametrize("scale", ["0", "-5", "1/0", "fast", "''"])
def test_scales_that_are_no_positive_number(scale, with_profile):
    assert "expected a number like 5 or 5/2" in refusal(*with_profile(f"time_scale: {scale}"))


def test_set_chooses_another_time_scale():
    """It scales what the profile's would; as a mere label of a run it would call its steps by wrong names."""
    study = load_study("beta2", "laptop", "time_scale=10")
    assert study.time_scale == 10 and study.branches["reheat"].snapshots == [200, 400]
    assert {(run.params.schedule.steps, run.params.time_scale) for run in study.runs} == {(400, "10")}
    assert load_study("beta2", "laptop", "time_scale=10/1 schedule.warmup=30").runs[0].params.schedule.warmup == 30


@pytest.mark.parametrize("value", ["0", "[2]", "fast", "true", ".inf", "null", "-1"])
def test_a_time_scale_that_is_none_is_one_sentence(value):
    with pytest.raises(BadInput, match=r"^SET: time_scale = .*: expected a number like 5 or 5/2$"):
        load_study("beta2", "laptop", f"time_scale={value}")
