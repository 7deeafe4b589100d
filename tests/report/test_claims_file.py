"""The file of a paper's claims: whatever is no claim is one sentence."""

import pytest

from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.base.yaml_text import read_yaml
from lib.params.study import load_study
from lib.report.claims_file import levels_of, load_claims
from lib.report.reader import collect
from tests.report.test_claims import RELATIVE, claim, exceeds, monotone, several, verdict, within
from tests.study_folder import smoke_study, write, write_study

OPTIMIZERS = ROOT / "paper/optimizers/claims.yaml"
PROFILES = ("smoke", "laptop", "confirm", "paper", "scale")


@pytest.fixture(scope="module")
def study():
    return smoke_study()


def test_a_misspelt_quantity_gets_a_sentence(study, tmp_path):
    results = collect(study, write_study(tmp_path, study))
    with pytest.raises(BadInput, match=r"unknown quantity 'p_oof.best'.*did you mean p_ood.best"):
        verdict(results, within(low=0.0, quantity="p_oof.best"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"test": {"kind": "monotne"}}, "test"),
        ({"id": "A_Claim"}, "id"),
        ({"effect": None}, "needs an effect"),
        (
            {"test": exceeds(), "prose": {"holds": "a", "excluded": "b", "open": "c"}},
            "nothing of an effect that is absent",
        ),
        ({"colour": "red"}, "unknown key colour"),
        ({"effect": {"smallest": 1.0, "spread": 0.1, "why": "a"}}, "a range has no smallest effect"),
        ({"effect": RELATIVE}, "within compares no levels, so effect.relative has no meaning"),
        ({"test": exceeds(), "effect": RELATIVE}, "exceeds compares no levels"),
        ({"test": several(monotone("falls"), exceeds()), "effect": RELATIVE}, "exceeds compares no levels"),
    ],
)
def test_mistakes_get_a_sentence(change, expected):
    with pytest.raises(BadInput, match=expected):
        claim(**{"test": within(low=1.0)} | change)


def test_an_id_twice_is_refused(tmp_path):
    path = tmp_path / "claims.yaml"
    one = claim(within(low=1.0)).model_dump(mode="json")
    axis = {"parameter": "optim.beta2", "name": "beta2", "symbol": "β₂"}
    write(path, {"axis": axis, "claims": [one, one]})
    with pytest.raises(BadInput, match="two claims have the id a-claim"):
        load_claims(path)


# ------------------------------------------------------------------------------------------- optional claims


def test_an_optional_claim_is_left_out_where_a_profile_lacks_a_level(tmp_path):
    ids = {
        profile: {c.id for c in collect(load_study("optimizers", profile), tmp_path).claims} for profile in PROFILES
    }
    assert ids["paper"] - ids["smoke"] == {c.id for c in load_claims(OPTIMIZERS)[1] if c.optional} != set()
    assert "noise-helps-at-a-tenth" in ids["smoke"]  # not optional: that it cannot be tested there is said


def test_every_level_that_an_optional_claim_names_is_an_arm():
    """A misspelt one would leave its claim out for ever."""
    arms = {run.point["arm"] for profile in PROFILES for run in load_study("optimizers", profile).runs}
    for one in load_claims(OPTIMIZERS)[1]:
        assert not one.optional or levels_of(one.test) <= arms, one.id


def test_an_optional_claim_must_name_a_level(tmp_path):
    path = tmp_path / "claims.yaml"
    text = OPTIMIZERS.read_text()
    assert "larger_at: muon, smaller_at: ortho_4, factor: 1.0101}" in text
    test = "test: {kind: compare, quantity: val.final, larger_at: muon, smaller_at: ortho_4, factor: 1.0101}"
    path.write_text(text.replace(test, "test: {kind: monotone, quantity: val.final, direction: falls}"))
    with pytest.raises(
        BadInput, match="noise-helps-at-a-tenthousandth: it is optional, and its test names no level"
    ):
        load_claims(path)


@pytest.mark.parametrize("name", ["optimizers", "grokking", "robustness"])
def test_every_arm_has_words_and_nothing_else_has(name):
    axis, _ = load_claims(ROOT / "paper" / name / "claims.yaml")
    arms = set().union(*(load_study(name, profile).axes["arm"] for profile in profiles_of(name)))
    assert set(axis.words) == arms
    assert axis.text("nobody") == "nobody" and axis.text(0.8) == "0.80"


def profiles_of(name):
    return read_yaml(ROOT / "params" / f"{name}.yaml", "study")["profiles"]
