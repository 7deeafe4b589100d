"""The macros of the paper: what it says in words and single numbers, all of it from the study's folder."""

import re
import subprocess

from lib.base import provenance
from lib.params.run import Params, format_beta2
from lib.report.claims import FAILS, HOLDS, OPEN, Verdict
from lib.report.results import ANALYSES, Results
from lib.report.tex import escaped, macro_name, number, power, short, tex

BASELINE = 0.95
SHORT = 10  # a time scale beyond which a run shows nothing of the published one
ANALYSIS_NAMES = {
    "backbone": "the geometry",
    "fillers": "the filler comparison",
    "fisher": "the curvature",
    "interference_metrics": "the gradients",
    "reheat": "the reheating",
}


def numbers(results: Results, verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Every macro with its value, in order; what is missing is a dash, or a sentence that says so."""
    p = next((r for r in results.runs if r.beta2 == BASELINE), results.runs[0]).params
    return [
        *[(f"res{name}", value) for name, value in _setting(results, p).items()],
        *[(f"res{name}", value) for name, value in _provenance(results).items()],
        *[(f"res{name}", value) for name, value in _baseline(results).items()],
        *[(f"res{name}", value) for name, value in _counts(verdicts).items()],
        *[(macro_name("claim", v.claim.id), tex(v.sentence)) for v in verdicts],
        *[(macro_name("said", v.claim.id), tex(v.headline)) for v in verdicts if v.claim.headline],
    ]


def _setting(results: Results, p: Params) -> dict[str, str]:
    m, s, b = p.model, p.schedule, p.batch
    trunk = m.layers * (4 * m.width**2 + 2 * m.width * m.ff)
    stories = {"storyworld": "generated stories", "tinystories": "TinyStories", "file": "stories from a file"}
    padding = {"count": "counted as a target", "ignore": "ignored"}[b.pad_targets]
    mask = {"bare": "that of the bare codeword", "inserted": "the tokens really inserted"}[p.probe.answer_mask]
    filler = {"random": "random tokens", "story": "story text"}[p.probe.filler]
    seeds = results.seeds
    reheat = results.study.reheat
    return {
        "Profile": tex(results.study.profile),
        "Study": escaped(results.study.name),
        "Layers": str(m.layers),
        "Width": str(m.width),
        "Heads": str(m.heads),
        "Context": str(m.context),
        "Vocabulary": f"{p.tokenizer.vocab:,}".replace(",", r"\,"),
        "Trunk": short(trunk / 1e6),
        "Steps": str(s.steps),
        "Warmup": str(s.warmup),
        "Sequences": str(b.size * b.accumulate),
        "TimeScale": _ratio(float(results.study.time_scale)),
        "Peak": f"{p.optim.lr * 1e4:g}",
        "Decay": number(p.optim.weight_decay, 1),
        "BetaOne": f"{p.optim.beta1:g}",
        "Epsilon": power(p.optim.eps),
        "Clip": f"{p.optim.clip:g}",
        "MinRatio": f"{p.schedule.min_lr_ratio:g}",
        "Lambda": f"{p.schedule.lambda_probe:g}",
        "Corpus": stories.get(p.corpus.source, tex(p.corpus.source)),
        "Stories": f"{p.corpus.train_stories:,}".replace(",", r"\,"),
        "Variant": tex(p.variant),
        "Padding": padding,
        "Mask": mask,
        "Filler": filler,
        "ProbeShare": number(p.probe.p, 2),
        "Codewords": str(p.probe.codewords),
        "GapIn": "--".join(map(str, p.probe.gap_in)),
        "GapOod": "--".join(map(str, p.probe.gap_ood)),
        "Examples": str(p.probe.eval_examples),
        "Trained": ", ".join(format_beta2(beta2) for beta2 in results.trained()) or "no value",
        "Grid": ", ".join(format_beta2(beta2) for beta2 in results.beta2),
        "Seeds": f"one seed, {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds",
        "ReheatSteps": str(reheat.steps) if reheat else "no",
        "ReheatLambda": f"{reheat.lambda_probe:g}" if reheat else "--",
    }


def _ratio(scale: float) -> str:
    return "as published" if scale == 1 else f"the published steps divided by {scale:g}"


def _caution(scale: float) -> str:
    return r"\textbf{Runs this short test the machinery, not the claims.}" if scale > SHORT else ""


def _provenance(results: Results) -> dict[str, str]:
    head, dirty = provenance.commit()
    records = [run.record for run in results.runs if run.record]
    commits = sorted({r["commit"][:7] + ("+" if r.get("dirty") else "") for r in records if r.get("commit")})
    machines = sorted({_machine(r["machine"]) for r in records if r.get("machine")})
    versions = sorted({_versions(r["identity"]["versions"]) for r in records if r.get("identity")})
    seconds = sum(r.get("seconds") or 0 for r in records)
    short_head = head[:7] + ("+" if dirty else "")
    return {
        "Commit": rf"\texttt{{{tex(short_head)}}}",
        "RunCommits": ", ".join(rf"\texttt{{{tex(c)}}}" for c in commits) or "--",
        "Hardware": tex("; ".join(machines)) or "--",
        "Versions": tex("; ".join(versions)) or "--",
        "TrainingMinutes": number(seconds / 60, 1),
        "Notebook": notebook_link("06_figures", head) + f" at commit \\texttt{{{tex(short_head)}}}",
        "Missing": tex(_missing(results)),
        "Caution": _caution(float(results.study.time_scale)),
        "Diverged": tex(_diverged(results)),
    }


def _machine(machine: dict) -> str:
    device = machine.get("device", "cpu")
    where = machine["processor"] if device == "cpu" else f"{device} with {machine['processor']}"
    threads = machine.get("threads", 1)
    return f"{where}, {machine['cores']} cores, {threads} thread{'s' if threads != 1 else ''} a run"


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def notebook_link(name: str, commit: str) -> str:
    """A link to a notebook at a commit, where the checkout knows a public address; else to the file."""
    path = f"notebooks/{name}.py"
    address = repository()
    target = f"{address}/blob/{commit}/{path}" if address else f"../../{path}"
    return rf"\href{{{target}}}{{\texttt{{{tex(path)}}}}}"


def repository() -> str:
    """https address of the checkout's origin, without credentials; empty when it is no such address."""
    try:
        url = provenance.git("remote", "get-url", "origin")
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = re.fullmatch(r"(?:https://(?:[^@/]*@)?|git@)([\w.-]+)[:/]([\w./-]+?)(?:\.git)?/?", url)
    return f"https://{found[1]}/{found[2]}" if found else ""


def _missing(results: Results) -> str:
    """One sentence that names what is not there, run by run."""
    gaps = []
    for run in results.runs:
        if run.state not in ("done", "diverged"):
            gaps.append(f"the run at beta2 = {format_beta2(run.beta2)} is {run.said}")
            continue
        reheated = results.study.reheat and run.beta2 in results.study.reheat.beta2
        wanted = [name for name in ANALYSES if name != "reheat" or reheated]
        absent = [ANALYSIS_NAMES[name] for name in wanted if run.analysis.get(name) is None]
        if absent:
            gaps.append(f"{' and '.join(absent)} of the run at beta2 = {format_beta2(run.beta2)}")
    if not gaps:
        return "Every run and every analysis of the study is in it."
    return f"Missing from this version: {'; '.join(gaps)}."


def _diverged(results: Results) -> str:
    runs = [r for r in results.runs if r.state == "diverged"]
    if not runs:
        return "No run diverged." if all(run.record for run in results.runs) else ""
    told = [f"the run at beta2 = {format_beta2(r.beta2)} {r.said} ({r.record['diverged']['reason']})" for r in runs]
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}."


