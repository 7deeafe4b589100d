"""Faults at the border to the system, in every interpreter of a test's environment: what FAULT_... names.

FAULT_PATH is a pattern of file names, FAULT_AT one of
  open     before such a file is opened for writing
  half     when 64 bytes of it have been written, by the system's own limit
  sync     when it is written and not yet on disk under its name
  rename   before it gets its name
  lines    never: the operations are only written down
and FAULT_NTH says at which of them the whole tree of processes that knows FAULT_LOG is killed.
FAULT_CLOCK is a Python expression of the true time `t`, to which the wall clock is set.
"""

import os
import re
import resource
import signal
import sys
import time


def install(environment: dict[str, str]) -> None:
    if "FAULT_CLOCK" in environment:
        _shift_clock(environment["FAULT_CLOCK"])
    if "FAULT_PATH" in environment:
        _watch(
            re.compile(environment["FAULT_PATH"]),
            environment["FAULT_AT"],
            int(environment["FAULT_NTH"]),
            environment["FAULT_LOG"],
        )


def _watch(pattern: re.Pattern, at: str, nth: int, log: str) -> None:
    def meet(operation: str, path: object) -> None:
        name = os.fsdecode(path) if isinstance(path, str | bytes) else str(path)
        if name.startswith(log) or not pattern.search(name):
            return
        if at == "lines":
            note(f"{operation} {name}")
        elif operation == ("open" if at == "half" else at) and note(operation) == nth:
            if at == "half":
                resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
            else:
                kill_tree(log)

    if at == "half":  # a thread may meet it, and only this one may say that it kills
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    def note(line: str) -> int:
        handle = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\n".encode())
        lines = os.pread(handle, 1 << 24, 0).count(b"\n")
        os.close(handle)
        return lines

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            writing = (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
            if writing:
                meet("open", arguments[0])
        elif event == "os.rename":
            meet("rename", arguments[1])

    sync = os.fsync

    def fsync(handle: int) -> None:
        meet("sync", os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    os.fsync = fsync
    sys.addaudithook(hook)


def kill_tree(mark: str) -> None:
    """kill -9 of every process that has `mark` in its environment, and of this one."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                known = mark.encode() in file.read()
            if known and int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)


def _shift_clock(expression: str) -> None:
    true_time, true_monotonic, start = time.time, time.monotonic, time.monotonic()
    shifted = eval(f"lambda t, passed: {expression}")
    time.time = lambda: shifted(true_time(), true_monotonic() - start)
    time.time_ns = lambda: int(time.time() * 1e9)


if __name__ == "fault_injection":
    install(dict(os.environ))
