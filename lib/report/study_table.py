"""The table of a study's notebook, in Markdown: quantities in words down, levels across, with errors over seeds."""

from collections.abc import Mapping, Sequence

from IPython.display import Markdown

from lib.geometry.presets import PRESETS
from lib.report.axis import Level, level_text
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.run_tables import behind, in_words, table, value
from lib.report.tex import with_symbols


def study_table(results: StudyResults, names: Sequence[str] | Mapping[str, str]) -> Markdown:
    """Published, observed, null and excess of quantities at every level.

    Args:
        names: the quantities; or quantity -> what it is called, for those that neither the geometry nor the
            published numbers have words for.
    """
    rows = []
    for name in names:
        quantity, known = results.lookup(name), results.published.quantities.get(name)
        words = (names[name] if isinstance(names, Mapping) else "") or (known.name if known else name)
        told = (in_words(name), behind(name)) if name.split(".")[0] in PRESETS else (with_symbols(words, str), "")
        parts = {}
        if known and known.status != "void":
            parts["published"] = [value(known.at(level), known.digits) for level in results.levels]
        for part in ("observed", "null", "excess") if quantity.null else ("observed",):
            digits = known.digits if known else quantity.digits
            parts[part] = [_cell(results, level, results.at(level, name, part), digits) for level in results.levels]
        rows += [[*(told if n == 0 else ("", "")), part, *cells] for n, (part, cells) in enumerate(parts.items())]
    heads = [with_symbols(f"{results.axis.symbol} = {level_text(level)}", str) for level in results.levels]
    return Markdown(table(["quantity", "definition, in published steps", "", *heads], rows, words=3))


def _cell(results: StudyResults, level: Level, found: Estimate, digits: int) -> str:
    """A value with half of its 95 % interval over seeds, or with its own error; a diverged level says so."""
    if found.value is None:
        return "diverged" if level in results.diverged() else "–"
    return value(found.value, digits, found.interval if found.interval is not None else found.error)
