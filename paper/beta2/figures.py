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
from lib.report.panels import Curve, draw, legend
from lib.report.reader import StudyResults
from lib.report.run import RunResults, numbers
from lib.report.style import (
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    NULL,
    ORANGE,
    PAGE,
    RED,
    cut,
    missing,
    named_level,
    note,
    nothing,
    ordered_palette,
)
from lib.tasks.stories.task import probe_weight
from paper.beta2.filler_figures import by_filler
from paper.beta2.published_ladder import published_ladder


def probe(results: StudyResults) -> Figure:
    """p_ood, p_in and the language-modelling loss against the step."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2))
    panels = {
        "probe_ood_acc": "p_ood, longer gaps",
        "probe_in_acc": "p_in, gaps of training",
        "val_loss": "LM loss",
    }
    for ax, (name, title) in zip(axes, panels.items(), strict=True):

        def series(run: RunResults, name: str = name) -> Curve:
            return run.evaluated("step"), run.evaluated(name)

        draw(ax, results, series)
        ax.set(title=title, xlabel="step")
    axes[2].set_ylabel("nats per token")
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
        "k95": ("G0.k95", "G1.k95"),
        "drift ‖Δ‖": ("G0.drift", "G1.drift"),
        "|cos(update, $v_b$)|": ("U0.mean_abs", "U1.mean_abs"),
    }
    rows = ("as published\n(G1, U1)", "default\n(G0, U0)", "observed − null")
    return against_levels(results, quantities, rows)


def ladder(results: StudyResults) -> Figure:
    """The ladder of the runs here, and its lowest rungs on the published series."""
    figure = common_ladder(results)
    ax = figure.axes[-1]
    ax.set_axis_on()
    ax.axhline(0, color=NULL, lw=2, zorder=0.5)
    for run in published_ladder():
        long = run.name.startswith("10K")
        style = {"color": GREY if long else BLUE, "marker": "s" if long else "o", "mfc": "white"}
        left = [run.pc1 - run.schedule, run.pc1 - run.lengths]
        ax.plot([0, 2], left, ms=3, lw=0.8, **style)
    ax.set_title("PC1, published runs")
    for text, colour, y in (("4,000 steps", BLUE, 0.9), ("10,000 steps", GREY, 0.8)):
        note(ax, text, colour, (0.75, y))
    return figure


def reheat(results: StudyResults) -> Figure:
    """p_ood of every reheat from its start; its gain; its displacement along and across the parent's v_b."""
    conditions = [c for run in results.present for c in run.entries("reheat")]
    conditions.sort(key=lambda c: (-c["beta2"], c["ckpt_step"], -c["lr"]))
    starts = list(dict.fromkeys((c["beta2"], c["ckpt_step"]) for c in conditions))
    rates = sorted({c["lr"] for c in conditions}, reverse=True)
    colour = dict(zip(rates, ordered_palette(len(rates)), strict=True))
    figure = plt.figure(figsize=(PAGE, 4.0))
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.05))
    curves = above.subplots(1, max(len(starts), 1), sharey=True, squeeze=False)[0]
    panels = below.subplots(1, 3)
    titles = ("gain G = max p_ood − start", "displacement along $v_b$", "displacement across $v_b$")
    if not conditions:
        for ax, title in zip((*curves, *panels), ("p_ood from the start of a reheat", *titles), strict=True):
            ax.set_title(title)
            missing(ax)
        return figure
    for ax, (beta2, step) in zip(curves, starts, strict=True):
        for c in (c for c in conditions if (c["beta2"], c["ckpt_step"]) == (beta2, step)):
            style = {"color": colour[c["lr"]], "marker": MARKERS[rates.index(c["lr"])], "ms": 2.5, "lw": 1.1}
            ax.plot(numbers(c["steps"]), numbers(c["p_ood"]), label=f"lr = {c['lr']:g}", **style)
            if c.get("state") == "diverged":
                note(ax, "diverged", RED, (0.8, 0.1))
        ax.set(title=f"β₂ = {beta2:g}, step {step}", xlabel="step of the reheat", ylim=(-0.03, 1.03))
    curves[0].set_ylabel("p_ood")
    curves[-1].legend(loc="upper right", fontsize=6.5)
    quantities = (("gain", None), ("along", "null_along"), ("across", "null_across"))
    for ax, title, (name, null) in zip(panels, titles, quantities, strict=True):
        _conditions(ax, conditions, starts, colour, name, null)
        ax.set_title(title)
    return figure