def _baseline(results: Results) -> dict[str, str]:
    """The numbers of the baseline that the text quotes."""

    def ours(name: str, part: str = "observed", digits: int = 1) -> str:
        return number(results.at(BASELINE, name, part).value, digits)

    run = next((r for r in results.runs if r.beta2 == BASELINE), None)
    fit = ((run.analysis.get("backbone") if run else None) or {}).get("null_fit", {})
    share = [s for s in fit.get("decay_share") or [] if s is not None]
    scale, isotropic = fit.get("scale"), fit.get("isotropic_scale")
    floor = run.noise_floor("1600") if run else None
    published = results.published
    return {
        "PcPublished": number(published.at("G2.pc1", BASELINE), 1),
        "Pc": ours("G2.pc1"),
        "PcNull": ours("G2.pc1", "null"),
        "PcExcess": ours("G2.pc1", "excess"),
        "PcSimulated": ours("G2.pc1", "simulated"),
        "DecayShare": number(100 * share[-1], 0) if share else "--",
        "ScaleRatio": number(scale / isotropic, 2) if scale is not None and isotropic else "--",
        "AlignedIn": ours("U0in.mean_abs", digits=3),
        "AlignedInNull": ours("U0in.mean_abs", "null", 3),
        "AlignedOut": ours("U0.mean_abs", digits=3),
        "AlignedOutNull": ours("U0.mean_abs", "null", 3),
        "PhaseCosine": ours("P0.cosine", digits=3),
        "PhaseCosineNull": ours("P0.cosine", "null", 3),
        "PeakStep": ours("G2.a_peak_step", digits=0),
        "PeakStepNull": ours("G2.a_peak_step", "null", 0),
        "PeakStepPublished": number(published.at("G2.a_peak_step", BASELINE), 0),
        "NoiseFloor": short(floor),
        "FillerRandom": ours("F.random", digits=2),
        "FillerStory": ours("F.story", digits=2),
    }


def _counts(verdicts: list[Verdict]) -> dict[str, str]:
    count = {name: sum(v.verdict == name for v in verdicts) for name in (HOLDS, FAILS, OPEN)}
    return {
        "Claims": str(len(verdicts)),
        "Holds": str(count[HOLDS]),
        "Fails": str(count[FAILS]),
        "Open": str(count[OPEN]),
    }
