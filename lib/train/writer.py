"""Files written behind the training loop's back: one thread, in the order given, none lost.

The loop goes on while a snapshot is copied off the device, hashed, written and forced to disk. A checkpoint
queued after a snapshot is on disk only when that snapshot is: the first error ends all writing, and reaches
the loop at its next call.
"""

import queue
import threading
from collections.abc import Callable
from types import TracebackType

import torch
from torch import Tensor

WAITING = 2  # files that may wait; then the loop does, so that copies do not pile up in memory


class Writer:
    """`with Writer() as writer: writer.submit(job)`; leaving the block waits for every job."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._jobs.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def submit(self, job: Callable[[], object]) -> None:
        """Queue `job`; raises what an earlier one raised."""
        self._raise()
        self._jobs.put(job)

    def flush(self) -> None:
        """Wait until everything queued is on disk."""
        self._jobs.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                try:
                    job()
                except BaseException as error:
                    self._error = error
            self._jobs.task_done()
        self._jobs.task_done()


def frozen(tensors: dict[str, Tensor]) -> Callable[[], dict[str, Tensor]]:
    """The tensors as they are now; the returned function brings them to the CPU, from any thread.

    On a GPU the copies are made there, in the order of the loop's own work and without waiting for it; the
    way to the CPU is a stream of its own, beside the steps that follow.
    """
    copies = {name: t.detach().clone() for name, t in tensors.items()}
    device = next(iter(copies.values())).device
    if device.type != "cuda":
        return lambda: copies
    copied = torch.cuda.Event()
    copied.record()

    def fetch() -> dict[str, Tensor]:
        stream = torch.cuda.Stream(device)
        with torch.cuda.stream(stream):
            stream.wait_event(copied)
            fetched = {name: t.to("cpu") for name, t in copies.items()}
        stream.synchronize()
        return fetched

    return fetch
