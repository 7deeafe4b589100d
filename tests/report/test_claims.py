import json

import numpy as np
import pytest

from lib.params.run import validate
from lib.params.study import load_study
from lib.report.claims import judge
from lib.report.claims_file import Claim
from lib.report.numbers import counts
from lib.report.reader import collect
from lib.report.summary import verdicts_of, write_summary
from lib.report.verdicts import ABSENT, EXCLUDED, HOLDS, OPEN, VERDICTS
from tests.study_folder import smoke_study, write, write_reheat, write_study

FALLING = {0.99: 72.0, 0.95: 71.0, 0.90: 68.0, 0.80: 64.0}


@pytest.fixture(scope="module")
def study():
    return smoke_study()


def claim(test, smallest=1.0, spread=0.3, **more):
    if all(part["kind"] == "within" for part in test.get("tests", [test])):
        smallest = 0.0  # a range has none
    data = {
        "id": "a-claim",
        "claim": "Something is so.",
        "source": "somewhere",
        "test": test,
        "effect": {"smallest": smallest, "spread": spread, "why": "because"},
        "prose": {"holds": "It is", "excluded": "It is not", "absent": "Nothing is", "open": "Who knows"},
    }
    return validate(Claim, data | more, "test")


def verdict(results, test, smallest=1.0, spread=0.3, /, **more):
    return judge([claim(test, smallest, spread, **more)], results)[0]


def monotone(direction, quantity="G2.pc1", part="observed"):
    return {"kind": "monotone", "quantity": quantity, "part": part, "direction": direction}


def within(**bounds):
    return {"kind": "within", "quantity": "G2.pc1"} | bounds


def exceeds(**more):
    return {"kind": "exceeds", "quantity": "G2.pc1"} | more


def several(*tests):
    return {"kind": "all", "tests": list(tests)}


DECLARED = "; one seed, its error taken as 0.3"
RELATIVE = {"spread": 0.1, "relative": True, "why": "because"}


class TestMonotone:
    """A straight line over log(1 - beta2): of FALLING its change from 0.99 to 0.80 is -7.2 by hand."""

    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    def test_holds_and_is_excluded_by_direction(self, results):
        assert verdict(results, monotone("falls")).verdict == HOLDS
        found = verdict(results, monotone("rises"))
        assert found.verdict == EXCLUDED and found.why.endswith("; reversed")

    def test_where_the_opposite_is_clear_its_sentence_says_that(self, results):
        words = {"holds": "up", "excluded": "not up", "absent": "level", "open": "who knows", "reversed": "down"}
        assert verdict(results, monotone("rises"), prose=words).headline == "down"
        assert verdict(results, monotone("falls"), prose=words).headline.startswith("up")
        assert verdict(results, monotone("rises")).headline == "It is not"

    def test_of_a_factor_the_opposite_is_below_equality(self, results):
        """A tenth more is asked of 64 beside 57, and of 64 beside 64: one is lower, the other not more."""
        asked = {"kind": "compare", "quantity": "G2.pc1", "factor": 1.1}
        lower = verdict(results, asked | {"larger_at": 0.99, "smaller_at": 0.8}, 0.0)
        other = verdict(results, asked | {"larger_at": 0.8, "smaller_at": 0.99}, 0.0)
        level = verdict(results, asked | {"larger_at": 0.8, "smaller_at": 0.8}, 0.0)
        assert (lower.verdict, other.verdict, level.verdict) == (HOLDS, EXCLUDED, EXCLUDED)
        assert (lower.reversed, other.reversed, level.reversed) == (False, True, False)

    def test_the_change_is_that_of_least_squares(self, results):
        x = np.log(1 - np.array(list(FALLING)))
        slope = np.polyfit(x, list(FALLING.values()), 1)[0]
        why = verdict(results, monotone("falls")).why
        assert f"a change of {slope * (x[-1] - x[0]):+.1f} ± 0.6, -1 or beyond asked" in why

    def test_below_the_smallest_of_interest_it_is_absent(self, results):
        found = verdict(results, monotone("falls"), 9.0)
        assert found.verdict == ABSENT
        assert found.sentence == "Nothing is, to within what is of interest (a change of -7.5 ± 0.6)."

    def test_with_a_spread_as_large_nothing_is_said(self, results):
        assert verdict(results, monotone("falls"), 5.0, 4.0).verdict == OPEN

    def test_a_step_back_is_within_the_line(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1={**FALLING, 0.95: 72.5}))
        assert verdict(results, monotone("falls")).verdict == HOLDS

    def test_the_run_that_diverged_is_not_part_of_it(self, results):
        assert [f.level for f in verdict(results, monotone("falls")).figures] == [0.99, 0.95, 0.90, 0.80]

    def test_a_missing_run_leaves_it_open(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1=FALLING, skip=(0.90,)))
        found = verdict(results, monotone("falls"))
        assert (found.verdict, found.tested) == (OPEN, False)
        assert found.why == "no data: G2.pc1 at beta2 = 0.90, missing"
        assert found.headline == "This could not be tested: something is so"

    def test_too_few_values_leave_it_open(self, tmp_path):
        two = load_study("beta2", "smoke", axes={"optim.beta2": [0.95, 0.80]})
        found = verdict(collect(two, write_study(tmp_path, two)), monotone("falls"))
        assert found.verdict == OPEN and not found.tested

    def test_a_relative_size_is_of_the_values(self, results):
        relative = {"smallest": 0.2, "spread": 0.001, "relative": True, "why": "because"}
        assert verdict(results, monotone("falls"), effect=relative).verdict == ABSENT

    def test_the_error_of_what_is_sampled_counts(self, results):
        """Weights of a line over four levels, each with an error of 0.01."""
        x = np.log(1 - np.array(list(FALLING)))
        half = 1.96 * 0.01 * (x[-1] - x[0]) / np.sqrt(np.sum((x - x.mean()) ** 2))
        found = verdict(results, monotone("rises", quantity="I.mean.1600"), 0.0, 0.0)
        assert found.verdict == OPEN and f"± {half:.3f}" in found.why


