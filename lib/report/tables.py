"""Tables of a paper that any study can have: published | ours | null | excess wherever the four exist."""

from collections.abc import Mapping

import numpy as np

from lib.params.dotted import flatten
from lib.report.axis import Level, level_text
from lib.report.claims import Verdict
from lib.report.claims_file import Claim
from lib.report.operating import SEEDS, characteristics
from lib.report.published import Published, PublishedQuantity
from lib.report.reader import StudyResults
from lib.report.run import RunResults
from lib.report.tex import capital, escaped, long_table, number, table, tex

MARKS = {"sound": "", "conflict": r"\textsuperscript{c}", "void": r"\textsuperscript{v}"}
LABELS = {"published": "publ.", "observed": "ours", "null": "null", "memory": "mem.", "excess": "exc."}

Titles = Mapping[str, tuple[str, int]]  # of quantities that were not published: title and decimals


def common_tables(results: StudyResults, verdicts: list[Verdict]) -> dict[str, str]:
    """The tables of words and provenance, by name."""
    return {
        "claims": claims(results, verdicts),
        "faults": faults(results.published, results.axis.name),
        "runs": runs(results),
        "params": params(results),
    }


def quantities(results: StudyResults, names: tuple[str, ...], per_block: int, titles: Titles | None = None) -> str:
    """One row a level; under every quantity published, ours, null, excess and the null with memory."""
    blocks = [_block(results, names[i : i + per_block], titles or {}) for i in range(0, len(names), per_block)]
    return r"\begin{tabular}{@{}c@{}}" + "\n" + "\\\\\\noalign{\\vskip 8pt}\n".join(blocks) + "\\end{tabular}\n"


def _block(results: StudyResults, names: tuple[str, ...], titles: Titles) -> str:
    parts = [_parts(results, name) for name in names]
    above, rules, at = [""], "", 2
    for name, shown in zip(names, parts, strict=True):
        entry = results.published.quantities.get(name)
        title = tex(entry.name) + MARKS[entry.status] if entry else tex(titles[name][0])
        above.append(rf"\multicolumn{{{len(shown)}}}{{c}}{{{title}}}")
        rules += rf"\cmidrule(lr){{{at}-{at + len(shown) - 1}}}"
        at += len(shown)
    heads = [head(*above), rules, head(tex(results.axis.name), *(LABELS[p] for ps in parts for p in ps))]
    rows = [
        [level_text(b), *(_cell(results, b, q, p, titles) for q, ps in zip(names, parts, strict=True) for p in ps)]
        for b in results.levels
    ]
    return table("l" + "r" * (at - 2), heads, rows)


def _parts(results: StudyResults, name: str) -> tuple[str, ...]:
    published = ("published",) if name in results.published.quantities else ()
    if not results.lookup(name).null:
        return (*published, "observed")
    return (*published, "observed", "null", "excess", *(() if published else ("memory",)))


def published_cells(results: StudyResults, entry: PublishedQuantity) -> list[str]:
    """A published quantity at every level."""
    return [number(entry.at(b), entry.digits) for b in results.levels]


