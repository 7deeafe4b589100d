"""The one exception for anything a user can mend, and the nearest right spelling for its sentence."""

import difflib
from collections.abc import Iterable

LONGEST = 120  # characters of something given that a sentence repeats


class BadInput(Exception):
    """Says in one sentence what was given, what was expected and where. Shown without a traceback."""


def shown(value: object) -> str:
    """A value in one line, and no more of it than tells what it is."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of more than some thousand digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def plain_name(name: str) -> str:
    """A name as it is, or quoted and cut where it would break the line."""
    return name if name.isprintable() and len(name) <= LONGEST else shown(name)


def nearest(given: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' when some known name is close to the given one, else an empty string."""
    if len(given) > LONGEST:
        return ""
    known = list(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    if not close:
        # A last part that is right under another section, or a bare flag that is the start of a name.
        tail = given.rsplit(".", 1)[-1]
        close = [k for k in known if k.rsplit(".", 1)[-1] == tail or k.startswith(given)]
    if not close:
        return ""
    # A letter of another alphabet looks like one of ours.
    odd = next((letter for letter in given if not letter.isascii() and close[0].isascii()), "")
    return f" (did you mean {close[0]}?{f' {odd!a} stands in what was given' if odd else ''})"
