"""What a user is told of a disk that takes nothing more, and of a place that cannot be."""

import errno
import tempfile
from pathlib import Path

from lib.base.errors import plain_name

NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the limit on the size of files (ulimit -f) is reached",
}
NOT_WRITABLE = {
    errno.EROFS: "read-only file system",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
}

NO_PLACE = {
    errno.ENAMETOOLONG: "this name is too long",
    errno.ELOOP: "this is a symbolic link where a file is expected, or it leads to itself",
    errno.ENOTDIR: "a part of this path is a file where a folder is expected",
    errno.EISDIR: "this is a folder where a file is expected",
    errno.EMFILE: "it cannot be opened: the limit on open files (ulimit -n) is reached",
    errno.ENFILE: "it cannot be opened: this machine has too many open files",
    errno.EIO: "its disk cannot be read or written (input/output error)",
}


def disk_trouble(error: BaseException, path: str | Path | None = None, size: str = "") -> str:
    """The sentence for a disk that takes nothing more, or a place that cannot be; empty for any other error."""
    if not isinstance(error, OSError):
        return ""
    place = Path(path or error.filename or tempfile.gettempdir())
    if error.errno in NO_ROOM:
        return (
            f"{place}: {NO_ROOM[error.errno]}{size}; what was there before is untouched: make room, then run the "
            "same command again to go on"
        )
    if error.errno in NOT_WRITABLE:
        return (
            f"{place.parent}: {place.name} cannot be opened or written there ({NOT_WRITABLE[error.errno]}): "
            "make this folder writable, or name another place for the results with OUTPUTS="
        )
    if error.errno in NO_PLACE:
        named = str(path or error.filename or "a file")
        return f"{plain_name(named) if error.errno == errno.ENAMETOOLONG else named}: {NO_PLACE[error.errno]}"
    return ""
