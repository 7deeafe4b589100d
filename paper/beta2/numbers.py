"""The macros of the beta2 paper."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

from lib.base.files import finite
from lib.report.axis import Level
from lib.report.claims import Verdict
from lib.report.numbers import common_numbers, macro_pairs
from lib.report.quantities import noise_floor
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.tex import number, power, short, tex, thousands
from paper.beta2.filler_ids import published_filler
from paper.beta2.published_ladder import PublishedRun, published_ladder
from paper.beta2.real_stories import real_numbers

NOTEBOOK = "notebooks/06_figures.py"


def numbers(results: StudyResults, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value; what is missing is a dash, or a sentence that says so."""
    common = common_numbers(results, verdicts, NOTEBOOK, lambda run: wanted(results, run))
    primary = {"Primary": str(sum(v.claim.primary for v in verdicts))}
    return macro_pairs({**common, **primary, **_setting(results), **_baseline(results)}, verdicts)


def wanted(results: StudyResults, run: RunResults) -> dict[str, str]:
    """The analyses that a run of this study should have, by file, and what the paper calls them."""
    stages = {
        "01_train": ("fillers", "the filler comparison"),
        "02_pca": ("backbone", "the geometry"),
        "03_fisher": ("fisher", "the curvature"),
        "04_reheat": ("reheat", "the reheating"),
        "05_interference": ("interference_metrics", "the gradients"),
    }
    applied = (stage.name for stage in results.study.stages if results.study.applies(stage, run.params))
    return dict(stages[name] for name in applied if name in stages)


def _setting(results: StudyResults) -> dict[str, str]:
    p = results.baseline.params
    m, s, b = p.model, p.schedule, p.batch
    geometry = [stage for stage in results.study.stages if stage.name == "02_pca"]
    draws, shuffles = geometry[0].parameters["draws"] if geometry else ("no", "no")
    trunk = m.layers * (4 * m.width**2 + 2 * m.width * m.ff)
    stories = {"storyworld": "generated stories", "tinystories": "TinyStories", "file": "stories from a file"}
    padding = {"count": "counted as a target", "ignore": "ignored"}[p.task.pad_targets]
    mask = {"bare": "that of the bare codeword", "inserted": "the tokens really inserted"}[p.task.probe.answer_mask]
    filler = {
        "random": "random tokens",
        "seen": "random tokens that stories have",
        "unigram": "random tokens as frequent as in stories",
        "shuffled": "story text in random order",
        "story": "story text",
    }[p.task.probe.filler]
    reheat = results.study.branches.get("reheat")
    return {
        "Layers": str(m.layers),
        "Width": str(m.width),
        "Heads": str(m.heads),
        "Context": str(m.context),
        "Vocabulary": thousands(p.task.tokenizer.vocab),
        "Trunk": short(trunk / 1e6),
        "Warmup": str(s.warmup),
        "Sequences": str(b.size * b.accumulate),
        "Peak": f"{p.optim.lr * 1e4:g}",
        "Decay": number(p.optim.weight_decay, 1),
        # Another optimizer than the published one has neither.
        "BetaOne": f"{p.optim.beta1:g}" if hasattr(p.optim, "beta1") else "--",
        "Epsilon": power(p.optim.eps) if hasattr(p.optim, "eps") else "--",
        "Clip": f"{p.optim.clip:g}",
        "MinRatio": f"{p.schedule.min_lr_ratio:g}",
        "Lambda": f"{p.task.lambda_probe:g}",
        "Corpus": stories.get(p.task.corpus.source, tex(p.task.corpus.source)),
        "Stories": thousands(p.task.corpus.train_stories),
        "Variant": tex(p.task.variant),
        "Padding": padding,
        "Mask": mask,
        "Filler": filler,
        "ProbeShare": number(p.task.probe.p, 2),
        "Codewords": str(p.task.probe.codewords),
        "GapIn": "--".join(map(str, p.task.probe.gap_in)),
        "GapOod": "--".join(map(str, p.task.probe.gap_ood)),
        "Examples": str(p.task.probe.eval_examples),
        "Draws": str(draws),
        "Shuffles": str(shuffles),
        "ReheatSteps": str(reheat.steps) if reheat else "no",
        "ReheatLambda": f"{reheat.set['task.lambda_probe']:g}" if reheat else "--",
    }


def scaled(value: float | None, by: float) -> float | None:
    known = finite(value)
    return None if known is None else known * float(by)


