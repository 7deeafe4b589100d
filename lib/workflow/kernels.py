"""One private kernel: its files, its sockets, and what became of it."""

import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

# Ends as soon as everything that asked to be called at exit was: taking libraries apart lasts most of a second.
# The thread that was asked to end the kernel still flushes what it said, to sockets that are closed at exit.
KERNEL = (
    "import atexit, os, runpy, threading; atexit.register(os._exit, 0); "
    "runpy.run_module('ipykernel_launcher', run_name='__main__'); "
    "[thread.join(2.0) for thread in threading.enumerate() if thread.name == 'Control']"
)

SCRATCH = "backbone-kernel-"


def scratch_folder() -> tuple[Path, int]:
    """A folder for a kernel's files, held by the returned descriptor; those of killed processes are removed.

    Sockets want a short path on a disk of this very machine, and a cluster's TMPDIR is often neither.
    """
    home = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    for old in home.glob(f"{SCRATCH}*"):
        if (handle := _free(old)) is not None:
            shutil.rmtree(old, ignore_errors=True)
            os.close(handle)
    # It has its final name once it is held: whatever has that name and is free was left by a process that is gone.
    new = Path(tempfile.mkdtemp(prefix=".backbone-", dir=home))
    held = _free(new)
    assert held is not None, new
    return new.rename(home / f"{SCRATCH}{new.name.removeprefix('.backbone-')}"), held


def _free(folder: Path) -> int | None:
    """A descriptor that holds the folder; None when another process has it, or it is not ours."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    except OSError:
        os.close(handle)
        return None


def kernel_manager(scratch: Path) -> type:
    """A kernel of this very interpreter, on sockets that no other kernel can share."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class PrivateKernelManager(AsyncKernelManager):
        exit_code: int | None = None  # of the one kernel of this class, once it died

        def __init__(self, **kwargs: Any) -> None:
            # Only an absolute, unique prefix keeps parallel kernels apart; TCP ports can collide.
            super().__init__(**{**kwargs, "transport": "ipc", "ip": str(scratch / "ipc")})
            self.connection_file = str(scratch / "connection.json")
            self.shutdown_wait_time = 60.0  # a training kernel saves its state first

        async def is_alive(self) -> bool:
            process = getattr(self.provisioner, "process", None)
            if process is not None and process.poll() is not None:
                type(self).exit_code = process.returncode  # gone a moment later
            return await super().is_alive()

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-c", KERNEL, "--log-level=50", "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )

    return PrivateKernelManager
