import json

import pytest

from lib.base.errors import BadInput
from lib.params.run import validate
from lib.params.study import load_study
from lib.report.claims import FAILS, HOLDS, OPEN, judge
from lib.report.claims_file import Claim, load_claims
from lib.report.numbers import counts
from lib.report.reader import collect
from lib.report.summary import verdicts_of, write_summary
from tests.study_folder import smoke_study, write, write_reheat, write_study

FALLING = {0.99: 72.0, 0.95: 71.0, 0.90: 68.0, 0.80: 64.0}


@pytest.fixture(scope="module")
def study():
    return smoke_study()


def claim(test, tolerance=1.0, /, **more):
    data = {
        "id": "a-claim",
        "claim": "Something is so.",
        "source": "somewhere",
        "test": test,
        "tolerance": {"value": tolerance, "why": "because"},
        "prose": {"holds": "It is", "fails": "It is not", "open": "Who knows"},
    }
    return validate(Claim, data | more, "test")


def verdict(results, test, tolerance=1.0, /, **more):
    return judge([claim(test, tolerance, **more)], results)[0]


def monotone(direction, quantity="G2.pc1", part="observed"):
    return {"kind": "monotone", "quantity": quantity, "part": part, "direction": direction}


def within(**bounds):
    return {"kind": "within", "quantity": "G2.pc1"} | bounds


class TestMonotone:
    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    def test_holds_and_fails_by_direction(self, results):
        assert verdict(results, monotone("falls")).verdict == HOLDS
        assert verdict(results, monotone("rises")).verdict == FAILS

    def test_below_the_tolerance_nothing_is_said(self, results):
        found = verdict(results, monotone("falls"), 9.0)
        assert found.verdict == OPEN
        assert found.sentence == "Who knows (72.0, 71.0, 68.0, 64.0: a change of -8.0, 9 needed)."

    def test_a_clear_step_back_refutes(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1={**FALLING, 0.90: 75.0}))
        found = verdict(results, monotone("falls"))
        assert found.verdict == FAILS
        assert "step back" in found.why

    def test_a_step_back_within_the_tolerance_does_not(self, study, tmp_path):
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

    def test_a_relative_tolerance_is_of_the_values(self, results):
        relative = {"value": 0.2, "relative": True, "why": "because"}
        assert verdict(results, monotone("falls"), tolerance=relative).verdict == OPEN

    def test_twice_the_error_of_what_is_sampled_counts(self, results):
        found = verdict(results, monotone("rises", quantity="I.mean.1600"), 0.0)
        assert found.verdict == OPEN
        assert "0.0283 needed" in found.why  # 2 * sqrt(2) * 0.01


class TestWithin:
    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    def test_at_every_value(self, results):
        assert verdict(results, within(low=60.0, high=80.0)).verdict == HOLDS
        assert verdict(results, within(low=66.0)).verdict == FAILS
        assert verdict(results, within(low=63.5)).verdict == OPEN

    def test_at_the_values_listed(self, results):
        found = verdict(results, within(low=66.0, at=[0.95]))
        assert found.verdict == HOLDS
        assert found.why == "71.0 at 0.95, above 66 by 1 needed"

    def test_one_clear_exception_refutes_even_with_data_missing(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, pc1=FALLING, skip=(0.99,)))
        assert verdict(results, within(low=66.0)).verdict == FAILS
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
        assert verdict(results, {**test, "factor": 10.0}, 0.02).verdict == HOLDS
        assert verdict(results, {**test, "factor": 1000.0}, 0.02).verdict == OPEN  # the error is that large
        assert verdict(results, {**test, "factor": 10.0}, 0.5).verdict == OPEN

    @pytest.mark.parametrize(("low", "expected"), [(0.0, HOLDS), (0.29, OPEN), (0.75, FAILS)])
    def test_compare_two_values(self, study, folder, low, expected):
        write_reheat(folder, study, 0.95, 0.3)
        write_reheat(folder, study, 0.80, low)
        test = {"kind": "compare", "quantity": "reheat.gain.4000", "larger_at": 0.95, "smaller_at": 0.80}
        assert verdict(collect(study, folder), test, 0.01).verdict == expected

    def test_diverges(self, study, folder):
        results = collect(study, folder)
        assert verdict(results, {"kind": "diverges", "at": 0.0}).verdict == HOLDS
        assert verdict(results, {"kind": "diverges", "at": 0.95}).verdict == FAILS
        assert verdict(results, {"kind": "diverges", "at": 0.5}).why == "0.50 is not in the grid"

    def test_diverges_is_open_while_runs_are_missing(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study, skip=(0.99,)))
        assert verdict(results, {"kind": "diverges", "at": 0.0}).verdict == OPEN

    def test_all_fails_with_any_and_holds_with_all(self, study, folder):
        results = collect(study, folder)
        good, bad, close = within(low=10.0), within(low=90.0), within(low=69.5)
        for tests, expected in (([good, good], HOLDS), ([good, bad], FAILS), ([good, close], OPEN)):
            assert verdict(results, {"kind": "all", "tests": tests}).verdict == expected


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
        assert found.verdict == HOLDS  # 8 at every seed, where the means have intervals of 16 on either side
        assert found.figures[0].error == pytest.approx(4.3027 * 6.5064 / 3**0.5, rel=1e-3)
        assert found.figures[0].by_seed == pytest.approx({42: 72.0, 43: 78.0, 44: 65.0})

    def test_a_value_must_leave_its_interval(self, results):
        assert verdict(results, within(low=40.0)).verdict == HOLDS
        assert verdict(results, within(low=58.0)).verdict == OPEN

    def test_the_trend_is_one_of_seeds(self, results):
        assert verdict(results, monotone("falls")).verdict == HOLDS


