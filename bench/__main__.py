"""`python -m bench`: measure, write bench.json and table.md after every measurement, print the table."""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # read when NumPy and torch are imported, here and in the processes started
    os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}

import torch

from bench import compare, geometry, matrices, training
from bench.measure import Differs, Pair, seconds
from bench.report import Report
from bench.sides import Shape, Side, both, large
from bench.table import render
from lib.base.errors import BadInput, nearest
from lib.base.leave import leave
from lib.params.cadence import is_evaluation, snapshot_steps
from lib.params.run import Params
from lib.params.study import load_study

EVALUATION_BAR, SAVING_BAR, PIPELINE_BAR, TWO_RUNS_BAR = 0.08, 0.02, 0.15, 1.8


# ------------------------------------------------------------------------------------------- the measurements


def measure_training(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    report.say("training step and its parts")
    count = max(5, options.steps // 4)
    with both(Shape(options.profile, options.profile, steps=count + compare.WARM), b.corpora) as (plain, ours):
        step, worst = report_steps(plain, ours, report, count, "training step")
        report.record["agreement"]["loss of a step"] = worst
        report.say(f"the arithmetic limit, {options.pairs} rounds")
        shares = compare.Shares(ours.ask("shares", first=count, rounds=options.pairs, count=min(10, count)))
        report.limits(shares, options.profile)
        report_processor(step, shares, report)
        report_where(ours, report, count, min(10, count), options.profile)
        report.say(f"whole training, {options.pairs} pairs of {options.steps} steps")
        pair, agreed = compare.whole_runs(plain, ours, options.steps, options.pairs, report.say)
        report.record["agreement"] |= {"losses of a run": agreed["losses"], "its final weights": agreed["weights"]}
        report.pairs(pair)
    report.say("data")
    report.pairs(training.data(b, options.steps))
    report.say("what is saved")
    for what, pair in training.saving(b, max(5, options.pairs)).items():
        report.record["raw"][what] = pair.record()


def report_steps(
    plain: Side, ours: Side, report: Report, count: int, name: str, warm: int = compare.WARM
) -> tuple[Pair, float]:
    found, parts, worst = compare.steps(plain, ours, count, name, warm)
    report.record["raw"].setdefault("parts", parts)  # of the first shape, which is the profile's
    report.pairs(*found)
    return found[0], worst


def report_processor(step: Pair, shares: compare.Shares, report: Report) -> None:
    """The plain way multiplies by MKL: what it would gain from the faster library is the processor's."""
    report.record["notes"].append(
        f"{step.what}: {step.ratio:.3g}x, of which the processor's MKL has {shares.handicap:.2g}; "
        f"were its products as fast as the faster library's, {step.ratio - shares.handicap:.3g}x"
    )


def report_where(ours: Side, report: Report, first: int, count: int, shape: str) -> None:
    found = sorted(ours.ask("by_part", first=first, count=count).items(), key=lambda part: -part[1])
    report.where(f"one step, {shape}, by torch's profiler", [(*part, True) for part in found])


def measure_evaluation(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    report.say("evaluation")
    shape = Shape(options.profile, options.profile, steps=20)
    with both(shape, b.corpora) as (plain, ours):
        for side in (plain, ours):
            side.ask("steps", first=1, count=20)
        pair, worst = compare.evaluations(plain, ours, 20, max(5, options.pairs), "evaluation")
    report.record["agreement"]["evaluation"] = worst
    report.pairs(pair)


def measure_large(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    """A model that is nearly all head; few steps of seconds."""
    shape = large(options.profile)
    report.say(f"training with {shape.name}")
    with both(shape, b.corpora) as (plain, ours):
        # Not more of them: two minutes on a quiet core, most of them the plain way's.
        step, worst = report_steps(plain, ours, report, 2, f"training step, {shape.name}", warm=1)
        pair = Pair(f"its most memory, {shape.name}", [plain.ask("peak")], [ours.ask("peak")], unit="MB")
        report.pairs(pair)
        found, also = compare.evaluations(plain, ours, 3, 1, f"evaluation, {shape.name}", warm=0)
        report.pairs(found)
        report.record["agreement"][shape.name] = max(worst, also)
        shares = compare.Shares(ours.ask("shares", first=4, rounds=2, count=1))
        report.limits(shares, shape.name)
        report_processor(step, shares, report)
        report_where(ours, report, 6, 1, shape.name)


def measure_together(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    report.say("one run, and two runs side by side")
    if report.record["machine"]["cores"] < 2:
        report.record["left_out"].append("two runs side by side: there is one core")
        return
    from bench import pipeline  # with all of make's machinery

    pair = pipeline.side_by_side(options.profile, b.corpora, options.steps // 4, options.pairs)
    report.pairs(pair)
    gain = 1 / pair.ratio
    report.bar("two runs", gain, f">= {TWO_RUNS_BAR:g}x", gain >= TWO_RUNS_BAR, of=pair.what, inverse=True)


def measure_geometry(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    for name in options.sizes:
        report.say(f"geometry, {name} size")
        found, agreed, why = geometry.at_size(geometry.SIZES[name], options.pairs, report.say)
        report.record["agreement"] |= agreed
        report.record["left_out"] += [why] if why else []
        report.pairs(*found)


def measure_pipeline(b: training.Bench, report: Report, options: argparse.Namespace) -> None:
    from bench import pipeline

    raw, home = report.record["raw"], b.corpora.parent
    report.say("start of the notebooks")
    raw["forked start"] = pipeline.forked_start(options.pairs)
    raw["notebook start"] = pipeline.notebook_starts(min(3, options.pairs), report.say)
    lines = []
    if raw["forked start"]:
        lines.append(("a run's command, to its forked kernels", statistics.median(raw["forked start"]), False))
    for name, parts in raw["notebook start"].items():
        kernel, imports = (statistics.median(parts[k]) for k in ("kernel", "imports"))
        lines.append((f"{name}, cold: kernel {kernel:.2f} s + imports", kernel + imports, False))
    report.where("starting a notebook", lines)
    report.say("the stages of one run at laptop size, few steps, and the figures")
    raw["stages"] = pipeline.stages(home, report.say)
    report.say("paper and report")
    short = pipeline.short_study(home)[0]
    study, folder = pipeline.finished_study(options.outputs) or (short, home / short.folder_name)
    raw["paper"] = pipeline.paper(study, folder)
    lines = [("figures notebook", raw["stages"]["06_figures"]["seconds"], False)]
    lines += [(name, took, False) for name, took in raw["paper"].items()]
    report.where("once for a study", lines)
    if "LaTeX" not in raw["paper"]:
        report.record["left_out"].append("LaTeX: there is none here")
    if found := pipeline.study_on_disk(options.outputs):
        raw["study on disk"] = found
        report.record["notes"].append(
            f"The laptop study on disk: {found['runs']} runs, {found['seconds']:.0f} s in its notebooks, "
            f"{100 * found['share']:.1f} % of it outside training"
        )


MEASUREMENTS: dict[str, Callable[[training.Bench, Report, argparse.Namespace], None]] = {
    "training": measure_training,
    "evaluation": measure_evaluation,
    "large": measure_large,
    "together": measure_together,
    "geometry": measure_geometry,
    "pipeline": measure_pipeline,
    "matrices": matrices.measure,
}


# ------------------------------------------------------------------------------------------------ conclusions


def conclude(p: Params, report: Report, steps: int) -> None:
    """The whole of a laptop run from its measured parts, and the bars that are shares of it."""
    medians = {
        m["what"].strip(): {s: m[s]["median"] for s in ("plain", "ours")} for m in report.record["measurements"]
    }
    whole = medians.get(f"whole training, {steps} steps")
    total = None
    if whole and "evaluation" in medians:
        run, plain_total = laptop_run(p, report, medians, whole, steps)
        total = sum(run.values())
        report.where("one laptop run, extrapolated from its parts", [(*part, True) for part in run.items()])
        report.record["notes"].append(
            f"A laptop run of {p.schedule.steps} steps, extrapolated: plain {plain_total:.0f} s, ours {total:.0f} s"
        )
        shares = {
            "evaluation, share of a run": (run["evaluation"] / total, EVALUATION_BAR),
            "saving, share of a run": (
                (run["snapshots"] + run["resume points"] + run["metrics and the rest"]) / total,
                SAVING_BAR,
            ),
        }
    else:
        shares = {
            "evaluation, share of a run": (None, EVALUATION_BAR),
            "saving, share of a run": (None, SAVING_BAR),
        }
    found = report.record["raw"].get("stages")
    share = of_study = None
    if found and total:
        from bench import pipeline

        study = load_study("beta2", "laptop")
        reheat = study.branches["reheat"]
        conditions = len(reheat.snapshots) * len(reheat.points())
        reheats = conditions * total * reheat.steps / p.schedule.steps
        around = pipeline.overhead(found, total, reheats)
        report.record["raw"]["overhead"] = around
        share = around["share"]
        lines = [(f"{stage}, without training and evaluation", s, False) for stage, s in around["by_stage"].items()]
        report.where("around the training of a laptop run", lines)
        report.record["notes"].append(
            f"A run and its {conditions} reheats: "
            f"{100 * around['share_with_reheats']:.1f} % outside training and evaluation"
        )
        # beta2 = 0 diverges within seconds, and is measured and drawn like the others.
        whole_runs = sum(run.params.optim.beta2 > 0 for run in study.runs)
        reheated = sum(study.applies(study.stage("04_reheat"), run.params) for run in study.runs)
        once = found[pipeline.FIGURES]["seconds"] + sum(report.record["raw"].get("paper", {}).values())
        of_study = pipeline.study_share(around, reheats, (len(study.runs), whole_runs, reheated), once)
    shares["pipeline, share of a run"] = (share, PIPELINE_BAR)
    shares["pipeline, share of the laptop study"] = (of_study, PIPELINE_BAR)
    for what, (value, bar) in shares.items():
        report.bar(what, value, f"< {100 * bar:g} %", None if value is None else value < bar)


def laptop_run(
    p: Params, report: Report, medians: dict[str, dict[str, float]], whole: dict[str, float], steps: int
) -> tuple[dict[str, float], float]:
    """Seconds of a whole run of ours by part, and of a plain one."""
    raw, n = report.record["raw"], p.schedule.steps
    short = training.shortened(p, steps)

    def counts(q: Params) -> tuple[int, int, int]:
        evaluations = sum(is_evaluation(step, q) for step in range(1, q.schedule.steps + 1))
        return q.schedule.steps, evaluations, len(snapshot_steps(q))

    def loop(q: Params, side: str) -> float:
        count, evaluations, saves = counts(q)
        step, evaluation_, save = (
            medians["training step"][side],
            medians["evaluation"][side],
            raw["snapshot"][side]["median"],
        )
        return count * step + evaluations * evaluation_ + saves * save

    rest = {side: max(0.0, whole[side] - loop(short, side)) * n / short.schedule.steps for side in whole}
    _, evaluations, saves = counts(p)
    run = {part: n * took for part, took in raw["parts"].items()}
    run["evaluation"] = evaluations * medians["evaluation"]["ours"]
    run["snapshots"] = saves * raw["snapshot"]["ours"]["median"]
    resume = raw["checkpoint"]["ours"]["median"]
    run["resume points"] = resume * (1 + sum(run.values()) // p.machine.checkpoint_seconds)
    run["metrics and the rest"] = rest["ours"]
    return run, loop(p, "plain") + rest["plain"]


# --------------------------------------------------------------------------------------------------------- main


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--profile", default="laptop", help="of training and evaluation")
    parser.add_argument("--only", default=" ".join(MEASUREMENTS), help="some of: " + " ".join(MEASUREMENTS))
    parser.add_argument("--sizes", default="laptop middle large", help="of the geometry: laptop middle large paper")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of a whole training run")
    parser.add_argument("--full", action="store_true", help="whole laptop runs and every size: most of an hour")
    options = parser.parse_args(arguments)
    if options.full:
        options.steps, options.sizes = 2000, " ".join(geometry.SIZES)
    for name, known in (("only", MEASUREMENTS), ("sizes", geometry.SIZES)):
        words = getattr(options, name).split()
        for word in words:
            if word not in known:
                raise BadInput(f"--{name} {word}: there are {', '.join(known)}{nearest(word, known)}")
        setattr(options, name, words)
    if options.pairs < 1 or options.steps < 8:
        raise BadInput(f"--pairs {options.pairs} --steps {options.steps}: at least 1 pair and 8 steps are needed")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    torch.set_num_threads(1)
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}
    report = Report(options.outputs / "bench", settings)
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        report.say("packing the corpus")
        took, b = seconds(lambda: training.setting(options.profile, Path(home) / "corpora"))
        report.record["raw"]["corpus"] = took
        report.record["notes"].append(f"The corpus is packed once for all runs, in {took:.1f} s")
        try:
            for name in options.only:
                MEASUREMENTS[name](b, report, options)
            report.record["complete"] = True
        except KeyboardInterrupt:
            report.record["notes"].append("Interrupted: what was measured before stands")
        except Differs as difference:
            report.record["notes"].append(f"The two ways differ: {difference}")
            report.write()
            print(f"error: the two ways differ, so no times are compared: {difference}", file=sys.stderr)
            return 1
        conclude(b.p, report, options.steps)
        report.write()
    print("\n" + render(report.record))
    report.say(f"written to {report.folder}/bench.json and table.md")
    return 0 if report.record["complete"] else 130


if __name__ == "__main__":
    try:
        leave(main(sys.argv[1:]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
