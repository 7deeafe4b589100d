"""The figures of the paper on grokking."""

from collections.abc import Callable, Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.axis import Level
from lib.report.figures import Drawing
from lib.report.panels import legend
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.style import BLUE, GREEN, GREY, NULL, ORANGE, PAGE, RED, label, missing
from paper.grokking.groks import named, runs_of, transitions
from paper.grokking.transition import survival, transition

DEMONSTRATIONS = ("mlp", "transformer")
CONTROL = "p17"  # it memorises, and does not grok
OPTIMIZERS = {"adamw": GREY, "sgd": ORANGE, "muon": BLUE, "orthonoise": RED}
WATCHED = {
    "weight_hessian_trace": "Hessian trace",
    "fisher_trace": "Fisher trace",
    "jacobian_norm": "squared Jacobian",
}
AROUND = 8  # evaluations to either side of a spike
PAIRS = {
    "train|test": "training, held out",
    "train|decay": "training, decay",
    "restricted|excluded": "keys, the rest",
}


def there(results: StudyResults, arms: Iterable[str]) -> list[str]:
    return [arm for arm in arms if arm in results.levels]


def grok_step(run: RunResults) -> int | None:
    return transition(run.evaluations).grokked


def lines(ax: Axes, runs: list[RunResults], of: Callable[[RunResults], tuple[Any, Any]], **style: Any) -> None:
    """A thin line a seed."""
    for n, run in enumerate(runs):
        x, y = of(run)
        if len(x):
            ax.plot(x, y, lw=0.9, **(style if n == 0 else {k: v for k, v in style.items() if k != "label"}))


def evaluated(score: str) -> Callable[[RunResults], tuple[Any, Any]]:
    return lambda run: (run.evaluated("step"), run.evaluated(score))


def accuracy(results: StudyResults) -> Figure:
    """Training and held-out accuracy of the demonstrations and of the reference's own, a line a seed."""
    arms = there(results, (*DEMONSTRATIONS, "p17"))
    figure, axes = plt.subplots(1, len(arms), figsize=(PAGE, 2.1), sharey=True, squeeze=False)
    for ax, arm in zip(axes[0], arms, strict=True):
        runs = runs_of(results, arm)
        lines(ax, runs, evaluated("train_acc"), color=GREY, label="training pairs")
        lines(ax, runs, evaluated("test_acc"), color=RED, label="held-out pairs")
        if runs:
            ax.axhline(1 / runs[0].params.task.p, color=NULL, lw=1, zorder=0.5, label="guessing")
        ax.set(title=label(named(arm)), xlabel="step", ylim=(-0.03, 1.05))
    axes[0][0].set_ylabel("share right")
    legend(figure)
    return figure


def optimizers(results: StudyResults) -> Figure:
    """Held-out accuracy under every optimizer, and the share of runs that have not grokked, with censoring."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.2))
    for arm in there(results, OPTIMIZERS):
        lines(left, runs_of(results, arm), evaluated("test_acc"), color=OPTIMIZERS[arm], label=label(named(arm)))
        waiting(right, results, arm, OPTIMIZERS[arm])
    left.set(title="held-out pairs right", xlabel="step", ylim=(-0.03, 1.05))
    right.set(title="runs that have not grokked", xlabel="step", ylim=(-0.03, 1.05))
    legend(figure)
    return figure


def waiting(ax: Axes, results: StudyResults, arm: Level, colour: str) -> None:
    """Kaplan and Meier's curve; a cross where a run was looked at no longer."""
    found = list(transitions(results, arm).values())
    if not found:
        return
    times = [t.last if t.grokked is None else t.grokked for t in found]
    steps = survival(times, [t.grokked is not None for t in found])
    x, y = [0.0, *(t for t, _ in steps), max(times)], [1.0, *(s for _, s in steps), steps[-1][1] if steps else 1.0]
    ax.step(x, y, where="post", color=colour, lw=1.1)
    lost = [t.last for t in found if t.grokked is None]
    ax.plot(lost, [y[-1]] * len(lost), "x", color=colour, ms=4)


def turns(results: StudyResults) -> Figure:
    """The angle of the path around the grok step, over the null's."""
    return aligned(
        results, "turn", lambda run: [("angles", BLUE, "observed"), ("null_angles", NULL, "null")], "degrees"
    )


def demonstrations(results: StudyResults, height: float, rows: int = 1) -> tuple[Figure, dict[str, list[Axes]]]:
    """A figure with a column for each demonstration that the study has, and its axes from above by arm."""
    arms = there(results, DEMONSTRATIONS)
    shared = {"sharey": True} if rows == 1 else {"sharex": "col"}
    figure, axes = plt.subplots(rows, len(arms), figsize=(PAGE, height), squeeze=False, **shared)
    return figure, {arm: list(axes[:, n]) for n, arm in enumerate(arms)}