def head(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _cell(results: StudyResults, level: Level, name: str, part: str, titles: Titles) -> str:
    entry = results.published.quantities.get(name)
    digits = entry.digits if entry else titles[name][1]
    if part == "published":
        above = entry.bound(level)
        return f"$>{above:g}$" if above is not None else number(entry.at(level), digits)
    found = results.at(level, name, part)
    if found.value is None:
        return absent(results, level) if part == "observed" else "--"
    # Lengths in weight space are ten times smaller in small models.
    digits += name.split(".")[1] in ("drift", "a_peak")
    text = number(found.value, digits, signed=part == "excess")
    if found.interval is not None and part in ("observed", "excess"):
        text += rf"\,$\pm$\,{number(found.interval, digits)}"
    # A run that diverged and yet ran to its end is marked wherever it appears.
    return text + (r"\rlap{$^{\dagger}$}" if level in results.diverged() else "")


def absent(results: StudyResults, level: Level) -> str:
    """What stands where there is no value."""
    return "div." if any(run.stopped for run in results.runs if run.level == level) else "--"


def level_heads(results: StudyResults, *left: str) -> list[str]:
    """Two lines over columns that are the levels."""
    count, first = len(results.levels), len(left) + 1
    over = ["" for _ in left] + [rf"\multicolumn{{{count}}}{{c}}{{{tex(results.axis.name)}}}"]
    rule = rf"\cmidrule(lr){{{first}-{len(left) + count}}}"
    return [head(*over), rule, head(*left, *(level_text(b) for b in results.levels))]


def with_error(results: StudyResults, level: Level, name: str, digits: int = 3, part: str = "observed") -> str:
    """A value with its standard error in brackets."""
    found = results.at(level, name, part)
    if found.value is None:
        return absent(results, level)
    if found.error is None:
        return number(found.value, digits)
    return rf"{number(found.value, digits)}\,({number(found.error, digits)})"


# ------------------------------------------------------------------------------------- words and provenance


def claims(results: StudyResults, verdicts: list[Verdict]) -> str:
    rows = [
        [_verdict(v), rf"{tex(v.claim.claim)} \emph{{{capital(v.claim.source)}.}}", tex(v.why)] for v in verdicts
    ]
    trained = ", ".join(map(level_text, results.trained())) or "no value"
    order = "" if results.axis.words else f"figures are in the order {tex(f'{results.axis.name} = {trained}')}, "
    caption = (
        "The claims, judged by the data of this profile. Each is a test in "
        f"\\texttt{{{escaped(f'paper/{results.paper.name}/claims.yaml')}}} with a smallest effect of interest; "
        f"{order}intervals are of 95\\,\\%. "
        "Below a verdict stands that of the same test on the null with memory, where it has the quantity."
    )
    columns = _paragraphs(0.11, 0.39, 0.43)
    return long_table(columns, "verdict & claim and source & figures", rows, caption, "tab:claims")


def findings(verdicts: list[Verdict]) -> str:
    """The headline claims, each a sentence beside its card."""
    told = [(n, v) for n, v in enumerate(verdicts, start=1) if v.claim.headline]
    return "\n".join(rf"\studyfinding{{{n}}}{{{tex(v.sentence)}}}" for n, v in told)


def cards(verdicts: list[Verdict]) -> str:
    """Every claim with its card."""
    return "\n".join(rf"\studycard{{{n}}}{{{tex(v.claim.claim)}}}" for n, v in enumerate(verdicts, start=1))


def operating(results: StudyResults) -> str:
    """How often each verdict would be reached, for every claim about effects."""
    rows = []
    for found in characteristics(results):
        mark = r"\textsuperscript{s}" if found.supposed else ""
        cells = [_shares(shares, n) for shares in (found.without, found.under) for n in SEEDS]
        smallest, spread = (
            _size(found.claim, value) for value in (found.claim.effect.smallest, found.claim.effect.spread)
        )
        rows.append([tex(found.claim.id) + mark, smallest, spread, *cells])
    caption = (
        r"Operating characteristics: how often, in \%, a claim would hold, be excluded and be absent. By "
        "simulation of 1, 3 and 10 seeds that spread as declared, for no effect (for a range, where that has no "
        "meaning: for the null with memory of these runs) and for the published effect "
        r"(\textsuperscript{s}: not published as such; twice the smallest of interest is supposed). Sizes "
        r"with \% are relative. Levels are drawn independently; Holm's method is not applied."
    )
    head = r"claim & smallest & spread & none, 1 & 3 & 10 seeds & published, 1 & 3 & 10 seeds"
    return long_table("lrr|ccc|ccc", head, rows, caption, "tab:operating")


def _shares(shares: dict[int, np.ndarray] | None, seeds: int) -> str:
    return "--" if shares is None else "/".join(f"{100 * share:.0f}" for share in shares[seeds][:3])


def _size(claim: Claim, value: float) -> str:
    if not value:
        return "--"
    return rf"{100 * value:g}\,\%" if claim.effect.relative else f"{value:g}"


def _verdict(v: Verdict) -> str:
    return rf"\textbf{{{tex(v.verdict)}}}" + (rf"\newline null:\newline {tex(v.null)}" if v.null else "")


def _paragraphs(*shares: float, then: str = "") -> str:
    """Ragged columns, each a share of the line."""
    ragged = [rf">{{\raggedright\arraybackslash}}p{{{share}\linewidth}}" for share in shares]
    return "@{}" + "".join(ragged) + then + "@{}"


def faults(published: Published, axis: str) -> str:
    rows = [[capital(f.fault), capital(f.effect)] for f in published.faults]
    rows += [
        [f"{capital(q.name)} ({q.status})", capital(q.why)]
        for q in published.quantities.values()
        if q.status != "sound"
    ]
    for b in (b for b in published.branches if b.status != "sound"):
        where = tex(f"{axis} = {level_text(b.level)}, step {b.step}")
        rows.append([f"{capital(b.branch)}, {where} ({b.status})", capital(b.why)])
    caption = "Faults found in the reference, and published numbers that are in conflict or void."
    columns = _paragraphs(0.47, 0.47)
    return long_table(columns, "what & effect", rows, caption, "tab:faults")


def runs(results: StudyResults) -> str:
    rows = [_run(run) for run in results.runs]
    head = "run & state & seconds & commit & parameters & code & data"
    columns = _paragraphs(0.32, 0.16, then="rllll")
    caption = "Every run: what became of it, how long it trained, and the hashes of what it was made from."
    return long_table(columns, head, rows, caption, "tab:runs")


def _run(run: RunResults) -> list[str]:
    record = run.record
    commit = record.commit[:7] + ("+" if record.dirty else "")
    hashes = [known[:8] for known in (record.identity.params, record.identity.code, record.identity.fingerprint)]
    name = rf"\nolinkurl{{{run.name}}}" if run.name.isascii() else tex(run.name)
    cells = [rf"\texttt{{{tex(h)}}}" if h else "--" for h in (commit, *hashes)]
    return [name, tex(run.said), number(record.seconds, 0), *cells]


def params(results: StudyResults) -> str:
    """The resolved parameters of the baseline by dotted name, in three columns."""
    lines = [
        f"{name} = {_plain(value)}"
        for name, value in flatten(results.baseline.params.model_dump(mode="json")).items()
    ]
    cells = [rf"\texttt{{{escaped(line)}}}" for line in lines]
    third = -(-len(cells) // 3)
    columns = [[*cells[i : i + third], *[""] * third][:third] for i in range(0, 3 * third, third)]
    rows = [" & ".join(row) + r" \\" for row in zip(*columns, strict=True)]
    return "\n".join([rf"\begin{{longtable}}{{{_paragraphs(0.31, 0.31, 0.31)}}}", *rows, r"\end{longtable}"]) + "\n"


def _plain(value: object) -> str:
    return "none" if value is None else "(empty)" if value == "" else str(value)