class TestLevels:
    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    def test_a_range_at_every_value(self, results):
        assert verdict(results, within(low=60.0, high=80.0)).verdict == HOLDS
        assert verdict(results, within(low=66.0)).verdict == EXCLUDED
        assert verdict(results, within(low=64.0)).verdict == OPEN

    def test_at_the_values_listed(self, results):
        found = verdict(results, within(low=66.0, at=[0.95]))
        assert found.verdict == HOLDS
        assert found.why == f"71.0 at 0.95, above 66 asked{DECLARED}"

    def test_more_than_nothing_by_what_is_of_interest(self, results):
        assert verdict(results, exceeds(than=60.0)).verdict == HOLDS
        assert verdict(results, exceeds(than=60.0), 9.0).verdict == EXCLUDED  # 4 at one level, 12 at another
        found = verdict(results, exceeds(than=60.0, at=[0.8]), 9.0)
        assert (found.verdict, found.why) == (ABSENT, f"64.0 at 0.80, above 60 by 9 or more asked{DECLARED}")

    def test_an_exception_is_named(self, results):
        assert verdict(results, exceeds(than=66.0)).why.endswith("; reversed at 0.80")
        assert verdict(results, exceeds(than=63.8), 2.0, 0.1).why.endswith("; excluded at 0.80")

    def test_one_clear_exception_refutes_even_with_data_missing(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1=FALLING, skip=(0.99,)))
        assert verdict(results, within(low=66.0)).verdict == EXCLUDED
        assert verdict(results, within(low=10.0)).verdict == OPEN

    def test_a_beta2_that_diverged_is_no_data(self, results):
        found = verdict(results, within(low=0.0, at=[0.0]))
        assert found.why == "no data: G2.pc1 at beta2 = 0.0, diverged at step 150"

    def test_what_is_shown_beside_it_decides_nothing(self, results):
        found = verdict(results, within(low=60.0), also=[{"quantity": "G2.pc1", "part": "null"}])
        assert found.verdict == HOLDS
        assert found.why.endswith("; null 51.2 to 57.6")