def aligned(results: StudyResults, name: str, parts: Callable[[RunResults], Any], unit: str) -> Figure:
    """Arrays of an analysis by the step over the run's grok step, where it has one."""
    figure, panels = demonstrations(results, 2.1)
    for arm, (ax,) in panels.items():
        for run in runs_of(results, arm):
            found, grokked = run.analysis.get(name) or {}, grok_step(run)
            for key, colour, text in parts(run) if grokked else ():
                steps, y = (np.array(found.get(k) or [], dtype=float) for k in ("steps", key))
                if len(steps):
                    ax.plot(steps / grokked, y, color=colour, lw=0.9, label=text)
        after(ax, arm)
    figure.axes[0].set_ylabel(unit)
    legend(figure)
    return figure


def after(ax: Axes, arm: str) -> None:
    """What panels share whose axis is the step over the grok step."""
    ax.axvline(1, color="0.6", lw=0.7, ls="--", zorder=0.3)
    ax.set(title=label(named(arm)), xlabel="step / grok step")
    if not ax.get_lines()[1:]:
        missing(ax, "no run grokked")


def slingshots(results: StudyResults) -> Figure:
    """Losses of one transformer with its spikes; around those of all how straight the path is, and how far away."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.2), width_ratios=(3, 2))
    runs = [run for run in runs_of(results, "transformer") if run.analysis.get("slingshots")]
    for run in runs[:1]:
        left.plot(run.evaluated("step"), run.evaluated("train_nll"), color=GREY, lw=0.9, label="training loss")
        left.plot(run.evaluated("step"), run.evaluated("val_loss"), color=RED, lw=0.9, label="held-out loss")
        for step in run.analysis["slingshots"]["spikes"]:
            left.axvline(step, color="0.6", lw=0.6, ls=":", zorder=0.3)
    for run in runs:
        found, every = run.analysis["slingshots"], run.params.eval.every
        steps, straight = np.array(found["steps"]), np.array(found["straight"], dtype=float)
        for spike in found["spikes"]:
            near = np.abs(steps - spike) <= AROUND * every
            right.plot(steps[near] - spike, straight[near], color=BLUE, lw=0.7, label="around a spike")
        for key, colour, text in (("straight_elsewhere", GREEN, "elsewhere"), ("straight_null", NULL, "null")):
            if found["spikes"] and found[key] is not None:
                right.axhline(found[key], color=colour, lw=0.8, ls="--", label=text)
    if not right.get_lines():
        missing(right, "no spike after memorisation")
    left.set(title=label(named("transformer")), xlabel="step", ylabel="nats", yscale="log")
    right.set(title="straightness of the path", xlabel="steps from the spike", ylim=(0, 1.05))
    legend(figure)
    return figure


def watched(results: StudyResults) -> Figure:
    """What was measured inside the loop around the grok step, over its median of the run."""
    figure, panels = demonstrations(results, 2.3)
    for arm, (ax,) in panels.items():
        for run in runs_of(results, arm):
            table, grokked = run.watched(), grok_step(run)
            for (column, text), colour in zip(WATCHED.items(), (BLUE, RED, GREEN), strict=True):
                if grokked and column in table:
                    known = table[["step", column]].dropna()
                    size = known[column].abs()
                    if len(known) and size.median() > 0:
                        ax.plot(known["step"] / grokked, size / size.median(), color=colour, lw=0.8, label=text)
        ax.set_yscale("log")
        after(ax, arm)
    figure.axes[0].set_ylabel("over the run's median")
    legend(figure)
    return figure


def circuits(results: StudyResults) -> Figure:
    """Share of the operation, and losses with the keys alone, without them, and without as many others."""
    figure, panels = demonstrations(results, 3.6, rows=2)
    for arm, (share, loss) in panels.items():
        for run in runs_of(results, arm):
            points = run.entries("circuits", "points")
            steps = [p["step"] for p in points]
            share.plot(steps, [p["share"] for p in points], color=BLUE, lw=0.9, label="share of the operation")
            for key, colour, text in (
                ("full", GREY, "all frequencies"),
                ("restricted", GREEN, "keys alone"),
                ("excluded", RED, "without the keys"),
            ):
                loss.plot(steps, [p[key] for p in points], color=colour, lw=0.9, label=text)
            others = [(p["step"], p["random"]["mean"]) for p in points if p["random"]["mean"] is not None]
            if others:
                loss.plot(*zip(*others, strict=True), color=ORANGE, lw=0.9, label="without as many others")
            white = (run.analysis.get("circuits") or {}).get("white")
            if white is not None:
                share.axhline(white, color=NULL, lw=1.5, zorder=0.5, label="white noise")
            for ax in (share, loss):
                if grok_step(run):
                    ax.axvline(grok_step(run), color="0.6", lw=0.6, ls="--", zorder=0.3)
        share.set(title=label(named(arm)), ylim=(-0.03, 1.05))
        loss.set(xlabel="step", yscale="log")
    figure.axes[0].set_ylabel("share of power")
    figure.axes[len(panels)].set_ylabel("loss, nats")
    legend(figure)
    return figure


def interference(results: StudyResults) -> Figure:
    """Cosines of directions of descent; grey is what random ones stay below."""
    figure, panels = demonstrations(results, 2.2)
    for arm, (ax,) in panels.items():
        for run in runs_of(results, arm):
            points = run.entries("named_gradients")
            steps = [p["step"] for p in points]
            for (pair, text), colour in zip(PAIRS.items(), (BLUE, ORANGE, GREEN), strict=True):
                known = [p["pairs"].get(pair) for p in points]
                if points and None not in known:
                    ax.plot(steps, [k["cosine"] for k in known], color=colour, lw=0.9, label=text)
            if points:
                bound = [max(pair["null"] for pair in p["pairs"].values()) for p in points]
                ax.fill_between(steps, np.negative(bound), bound, color=NULL, alpha=0.4, lw=0)
            if grok_step(run):
                ax.axvline(grok_step(run), color="0.6", lw=0.6, ls="--", zorder=0.3)
        ax.set(title=label(named(arm)), xlabel="step", ylim=(-1.05, 1.05))
    figure.axes[0].set_ylabel("cosine")
    legend(figure)
    return figure


def reheats(results: StudyResults) -> Figure:
    """Gain of branches with and without decay, beside the run's own gain, by where they start."""
    figure, panels = demonstrations(results, 2.1)
    for arm, (ax,) in panels.items():
        entries = [e for run in runs_of(results, arm) for e in run.entries("reheat")]
        starts = sorted({e["from"] for e in entries})
        for shift, (decay, colour) in enumerate(((1.0, BLUE), (0.0, RED))):
            chosen = [e for e in entries if e["decay"] == decay]
            x = [starts.index(e["from"]) + 0.2 * (shift - 0.5) for e in chosen]
            ax.plot(x, [e["gain"] for e in chosen], "o", ms=3, color=colour, label=f"weight decay {decay:g}")
        own = [(starts.index(e["from"]), e["parent_gain"]) for e in entries if e["parent_gain"] is not None]
        if own:
            ax.plot(*zip(*own, strict=True), "_", ms=14, color=GREY, label="the run itself")
        ax.axhline(0, color=NULL, lw=1, zorder=0.3)
        ax.set(title=label(named(arm)), xlabel="from step")
        if starts:
            ax.set_xticks(range(len(starts)), [str(start) for start in starts])
        else:
            missing(ax)
    figure.axes[0].set_ylabel("gain on held-out pairs")
    legend(figure)
    return figure


