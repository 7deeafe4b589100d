"""SIGINT and SIGTERM as a request: the loop saves its state at the next step and then stops."""

import signal
import threading
import time
from types import FrameType, TracebackType

SAME_REQUEST_SECONDS = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`with Interrupts() as asked: ...`, in which `asked.to_stop` turns true instead of an exception mid-step."""

    def __init__(self) -> None:
        self.to_stop = False
        self.asked = 0.0

    def __enter__(self) -> "Interrupts":
        # Only the main thread may set handlers; elsewhere signals keep their usual meaning.
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        # Asked twice: now. A launcher that passes on the terminal's own signal has asked once.
        if self.to_stop and time.monotonic() - self.asked > SAME_REQUEST_SECONDS:
            raise KeyboardInterrupt
        if not self.to_stop:
            self.to_stop, self.asked = True, time.monotonic()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