class TestOthers:
    @pytest.fixture
    def folder(self, study, tmp_path):
        return write_study(tmp_path, study)

    def test_contrast_within_each_run(self, study, folder):
        test = {"kind": "contrast", "larger": {"quantity": "U2.mean_abs"}, "smaller": {"quantity": "A.v_b.1600"}}
        results = collect(study, folder)
        assert verdict(results, {**test, "factor": 10.0}, 0.02, 0.02).verdict == HOLDS
        assert verdict(results, {**test, "factor": 250.0}, 0.02, 0.02).verdict == OPEN  # the error is that large
        assert verdict(results, {**test, "factor": 10.0}, 0.5, 0.02).verdict == ABSENT

    @pytest.mark.parametrize(("low", "expected"), [(0.0, HOLDS), (0.29, OPEN), (0.75, EXCLUDED)])
    def test_compare_two_values(self, study, folder, low, expected):
        write_reheat(folder, study, 0.95, 0.3)
        write_reheat(folder, study, 0.80, low)
        test = {"kind": "compare", "quantity": "reheat.gain.4000", "larger_at": 0.95, "smaller_at": 0.80}
        assert verdict(collect(study, folder), test, 0.01, 0.01).verdict == expected

    def test_diverges(self, study, folder):
        results = collect(study, folder)
        assert verdict(results, {"kind": "diverges", "at": 0.0}).verdict == HOLDS
        assert verdict(results, {"kind": "diverges", "at": 0.95}).verdict == EXCLUDED
        assert verdict(results, {"kind": "diverges", "at": 0.5}).why == "0.50 is not in the grid"

    def test_diverges_is_open_while_runs_are_missing(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, skip=(0.99,)))
        assert verdict(results, {"kind": "diverges", "at": 0.0}).verdict == OPEN

    def test_all_is_excluded_with_any_and_holds_with_all(self, study, folder):
        results = collect(study, folder)
        good, bad, close = within(low=10.0), within(low=90.0), within(low=69.9)
        for tests, expected in (([good, good], HOLDS), ([good, bad], EXCLUDED), ([good, close], OPEN)):
            assert verdict(results, several(*tests)).verdict == expected


class TestSeeds:
    """Two levels whose runs go up and down together: their difference is known better than they are."""

    SHIFTS = (0.0, 6.0, -7.0)

    @pytest.fixture
    def results(self, tmp_path):
        three = load_study("beta2", "smoke", "seeds=3")
        folder = write_study(tmp_path, three, pc1=FALLING)
        for run in three.runs:
            path = folder / run.name / "analysis" / "backbone.json"
            found = json.loads(path.read_text())
            if found["observed"]["G2.pc1"] is not None:
                found["observed"]["G2.pc1"] += self.SHIFTS[run.params.seed - 42]
            write(path, found)
        return collect(three, folder)

    def test_a_difference_is_taken_seed_by_seed(self, results):
        test = {"kind": "compare", "quantity": "G2.pc1", "larger_at": 0.99, "smaller_at": 0.8}
        found = verdict(results, test)
        assert (
            found.verdict == HOLDS and found.p == 0
        )  # 8 at every seed; the means have intervals of 16 to each side
        assert found.figures[0].error == pytest.approx(4.3027 * 6.5064 / 3**0.5, rel=1e-3)
        assert found.figures[0].by_seed == pytest.approx({42: 72.0, 43: 78.0, 44: 65.0})

    def test_a_value_must_leave_its_interval(self, results):
        assert verdict(results, within(low=40.0)).verdict == HOLDS
        assert verdict(results, within(low=58.0)).verdict == OPEN

    def test_the_trend_is_one_of_seeds(self, results):
        assert verdict(results, monotone("falls")).verdict == HOLDS

    def test_several_seeds_do_not_need_what_was_declared(self, results):
        test = {"kind": "compare", "quantity": "G2.pc1", "larger_at": 0.99, "smaller_at": 0.8}
        assert verdict(results, test, 1.0, 100.0).verdict == HOLDS


class TestPrimary:
    """Holm's method: the weaker of two that stand alone falls where both are primary."""

    def judged(self, results, spreads, primary):
        claims = [
            claim(exceeds(than=60.0, at=[0.8]), 1.0, s, id=f"c{'x' * i}", primary=primary) for i, s in spreads
        ]
        return [v.verdict for v in judge(claims, results)]

    def test_together_they_need_more(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1=FALLING))  # 4 above 60
        spreads = [(1, 1.9), (2, 1.9), (3, 0.5)]  # p = 0.018, 0.018 and tiny
        assert self.judged(results, spreads, False) == [HOLDS, HOLDS, HOLDS]
        assert self.judged(results, spreads, True) == [OPEN, OPEN, HOLDS]
        assert self.judged(results, [(1, 1.9), (3, 0.5)], True) == [HOLDS, HOLDS]

    def test_what_fell_says_so(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1=FALLING))
        claims = [claim(exceeds(than=60.0, at=[0.8]), 1.0, 1.9, id=i, primary=True) for i in ("a", "b")]
        assert "holds by itself, at p = 0.0176, and not as one of 2" in judge(claims, results)[0].why


