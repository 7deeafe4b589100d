"""The one exception for anything a user can mend, and the nearest right spelling for its sentence."""

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """Says in one sentence what was given, what was expected and where. Shown without a traceback."""


def nearest(given: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' when some known name is close to the given one, else an empty string."""
    known = list(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    if not close:
        # A last part that is right under another section, or a bare flag that is the start of a name.
        tail = given.rsplit(".", 1)[-1]
        close = [k for k in known if k.rsplit(".", 1)[-1] == tail or k.startswith(given)]
    return f" (did you mean {close[0]}?)" if close else ""
