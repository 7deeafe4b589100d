"""The macros of the paper on grokking."""

from lib.report.claims import Verdict
from lib.report.numbers import common_numbers, macro_pairs
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from paper.grokking.groks import median_text, transitions

NOTEBOOK = "notebooks/grokking/07_study.py"
WANTED = {"backbone": "the geometry", "turn": "the turn of the path"}
OF_DEMONSTRATIONS = {"fisher": "the curvature", "circuits": "the circuit", "named_gradients": "the gradients"}
DEMONSTRATIONS = ("mlp", "transformer")


def wanted(run: RunResults) -> dict[str, str]:
    return WANTED | (OF_DEMONSTRATIONS if run.level in DEMONSTRATIONS else {})


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value."""
    common = common_numbers(results, verdicts, NOTEBOOK, wanted)
    p = results.baseline.params
    own = {
        "Arms": str(len(results.levels)),
        "Modulus": str(p.task.p),
        "Share": f"{p.task.train_share:g}",
        "Width": str(p.model.width),
    }
    for arm, name in (("mlp", "Mlp"), ("transformer", "Transformer"), ("adamw", "Adam"), ("muon", "Muon")):
        median = median_text(list(transitions(results, arm).values()))
        own[f"{name}Median"] = median.replace("> ", "more than ")
    return macro_pairs(common | own, verdicts)
