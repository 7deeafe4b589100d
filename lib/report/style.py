"""How figures look: one style, one way to save them, and the marks that they share.

Text is set in Computer Modern, the design of the paper's own font, which matplotlib brings along; a figure is as
wide as the paper's text, so its letters are as large as they say. Colours are Okabe and Ito's, which stay apart for
colour-blind readers and in grey; what has an order has an ordered palette, one for each variable. PDFs embed
TrueType fonts and carry no dates: the same inputs give the same bytes.
"""

import io
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from lib.base.files import write_atomically
from lib.report.tex import with_symbols
from lib.train.places import results_place

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6E6E6E"
NULL = "#B5B5B5"  # every null, and nothing else
COLUMN, PAGE = 3.1, 6.27  # inches: half of the width of the paper's text, and all of it
OWN_STEP = "step of this run"  # the axis of a single run's figures; those of a study have published steps
SCREEN = 130  # pixels that a page shows an inch of a figure on
MARKERS = "osD^vPX<>p"

# Directions in weight space, by what analyses call them.
DIRECTIONS = {"v_b": BLUE, "PC2": GREEN, "update": RED, "-theta_0": ORANGE, "random": GREY}
NAMES = {"v_b": "$v_b$", "-theta_0": r"$-\theta_0$", "-theta": r"$-\theta$", "adam": "Adam"}
PALETTES = {"level": ("plasma", 0.0, 0.78), "rate": ("Greens_r", 0.0, 0.62), "step": ("Blues_r", 0.0, 0.62)}
# What Computer Modern has at the places of these characters is something else, or nothing.
ESCAPES = {c: f"${c}$" for c in "|<>±"} | {"_": r"$\_$", "\\": r"$\backslash$", "{": r"$\{$", "}": r"$\}$"}
ESCAPES |= {'"': "''", "$": r"\$", "−": "$-$", "‖": r"$\|$", "–": "-"}

STYLE = {
    "font.family": ["cmr10", "DejaVu Serif"],  # the second for letters that the first lacks
    "mathtext.fontset": "cm",
    "axes.formatter.use_mathtext": True,  # and with it a minus sign
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "figure.dpi": 120,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}
mpl.rcdefaults()  # whatever a matplotlibrc of the user's says
mpl.rcParams.update(STYLE)
logging.getLogger("fontTools").setLevel(logging.ERROR)  # Computer Modern's files have dates that it remarks on


@lru_cache(2000)
def _parsed(kind: str, *formula: Any) -> Any:
    return parse_formula(MathTextParser(kind), *formula)


# Every number at an axis is a formula. Each canvas has a parser of its own, which reads them anew and keeps fifty:
# a quarter of the time of a study's figures went into the same 263 formulas.
parse_formula = MathTextParser._parse_cached.__wrapped__
MathTextParser._parse_cached = lambda parser, *formula: _parsed(
    {"vector": "path", "raster": "agg"}[parser._output_type], *formula
)


def save(figure: Figure, folder: Path, name: str) -> Image:
    """Write figures/<name>.png of a run; returns the picture, for the notebook to show as it is.

    Of a notebook that make did not execute it goes beside what make made.
    """
    return write(figure, results_place(folder) / "figures", name)


def write(figure: Figure, place: Path, name: str, source: str = "", pdf: bool = False) -> Image:
    """Write <place>/<name>.png; returns the picture.

    Args:
        source: what is drawn, for the file's own metadata.
        pdf: a PDF too, for the paper. Nothing reads one of a run's figure, and it takes most of the time: half of
            it is the subsetting of the fonts.
    """
    kinds = {"pdf": {"CreationDate": None, "Keywords": source}} if pdf else {}
    kinds |= {"png": {"Software": None, "Source": source}}
    drawn = {}
    for kind, metadata in kinds.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        figure.set_layout_engine("none")  # the first found the layout, which takes longer than drawing
        drawn[kind] = buffer.getvalue()
        write_atomically(place / f"{name}.{kind}", drawn[kind])
    plt.close(figure)  # the notebook shows what the cell returns, once
    return Image(data=drawn["png"], width=round(SCREEN * figure.get_figwidth()))


def label(text: str) -> str:
    """Plain text as figures take it: the paper's symbols as mathematics, no character that the font lacks."""
    return with_symbols(text, lambda part: "".join(ESCAPES.get(c, c) for c in part))


def ordered_palette(count: int, variable: str = "level") -> list[str]:
    """`count` colours from dark to light: an order that survives colour blindness and grey printing.

    The light end of a map is left out, where a line is lost on white paper.

    Args:
        variable: what the colours tell apart. The levels of a study have their own everywhere.
    """
    name, dark, light = PALETTES[variable]
    return [to_hex(colour) for colour in mpl.colormaps[name](np.linspace(dark, light, count))]


def null_band(ax: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, label: str = "null") -> None:
    """What no learning gives, from `low` to `high`; the edge keeps a thin band visible."""
    ax.fill_between(x, low, high, color=NULL, alpha=0.55, lw=1.2, zorder=0.5, label=label)


def published_points(ax: Axes, x: np.ndarray, y: np.ndarray, label: str = "published") -> None:
    """Published values are open markers everywhere, ours are filled."""
    ax.plot(x, y, ls="none", marker="o", ms=6, mfc="none", mec="black", mew=0.9, zorder=4, label=label)


def note(ax: Axes, text: str, colour: str = GREY, at: tuple[float, float] = (0.5, 0.5)) -> None:
    """A sentence inside a panel, for what cannot be drawn."""
    ax.annotate(text, at, xycoords="axes fraction", ha="center", va="center", fontsize=7, color=colour, wrap=True)


def missing(ax: Axes, text: str = "no data") -> None:
    """A panel without data: a note, and no ticks that would look like a scale."""
    note(ax, text)
    ax.tick_params(which="both", left=False, bottom=False, labelleft=False, labelbottom=False)


def cut(ax: Axes, *series: np.ndarray) -> None:
    """Keep a diverged tail from squashing everything else: cut the axis there and say how high it went."""
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    ceiling = 2 * max(line[0] for line in series)
    if values.max(initial=0.0) > ceiling:
        ax.set_ylim(0, 1.15 * values[values <= ceiling].max())
        text = f"rises to {values.max():.3g}"
        ax.annotate(text, (0.74, 0.8), xycoords="axes fraction", ha="center", va="top", fontsize=7, color=RED)


def named_level(ax: Axes, y: float, name: str) -> None:
    """A horizontal line, named beside the panel, where no curve runs over the name."""
    ax.axhline(y, color=GREY, lw=0.6, ls=":")
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate(name, (1, y), xytext=(2, 0), va="center", fontsize=7, color=GREY, **place)


def nothing(ax: Axes, text: str) -> None:
    """A panel of one run that has nothing to draw: why, and no ticks."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set(xticks=[], yticks=[])
