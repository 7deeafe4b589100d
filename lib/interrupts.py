"""SIGINT and SIGTERM as a request: the loop saves its state at the next step and then stops."""

import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`with Interrupts() as asked: ...`, in which `asked.to_stop` turns true instead of an exception mid-step."""

    def __init__(self) -> None:
        self.to_stop = False

    def __enter__(self) -> "Interrupts":
        # Only the main thread may set handlers; elsewhere signals keep their usual meaning.
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.to_stop:  # asked twice: now
            raise KeyboardInterrupt
        self.to_stop = True

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
