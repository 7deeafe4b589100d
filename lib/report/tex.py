"""Text and numbers as LaTeX, and the macros and tables that the paper takes from them."""

import re
from collections.abc import Callable, Iterable

from lib.base.errors import BadInput, nearest

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
    "±": r"$\pm$",
}
# The names that plain text uses for what mathematics writes otherwise.
SYMBOLS = {
    r"beta2|β₂": r"$\beta_2$",
    r"p_ood": r"$p_{\mathrm{ood}}$",
    r"p_in\b": r"$p_{\mathrm{in}}$",
    r"p_probe": r"$p_{\mathrm{probe}}$",
    r"lm_ood": r"\texttt{lm\_ood}",
    r"v_b": r"$v_b$",
    r"-theta_0": r"$-\theta_0$",
    r"-theta": r"$-\theta$",
    r"theta_0": r"$\theta_0$",
    r"gamma_a": r"$\gamma_a$",
    r"gamma_r": r"$\gamma_r$",
    r"lambda": r"$\lambda$",
    r"k95": r"$k_{95}$",
    r"k99": r"$k_{99}$",
    r"a\(last\) > 0": r"$a(\mathrm{last}) > 0$",
    r"a\(t\)": r"$a(t)$",
    r"\|cos\|": r"$|\cos|$",
    r"\|cosine\|": r"$|\cos|$",
}
# What the paper's fonts hold besides Latin letters.
TYPOGRAPHY = "–—‘’‚“”„…•€™†‡‰"
_WORDS = re.compile("|".join(f"({pattern})" for pattern in SYMBOLS))
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")


def tex(text: str) -> str:
    """Plain text with its special characters escaped and its symbols set."""
    return with_symbols(text, escaped)


def with_symbols(text: str, rest: Callable[[str], str]) -> str:
    """Plain text with its symbols set, and what stands between them as `rest` makes it."""
    parts, at = [], 0
    symbols = list(SYMBOLS.values())
    for match in _WORDS.finditer(text):
        parts += [rest(text[at : match.start()]), symbols[match.lastindex - 1]]
        at = match.end()
    return "".join([*parts, rest(text[at:])])


def capital(text: str) -> str:
    """The same with a capital letter, unless it begins with a symbol."""
    made = tex(text)
    return made if made[0] != text[0] else made[0].upper() + made[1:]


def escaped(text: str) -> str:
    """Special characters, by number those that the paper's fonts lack; minus signs before numbers become real."""
    quoted = re.sub(r'"([^"]*)"', r"``\1''", "".join(ESCAPES.get(c) or _letter(c) for c in text))
    return _MINUS.sub("$-$", quoted)


def _letter(c: str) -> str:
    known = " " <= c <= "~" or "\u00a1" <= c <= "\u017e" or c in TYPOGRAPHY
    return c if known else " " if c.isspace() else f"[U+{ord(c):04X}]"


