"""TeX to MathML, which browsers draw themselves: no script, no font and nothing to fetch."""

import re
import unicodedata
from functools import cache
from html import escape

from latex2mathml.converter import convert

# What the converter knows under another name.
SPELLINGS = {
    r"\\(begin|end)\{(aligned|alignedat|gathered|equation\*?)\}": r"\\\1{align*}",
    r"\\operatorname\*": r"\\operatorname",
}
# What the converter leaves to a browser's defaults and TeX does otherwise: bars that do not grow, upright Greek
# capitals.
DETAILS = {
    "<mo>&#x02016;</mo>": '<mo stretchy="false">&#x02016;</mo>',
    r"<mi>(&#x003(?:9[1-9A-F]|A[0-9]);)</mi>": r'<mi mathvariant="normal">\1</mi>',
}
VARIANT = re.compile(r'<(m[ino]) mathvariant="([a-z-]+)">(?:&#x([0-9A-Fa-f]+);|(\w))</m[ino]>')


@cache
def mathml(tex: str, *, display: bool) -> str:
    """The <math> element of a formula; the formula as code where it cannot be converted."""
    for pattern, ours in SPELLINGS.items():
        tex = re.sub(pattern, ours, tex)
    try:
        found = convert(tex.strip(), display="block" if display else "inline")
    except Exception:  # the converter raises whatever its parser met
        return f"<code>{escape(tex)}</code>"
    for pattern, ours in DETAILS.items():
        found = re.sub(pattern, ours, found)
    return VARIANT.sub(_letter, found)


def _letter(match: re.Match[str]) -> str:
    """A letter of another alphabet as the character that it is: browsers ignore every mathvariant but normal."""
    element, variant, code, plain = match.groups()
    character = chr(int(code, 16)) if code else plain
    styled = styled_letter(character, variant)
    return match.group() if styled is None else f"<{element}>{styled}</{element}>"


def styled_letter(character: str, variant: str) -> str | None:
    """A letter in script, bold, bold-italic, ...; None where there is no such character."""
    name = unicodedata.name(character, "").replace("LETTER ", "").replace("LATIN ", "").replace("GREEK ", "")
    style = variant.upper().replace("-", " ")
    for candidate in (f"MATHEMATICAL {style} {name}", f"{style} {name}"):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return None