def _published_ladder() -> dict[str, str]:
    """The excess of the published PC1 on two rungs, means of the runs of 4000 steps and of those of 10,000."""
    runs = published_ladder()
    long = [run for run in runs if run.name.startswith("10K")]
    short = [run for run in runs if run not in long]

    def mean(runs: list[PublishedRun], rung: str) -> str:
        return number(fmean(run.pc1 - getattr(run, rung) for run in runs), 1)

    return {
        "PublishedShortWas": mean(short, "schedule"),
        "PublishedShortLeft": mean(short, "lengths"),
        "PublishedLongWas": mean(long, "schedule"),
        "PublishedLongLeft": mean(long, "lengths"),
    }


def _published_filler() -> dict[str, str]:
    """How many tokens of the published filler its stories hardly have; ranges are from one way to the other."""
    told = published_filler()

    def ways(of: dict[str, Any], which: str, show: Callable[[int], str] = thousands) -> str:
        shown = (show(n) for n in sorted(of[way][which] for way in ("rates", "trend")))
        return " to ".join(dict.fromkeys(shown))

    def percent(n: int) -> str:
        return f"{100 * n / told['tokens']:.0f}"

    found = {"PublishedTokens": told["tokens"], "PublishedStories": told["stories"], "PublishedFew": told["few"]}
    found |= {"PublishedInProbe": told["in_probe"]}
    named = {name: thousands(n) for name, n in found.items()}
    for which in ("never", "rarely"):
        name = f"Published{which.capitalize()}"
        named[name] = thousands(told["counted"][which])
        named[f"{name}All"] = ways(told, which)
        named[f"{name}Share"] = ways(told, which, percent)
        named[f"{name}FromFew"] = ways(told["from_few"], which)
    return named


def _baseline(results: StudyResults) -> dict[str, str]:
    """The numbers of the baseline that the text quotes."""

    def ours(name: str, part: str = "observed", digits: int = 1) -> str:
        return number(results.at(level, name, part).value, digits)

    level: Level = results.axis.baseline
    run = results.run_at(level)
    fit = ((run.analysis.get("backbone") if run else None) or {}).get("null_fit", {})
    share = [s for s in fit.get("decay_share") or [] if s is not None]
    scale, isotropic = fit.get("scale"), fit.get("isotropic_scale")
    floor = noise_floor(run, "1600") if run else None
    published = results.published
    return {
        "PcPublished": number(published.at("G2.pc1", level), 1),
        "Pc": ours("G2.pc1"),
        "PcNull": ours("G2.pc1", "null"),
        "PcExcess": ours("G2.pc1", "excess"),
        "PcMomentum": ours("G2.pc1", "momentum"),
        "PcLengths": ours("G2.pc1", "lengths"),
        "PcMemory": ours("G2.pc1", "memory"),
        "PcShuffled": ours("G2.pc1", "shuffled"),
        "PcMemoryError": number(results.at(level, "G2.pc1", "memory").error, 1),
        "PcNullError": number(results.at(level, "G2.pc1", "null").error, 1),
        "MemoryTime": ours("M.time", digits=0),
        "MemoryShare": ours("M.share", digits=2),
        "MemoryJudged": ours("M.judged", digits=2),
        "EffectiveSize": ours("M.size", digits=0),
        **_published_ladder(),
        **_published_filler(),
        **real_numbers(),
        "DecayShare": number(100 * share[-1], 0) if share else "--",
        "ScaleRatio": number(scale / isotropic, 2) if scale is not None and isotropic else "--",
        "AlignedIn": ours("U0in.mean_abs", digits=3),
        "AlignedInNull": ours("U0in.mean_abs", "null", 3),
        "AlignedOut": ours("U0.early_mean", digits=3),
        "AlignedOutNull": ours("U0.early_mean", "null", 3),
        "AlignedOutMemory": ours("U0.early_mean", "memory", 3),
        "Controls": str(((run.analysis.get("fisher") if run else None) or {}).get("controls", "no")),
        "Tracked": ours("C0.r.0-2000", digits=2),
        "TrackedNull": ours("C0.r.0-2000", "memory", 2),
        "PhaseCosine": ours("P0.cosine", digits=3),
        "PhaseCosineNull": ours("P0.cosine", "null", 3),
        "PeakStep": ours("G2.a_peak_step", digits=0),
        "PeakStepNull": ours("G2.a_peak_step", "null", 0),
        "PeakStepPublished": number(published.at("G2.a_peak_step", level), 0),
        "NoiseFloor": short(floor),
        "FillerDose": number(scaled(results.at(level, "F.random.dose").value, 100), 0),
    }
