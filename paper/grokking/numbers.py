"""The macros of the paper on grokking."""

from statistics import fmean

from lib.report.claims import Verdict
from lib.report.numbers import common_numbers, macro_pairs
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.tex import number
from paper.grokking.groks import median_text, runs_of, transitions

NOTEBOOK = "notebooks/grokking/07_study.py"
WANTED = {"backbone": "the geometry", "turn": "the turn of the path"}
OF_DEMONSTRATIONS = {"fisher": "the curvature", "circuits": "the circuit", "named_gradients": "the gradients"}
DEMONSTRATIONS = ("mlp", "transformer")
# Macro: arm, quantity, part, decimals and factor of a mean over seeds.
SINGLE = {
    "SeventeenRight": ("p17", "test.final", "observed", 1, 100),
    "SgdRight": ("sgd", "test.final", "observed", 0, 100),
    "AdamRight": ("adamw", "test.final", "observed", 0, 100),
    "MlpTurn": ("mlp", "turn.at_grok", "observed", 0, 1),
    "MlpTurnNull": ("mlp", "turn.at_grok", "null", 0, 1),
    "Spikes": ("transformer", "sling.count", "observed", 1, 1),
    "Period": ("transformer", "sling.period", "observed", 0, 1),
    "StraightAt": ("transformer", "sling.straight_at", "observed", 2, 1),
    "StraightElsewhere": ("transformer", "sling.straight_elsewhere", "observed", 2, 1),
    "StraightNull": ("transformer", "sling.null_straight_at", "observed", 2, 1),
    "HalfHessian": ("mlp", "half.share.weight_hessian_trace", "observed", 2, 1),
    "HalfShare": ("mlp", "half.share.operation_share", "observed", 2, 1),
    "HalfAccuracy": ("mlp", "half.share.test_acc", "observed", 2, 1),
}


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
    for arm, name in (("mlp", "Mlp"), ("transformer", "Transformer"), ("adamw", "Optimizers")):
        runs = runs_of(results, arm)
        own[f"{name}Every"] = str(runs[0].params.eval.every) if runs else "--"
        if name != "Optimizers":
            delays = [t.grokked / t.memorised for t in transitions(results, arm).values() if t.delay]
            own[f"{name}Delay"] = number(fmean(delays) if delays else None, 1)
    seventeen = runs_of(results, "p17")
    own["SeventeenChance"] = number(100 / seventeen[0].params.task.p if seventeen else None, 1)
    for name, (arm, quantity, part, digits, times) in SINGLE.items():
        found = results.at(arm, quantity, part).value
        own[name] = number(None if found is None else times * found, digits)
    return macro_pairs(common | own, verdicts)
