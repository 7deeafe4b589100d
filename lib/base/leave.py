"""The end of a command."""

import atexit
import os
import sys
from typing import NoReturn

UNWRITTEN = 120  # what Python itself ends with where its last words cannot be written


def leave(code: int) -> NoReturn:
    """End this process once everything is written and called that asked to be called at exit.

    Nothing is taken apart: of the libraries that train and measure that lasts longer than many a command.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or UNWRITTEN
    os._exit(code)