class TestNull:
    """The same test on the null with memory, whose G2.pc1 is 0.92 of what is observed in these folders."""

    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    @pytest.mark.parametrize(
        ("test", "run", "null"),
        [
            (within(low=20.0), HOLDS, HOLDS),
            (within(low=61.0), HOLDS, EXCLUDED),
            (exceeds(part="excess"), HOLDS, HOLDS),  # 0.92 - 0.8 of it
            (exceeds(part="excess", than=10.0), HOLDS, EXCLUDED),
            (exceeds(part="beyond-memory"), HOLDS, ""),
            (within(low=0.0, quantity="val.final"), HOLDS, ""),
            (monotone("falls"), HOLDS, HOLDS),
            ({"kind": "diverges", "at": 0.0}, HOLDS, ""),
            ({"kind": "compare", "quantity": "G2.pc1", "larger_at": 0.99, "smaller_at": 0.8}, HOLDS, HOLDS),
        ],
    )
    def test_has_its_own_verdict(self, results, test, run, null):
        found = verdict(results, test)
        assert (found.verdict, found.null) == (run, null)
        assert ("noise with memory passes" in found.sentence) == (run == null == HOLDS)

    def test_both_sides_of_a_contrast_are_the_nulls_or_neither(self, results):
        test = {"kind": "contrast", "factor": 2.0, "smaller": {"quantity": "U0.mean_abs"}}
        geometric = verdict(results, test | {"larger": {"quantity": "U2.mean_abs"}}, 0.02, 0.01)
        mixed = verdict(results, test | {"larger": {"quantity": "I.mean.1600"}}, 0.02, 0.01)
        assert (geometric.null, mixed.null) == (HOLDS, "")

    def test_all_of_several_tests_are_the_nulls_or_none(self, results):
        tests = [within(low=20.0), within(low=61.0)]
        assert verdict(results, several(*tests)).null == EXCLUDED
        tests = [within(low=20.0), within(low=0.0, quantity="val.final")]
        assert verdict(results, several(*tests)).null == ""

    def test_a_run_without_a_ladder_has_none(self, study, tmp_path, results):
        for path in tmp_path.rglob("backbone.json"):
            found = json.loads(path.read_text())
            del found["rungs"]
            path.write_text(json.dumps(found))
        assert verdict(collect(study, tmp_path), within(low=20.0)).null == ""

    def test_claims_of_ours_are_counted_apart(self, results):
        of_them, of_us = (judge([claim(within(low=20.0), ours=ours)], results)[0] for ours in (False, True))
        found = counts([of_them, of_them, of_us])
        assert [found[name] for name in ("Claims", "Holds", "HoldsForNull", "OwnClaims", "OwnHolds")] == list(
            "22211"
        )


class TestFile:
    def test_every_claim_gets_a_verdict_from_data(self, study, tmp_path):
        folder = write_study(tmp_path, study)
        for beta2 in (0.95, 0.80):
            write_reheat(folder, study, beta2, 0.3)
        verdicts = verdicts_of(collect(study, folder))
        assert len(verdicts) >= 15
        assert all(v.verdict in VERDICTS and v.why for v in verdicts)

    def test_every_claim_survives_an_empty_folder(self, study, tmp_path):
        verdicts = verdicts_of(collect(study, tmp_path))
        assert {v.verdict for v in verdicts} == {OPEN}
        assert not any(v.tested for v in verdicts)

    def test_the_record_has_the_figures(self, study, tmp_path):
        folder = write_study(tmp_path, study, pc1=FALLING)
        path = write_summary(collect(study, folder))["claims.json"]
        data = json.loads(path.read_text())
        found = next(c for c in data["claims"] if c["id"] == "backbone-degrades")
        assert [f["value"] for f in found["figures"]] == list(FALLING.values())
        assert data["profile"] == "smoke"
        assert data["order"] == [0.99, 0.95, 0.90, 0.80]
