"""What a user is told of an error that is none of ours."""

from lib.base import memory
from lib.base.disk import disk_trouble
from lib.base.errors import BadInput


def sentence(error: BaseException) -> str:
    """'error: ...' for a mistake that can be mended, a disk that is full and too little memory; else empty."""
    if isinstance(error, BadInput):
        return "\n".join(f"error: {line}" for line in str(error).splitlines())
    found = disk_trouble(error) or memory.ran_out(type(error).__name__, str(error))
    return f"error: {found}" if found else ""
