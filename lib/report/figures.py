"""The figures of a study: a list, each with its function and its caption, and how all of them are made.

A study has its own list, FIGURES in paper/<study>/figures.py; without one it has those that any study can have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from lib.base.files import write_atomically
from lib.report.card_pages import pages
from lib.report.claim_cards import claim_card
from lib.report.geometry_figures import alignment, backbone, phases, spectrum
from lib.report.gradient_figures import fisher, interference
from lib.report.ladder_figure import ladder
from lib.report.reader import StudyResults
from lib.report.style import write
from lib.report.summary import verdicts_of
from lib.report.tex import with_symbols
from lib.train.places import results_place

CARDS = "cards.pdf"  # a page a claim, in their order


@dataclass(frozen=True)
class Drawing:
    """A figure by the name that paper and report know it by, with its caption in plain words."""

    name: str
    draw: Callable[[StudyResults], Figure]
    caption: str
    headline: bool = False  # at the top of the report

    @property
    def told(self) -> str:
        """The caption in Markdown, its symbols as mathematics."""
        return with_symbols(self.caption, str)


FIGURES = [
    Drawing(
        "backbone",
        backbone,
        "Displacement along and across the backbone, and the backbone fraction: above, over the band of the null; "
        "below, minus each run's own null. A line is the mean over seeds, in the band that they span. What "
        "learning adds to the path is what leaves zero below.",
        headline=True,
    ),
    Drawing(
        "ladder",
        ladder,
        "What is left of five quantities as the null is given more of the run. Where a line "
        "meets zero, that much of the run explains the quantity without learning.",
    ),
    Drawing(
        "spectrum",
        spectrum,
        "Shares of the leading directions and their sum, over the null, and the sum minus "
        "the null: how many directions the path has fewer than noise with its schedule.",
    ),
    Drawing(
        "alignment",
        alignment,
        "Cosine of updates with the backbone: of the whole run, which has seen them, and of "
        "the other half, which has not; and of the averaged gradient. Bands are the null, and twice what a random "
        "vector has.",
    ),
    Drawing(
        "phases",
        phases,
        "|cosine| of the backbone of a rolling window with that of the early half, of the late half, and of the "
        "window before: above, over the null; below, minus it. A turn that the null makes too is no phase of "
        "learning.",
    ),
    Drawing(
        "fisher",
        fisher,
        "Curvature along directions over that along random ones, by definition of the Fisher. The band reaches "
        "from random directions to random ones with the backbone's share in every tensor: inside it, a direction "
        "is not stiff. Bars are standard errors, over seeds where there are several and over batches where there "
        "is one.",
    ),
    Drawing(
        "interference",
        interference,
        "Signed cosine of the gradients of the two objectives; the band is what random gradients have.",
    ),
]


def drawings(results: StudyResults) -> list[Drawing]:
    return results.paper.find("figures", "FIGURES", FIGURES)


def make_figures(results: StudyResults) -> list[Path]:
    """Write every figure of a study to <folder>/summary/figures/ as PDF and PNG, and the cards of its claims as one
    PDF; returns the PDFs of the figures."""
    place = results_place(results.folder) / "summary" / "figures"
    for drawing in drawings(results):
        write(drawing.draw(results), place, drawing.name, results.source, pdf=True)
    if verdicts := verdicts_of(results):
        write_atomically(place / CARDS, pages((claim_card(results, v) for v in verdicts), results.source))
    return [place / f"{drawing.name}.pdf" for drawing in drawings(results)]
