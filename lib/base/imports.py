"""Imports that take less time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Of jupytext, papermill, nbformat and nbconvert: a grammar of web addresses, the server of JupyterLab, files of
# Hadoop. They take longer than all that is used.
UNUSED = ("rfc3987_syntax", "jupyter_server", "pyarrow")


@contextmanager
def without_unused() -> Iterator[None]:
    """Import as if these modules, which nothing here uses, were not installed."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def without_collection() -> Iterator[None]:
    """Import while nothing looks for garbage, and let nothing look through what was imported ever after.

    A sixth of the import of torch is that; what it leaves lives as long as the process.
    """
    before, was_on = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_on:
            gc.enable()