class TestNull:
    """The same test on the null with memory, whose G2.pc1 is 0.92 of what is observed in these folders."""

    @pytest.fixture
    def results(self, study, tmp_path):
        return collect(study, write_study(tmp_path, study, pc1=FALLING))

    @pytest.mark.parametrize(
        ("test", "run", "null"),
        [
            (within(low=20.0), HOLDS, HOLDS),
            (within(low=61.0), HOLDS, FAILS),
            (within(low=0.0, part="excess"), HOLDS, HOLDS),  # 0.92 - 0.8 of it
            (within(low=10.0, part="excess"), HOLDS, FAILS),
            (within(low=0.0, part="beyond-memory"), HOLDS, ""),
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
        geometric = verdict(results, test | {"larger": {"quantity": "U2.mean_abs"}}, 0.02)
        mixed = verdict(results, test | {"larger": {"quantity": "I.mean.1600"}}, 0.02)
        assert (geometric.null, mixed.null) == (HOLDS, "")

    def test_all_of_several_tests_are_the_nulls_or_none(self, results):
        tests = [within(low=20.0), within(low=61.0)]
        assert verdict(results, {"kind": "all", "tests": tests}).null == FAILS
        tests = [within(low=20.0), within(low=0.0, quantity="val.final")]
        assert verdict(results, {"kind": "all", "tests": tests}).null == ""

    def test_a_run_without_a_ladder_has_none(self, study, tmp_path, results):
        for path in tmp_path.rglob("backbone.json"):
            found = json.loads(path.read_text())
            del found["rungs"]
            path.write_text(json.dumps(found))
        assert verdict(collect(study, tmp_path), within(low=20.0)).null == ""

    def test_claims_of_ours_are_counted_apart(self, results):
        of_them, of_us = (judge([claim(within(low=20.0), 1.0, ours=ours)], results)[0] for ours in (False, True))
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
        assert all(v.verdict in (HOLDS, FAILS, OPEN) and v.why for v in verdicts)

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

    def test_a_misspelt_quantity_gets_a_sentence(self, study, tmp_path):
        results = collect(study, write_study(tmp_path, study))
        with pytest.raises(BadInput, match=r"unknown quantity 'p_oof.best'.*did you mean p_ood.best"):
            verdict(results, within(low=0.0, quantity="p_oof.best"))

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"test": {"kind": "monotne"}}, "test"),
            ({"id": "A_Claim"}, "id"),
            ({"tolerance": None}, "needs a tolerance"),
            ({"colour": "red"}, "unknown key colour"),
        ],
    )
    def test_mistakes_get_a_sentence(self, change, expected):
        with pytest.raises(BadInput, match=expected):
            claim(within(low=1.0), **change)

    def test_an_id_twice_is_refused(self, tmp_path):
        path = tmp_path / "claims.yaml"
        one = claim(within(low=1.0)).model_dump(mode="json")
        axis = {"parameter": "optim.beta2", "name": "beta2", "symbol": "β₂"}
        write(path, {"axis": axis, "claims": [one, one]})
        with pytest.raises(BadInput, match="two claims have the id a-claim"):
            load_claims(path)
