"""The figures of the beta2 study: those of the paper in FIGURES, those of a single run's notebooks below."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.optim.schedules import learning_rate
from lib.params.run import Params
from lib.report.figures import FIGURES as OF_ANY_STUDY
from lib.report.figures import Drawing
from lib.report.geometry_figures import against_levels
from lib.report.gradient_figures import interference
from lib.report.ladder_figure import ladder as common_ladder
from lib.report.panels import coloured, draw, evaluated, legend
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import (
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    NULL,
    ORANGE,
    OWN_STEP,
    PAGE,
    RED,
    cut,
    label,
    missing,
    named_level,
    note,
    nothing,
    ordered_palette,
)
from lib.tasks.stories.probe_weight import probe_weight
from lib.train.run_record import RunRecord
from paper.beta2.filler_figures import by_filler
from paper.beta2.published_ladder import published_ladder


def probe(results: StudyResults) -> Figure:
    """p_ood, p_in and the language-modelling loss against the step."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2))
    panels = {
        "probe_ood_acc": label("p_ood, longer gaps"),
        "probe_in_acc": label("p_in, gaps of training"),
        "val_loss": "language loss (nats per token)",
    }
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        draw(ax, results, lambda run, n=name: evaluated(run, n))
        ax.set(title=title, xlabel="step")
    for ax in axes[:2]:
        ax.set_ylim(-0.03, 1.03)
        if results.present:
            ax.axhline(
                1 / results.present[0].params.task.probe.codewords, color=NULL, lw=2, zorder=0.5, label="chance"
            )
    legend(figure, results)
    return figure


def beta2_summary(results: StudyResults) -> Figure:
    """PC1, k95, drift and alignment against beta2: as published, by the default definitions, and the excess."""
    quantities = {  # title: (default, as published)
        "PC1 (%)": ("G0.pc1", "G1.pc1"),
        "$k_{95}$": ("G0.k95", "G1.k95"),
        r"drift $\|\Delta\|$": ("G0.drift", "G1.drift"),
        r"$|\cos(\mathrm{update}, v_b)|$": ("U0.mean_abs", "U1.mean_abs"),
    }
    rows = ("as published\n(G1, U1)", "default\n(G0, U0)", "observed $-$ null")
    return against_levels(results, quantities, rows)


def ladder(results: StudyResults) -> Figure:
    """The ladder of the runs here; last its lowest rungs on the published series, in the colour of their beta2."""
    figure = common_ladder(results)
    ax = figure.axes[-1]
    ax.set_axis_on()
    ax.axhline(0, color=NULL, lw=2, zorder=0.5)
    colours = {level: colour for colour, _, _, runs in coloured(results) for level in (runs[0].level,)}
    for run in published_ladder():
        of_study = run.name.startswith("β₂ = ")
        colour = colours.get(float(run.name.removeprefix("β₂ = ")), GREY) if of_study else GREY
        left = [run.pc1 - run.schedule, run.pc1 - run.lengths]
        ax.plot([0, 2], left, ms=3, lw=0.8, color=colour, marker="o" if of_study else "s", mfc="white")
    ax.set_title("PC1 (points), published runs")
    note(ax, "circles: 4000 steps\nsquares: 10000 steps", at=(0.74, 0.85))
    return figure


def reheat(results: StudyResults) -> Figure:
    """p_ood of every reheat from its start; its gain; its displacement along and across the parent's v_b."""
    conditions = [in_published_steps(c, run) for run in results.present for c in run.entries("reheat")]
    conditions.sort(key=lambda c: (-c["beta2"], c["ckpt_step"], -c["lr"]))
    starts = list(dict.fromkeys((c["beta2"], c["ckpt_step"]) for c in conditions))
    rates = sorted({c["lr"] for c in conditions}, reverse=True)
    colour = dict(zip(rates, ordered_palette(len(rates), "rate"), strict=True))
    figure = plt.figure(figsize=(PAGE, 4.1))
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 0.95))
    curves = above.subplots(1, max(len(starts), 1), sharey=True, squeeze=False)[0]
    panels = below.subplots(1, 3)
    titles = (label("gain, max p_ood − start"), "displacement along $v_b$", "displacement across $v_b$")
    if not conditions:
        for ax, title in zip((*curves, *panels), (label("p_ood of a reheat"), *titles), strict=True):
            ax.set_title(title)
            missing(ax)
        return figure
    for ax, (beta2, step) in zip(curves, starts, strict=True):
        for c in (c for c in conditions if (c["beta2"], c["ckpt_step"]) == (beta2, step)):
            style = {"color": colour[c["lr"]], "marker": MARKERS[rates.index(c["lr"])], "ms": 2.5, "lw": 1.1}
            ended = c.get("state") == "diverged"
            style |= {"marker": "none", "ls": "--"} if ended else {}
            text = f"peak learning rate {c['lr']:g}" + (", diverged" if ended else "")
            ax.plot(c["steps"], c["p_ood"], label=text, **style)
        ax.set(title=label(f"β₂ = {beta2:g}, from step {step:g}"), xlabel="step of the reheat", ylim=(-0.03, 1.03))
    curves[0].set_ylabel(label("p_ood"))
    quantities = (("gain", None), ("along", "null_along"), ("across", "null_across"))
    for ax, title, (name, null) in zip(panels, titles, quantities, strict=True):
        _conditions(ax, conditions, starts, colour, name, null)
        ax.set_title(title)
    legend(figure)
    return figure


