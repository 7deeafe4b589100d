"""The figures of a single run's notebooks."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.params.run import Params
from lib.report.style import BLUE, GREEN, GREY, NULL, ORANGE, OWN_STEP, PAGE, RED, label, missing, named_level
from paper.grokking.transition import Transition

WATCHED = {
    "gradient_norm": "gradient",
    "weight_hessian_trace": "Hessian trace",
    "fisher_trace": "Fisher trace",
    "jacobian_norm": "squared Jacobian",
}
COLOURS = (BLUE, RED, GREEN, ORANGE, GREY)


def curves(p: Params, evaluations: list[dict[str, Any]]) -> Figure:
    """Loss and accuracy of one run on the training and on the held-out pairs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.2))
    rows = {key: np.array([row[key] for row in evaluations], dtype=float) for key in evaluations[0]}
    for name, loss, share, colour in (
        ("training", "train_nll", "train_acc", GREY),
        ("held out", "val_loss", "test_acc", RED),
    ):
        left.plot(rows["step"], rows[loss], color=colour, label=name)
        right.plot(rows["step"], rows[share], color=colour, label=name)
    left.set(title="loss", xlabel=OWN_STEP, ylabel="nats", yscale="log")
    right.set(title="pairs answered right", xlabel=OWN_STEP, ylim=(-0.03, 1.05))
    named_level(right, 1 / p.task.p, "chance")
    left.axhline(np.log(p.task.p), color=BLUE, lw=0.6, ls=":", label="a uniform guess")
    left.legend()
    return figure


def mark(ax: Axes, found: Transition) -> None:
    """Dotted where the run memorised, broken where it grokked."""
    for step, style in ((found.memorised, ":"), (found.grokked, "--")):
        if step is not None:
            ax.axvline(step, color="0.6", lw=0.7, ls=style, zorder=0.3)


def turning(found: dict[str, Any]) -> Figure:
    """The angle at every snapshot, over the null's."""
    figure, ax = plt.subplots(figsize=(PAGE, 2.0))
    steps = np.asarray(found["steps"])
    if not len(steps):
        missing(ax)
        return figure
    ax.plot(steps, np.asarray(found["null_angles"], dtype=float), color=NULL, lw=2, label="null")
    ax.plot(steps, np.asarray(found["angles"], dtype=float), color=BLUE, label="observed")
    mark(ax, Transition(found["memorised"], found["grokked"], int(steps[-1])))
    ax.set(
        title="angle between the ways into and out of a snapshot", xlabel=OWN_STEP, ylabel="degrees", ylim=(0, None)
    )
    ax.legend()
    return figure


def loops(found: dict[str, Any]) -> Figure:
    """How straight the path is around every evaluation, with the spikes of the training loss."""
    figure, ax = plt.subplots(figsize=(PAGE, 2.0))
    steps = np.asarray(found["steps"])
    if not len(steps):
        missing(ax, "too few evaluations")
        return figure
    ax.plot(steps, np.asarray(found["straight"], dtype=float), color=BLUE, label="straightness")
    ax.plot(steps, np.asarray(found["across"], dtype=float), color=ORANGE, label="across the backbone")
    for n, step in enumerate(found["spikes"]):
        ax.axvline(step, color=RED, lw=0.8, ls=":", label="" if n else "spike of the loss")
    ax.set(title="the path around every evaluation", xlabel=OWN_STEP, ylim=(0, 1.05))
    ax.legend()
    return figure


def watched(rows: list[dict[str, Any]], found: Transition) -> Figure:
    """What was measured inside the loop, each with its standard error where it has one."""
    figure, axes = plt.subplots(1, len(WATCHED), figsize=(PAGE, 1.9), sharex=True)
    for ax, (name, title) in zip(axes, WATCHED.items(), strict=True):
        known = [(r["step"], r[name], r.get(f"{name}_se", 0.0)) for r in rows if r.get(name) is not None]
        ax.set(title=title, xlabel=OWN_STEP)
        if not known:
            missing(ax)
            continue
        step, size, error = np.array(known, dtype=float).T
        ax.plot(step, size, color=BLUE, lw=1)
        ax.fill_between(step, size - error, size + error, color=BLUE, alpha=0.25, lw=0)
        ax.set_yscale("symlog", linthresh=max(1e-12, float(np.abs(size).min()) or 1e-12))
        mark(ax, found)
    return figure