def number(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A value at a number of decimals; huge ones with their power of ten, None as a dash."""
    if value is None:
        return "--"
    if abs(value) >= 1e6:
        mantissa, power = f"{value:.1e}".split("e")
        return rf"${mantissa}\times10^{{{int(power)}}}$"
    text = f"{value:{'+' if signed else ''}.{digits if abs(value) < 1e4 else 0}f}"
    if not float(text):
        text = text.lstrip("+-")
    return f"${text}$"


def short(value: float | None) -> str:
    """Three significant figures, small and large ones with their power of ten."""
    if value is None:
        return "--"
    if value and not 1e-3 <= abs(value) < 1e4:
        mantissa, power = f"{value:.1e}".split("e")
        return rf"${mantissa}\times10^{{{int(power)}}}$"
    return f"${value:.3g}$"


def power(value: float) -> str:
    """A power of ten without dollars, for a formula: 1e-8 -> 10^{-8}."""
    mantissa, exponent = f"{value:e}".split("e")
    factor = "" if float(mantissa) == 1 else rf"{float(mantissa):g}\cdot"
    return rf"{factor}10^{{{int(exponent)}}}"


def thousands(count: int) -> str:
    """A whole number with thin spaces."""
    return f"{count:,}".replace(",", r"\,")


def table(columns: str, head: list[str], rows: Iterable[list[str] | None]) -> str:
    """A booktabs tabular; a row None is a small gap, a head cell may span with \\multicolumn."""
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *head, r"\midrule"]
    lines += [r"\addlinespace" if row is None else " & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def long_table(columns: str, head: str, rows: Iterable[list[str]], caption: str, label: str) -> str:
    """A table that may break over pages, with its caption and its first row on one."""
    top = rf"\caption{{{caption}}}\label{{{label}}}\\"
    heads = [r"\toprule", rf"{head} \\", r"\midrule"]
    lines = [r"\studylongtable", rf"\begin{{longtable}}{{{columns}}}", top, *heads, r"\endfirsthead"]
    lines += [*heads, r"\endhead", r"\bottomrule", r"\endfoot"]
    lines += [" & ".join(row) + r" \\ \addlinespace[1pt]" for row in rows]
    return "\n".join([*lines, r"\end{longtable}"]) + "\n"


# ------------------------------------------------------------------------------------------------------- macros

MACRO = re.compile(r"\\((?:res|claim|said)[A-Z][A-Za-z]*)")
FIGURE = re.compile(r"\\studyfigure\{([\w-]+)\}")
INPUT = re.compile(r"\\input\{tables/([\w-]+)(?:\.tex)?\}")
SECTION = re.compile(r"\\studysection\{([\w-]+)\}")
COMMENT = re.compile(r"(?<!\\)%.*")


def macro_name(kind: str, words: str) -> str:
    """('claim', 'zero-diverges') -> 'claimZeroDiverges'."""
    return kind + "".join(word.capitalize() for word in words.split("-"))


def macros(pairs: Iterable[tuple[str, str]]) -> str:
    """The macros as LaTeX. Raises: BadInput if a name comes twice or is none that TeX reads."""
    lines, seen = [], set()
    for name, value in pairs:
        if not MACRO.fullmatch("\\" + name):
            raise BadInput(f"numbers.tex: {name} is no macro name; expected res, claim or said and then letters")
        if name in seen:
            raise BadInput(f"numbers.tex: the macro \\{name} is defined twice")
        seen.add(name)
        lines.append(rf"\newcommand{{\{name}}}{{{value}}}")
    return "\n".join(lines) + "\n"


def local_macros(pairs: Iterable[tuple[str, str]]) -> str:
    """Macros that hold inside of a group, over those of the same names outside."""
    return "".join(rf"\def\{name}{{{value}}}" + "\n" for name, value in pairs)


def captions(figures: Iterable[tuple[str, str]]) -> str:
    """The captions of figures, given by name in plain words, as the style takes them."""
    return "".join(rf"\studycaption{{{name}}}{{{tex(caption)}}}" + "\n" for name, caption in figures)


# Nothing floats there: figures alone would leave their heading a page of its own.
FURTHER = r"""\AtEndDocument{\clearpage\section*{Further figures}
\renewenvironment{figure}[1][]{\par\bigskip\noindent\minipage{\linewidth}\captionsetup{type=figure}}{\endminipage\par}
"""


def further(figures: list[str]) -> str:
    """What ends a paper that has figures without a place in its text: an appendix that shows them."""
    shown = "".join(rf"\studyfigure{{{name}}}" + "\n" for name in figures)
    return FURTHER + shown + "}\n" if figures else ""


def used_macros(source: str) -> set[str]:
    return set(MACRO.findall(COMMENT.sub("", source)))


def placed_figures(source: str) -> list[str]:
    return FIGURE.findall(COMMENT.sub("", source))


def check_used(
    source: str,
    defined: Iterable[str],
    tables: Iterable[str],
    figures: Iterable[str],
    where: str,
    spare: Iterable[str] = (),
) -> None:
    """Every macro, table and figure that the text uses exists, and every macro and table that exists is used.

    Args:
        spare: macros that may go unused.

    Raises: BadInput naming the first that does not.
    """
    text = COMMENT.sub("", source)
    for what, used, known, free in (
        ("macro \\", MACRO.findall(text), list(defined), spare),
        ("table tables/", INPUT.findall(text), list(tables), spare),
        ("figure ", FIGURE.findall(text), list(figures), figures),  # one without a place has it in an appendix
    ):
        for name in used:
            if name not in known:
                raise BadInput(f"{where}: the {what}{name} is used and nobody defines it{nearest(name, known)}")
        for name in known:
            if name not in used and name not in free:
                raise BadInput(f"{where}: the {what}{name} is defined and never used")