def in_published_steps(condition: dict[str, Any], run: RunResults) -> dict[str, Any]:
    """A reheat with the steps and accuracies that a figure takes."""
    steps = {
        "ckpt_step": condition["ckpt_step"] * run.time_scale,
        "steps": numbers(condition["steps"]) * run.time_scale,
    }
    return condition | steps | {"p_ood": numbers(condition["p_ood"])}


def _conditions(
    ax: Axes,
    conditions: list[dict[str, Any]],
    starts: list[tuple[float, int]],
    colour: dict[float, str],
    name: str,
    null: str | None,
) -> None:
    """One column a start, one point a learning rate, each beside a grey bar for its null; none that diverged."""
    rates = list(colour)
    for c in (c for c in conditions if c.get("state") != "diverged"):
        shift = 0.22 * (rates.index(c["lr"]) - (len(rates) - 1) / 2)
        x = starts.index((c["beta2"], c["ckpt_step"])) + shift
        if null and c.get(null) is not None:
            ax.plot([x - 0.09, x + 0.09], [c[null]] * 2, color=NULL, lw=3.2, solid_capstyle="butt", label="null")
        if c.get(name) is not None:
            ax.plot([x], [c[name]], ls="none", marker=MARKERS[rates.index(c["lr"])], ms=4, color=colour[c["lr"]])
    ax.axhline(0, color=NULL if null is None else GREY, lw=2 if null is None else 0.5, zorder=0.4)
    ax.set(xticks=range(len(starts)), xlim=(-0.6, len(starts) - 0.4))
    ax.set_xticklabels([f"{beta2:g}\n{step:g}" for beta2, step in starts])
    ax.set_xlabel(label("β₂, and the step it starts from"))


COMMON = {drawing.name: drawing for drawing in OF_ANY_STUDY}
FIGURES = [
    Drawing(
        "beta2_summary",
        beta2_summary,
        "PC1, k95, drift and update alignment against β₂: as published, by the default definitions, and what is "
        "left when the null of the schedule is taken off. Dots are runs, lines their means; the grey band reaches "
        "from the null of the schedule to the null with memory. A dot inside the band needs no learning. Last row: "
        "whether a quantity follows β₂ once its null is gone. A level with a cross diverged and has no value.",
        headline=True,
    ),
    Drawing(
        "probe",
        probe,
        "Probe accuracy at longer gaps (p_ood) and at the gaps of training (p_in), and the language loss. The "
        "question is whether p_ood comes down again while p_in stays, and how that hangs on β₂.",
    ),
    Drawing(
        "fillers",
        by_filler,
        "Probes answered right by the last snapshot after five fillers: at a short gap, at a long one, and at a "
        "short one behind a prefix as long as the long gaps. Bars are two standard errors. Last, the share of each "
        "filler's tokens that training never reads. Accuracy that is low where that share is high, and high "
        "elsewhere, is lost to unread tokens and not to the gap.",
    ),
    replace(COMMON["backbone"], headline=False),
    Drawing(
        "ladder",
        ladder,
        "What is left of five quantities as the null is given more of the run: its schedule, the optimizer's "
        "momentum, the lengths of the steps, a slow noise with the steps' cosines, and the steps themselves in "
        "another order. Where a line meets zero, that much of the run explains the quantity without learning. Bars"
        " are 95 % intervals over seeds, or two errors of the null where there is one seed. Last, the two rungs "
        "that the published series allow, open and in the colour of their β₂.",
    ),
    COMMON["spectrum"],
    COMMON["alignment"],
    COMMON["phases"],
    COMMON["fisher"],
    Drawing(
        "interference",
        interference,
        "Cosine of the language and the probe gradient at two steps and the last: of single batches, of averages "
        "over batches, and between different batches, which noise cannot pull towards zero. Above zero a step "
        "along one helps the other. Bars are standard errors, over seeds or over batches; the band is what random "
        "gradients have.",
    ),
    Drawing(
        "reheat",
        reheat,
        "Reheating: p_ood from the start of every reheat, its gain, and the displacement along and across the "
        "backbone of its parent, each beside its null (bar). The gain cannot be negative. A displacement on its "
        "bar is what noise and decay give.",
    ),
]


# ------------------------------------------------------------------------------------- a single run's notebooks


