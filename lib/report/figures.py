"""The style, and one function per figure: data in, Figure out.

Colours are Okabe and Ito's, which stay apart for colour-blind readers and in grey; beta2 has an ordered
palette. PDFs embed TrueType fonts and carry no dates: the same inputs give the same bytes.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lib.base.files import write_atomically
from lib.optim.schedules import learning_rate, probe_weight
from lib.params.run import Params

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6E6E6E"
NULL = "#B5B5B5"  # every null, and nothing else
COLUMN, PAGE = 3.4, 6.9  # inches: a column and a page of the paper
MARKERS = "osD^vPX<>p"

STYLE = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.dpi": 120,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}
mpl.rcdefaults()  # whatever a matplotlibrc of the user's says
mpl.rcParams.update(STYLE)


def save(figure: Figure, folder: Path, name: str, source: str = "") -> Figure:
    """Write figures/<name>.pdf and .png under a run; returns the figure, for the notebook to show."""
    import io

    for kind in ("pdf", "png"):
        metadata = {
            "pdf": {"CreationDate": None, "Keywords": source},
            "png": {"Software": None, "Source": source},
        }
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata[kind])
        figure.set_layout_engine("none")  # the first found the layout, which takes longer than drawing
        write_atomically(folder / "figures" / f"{name}.{kind}", buffer.getvalue())
    plt.close(figure)  # the notebook shows what the cell returns, once
    return figure


def ordered_palette(count: int) -> list[str]:
    """`count` colours from dark to light: an order that survives colour blindness and grey printing.

    The light end of the map is left out, where a line is lost on white paper.
    """
    return [to_hex(colour) for colour in mpl.colormaps["plasma"](np.linspace(0.0, 0.78, count))]


def null_band(ax: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, label: str = "null") -> None:
    """What no learning gives, from `low` to `high`; the edge keeps a thin band visible."""
    ax.fill_between(x, low, high, color=NULL, alpha=0.55, lw=1.2, zorder=0.5, label=label)


def published_points(ax: Axes, x: np.ndarray, y: np.ndarray, label: str = "published") -> None:
    """Published values are open markers everywhere, ours are filled."""
    ax.plot(x, y, ls="none", marker="o", ms=6, mfc="none", mec="black", mew=0.9, zorder=4, label=label)


def note(ax: Axes, text: str, colour: str = GREY, at: tuple[float, float] = (0.5, 0.5)) -> None:
    """A sentence inside a panel, for what cannot be drawn."""
    ax.annotate(text, at, xycoords="axes fraction", ha="center", va="center", fontsize=6.5, color=colour, wrap=True)


def missing(ax: Axes, text: str = "no data") -> None:
    """A panel without data: a note, and no ticks that would look like a scale."""
    note(ax, text)
    ax.tick_params(which="both", left=False, bottom=False, labelleft=False, labelbottom=False)


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
    axes[1].step(steps, [probe_weight(t, p.schedule) for t in steps], color=ORANGE, where="mid")
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
    _cut(losses, s["val_loss"], s["train_loss"])

    accuracies.plot(steps, s["probe_in_acc"], color=GREY, label=f"p_in, gaps {_range(p.probe.gap_in)}")
    ood = f"p_ood, gaps {_range(p.probe.gap_ood)}"
    accuracies.plot(steps, s["probe_ood_acc"], color=RED, marker="o", ms=2.5, label=ood)
    # The legend has the room above one: below, a rise and a fall leave it no place on some runs.
    accuracies.set(title="probes answered right", ylim=(-0.03, 1.22), yticks=np.linspace(0, 1, 6))
    _level(accuracies, 1 / p.probe.codewords, "chance")

    nlls.plot(steps, s["nll_in"], color=GREY, label="in distribution")
    nlls.plot(steps, s["nll_ood"], color=RED, label="longer gaps")
    nlls.set(title="NLL of the answer", xlabel="step", ylabel="nats per token")
    _cut(nlls, s["nll_in"], s["nll_ood"])

    norms.plot(steps, s["grad_norm"], color=GREEN, label="before clipping")
    norms.set(title="gradient norm", xlabel="step", yscale="log")
    _level(norms, p.optim.clip, "clip")

    for ax in axes.flat:
        ax.legend(**({"loc": "upper center", "ncols": 2} if ax is accuracies else {}))
        if record["state"] == "diverged":
            ax.axvline(record["diverged"]["step"], color=RED, lw=0.8, ls="--")
    if record["state"] == "diverged":
        figure.suptitle(f"diverged: {record['reason']}", color=RED, fontsize=8)
    return figure


def _cut(ax: Axes, *series: np.ndarray) -> None:
    """Keep a diverged tail from squashing everything else: cut the axis there and say how high it went."""
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    ceiling = 2 * max(line[0] for line in series)
    if values.max(initial=0.0) > ceiling:
        ax.set_ylim(0, 1.15 * values[values <= ceiling].max())
        note = f"rises to {values.max():.3g}"
        ax.annotate(note, (0.74, 0.8), xycoords="axes fraction", ha="center", va="top", fontsize=7, color=RED)


def _level(ax: Axes, y: float, name: str) -> None:
    """A horizontal line, named beside the panel, where no curve runs over the name."""
    ax.axhline(y, color=GREY, lw=0.6, ls=":")
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate(name, (1, y), xytext=(2, 0), va="center", fontsize=6, color=GREY, **place)


def _range(gap: list[int]) -> str:
    return f"{gap[0]}–{gap[1]}"
