"""The file of a paper's claims: whatever is no claim is one sentence."""

import pytest

from lib.base.errors import BadInput
from lib.report.claims_file import load_claims
from lib.report.reader import collect
from tests.report.test_claims import RELATIVE, claim, exceeds, monotone, several, verdict, within
from tests.study_folder import smoke_study, write, write_study


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