def _conditions(
    ax: Axes,
    conditions: list[dict[str, Any]],
    starts: list[tuple[float, int]],
    colour: dict[float, str],
    name: str,
    null: str | None,
) -> None:
    """One column a start, one point a learning rate, each beside a grey bar for its null."""
    rates, drawn = list(colour), False
    for c in conditions:
        shift = 0.22 * (rates.index(c["lr"]) - (len(rates) - 1) / 2)
        x = starts.index((c["beta2"], c["ckpt_step"])) + shift
        if null and c.get(null) is not None:
            label = "" if drawn else "null"
            ax.plot([x - 0.09, x + 0.09], [c[null]] * 2, color=NULL, lw=3.2, solid_capstyle="butt", label=label)
            drawn = True
        if c.get(name) is not None:
            ax.plot([x], [c[name]], ls="none", marker=MARKERS[rates.index(c["lr"])], ms=4, color=colour[c["lr"]])
    ax.axhline(0, color=NULL if null is None else GREY, lw=2 if null is None else 0.5, zorder=0.4)
    ax.set(xticks=range(len(starts)), xlim=(-0.6, len(starts) - 0.4))
    ax.set_xticklabels([f"{beta2:g}\n{step}" for beta2, step in starts], fontsize=6.5)
    ax.set_xlabel("β₂, and the step it starts from")
    if drawn:
        ax.legend(fontsize=6.5)


