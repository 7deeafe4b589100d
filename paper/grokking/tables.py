"""The tables of the modular paper."""

from lib.report.claims import Verdict
from lib.report.reader import StudyResults
from lib.report.tables import claims, quantities

TITLES = {
    "train.final": ("training pairs right", 2),
    "test.final": ("held-out pairs right", 2),
    "G0.pc1": ("PC1 (%)", 1),
    "P0.cosine": ("early, late backbone", 3),
}


def tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    return {"results": quantities(results, tuple(TITLES), 4, TITLES), "claims": claims(results, verdicts)}
