"""The cards of claims as pages of one PDF, for papers: the SVG of the report, drawn again shape by shape."""

import io
import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon, Rectangle

POINTS = 72  # an inch; a unit of the picture is a point
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def pages(cards: Iterable[str], source: str = "") -> bytes:
    """A PDF with one card a page, each page as large as its card; the same cards give the same bytes.

    Args:
        source: what is drawn, for the file's own metadata.
    """
    from matplotlib.backends.backend_pdf import PdfPages  # 10 MB that no kernel of a run needs

    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"CreationDate": None, "Keywords": source}) as pdf:
        for card in cards:
            picture = ElementTree.fromstring(card)
            width, height = (float(x) for x in picture.get("viewBox").split()[2:])
            figure = plt.figure(figsize=(width / POINTS, height / POINTS), layout="none")
            ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
            ax.axis("off")
            for shape in picture:
                SHAPES[shape.tag.split("}")[-1]](ax, shape.attrib, shape.text or "")
            pdf.savefig(figure)
            plt.close(figure)
    return buffer.getvalue()


def _text(ax: Axes, at: dict[str, str], text: str) -> None:
    ax.text(
        float(at["x"]),
        float(at["y"]),
        text,
        color=_ink(at["fill"]),
        ha=ANCHORS[at["text-anchor"]],
        va="baseline",
        weight=at["font-weight"],
        size=10,
        family="DejaVu Sans",  # the paper's font has no marks and no bold
        parse_math=False,
    )


def _line(ax: Axes, at: dict[str, str], _: str) -> None:
    x, y = ([float(at[f"{axis}{end}"]) for end in "12"] for axis in "xy")
    ax.plot(x, y, color=at["stroke"], lw=float(at["stroke-width"]))


def _circle(ax: Axes, at: dict[str, str], _: str) -> None:
    ax.add_patch(Circle((float(at["cx"]), float(at["cy"])), float(at["r"]), **_look(at), zorder=3))


def _rect(ax: Axes, at: dict[str, str], _: str) -> None:
    x, y, width, height = (float(at[name]) for name in ("x", "y", "width", "height"))
    ax.add_patch(Rectangle((x, y), width, height, facecolor=at["fill"], alpha=float(at["fill-opacity"]), lw=0))


def _path(ax: Axes, at: dict[str, str], _: str) -> None:
    """A point and steps from there, closed: `M10 5l4 4l-4 4z`."""
    numbers = [float(x) for x in re.findall(r"-?[\d.]+", at["d"])]
    points = [(numbers[0], numbers[1])]
    for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
        points.append((points[-1][0] + dx, points[-1][1] + dy))
    ax.add_patch(Polygon(points, closed=True, **_look(at), zorder=3))


def _look(at: dict[str, str]) -> dict[str, Any]:
    return {"facecolor": at.get("fill", "none"), "edgecolor": at.get("stroke", "none"), "lw": 1.0}


def _ink(colour: str) -> str:
    return "black" if colour == "currentColor" else colour


SHAPES: dict[str, Callable[[Axes, dict[str, str], str], None]] = {
    "text": _text,
    "line": _line,
    "circle": _circle,
    "rect": _rect,
    "path": _path,
}
