"""The figures of the modular study: those of the paper in FIGURES, and that of a single run's notebook."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.params.run import Params
from lib.report.figures import FIGURES as OF_ANY_STUDY
from lib.report.figures import Drawing
from lib.report.panels import draw, evaluated, legend
from lib.report.reader import StudyResults
from lib.report.style import BLUE, GREY, OWN_STEP, PAGE, RED, named_level


def accuracy(results: StudyResults) -> Figure:
    """Shares of pairs answered right, and the loss on the held-out ones."""
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.2))
    panels = {"train_acc": "training pairs right", "test_acc": "held-out pairs right", "val_loss": "held-out loss"}
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        draw(ax, results, lambda run, n=name: evaluated(run, n))
        ax.set(title=title, xlabel="step")
    axes[2].set_ylabel("nats")
    for ax in axes[:2]:
        ax.set_ylim(-0.03, 1.03)
    legend(figure, results)
    return figure


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


COMMON = {drawing.name: drawing for drawing in OF_ANY_STUDY}
FIGURES = [
    Drawing(
        "accuracy",
        accuracy,
        "Training pairs, held-out pairs, and the loss on the latter. Held-out pairs may follow long after.",
        headline=True,
    ),
    replace(COMMON["backbone"], headline=False),
    COMMON["spectrum"],
]
