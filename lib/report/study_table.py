"""The table of a study's notebook, in Markdown: quantities in words down, levels across, with errors over seeds."""

from collections.abc import Mapping, Sequence

from IPython.display import Markdown

from lib.geometry.presets import PRESETS
from lib.report.axis import Level, level_text
from lib.report.quantities import Estimate
from lib.report.reader import StudyResults
from lib.report.run_tables import behind, in_words, table, value


def study_table(results: StudyResults, names: Sequence[str] | Mapping[str, str]) -> Markdown:
    """Published, observed, null and excess of quantities at every level.

    Args:
        names: the quantities; or quantity -> what it is called, for those that neither the geometry nor the
            published numbers have words for.
    """
    rows = []
    for name in names:
        quantity, known = results.lookup(name), results.published.quantities.get(name)
        geometric = name.split(".")[0] in PRESETS
        words = (names[name] if isinstance(names, Mapping) else "") or (known.name if known else name)
        told, meant = (in_words(name), behind(name)) if geometric else (words, "")
        parts = ("observed", "null", "excess") if quantity.null else ("observed",)
        if known and known.status != "void":
            cells = [value(known.at(level), known.digits) for level in results.levels]
            rows.append([told, meant, "published", *cells])
        for part in parts:
            found = [results.at(level, name, part) for level in results.levels]
            cells = [
                _cell(results, level, e, quantity.digits) for level, e in zip(results.levels, found, strict=True)
            ]
            fresh = not rows or (rows[-1][0] != told and not (known and part == parts[0]))
            rows.append([told if fresh else "", meant if fresh else "", part, *cells])
    heads = [f"{results.axis.symbol} = {level_text(level)}" for level in results.levels]
    return Markdown(table(["quantity", "definition, in published steps", "", *heads], rows, words=3))


def _cell(results: StudyResults, level: Level, found: Estimate, digits: int) -> str:
    """A value with half of its 95 % interval over seeds, or with its own error; a diverged level says so."""
    if found.value is None:
        return "diverged" if level in results.diverged() else "–"
    return value(found.value, digits, found.interval if found.interval is not None else found.error)
