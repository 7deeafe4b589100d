"""Locks between processes: each holds while a file descriptor lives, also in the children that inherit it."""

import contextlib
import errno
import os
import socket
import time
from pathlib import Path

from lib.base.clock import now_text
from lib.base.errors import BadInput, plain_name

LOOK_SECONDS = 0.2  # between tries
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take(handle: int, patience: float = 0.0) -> bool:
    """Take the lock of an open file or folder, waiting so many seconds, and say whether that went."""
    from filelock import lock_descriptor  # it imports asyncio, and most commands take no lock

    deadline = time.monotonic() + patience
    while not lock_descriptor(handle, blocking=False):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def hold(path: Path, what: Path, patience: float) -> int:
    """An exclusive lock for as long as the returned descriptor lives, or a sentence that says who has it."""
    # Not through a link: what it leads to would be emptied.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        if not take(handle, patience):
            holder = plain_name(path.read_text(errors="replace").strip()) or "another process"
            raise BadInput(f"{what}: {holder} is working here; wait for it, or stop it first")
    except OSError as error:
        os.close(handle)
        if error.errno not in NO_LOCKS:
            raise
        raise BadInput(
            f"{what}: this file system has no locks ({error.strerror}), so two machines could write here at "
            "once; put OUTPUTS on one that has, or mount it with locks (Lustre: -o flock)"
        ) from None
    except BaseException:
        os.close(handle)
        raise
    with contextlib.suppress(OSError):  # on a full disk a lock without a name is still a lock
        os.truncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {now_text()}".encode(), 0)
    return handle
