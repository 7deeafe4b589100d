"""What libraries import where it is there and nothing here uses, which takes longer than all that is used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Of jupytext, papermill, nbformat and nbconvert: a grammar of web addresses, the server of JupyterLab, files of
# Hadoop.
UNUSED = ("rfc3987_syntax", "jupyter_server", "pyarrow")


@contextmanager
def without_unused() -> Iterator[None]:
    """Import as if these modules were not installed."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
