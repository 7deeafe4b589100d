"""The figures of the paper: all of them, from a study's folder, by the names that the paper includes."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from matplotlib.figure import Figure

from lib.params.study import Study
from lib.report.behaviour_figures import fisher, interference, probe, reheat
from lib.report.figures import save
from lib.report.geometry_figures import Published, alignment, backbone, beta2_summary, phases, spectrum
from lib.report.published import load_published
from lib.report.rundata import RunData, load_runs, source

Draw = Callable[[Sequence[RunData], Fraction, Published], Figure]

FIGURES: dict[str, Draw] = {
    "probe": lambda runs, scale, published: probe(runs),
    "backbone": lambda runs, scale, published: backbone(runs, scale),
    "spectrum": lambda runs, scale, published: spectrum(runs),
    "beta2_summary": lambda runs, scale, published: beta2_summary(runs, published),
    "alignment": lambda runs, scale, published: alignment(runs, scale),
    "fisher": lambda runs, scale, published: fisher(runs),
    "reheat": lambda runs, scale, published: reheat(runs),
    "interference": lambda runs, scale, published: interference(runs),
    "phases": lambda runs, scale, published: phases(runs, scale),
}


def comparable(profile: str) -> dict[str, dict[float, float]]:
    """Published numbers that open markers may stand for.

    What measures something else than it is said to is left out, and so is a drift where the model has
    another size: norms grow with the number of weights.
    """
    found = {}
    for name, quantity in load_published().quantities.items():
        if quantity.status != "void" and (profile == "paper" or not name.endswith(".drift")):
            found[name] = {float(k): value for k, value in quantity.beta2.items() if value is not None}
    return found


def make_figures(study: Study, folder: Path, published: Published | None = None) -> list[Path]:
    """Write every figure of the study to <folder>/summary/figures/ as PDF and PNG; returns the PDFs.

    Args:
        published: in place of the comparable ones of params/published.yaml.
    """
    published = comparable(study.profile) if published is None else published
    runs = load_runs(study, folder)
    scale = 1 / Fraction(study.time_scale)
    paths = []
    for name, figure in FIGURES.items():
        save(figure(runs, scale, published), folder / "summary", name, source(study, runs), pdf=True)
        paths.append(folder / "summary" / "figures" / f"{name}.pdf")
    return paths