def schedules(p: Params) -> Figure:
    """Learning rate and lambda against the step."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 1.8))
    steps = np.arange(1, p.schedule.steps + 1)
    other = "affine" if p.schedule.decay == "clamped" else "clamped"
    unused = p.schedule.model_copy(update={"decay": other})
    axes[0].plot(steps, [learning_rate(t, p.optim.lr, unused) for t in steps], color=GREY, ls=":", label=other)
    axes[0].plot(
        steps,
        [learning_rate(t, p.optim.lr, p.schedule) for t in steps],
        color=BLUE,
        label=f"{p.schedule.decay} (used)",
    )
    axes[0].set(title="learning rate", xlabel=OWN_STEP)
    axes[0].legend()
    axes[1].step(steps, [probe_weight(t, p) for t in steps], color=ORANGE, where="mid")
    axes[1].set(title=r"weight of the probe objective, $\lambda$", xlabel=OWN_STEP, ylim=(0, None))
    return figure


def training_curves(p: Params, record: RunRecord, evaluations: list[dict[str, Any]]) -> Figure:
    """Losses, probe accuracies, answer NLLs and gradient norm of one run."""
    figure, axes = plt.subplots(2, 2, figsize=(PAGE, 4.2), sharex=True)
    s = {key: np.array([np.nan if e[key] is None else e[key] for e in evaluations]) for key in evaluations[0]}
    steps = s["step"]

    losses, accuracies, nlls, norms = axes.flat
    losses.plot(steps, s["val_loss"], color=BLUE, marker="o", ms=2.5, label="validation (LM)")
    losses.plot(steps, s["train_loss"], color=GREY, lw=1, label=r"training (LM $+\,\lambda$ probe)")
    losses.set(title="loss", ylabel="nats per token")
    cut(losses, s["val_loss"], s["train_loss"])

    accuracies.plot(steps, s["probe_in_acc"], color=GREY, label=label(f"p_in, gaps {_range(p.task.probe.gap_in)}"))
    ood = label(f"p_ood, gaps {_range(p.task.probe.gap_ood)}")
    accuracies.plot(steps, s["probe_ood_acc"], color=RED, marker="o", ms=2.5, label=ood)
    # The legend has the room above one: below, a rise and a fall leave it no place on some runs.
    accuracies.set(title="probes answered right", ylim=(-0.03, 1.22), yticks=np.linspace(0, 1, 6))
    named_level(accuracies, 1 / p.task.probe.codewords, "chance")

    nlls.plot(steps, s["nll_in"], color=GREY, label="in distribution")
    nlls.plot(steps, s["nll_ood"], color=RED, label="longer gaps")
    nlls.set(title="NLL of the answer", xlabel=OWN_STEP, ylabel="nats per token")
    cut(nlls, s["nll_in"], s["nll_ood"])

    norms.plot(steps, s["grad_norm"], color=GREEN, label="before clipping")
    norms.set(title="gradient norm", xlabel=OWN_STEP, yscale="log")
    named_level(norms, p.optim.clip, "clip")

    for ax in axes.flat:
        ax.legend(**({"loc": "upper center", "ncols": 2} if ax is accuracies else {}))
        if record.diverged:
            ax.axvline(record.diverged.step, color=RED, lw=0.8, ls="--")
    if record.diverged:
        figure.suptitle(label(f"diverged: {record.reason}"), color=RED, fontsize=8)
    return figure


def reheats(conditions: list[dict[str, Any]]) -> Figure:
    """p_ood of every condition, and its displacement along and across the backbone with the null."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.4), width_ratios=(1.4, 1, 1))
    if not conditions:
        for ax in axes:
            nothing(ax, "no condition")
        return figure
    snapshots = sorted({c["ckpt_step"] for c in conditions})
    rates = sorted({c["lr"] for c in conditions}, reverse=True)
    colour = dict(zip(rates, ordered_palette(len(rates), "rate"), strict=True))
    for c in conditions:
        style = ("-", "--", ":")[snapshots.index(c["ckpt_step"]) % 3]
        text = f"from step {c['ckpt_step']}, peak {c['lr']:g}"
        axes[0].plot(c["steps"], c["p_ood"], color=colour[c["lr"]], ls=style, label=text)
    axes[0].set(title=label("p_ood"), xlabel="step of the reheat", ylim=(-0.03, 1.03))
    x = np.arange(len(conditions))
    ticks = [f"{c['ckpt_step']}\n{c['lr']:g}" for c in conditions]
    for ax, key, title in ((axes[1], "along", "displacement along $v_b$"), (axes[2], "across", "and across it")):
        ax.bar(x, [c[key] for c in conditions], 0.6, color=[colour[c["lr"]] for c in conditions])
        nulls = [c[f"null_{key}"] for c in conditions]
        ax.scatter(x, nulls, color="black", marker="_", s=90, label="null", zorder=3)
        ax.axhline(0, color=GREY, lw=0.6)
        ax.set(title=title, xticks=x, xlabel="snapshot, peak learning rate")
        ax.set_xticklabels(ticks, fontsize=6)
    legend(figure)
    return figure


def _range(gap: list[int]) -> str:
    return f"{gap[0]} to {gap[1]}"
