"""Let every notebook of an environment import the project, whatever folder the notebook is opened in."""

import sysconfig
from pathlib import Path

from lib.base.files import ROOT, write_atomically

NAME = "backbone.pth"


def make_importable() -> Path:
    """Write a file with the project's folder among the packages of this Python, which reads it when it starts."""
    path = Path(sysconfig.get_path("purelib")) / NAME
    write_atomically(path, f"{ROOT}\n")
    return path
