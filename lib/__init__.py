"""The backbone of transformer training: model, training loop and trajectory geometry, in plain functions.

`from lib import open_study, open_run` opens results; nothing is imported before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.report.reader import open_run, open_study

__all__ = ["open_run", "open_study"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from lib.report import reader

        return getattr(reader, name)
    raise AttributeError(f"module 'lib' has no attribute {name!r}")
