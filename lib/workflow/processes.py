"""Processes that are started from here hear of an interrupt and are waited for, so that none is left behind."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from lib.base.errors import BadInput
from lib.base.files import UMASK
from lib.base.interrupts import SAME_REQUEST, heeded

FEWEST_FILES, ENOUGH_FILES = 96, 1024  # that a stage can have open
LOOK_SECONDS = 0.5  # between looks at the make above


_requested = -SAME_REQUEST  # when the last request came, for all that wait for one, within each other


def run_to_its_end(command: list[str]) -> tuple[int, bool]:
    """(exit code, interrupted): SIGINT and SIGTERM are passed on to the command, and then it is waited for.

    So is the end of the make above: killed, it says nothing, and interrupted alone it waits in silence.
    """
    interrupted, child = False, None

    def pass_on(number: int = 0, frame: FrameType | None = None) -> None:
        nonlocal interrupted
        interrupted = True
        if child is not None:
            child.terminate()

    before = {number: signal.signal(number, pass_on) for number in heeded()}
    above = _make_above()
    try:
        # Descriptors that are inheritable, a held lock say, go down to the command.
        child = subprocess.Popen(command, close_fds=False)
        if interrupted:
            child.terminate()
        while True:
            try:
                return child.wait(LOOK_SECONDS), interrupted
            except subprocess.TimeoutExpired:
                if above and not interrupted and not _catches_interrupts(above):
                    pass_on()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse_limits() -> None:
    """Raise BadInput where this shell allows too little for a stage; what it lets us raise is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEWEST_FILES:
        raise BadInput(f"ulimit -n {hard}: a stage has up to {FEWEST_FILES} files open; allow it that many")
    if soft != resource.RLIM_INFINITY and soft < FEWEST_FILES:
        most = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if UMASK & 0o700:
        raise BadInput(f"umask {UMASK:04o}: nobody could read what is written here; take one like 0022")


@contextlib.contextmanager
def signals_as_one_interrupt() -> Iterator[None]:
    """SIGTERM as SIGINT, and both at once as one KeyboardInterrupt, so that the clean-up after it is not torn."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        global _requested
        now = time.monotonic()
        if now - _requested >= SAME_REQUEST:
            _requested = now
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_above() -> int | None:
    """The make that runs this process, directly or through a shell, where it can be seen to catch SIGINT."""
    pid = os.getppid()
    for _ in range(2):
        status = _status(pid)
        if status.get("Name") in ("make", "gmake"):
            return pid if _catches_interrupts(pid) else None
        pid = int(status.get("PPid", 0))
    return None


def _catches_interrupts(pid: int) -> bool:
    """False for a process that is gone, and for a make that was interrupted: it takes its handler off."""
    status = _status(pid)
    gone = status.get("State", "Z").startswith(("Z", "X"))
    return not gone and bool(int(status.get("SigCgt", "0"), 16) & 1 << (signal.SIGINT - 1))


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
