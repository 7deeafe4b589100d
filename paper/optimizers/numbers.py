"""The macros of the study of optimizers."""

from lib.report.claims import Verdict
from lib.report.claims_file import levels_of
from lib.report.numbers import common_numbers, macro_name, macro_pairs
from lib.report.reader import StudyResults
from lib.report.tex import number, short, tex
from paper.optimizers.arms import named
from paper.optimizers.losses import BASELINE, difference
from paper.optimizers.phases import other_settings, sentences

NOTEBOOK = "notebooks/optimizers/07_phases.py"
WANTED = {"backbone": "the geometry", "steps": "what steps do to matrices"}


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value."""
    common = common_numbers(results, verdicts, NOTEBOOK, lambda run: WANTED)
    phases = {"Phases": tex(" ".join(sentences(results, verdicts))), "OtherSettings": tex(other_settings(verdicts))}
    still = {"StoodStill": tex(stood_still(results)), "SaneSeeds": tex(seed_by_seed(results, "literal"))}
    elsewhere = {macro_name("claim", v.claim.id) for v in verdicts if levels_of(v.claim.test) - set(results.levels)}
    said = {v.claim.id: tex(v.sentence) for v in verdicts}  # a profile may lack these two
    still |= {"PlannedRate": said.get("planned-rate", ""), "Confirmed": said.get("recipe-confirmed", "")}
    still["NotHere"] = (
        f"{len(elsewhere)} of the {len(verdicts)} claims are about arms that this profile does not have; the text "
        "leaves them out."
        if elsewhere
        else ""
    )
    pairs = macro_pairs({**common, **_setting(results), **_losses(results), **phases, **still}, verdicts)
    return [(name, "" if name in elsewhere else value) for name, value in pairs]


def stood_still(results: StudyResults) -> str:
    """How many of the hidden matrices' steps stood still for want of a decomposition, in every arm with such."""
    found = {arm: results.at(arm, "steps.failures").value for arm in results.levels}
    told = [f"{100 * share:.0f} % with {named(arm)}" for arm, share in found.items() if share]
    if not told:
        return "No matrix ever stood still because its memory could not be decomposed."
    return (
        "Hidden matrices stood still, because their memory could not be decomposed, in some of the steps after the "
        f"warm-up: {', '.join(told)}. The loss of such an arm is partly that of weights that were not trained."
    )


def seed_by_seed(results: StudyResults, arm: str) -> str:
    """An arm's final loss against the baseline's in every seed, in a sentence; nothing where no seed has both."""
    found = difference(results, arm)
    if found is None:
        return ""
    each = ", ".join(f"{x:+.1f}" for x in found.each)
    return f"Seed by seed the loss with {named(arm)} is {each} % away from Muon's."


def _setting(results: StudyResults) -> dict[str, str]:
    p = results.baseline.params
    return {
        "Arms": str(len(results.levels)),
        "OwnSteps": str(p.schedule.steps),
        "OwnWarmup": str(p.schedule.warmup),
        "Layers": str(p.model.layers),
        "Width": str(p.model.width),
        "MuonRate": short(p.optim.lr),
        "MatchedLoss": short(float(results.study.stage("03_steps").parameters["loss"])),
        "AdamRate": short(p.optim.adam_lr),
    }


def _losses(results: StudyResults) -> dict[str, str]:
    """The baseline's loss and what its seeds differ by; the best and the worst arm against it."""
    base = results.at(BASELINE, "val.final")
    spread = None if base.error is None or base.count < 2 else 100 * base.error * base.count**0.5 / base.value
    found = {arm: difference(results, arm) for arm in results.trained()}
    means = {arm: d.mean for arm, d in found.items() if d is not None}
    told = {"BaseLoss": number(base.value, 3), "BaseSpread": number(spread, 2)}
    for name, pick in (("Best", min), ("Worst", max)):
        arm = pick(means, key=means.get) if means else None
        told[f"{name}Arm"] = tex(named(arm)) if arm else "--"
        told[f"{name}Difference"] = number(means[arm], 1, signed=True) if arm else "--"
    return told
