"""The paper's tables: published | ours | null | excess wherever the four exist."""

from lib.params.dotted import flatten
from lib.params.run import format_beta2
from lib.report.claims import Verdict
from lib.report.published import Published, Quantity
from lib.report.results import OBSERVED_ONLY, Results, RunResult
from lib.report.tex import escaped, long_table, number, table, tex

MARKS = {"sound": "", "conflict": r"\textsuperscript{c}", "void": r"\textsuperscript{v}"}
LABELS = {"published": "publ.", "observed": "ours", "null": "null", "simulated": "sim.", "excess": "exc."}

TRAINING = ("val.final", "p_ood.best", "p_ood.best_step", "p_ood.last")
WINDOW = ("G1.pc1", "G1.k95", "G1.drift", "U1.mean_abs")
FULL = ("G2.pc1", "G2.pc2", "G2raw.pc1", "G2.k95", "G2.k99", "G2.drift", "U2.mean_abs", "U2.early_mean_abs")
COORDINATE = ("G2.a_peak", "G2.a_peak_step", "G2.fraction_max", "G2.fraction_max_step", "G2.fraction_last")
FITS = tuple(f"F2.gamma_{what}.{regime}" for what in "ar" for regime in ("0-2000", "2000-4000", "0-4000"))
CORRELATIONS = tuple(f"C2.r.{regime}" for regime in ("0-2000", "2000-4000", "0-4000"))
DEFAULTS = {
    "G0.pc1": ("PC1 (%)", 1),
    "G0.k95": ("k95", 0),
    "G0.k99": ("k99", 0),
    "G0.start_cosine": ("cosine of v_b, theta_0", 3),
    "R0.mean": ("rotation, mean |cos|", 3),
    "P0.cosine": ("early, late backbone", 3),
    "U0in.mean_abs": ("alignment, in sample", 3),
    "U0.mean_abs": ("alignment, held out", 3),
}


def tables(results: Results, verdicts: list[Verdict]) -> dict[str, str]:
    """Every table of the paper by name."""
    return {
        "training": quantities(results, TRAINING, 4),
        "window": quantities(results, WINDOW, 4),
        "full": quantities(results, FULL, 3),
        "coordinate": quantities(results, COORDINATE, 3),
        "fits": quantities(results, FITS + CORRELATIONS, 3),
        "defaults": quantities(results, tuple(DEFAULTS), 4),
        "gradients": gradients(results),
        "fisher": fisher(results),
        "reheat": reheat(results),
        "claims": claims(verdicts),
        "faults": faults(results.published),
        "runs": runs(results),
        "params": params(results),
    }


def quantities(results: Results, names: tuple[str, ...], per_block: int) -> str:
    """One row a beta2; under every quantity what exists of published, ours, null, simulated and excess."""
    blocks = [_block(results, names[i : i + per_block]) for i in range(0, len(names), per_block)]
    return r"\begin{tabular}{@{}c@{}}" + "\n" + "\\\\\\noalign{\\vskip 8pt}\n".join(blocks) + "\\end{tabular}\n"


def _block(results: Results, names: tuple[str, ...]) -> str:
    parts = [_parts(results, name) for name in names]
    titles, rules, at = [""], "", 2
    for name, shown in zip(names, parts, strict=True):
        entry = results.published.quantities.get(name)
        title = tex(entry.name) + MARKS[entry.status] if entry else tex(DEFAULTS[name][0])
        titles.append(rf"\multicolumn{{{len(shown)}}}{{c}}{{{title}}}")
        rules += rf"\cmidrule(lr){{{at}-{at + len(shown) - 1}}}"
        at += len(shown)
    heads = [_head(*titles), rules, _head(r"$\beta_2$", *(LABELS[p] for ps in parts for p in ps))]
    rows = [
        [format_beta2(b), *(_cell(results, b, q, p) for q, ps in zip(names, parts, strict=True) for p in ps)]
        for b in results.beta2
    ]
    return table("l" + "r" * (at - 2), heads, rows)


def _parts(results: Results, name: str) -> tuple[str, ...]:
    published = ("published",) if name in results.published.quantities else ()
    if name.split(".")[0] in (*OBSERVED_ONLY, "C0", "C2"):
        return (*published, "observed")
    return (*published, "observed", "null", *(() if published else ("simulated",)), "excess")


def _published(results: Results, entry: Quantity) -> list[str]:
    return [number(entry.at(b), entry.digits) for b in results.beta2]


