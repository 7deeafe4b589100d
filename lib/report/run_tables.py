"""The tables of a single run's notebooks, in Markdown: names in words, the preset behind them, units and errors."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lib.base.files import finite
from lib.geometry.backbone import Window
from lib.geometry.presets import PRESETS, Alignment, Backbone, Phases, Rolling
from lib.params.run import Params
from lib.report.preset_table import window_words
from lib.report.quantities import lookup
from lib.report.style import NAMES
from lib.report.tex import with_symbols
from lib.train.run_record import run_record

WORDS = {  # family and quantity: in words, and the unit
    "G.pc1": ("share of the first direction, PC1", "%"),
    "G.pc2": ("share of the second direction, PC2", "%"),
    "G.k95": ("directions that hold 95 %", ""),
    "G.k99": ("directions that hold 99 %", ""),
    "G.drift": (r"displacement at the end, $\lVert\Delta\rVert$", ""),
    "G.start_cosine": (r"cosine of $v_b$ with $\theta_0$", ""),
    "R.mean": (r"$\lvert\cos\rvert$ of neighbouring windows, mean", ""),
    "U.mean": (r"cosine of updates with $v_b$, mean", ""),
    "U.mean_abs": (r"$\lvert\cos\rvert$ of updates with $v_b$, mean", ""),
    "U.early_mean": (r"cosine of early updates with $v_b$, mean", ""),
    "P.cosine": (r"$\lvert\cos\rvert$ of the early and the late backbone", ""),
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; the first columns are `words`, the others numbers, set to the right."""
    lines = [head, ["---" if n < words else "---:" for n in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """The same of plain text, whose symbols become mathematics."""
    return table([with_symbols(x, str) for x in head], [[with_symbols(x, str) for x in row] for row in rows], words)


def in_words(name: str) -> str:
    """What a geometric quantity is, and its unit: 'share of the first direction, PC1 (%)'."""
    preset, quantity = name.split(".")[:2]
    text, unit = WORDS.get(f"{preset[0]}.{quantity}", (name, ""))
    return f"{text} ({unit})" if unit else text


def behind(name: str) -> str:
    """The preset of a geometric quantity and what it takes, in published steps: 'G1: from step 600 to 2000 ...'."""
    short = name.split(".")[0]
    preset = PRESETS[short]
    match preset:
        case Backbone():
            taken = window_words(preset.window) + ("" if preset.normalise else ", drifts as they are")
        case Rolling():
            taken = f"windows of {preset.size}, {window_words(preset.window)}"
        case Alignment():
            seen = "held out" if preset.held_out else "in sample"
            taken = f"{seen}, backbone {preset.backbone}" + (f", to step {preset.until}" if "early" in name else "")
        case Phases():
            taken = f"before and after step {preset.split}"
        case _:
            taken = ""
    return f"`{short}` {taken}".strip()


def value(x: float | None, digits: int, error: float | None = None) -> str:
    """A number with its error, that at one digit at least; nothing for one that is not finite."""
    known, error = finite(x), finite(error)
    if known is None:
        return ""
    text = f"{known:.{digits}f}" if abs(known) < 1e5 else f"{known:.2e}"
    text = text.replace("-", "−") if float(text) else text.lstrip("-")
    if not error:
        return text
    own = f"{error:.{digits}f}"
    return f"{text}\u00a0±\u00a0{own if float(own) else f'{error:.1g}'}"


def state(folder: Path, p: Params) -> Markdown:
    """What became of a run, and of a diverged one how far everything below goes."""
    record = run_record(folder)
    if record.state is None:
        return Markdown("There is no record of how this run was trained: it is another code's.")
    said = f"**{record.state}** after {record.step} of {p.schedule.steps} steps"
    if not record.diverged:
        return Markdown(said)
    rest = "What is shown is of its snapshots up to there; what cannot be told of so few is left out."
    return Markdown(f"{said}: {record.reason}. {rest}")


def quantities(result: dict[str, Any], names: Sequence[str]) -> Markdown:
    """Observed, null and excess of quantities of analysis/backbone.json, in words; what is not there is named once.

    Errors: of an observed PC1 by leaving out snapshots one by one, of a null and an excess from draw to draw.
    """
    rows, absent = [], []
    for name in names:
        digits = lookup(name, {})[0].digits
        seen, null, excess = (result[part].get(name) for part in ("observed", "null", "excess"))
        if finite(seen) is None:
            absent.append(f"{in_words(name)} (`{name.split('.')[0]}`)")
            continue
        drawn = result["rungs"]["schedule"].errors.get(name) if "rungs" in result else None
        own = value(seen, digits, result["observed"].get(f"{name}_se"))
        rows.append([in_words(name), behind(name), own, value(null, digits, drawn), value(excess, digits, drawn)])
    head = ["quantity", "definition, in published steps", "observed", "null", "excess"]
    texts = [table(head, rows, words=2)] if rows else []
    if absent:
        texts.append(f"Too few snapshots for: {'; '.join(absent)}.")
    return Markdown("\n\n".join(texts))


def ladder(result: dict[str, Any], names: Sequence[str]) -> Markdown:
    """Quantities as observed and on every rung of the ladder, with the error of the rung."""
    rungs = result["rungs"]
    rows = []
    for name in names:
        digits, seen = lookup(name, {})[0].digits, result["observed"].get(name)
        if finite(seen) is not None:
            cells = [value(rung.values.get(name), digits, rung.errors.get(name)) for rung in rungs.values()]
            rows.append([in_words(name), behind(name), value(seen, digits), *cells])
    if not rows:
        return Markdown("Too few snapshots for a ladder: there is no path that a null could be fitted to.")
    return Markdown(table(["quantity", "definition, in published steps", "observed", *rungs], rows, words=2))


def memory(result: dict[str, Any]) -> Markdown:
    """The two numbers of the null with memory, and how well they do."""
    found = {name: finite(x) for name, x in result["memory"].items()}
    if None in (found["share"], found["time_constant"]):
        return Markdown("No memory was fitted.")
    return Markdown(
        f"`memory`: {100 * found['share']:.2f} % of a step's variance, kept for {found['time_constant']:.0f} steps "
        f"of this run. It explains {value(found['fitted'], 2)} of the squared cosines that were fitted and "
        f"{value(found['judged'], 2)} of the others; what is left has {value(found['size'], 0)} dimensions."
    )


def blocks(result: dict[str, Any], names: Sequence[str]) -> Markdown:
    """Observed, null and excess of quantities, one row a block."""
    rows = []
    for number, block in enumerate(result["blocks"]):
        for name in names:
            digits = lookup(name, {})[0].digits
            cells = [value(block[part].get(name), digits) for part in ("observed", "null", "excess")]
            if cells[0]:
                rows.append([str(number), in_words(name), behind(name), *cells])
    if not rows:
        return Markdown("Too few snapshots for the blocks.")
    head = ["block", "quantity", "definition, in published steps", "observed", "null", "excess"]
    return Markdown(table(head, rows, words=3))


def null_fit(result: dict[str, Any]) -> Markdown:
    """The noise that was fitted, and what weight decay does by itself."""
    fit = result["null_fit"]
    if finite(fit["scale"]) is None or not len(fit["decay_share"]):
        return Markdown("No noise was fitted: there is no drift that it could be fitted to.")
    return Markdown(
        f"Fitted noise scale $s$ = {fit['scale']:.1f}; independent coordinates of unit size have $\\sqrt D$ = "
        f"{fit['isotropic_scale']:.1f}. Weight decay alone explains {fit['decay_share'][-1]:.2f} of the squared "
        f"displacement at the end."
    )


def window_numbers(digests: dict[str, Any], window: Window) -> Markdown:
    """PC1, k95 and drift of a window of one's own, of a run and of its null."""
    from lib.geometry.backbone import pca

    rows = []
    for name, source in digests.items():
        found = pca(source, window)
        cells = [value(found.pc1, 1), value(found.components_for(0.95), 0), value(found.drift, 2)]
        rows += [[name, *cells]] if cells[0] else []
    if not rows:
        return Markdown("Too few snapshots in this window.")
    return Markdown(table(["", *(in_words(name) for name in ("G0.pc1", "G0.k95", "G0.drift"))], rows))


NO_SNAPSHOT = Markdown("No whole snapshot with finite weights: this run ended before the first of them.")


def anisotropy(result: dict[str, Any]) -> Markdown:
    """Curvature over that of a random direction, by step and definition, with errors over batches."""
    if not result["points"]:
        return NO_SNAPSHOT
    labels = list(dict.fromkeys(name for p in result["points"] for q in p["quotients"] for name in q.labels))
    rows = []
    for point in result["points"]:
        for q in point["quotients"]:
            at = dict(zip(q.labels, zip(q.anisotropy, q.anisotropy_se, strict=True), strict=True))
            cells = [value(at[name][0], 2, at[name][1]) if name in at else "" for name in labels]
            rows.append([str(point["step"]), q.definition.split(":")[0], *cells])
    return Markdown(table(["step of this run", "Fisher", *(NAMES.get(x, x) for x in labels)], rows, words=2))


def interference(points: list[dict[str, Any]]) -> Markdown:
    """The three cosines of the gradients of the two objectives, with errors over batches."""
    if not points:
        return NO_SNAPSHOT
    rows = []
    for point in points:
        d = point["detail"]
        cosines = [value(getattr(d, name), 3, getattr(d, f"{name}_se")) for name in ("mean", "of_means", "across")]
        rows.append([str(point["step"]), *cosines, str(d.count), str(d.skipped)])
    head = ["step of this run", "mean cosine", "of the means", "across batches", "batches", "without a probe"]
    return Markdown(table(head, rows))


def text_of(section: Any) -> str:
    """A group of parameters as a sentence: 'adamw: lr 0.001, beta1 0.9'."""
    values = section.model_dump()
    name = values.pop("name", "")
    told = ", ".join(f"{key} {x:g}" if isinstance(x, float) else f"{key} {x}" for key, x in values.items())
    return f"{name}: {told}" if name else told