def reheats(entries: list[dict[str, Any]]) -> Figure:
    """Test accuracy of every branch; broken without decay."""
    figure, ax = plt.subplots(figsize=(PAGE, 2.2))
    starts = sorted({e["from"] for e in entries})
    for colour, start in zip(COLOURS * len(starts), starts, strict=False):
        for e in (e for e in entries if e["from"] == start):
            style = "-" if e["decay"] else "--"
            ax.plot(e["steps"], e["test_acc"], style, color=colour, label=f"from {start}, decay {e['decay']:g}")
    ax.set(xlabel="step of the branch", title="held-out pairs right", ylim=(-0.03, 1.05))
    if entries:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        missing(ax)
    return figure


def cosines(points: list[dict[str, Any]], found: Transition) -> Figure:
    """The cosine of every pair of directions, over what random ones stay below."""
    pairs = list(points[0]["pairs"]) if points else []
    figure, axes = plt.subplots(1, max(1, len(pairs)), figsize=(PAGE, 2.0), sharey=True, squeeze=False)
    for ax, pair in zip(axes[0], pairs, strict=False):
        steps = [p["step"] for p in points]
        bound = np.array([p["pairs"][pair]["null"] for p in points])
        ax.fill_between(steps, -bound, bound, color=NULL, alpha=0.55, lw=0)
        ax.plot(steps, [p["pairs"][pair]["cosine"] for p in points], "o-", ms=3, lw=1, color=BLUE)
        ax.set(title=label(pair.replace("|", ", ")), xlabel=OWN_STEP, ylim=(-1.05, 1.05))
        mark(ax, found)
    if not pairs:
        missing(axes[0][0])
    return figure


def progress(result: dict[str, Any], found: Transition, p: int) -> Figure:
    """Share of the operation, and the losses with the keys alone and without them."""
    figure, (share, loss) = plt.subplots(1, 2, figsize=(PAGE, 2.2))
    points = result["points"]
    steps = [point["step"] for point in points]
    share.plot(steps, [point["share"] for point in points], "o-", ms=3, lw=1, color=BLUE)
    share.axhline(result["white"], color=NULL, lw=2, label="white noise")
    share.set(title="share of the operation", xlabel=OWN_STEP, ylim=(-0.03, 1.05))
    share.legend()
    for name, title, colour in (
        ("full", "all", GREY),
        ("restricted", "keys alone", BLUE),
        ("excluded", "without keys", RED),
    ):
        loss.plot(steps, [point[name] for point in points], "o-", ms=3, lw=1, color=colour, label=title)
    others = [
        (q["step"], q["random"]["mean"], q["random"]["spread"]) for q in points if q["random"]["mean"] is not None
    ]
    if others:
        step, mean, spread = np.array(others).T
        loss.errorbar(step, mean, spread, color=ORANGE, marker="s", ms=2.5, lw=0.8, label="without others")
    loss.axhline(np.log(p), color="0.6", lw=0.7, ls=":")
    loss.set(title="loss over all pairs", xlabel=OWN_STEP, ylabel="nats", yscale="log")
    loss.legend()
    for ax in (share, loss):
        mark(ax, found)
    return figure


def frequencies(result: dict[str, Any]) -> Figure:
    """Shares of power by frequency, at the start and at the end."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.0))
    kept = [point for point in result["points"] if "embedding" in point]
    for ax, name, title in zip(axes, ("embedding", "power"), ("first matrix", "logits"), strict=True):
        for point, colour in zip(kept, (GREY, BLUE), strict=False):
            ax.plot(
                range(1, len(point[name]) + 1),
                point[name],
                "o-",
                ms=2.5,
                lw=0.9,
                color=colour,
                label=f"step {point['step']}",
            )
        ax.set(title=title, xlabel="frequency", ylabel="share of power", ylim=(0, None))
    if kept:
        axes[0].legend()
    return figure