def _head(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _cell(results: Results, beta2: float, name: str, part: str) -> str:
    entry = results.published.quantities.get(name)
    digits = entry.digits if entry else DEFAULTS[name][1]
    if part == "published":
        above = entry.bound(beta2)
        return f"$>{above:g}$" if above is not None else number(entry.at(beta2), digits)
    found = results.at(beta2, name, part)
    if found.value is None:
        return _absent(results, beta2) if part == "observed" else "--"
    # Lengths in weight space are ten times smaller in small models.
    digits += name.split(".")[1] in ("drift", "a_peak")
    text = number(found.value, digits, signed=part == "excess")
    if found.count > 1 and found.error is not None and part in ("observed", "excess"):
        text += rf"\,$\pm$\,{number(found.error, digits)}"
    # A run that diverged and yet ran to its end is marked wherever it appears.
    return text + (r"\rlap{$^{\dagger}$}" if beta2 in results.diverged() else "")


def _absent(results: Results, beta2: float) -> str:
    return "div." if any(run.stopped for run in results.runs if run.beta2 == beta2) else "--"


# ----------------------------------------------------------------------------------------- gradients, curvature


def gradients(results: Results) -> str:
    """At the two steps: the cosine of the objectives, and what the averaged gradient aligns with."""
    scale = float(results.study.time_scale)
    steps = [f"{s * scale:g}" for s in results.study.analysis.interference_steps]
    kinds = {
        "I.mean": "cosine of single batches",
        "I.of_means": "of averaged gradients",
        "I.across": "between different batches",
        "A.v_b": "gradient and v_b, |cos|",
        "A.update": "gradient and latest update, |cos|",
        "A.-theta_0": "gradient and -theta_0, |cos|",
    }
    rows: list[list[str] | None] = []
    for step in steps:
        rows += [None] if rows else []
        entry = results.published.quantities.get(f"I.mean.{step}")
        if entry:
            cells = _published(results, entry)
            rows.append([step, "published" + MARKS[entry.status], *cells])
        for kind, title in kinds.items():
            first = not rows or rows[-1] is None
            cells = [_with_error(results, b, f"{kind}.{step}") for b in results.beta2]
            rows.append([step if first else "", tex(title), *cells])
    return table("ll" + "r" * len(results.beta2), _beta2_heads(results, "step", ""), rows)


def _beta2_heads(results: Results, *left: str) -> list[str]:
    """Two lines over columns that are the values of beta2."""
    count, first = len(results.beta2), len(left) + 1
    over = ["" for _ in left] + [rf"\multicolumn{{{count}}}{{c}}{{$\beta_2$}}"]
    rule = rf"\cmidrule(lr){{{first}-{len(left) + count}}}"
    return [_head(*over), rule, _head(*left, *(format_beta2(b) for b in results.beta2))]


def _with_error(results: Results, beta2: float, name: str, digits: int = 3) -> str:
    found = results.at(beta2, name)
    if found.value is None:
        return _absent(results, beta2)
    if found.error is None:
        return number(found.value, digits)
    return rf"{number(found.value, digits)}\,({number(found.error, digits)})"


def fisher(results: Results) -> str:
    """Anisotropy along named directions, by definition, at the first and the last step measured."""
    scale = float(results.study.time_scale)
    steps = [f"{s * scale:g}" for s in results.study.analysis.fisher_steps]
    steps = [steps[0], "last"] if steps else []
    rows: list[list[str] | None] = []
    for definition in ("empirical", "sampled", "squared"):
        rows += [None] if rows else []
        for n, direction in enumerate(("v_b", "PC2", "update", "-theta_0", "random")):
            label = {"squared": "squared batch"}.get(definition, definition) if n == 0 else ""
            cells = [_anisotropy(results, b, f"Q.{definition}.{direction}", steps) for b in results.beta2]
            rows.append([label, tex(direction), *cells])
    return table("ll" + "r" * len(results.beta2), _beta2_heads(results, "Fisher", "direction"), rows)


def _anisotropy(results: Results, beta2: float, name: str, steps: list[str]) -> str:
    values = [results.at(beta2, f"{name}.{step}").value for step in steps]
    if not any(v is not None for v in values):
        return _absent(results, beta2)
    return r"\,$\to$\,".join("--" if v is None else f"${v:.2g}$" if v < 100 else f"${v:.0f}$" for v in values)


# ---------------------------------------------------------------------------------------------------- reheating


def reheat(results: Results) -> str:
    """Every condition: p_ood at the start, its peak, the gain; the displacement along and across with null."""
    head = r"$\beta_2$ & step & peak lr & start & peak & gain & published & along & null & across & null \\"
    rows: list[list[str] | None] = []
    scale = float(results.study.time_scale)
    protocol = results.study.reheat
    for beta2 in protocol.beta2 if protocol else []:
        for step in protocol.snapshots:
            rows += [None] if rows else []
            for lr in protocol.lr:
                rows.append(_condition(results, beta2, f"{step * scale:g}", lr))
    return table("lrr" + "r" * 8, [head], rows or [["none"] + [""] * 10])


def _condition(results: Results, beta2: float, step: str, lr: float) -> list[str]:
    found = [c for r in results.runs if r.beta2 == beta2 for c in r.reheats(step) if c["lr"] == lr]
    entry = results.published.reheated(beta2, int(float(step)))
    published = number(entry.gain, 3) + MARKS[entry.status] if entry and entry.lr in (None, lr) else ""
    row = [format_beta2(beta2), step, f"${lr * 1e4:g}$"]
    if not found:
        return [*row, "--", "--", "--", published, "--", "--", "--", "--"]
    c = found[0]
    mark = r"\rlap{$^{\dagger}$}" if c.get("state") == "diverged" else ""
    p = [number(c.get(name), 3) for name in ("start_p_ood", "peak_p_ood", "gain")]
    moved = [number(c.get(name), 2) for name in ("along", "null_along", "across", "null_across")]
    return [*row, *p[:2], p[2] + mark, published, *moved]


# ------------------------------------------------------------------------------------- words and provenance


def claims(verdicts: list[Verdict]) -> str:
    rows = [
        [rf"\textbf{{{tex(v.verdict)}}}", rf"{tex(v.claim.claim)} \emph{{{_capital(v.claim.source)}.}}", tex(v.why)]
        for v in verdicts
    ]
    caption = (
        "The claims, judged by the data of this profile. Each is a test in \\texttt{params/claims.yaml} with "
        "a tolerance for the unknown spread between seeds; figures are in the order $\\beta_2=\\resTrained$."
    )
    columns = _paragraphs(0.11, 0.39, 0.43)
    return long_table(columns, "verdict & claim and source & figures", rows, caption, "tab:claims")


def _capital(text: str) -> str:
    """As LaTeX with a capital letter, unless it begins with a symbol."""
    set_ = tex(text)
    return set_ if set_[0] != text[0] else set_[0].upper() + set_[1:]


def _paragraphs(*shares: float, then: str = "") -> str:
    """Ragged columns, each a share of the line."""
    ragged = [rf">{{\raggedright\arraybackslash}}p{{{share}\linewidth}}" for share in shares]
    return "@{}" + "".join(ragged) + then + "@{}"


def faults(published: Published) -> str:
    rows = [[_capital(f.fault), _capital(f.effect)] for f in published.faults]
    rows += [
        [f"{_capital(q.name)} ({q.status})", _capital(q.why)]
        for q in published.quantities.values()
        if q.status != "sound"
    ]
    rows += [
        [f"Reheating, {tex(f'beta2 = {format_beta2(r.beta2)}, step {r.step}')} ({r.status})", _capital(r.why)]
        for r in published.reheat
        if r.status != "sound"
    ]
    caption = "Faults found in the reference, and published numbers that are in conflict or void."
    columns = _paragraphs(0.47, 0.47)
    return long_table(columns, "what & effect", rows, caption, "tab:faults")


def runs(results: Results) -> str:
    rows = [_run(run) for run in results.runs]
    head = "run & state & seconds & commit & parameters & code & data"
    columns = _paragraphs(0.32, 0.16, then="rllll")
    caption = "Every run: what became of it, how long it trained, and the hashes of what it was made from."
    return long_table(columns, head, rows, caption, "tab:runs")


def _run(run: RunResult) -> list[str]:
    record = run.record or {}
    identity = record.get("identity", {})
    commit = record.get("commit", "")[:7] + ("+" if record.get("dirty") else "")
    hashes = [identity.get(name, "")[:8] for name in ("params", "code", "fingerprint")]
    name = rf"\nolinkurl{{{run.name}}}" if run.name.isascii() else tex(run.name)
    cells = [rf"\texttt{{{tex(h)}}}" if h else "--" for h in (commit, *hashes)]
    return [name, tex(run.said), number(record.get("seconds"), 0), *cells]


def params(results: Results) -> str:
    """The resolved parameters of the baseline by dotted name, in three columns."""
    run = next((r for r in results.runs if r.beta2 == 0.95), results.runs[0])
    lines = [f"{name} = {_plain(value)}" for name, value in flatten(run.params.model_dump(mode="json")).items()]
    cells = [rf"\texttt{{{escaped(line)}}}" for line in lines]
    third = -(-len(cells) // 3)
    columns = [[*cells[i : i + third], *[""] * third][:third] for i in range(0, 3 * third, third)]
    rows = [" & ".join(row) + r" \\" for row in zip(*columns, strict=True)]
    return "\n".join([r"\begin{longtable}{@{}lll@{}}", *rows, r"\end{longtable}"]) + "\n"


def _plain(value: object) -> str:
    return "none" if value is None else "(empty)" if value == "" else str(value)