COMMON = {drawing.name: drawing for drawing in OF_ANY_STUDY}
FIGURES = [
    Drawing(
        "beta2_summary",
        beta2_summary,
        "PC1, k95, drift and update alignment against β₂: as published, by the default definitions, "
        "and what is left when the no-learning null is taken off.",
        headline=True,
    ),
    Drawing(
        "probe",
        probe,
        "Probe accuracy at longer gaps (p_ood) and at the gaps of training (p_in), and the language loss.",
    ),
    Drawing(
        "fillers",
        by_filler,
        "Probes answered right by the last snapshot after five fillers: at a short gap, at a long one, and at a "
        "short one behind a prefix as long as the long gaps. Bars are two standard errors. Last, the share of each "
        "filler's tokens that training never reads.",
    ),
    replace(COMMON["backbone"], headline=False),
    Drawing(
        "ladder",
        ladder,
        "What is left of five quantities as the null is given more of the run: its schedule, the optimizer's "
        "momentum, the lengths of the steps, a slow noise with the steps' cosines, and the steps themselves in "
        "another order. Last, the two rungs that the published series allow, without a GPU.",
    ),
    COMMON["spectrum"],
    COMMON["alignment"],
    COMMON["phases"],
    COMMON["fisher"],
    Drawing("interference", interference, "Signed cosine of the language and the probe gradient."),
    Drawing("reheat", reheat, "Reheating: p_ood, its gain, and the displacement along and across the backbone."),
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
    axes[0].set(title="learning rate", xlabel="step")
    axes[0].legend()
    axes[1].step(steps, [probe_weight(t, p) for t in steps], color=ORANGE, where="mid")
    axes[1].set(title="weight of the probe objective, λ", xlabel="step", ylim=(0, None))
    return figure


def training_curves(p: Params, record: dict[str, Any], evaluations: list[dict[str, Any]]) -> Figure:
    """Losses, probe accuracies, answer NLLs and gradient norm of one run."""
    figure, axes = plt.subplots(2, 2, figsize=(PAGE, 4.2), sharex=True)
    s = {key: np.array([np.nan if e[key] is None else e[key] for e in evaluations]) for key in evaluations[0]}
    steps = s["step"]

    losses, accuracies, nlls, norms = axes.flat
    losses.plot(steps, s["val_loss"], color=BLUE, marker="o", ms=2.5, label="validation (LM)")
    losses.plot(steps, s["train_loss"], color=GREY, lw=1, label="training (LM + λ probe)")
    losses.set(title="loss", ylabel="nats per token")
    cut(losses, s["val_loss"], s["train_loss"])

    accuracies.plot(steps, s["probe_in_acc"], color=GREY, label=f"p_in, gaps {_range(p.task.probe.gap_in)}")
    ood = f"p_ood, gaps {_range(p.task.probe.gap_ood)}"
    accuracies.plot(steps, s["probe_ood_acc"], color=RED, marker="o", ms=2.5, label=ood)
    # The legend has the room above one: below, a rise and a fall leave it no place on some runs.
    accuracies.set(title="probes answered right", ylim=(-0.03, 1.22), yticks=np.linspace(0, 1, 6))
    named_level(accuracies, 1 / p.task.probe.codewords, "chance")

    nlls.plot(steps, s["nll_in"], color=GREY, label="in distribution")
    nlls.plot(steps, s["nll_ood"], color=RED, label="longer gaps")
    nlls.set(title="NLL of the answer", xlabel="step", ylabel="nats per token")
    cut(nlls, s["nll_in"], s["nll_ood"])

    norms.plot(steps, s["grad_norm"], color=GREEN, label="before clipping")
    norms.set(title="gradient norm", xlabel="step", yscale="log")
    named_level(norms, p.optim.clip, "clip")

    for ax in axes.flat:
        ax.legend(**({"loc": "upper center", "ncols": 2} if ax is accuracies else {}))
        if record["state"] == "diverged":
            ax.axvline(record["diverged"]["step"], color=RED, lw=0.8, ls="--")
    if record["state"] == "diverged":
        figure.suptitle(f"diverged: {record['reason']}", color=RED, fontsize=8)
    return figure


def reheats(conditions: list[dict[str, Any]]) -> Figure:
    """p_ood of every condition, and its displacement along and across the backbone with the null."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.2))
    if not conditions:
        for ax in axes:
            nothing(ax, "no condition")
        return figure
    snapshots = sorted({c["ckpt_step"] for c in conditions})
    rates = sorted({c["lr"] for c in conditions}, reverse=True)
    for c in conditions:
        colour = (RED, BLUE, GREEN)[rates.index(c["lr"]) % 3]
        style = ("-", "--", ":")[snapshots.index(c["ckpt_step"]) % 3]
        axes[0].plot(c["steps"], c["p_ood"], color=colour, ls=style, label=f"{c['ckpt_step']}, lr {c['lr']:g}")
    axes[0].set(title="p_ood", xlabel="reheat step", ylim=(-0.03, 1.03))
    axes[0].legend(fontsize=6, title="snapshot, lr", title_fontsize=6)
    x = np.arange(len(conditions))
    axes[1].bar(x - 0.2, [c["along"] for c in conditions], 0.35, color=BLUE, label="along v_b")
    axes[1].bar(x + 0.2, [c["across"] for c in conditions], 0.35, color=ORANGE, label="across")
    for shift, key in ((-0.2, "null_along"), (0.2, "null_across")):
        values = [c[key] for c in conditions]
        axes[1].scatter(
            x + shift, values, color="black", marker="_", s=40, label="null" if shift < 0 else None, zorder=3
        )
    axes[1].axhline(0, color=GREY, lw=0.6)
    axes[1].set(title="displacement", xticks=x, xticklabels=[f"{c['ckpt_step']}\n{c['lr']:g}" for c in conditions])
    axes[1].tick_params(axis="x", labelsize=6)
    axes[1].legend()
    return figure


def _range(gap: list[int]) -> str:
    return f"{gap[0]}–{gap[1]}"
