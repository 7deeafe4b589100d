"""The macros of the modular paper."""

from lib.report.claims import Verdict
from lib.report.numbers import common_numbers, macro_pairs
from lib.report.reader import StudyResults

NOTEBOOK = "notebooks/modular/04_study.py"
WANTED = {"backbone": "the geometry", "fisher": "the curvature"}


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value."""
    p = results.baseline.params
    common = common_numbers(results, verdicts, NOTEBOOK, lambda run: WANTED)
    own = {"Modulus": str(p.task.p), "Share": f"{p.task.train_share:g}", "Width": str(p.model.width)}
    return macro_pairs(common | own, verdicts)
