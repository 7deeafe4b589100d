"""SIGINT, SIGTERM and SIGHUP as a request: the loop saves its state at the next step and then stops."""

import signal
import threading
import time
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A scheduler signals every process of a job, so one request comes twice: from it, and from the runner above.
SAME_REQUEST = 2.0  # seconds


def heeded() -> list[int]:
    """The signals that ask to stop; not a hang-up that nohup had this process ignore."""
    return [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]


class Interrupts:
    """`with Interrupts() as asked: ...`, in which `asked.to_stop` turns true instead of an exception mid-step."""

    def __init__(self) -> None:
        self.to_stop = False
        self._asked = 0.0

    def __enter__(self) -> "Interrupts":
        # Only the main thread may set handlers; elsewhere signals keep their usual meaning.
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._notice) for number in heeded()}
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.to_stop:
            self.to_stop, self._asked = True, now
        elif now - self._asked > SAME_REQUEST:  # asked twice: now
            raise KeyboardInterrupt

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
