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
OF_STAGES = {"fisher": "the curvature", "circuits": "the circuit", "named_gradients": "the gradients"}
# Macro: arm, quantity, part, decimals and factor of a mean over seeds, told with its 95 % interval.
SINGLE = {
    "SeventeenRight": ("p17", "test.final", "observed", 1, 100),
    "SgdKept": ("sgd", "test.kept", "observed", 0, 100),
    "AdamKept": ("adamw", "test.kept", "observed", 0, 100),
    "MlpTurn": ("mlp", "turn.at_grok", "observed", 0, 1),
    "Spikes": ("transformer", "sling.count", "observed", 1, 1),
    "Period": ("transformer", "sling.period", "observed", 0, 1),
    "StraightAt": ("transformer", "sling.straight_at", "observed", 2, 1),
    "StraightElsewhere": ("transformer", "sling.straight_elsewhere", "observed", 2, 1),
    "StraightNull": ("transformer", "sling.straight_null", "observed", 2, 1),
    "BackAt": ("transformer", "sling.back_at", "observed", 2, 1),
    "BackElsewhere": ("transformer", "sling.back_elsewhere", "observed", 2, 1),
    "HalfHessian": ("mlp", "half.step.weight_hessian_trace", "observed", 0, 1),
    "HalfHessianControl": ("p17", "half.step.weight_hessian_trace", "observed", 0, 1),
    "HalfAccuracy": ("mlp", "half.step.test_acc", "observed", 0, 1),
    "HalfShare": ("mlp", "half.step.operation_share", "observed", 0, 1),
    "KeysMlp": ("mlp", "circuit.keys.last", "observed", 0, 1),
    "KeysAdam": ("adamw", "circuit.keys.last", "observed", 1, 1),
    "KeysMuon": ("muon", "circuit.keys.last", "observed", 1, 1),
    "KeysSgd": ("sgd", "circuit.keys.last", "observed", 1, 1),
    "KeysTransformer": ("transformer", "circuit.keys.last", "observed", 0, 1),
    "RestMlp": ("mlp", "circuit.rest.last", "observed", 2, 1),
    "RestTransformer": ("transformer", "circuit.rest.last", "observed", 2, 1),
    "AloneMlp": ("mlp", "circuit.restricted.last", "observed", 3, 1),
    "AloneTransformer": ("transformer", "circuit.restricted.last", "observed", 3, 1),
}


def wanted(results: StudyResults, run: RunResults) -> dict[str, str]:
    """What the stages that apply to a run make of it, in words."""
    made = [
        name for stage in results.study.stages if results.study.applies(stage, run.params) for name in stage.makes
    ]
    return WANTED | {name: words for name, words in OF_STAGES.items() if f"analysis/{name}.json" in made}


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value."""
    common = common_numbers(results, verdicts, NOTEBOOK, lambda run: wanted(results, run))
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
            every = transitions(results, arm).values()
            delays = [t.grokked / t.memorised for t in every if t.memorised and t.grokked]
            own[f"{name}Delay"] = number(fmean(delays) if delays else None, 1)
    seventeen = runs_of(results, "p17")
    own["SeventeenChance"] = number(100 / seventeen[0].params.task.p if seventeen else None, 1)
    for name, (arm, quantity, part, digits, times) in SINGLE.items():
        found = results.at(arm, quantity, part)
        scaled = [None if x is None else times * x for x in (found.value, found.interval)]
        own[name] = number(scaled[0], digits) + (
            "" if scaled[1] is None else rf"\,$\pm$\,{number(scaled[1], digits)}"
        )
    null = results.at("mlp", "turn.at_grok", "null")
    own["MlpTurnNull"] = number(null.value, 0)
    for arm, name in (("mlp", "Mlp"), ("transformer", "Transformer")):
        runs = runs_of(results, arm)
        own[f"{name}Frequencies"] = str((runs[0].params.task.p - 1) // 2) if runs else "--"
    return macro_pairs(common | own, verdicts)