FIGURES = [
    Drawing(
        "accuracy",
        accuracy,
        "Shares of training and of held-out pairs answered right, a line a seed. The last panel is the reference's "
        "own demonstration, in a tenth of its budget.",
        headline=True,
    ),
    Drawing(
        "optimizers",
        optimizers,
        "Does Muon or noise shift the grok step? Held-out accuracy modulo 53, and Kaplan and Meier's share of runs "
        "that have not grokked; a cross is a run that was looked at no longer.",
        headline=True,
    ),
    Drawing(
        "turns",
        turns,
        "The angle between the ways into and out of every snapshot, a twentieth of the run long each, by the step "
        "over the run's grok step. A line a seed; grey is the null of each.",
        headline=True,
    ),
    Drawing(
        "slingshots",
        slingshots,
        "Left: losses of the first seed, dotted where the training loss spikes. Right: how straight the path is "
        "around every spike of every seed, 1 on a line; broken: means elsewhere on the same path, and of the null.",
        headline=True,
    ),
    Drawing(
        "watched",
        watched,
        "Curvature and sensitivity around the transition, over their median of the run, by the step over the run's "
        "grok step. What comes before the transition moves before 1, in every seed.",
    ),
    Drawing(
        "circuits",
        circuits,
        "Above: the share of the logits' power that the operation alone decides. Below: losses over all pairs with "
        "the key frequencies alone, without them, and without as many random others. Broken: grok steps.",
        headline=True,
    ),
    Drawing(
        "interference",
        interference,
        "Cosines of directions of descent: of the training and the held-out loss, of the training loss and weight "
        "decay, of the loss through the key frequencies and through the rest. Grey: random directions, 95 %.",
    ),
    Drawing(
        "reheats",
        reheats,
        "Gains on held-out pairs in 500 steps with a fresh optimizer, from snapshots before, during and after the "
        "transition; a dot a seed, beside what the run itself gained in as many steps.",
    ),
]
