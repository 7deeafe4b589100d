"""One private kernel a notebook: forked and waiting, or started cold; its files, its sockets, what became of it."""

import atexit
import contextlib
import ctypes
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any, NoReturn

from lib.base.imports import without_collection
from lib.base.locks import take

# What has to be there before the first import, and is the same for a kernel that is forked and one that starts
# cold. One thread a kernel: sums then have one order whatever -jN is, and busy cores are not fought over.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # CUDA that was once called cannot be forked
}

# Ends as soon as everything that asked to be called at exit was: taking libraries apart lasts most of a second.
# The thread that was asked to end the kernel still flushes what it said, to sockets that are closed at exit.
# The debugger is the largest thing that a kernel imports, and nobody is there to use it.
KERNEL = (
    "import atexit, os, runpy, sys, threading; atexit.register(os._exit, 0); sys.modules['debugpy'] = None; "
    "from lib.workflow.kernels import end_with; end_with(int(os.environ['JPY_PARENT_PID'])); "
    "runpy.run_module('ipykernel_launcher', run_name='__main__'); "
    "[thread.join(2.0) for thread in threading.enumerate() if thread.name == 'Control']"
)

OPTIONS = ["--log-level=50", "--HistoryManager.enabled=False"]  # nobody asks what was typed before

SCRATCH = "backbone-kernel-"
ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SET_PDEATHSIG, SET_NAME = 1, 15  # of prctl
OOM_SCORE = "300"  # as if it held three tenths of the memory more
LOOK_SECONDS = 0.01  # between looks at a kernel that was asked to end


# ------------------------------------------------------------------------------------------------------- forking


class Waiting:
    """A forked child that waits to become a kernel; to the manager of that kernel it is like a Popen."""

    stdin = stdout = stderr = None
    returncode: int | None = None

    def __init__(self, pid: int, orders: int) -> None:
        self.pid, self.orders = pid, orders

    def begin(self, command: list[str], cwd: str, env: dict[str, str]) -> bool:
        """Make it the kernel that `command` (python -c code arguments) would start; False where it is gone."""
        env = env | {"JPY_PARENT_PID": str(os.getpid())}
        words = {"code": command[2], "argv": ["-c", *command[3:]], "cwd": cwd, "env": env}
        with contextlib.suppress(BrokenPipeError), open(self.orders, "w") as orders:
            json.dump(words, orders)
        return self.poll() is None

    def poll(self) -> int | None:
        if self.returncode is None:
            self._reap(os.WNOHANG)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self._reap(0)
        return self.returncode

    def _reap(self, how: int) -> None:
        pid, status = os.waitpid(self.pid, how)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def waiting_kernels(count: int, imports: Iterable[str]) -> Iterator[list[Waiting]]:
    """`count` children of this process, each ready to become a kernel that has done `imports` already.

    None where there is no fork to be had: another system, another environment than kernels have, or a second
    thread here, whose locks a fork would copy as they are. Kernels then start cold. Those not taken from the
    list end with the context.
    """
    kernels: list[Waiting] = []
    if count and sys.platform == "linux" and ENVIRONMENT.items() <= os.environ.items():
        with without_collection():
            for statement in ("import ipykernel.kernelapp, ipykernel.zmqshell", *imports):
                with contextlib.suppress(Exception):  # the notebook that imports it says what is wrong
                    exec(statement, {})
        while len(kernels) < count and len(os.listdir("/proc/self/task")) == 1:
            kernels.append(_fork([kernel.orders for kernel in kernels]))
    try:
        yield kernels
    finally:
        for kernel in kernels:
            kernel.kill()
            kernel.wait()


def _fork(others: list[int]) -> Waiting:
    """One more child; `others` are the pipes to those there are, whose ends it must not keep open."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)  # the child must not run this process's handlers
    pid = os.fork()
    if pid == 0:
        try:
            for pipe in (writing, *others):
                os.close(pipe)
            _wait_and_run(parent, reading, before)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(reading)
    return Waiting(pid, writing)


def _wait_and_run(parent: int, reading: int, mask: Iterable[int]) -> NoReturn:
    """What exec would have done for a kernel that starts cold, then the kernel's own code."""
    end_with(parent, "waiting")
    os.setsid()  # an interrupt from the terminal reaches the kernel through its manager alone
    for number in ASKED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for name in os.listdir("/proc/self/fd"):  # a held lock, or what make above shares out among its jobs
        with contextlib.suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                os.close(int(name))
    with open(reading) as orders:
        said = orders.read()
    if not said:
        os._exit(0)
    words = json.loads(said)
    os.environ.clear()
    os.environ.update(words["env"])
    os.chdir(words["cwd"])
    sys.argv = words["argv"]
    if "numpy.random" in sys.modules:  # Python's own generator sees to that itself
        sys.modules["numpy.random"].seed()
    exec(words["code"], {"__name__": "__main__"})
    atexit._run_exitfuncs()
    os._exit(0)


def end_with(parent: int, name: str = "kernel") -> None:
    """Have the system kill this process when its parent, the command, is gone; elsewhere ipykernel looks itself.

    Args:
        name: what ps and top show it as.
    """
    if sys.platform == "linux":
        system = ctypes.CDLL(None)
        system.prctl(SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        system.prctl(SET_NAME, name.encode(), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        # Where memory is short the system kills what holds most: this, not the command, which says what happened.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)


# ----------------------------------------------------------------------------------------------- files, sockets


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
    with contextlib.suppress(OSError):  # a file system without locks
        if take(handle):
            return handle
    os.close(handle)
    return None


def _is_idle_after(said: dict[str, Any], asked: str) -> bool:
    """Whether a kernel says that it is done with what it was asked."""
    state = said["content"].get("execution_state") if said["msg_type"] == "status" else None
    return state == "idle" and said["parent_header"].get("msg_id") == asked


def kernel_manager(scratch: Path, waiting: Waiting | None = None) -> type:
    """A kernel of this very interpreter, on sockets of its own: `waiting`, or one that is started cold."""
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class PrivateKernelClient(AsyncKernelClient):
        async def wait_for_ready(self, timeout: float | None = None) -> None:
            """Until the kernel answered and its output arrives; what this replaces listens 0.2 s more each time."""
            ends = time.monotonic() + (timeout or math.inf)
            while time.monotonic() < ends:
                asked = self.kernel_info()
                with contextlib.suppress(Empty):
                    reply = await self.shell_channel.get_msg(timeout=1)
                    while not _is_idle_after(await self.iopub_channel.get_msg(timeout=0.2), asked):
                        pass
                    return self._handle_kernel_info_reply(reply)
                if not await self.is_alive():
                    raise RuntimeError("Kernel died before replying to kernel_info")
            raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")

    class PrivateKernelManager(AsyncKernelManager):
        client_factory = PrivateKernelClient
        exit_code: int | None = None  # of the one kernel of this class, once it died

        def __init__(self, **kwargs: Any) -> None:
            # Only an absolute, unique prefix keeps parallel kernels apart; TCP ports can collide.
            super().__init__(**{**kwargs, "transport": "ipc", "ip": str(scratch / "ipc")})
            self.connection_file = str(scratch / "connection.json")
            self.shutdown_wait_time = 60.0  # a training kernel saves its state first

        async def _async_launch_kernel(self, kernel_cmd: list[str], **named: Any) -> None:
            if waiting is None or not waiting.begin(kernel_cmd, named.get("cwd") or os.getcwd(), named["env"]):
                return await super()._async_launch_kernel(kernel_cmd, **named)
            own = self.provisioner
            own.process, own.pid, own.pgid = waiting, waiting.pid, waiting.pid
            self._reconcile_connection_info(own.connection_info)

        async def _async_wait(self, pollinterval: float = LOOK_SECONDS) -> None:
            await super()._async_wait(LOOK_SECONDS)  # the next notebook waits for the end of this kernel

        async def is_alive(self) -> bool:
            process = getattr(self.provisioner, "process", None)
            if process is not None and process.poll() is not None:
                type(self).exit_code = process.returncode  # gone a moment later
            return await super().is_alive()

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-c", KERNEL, *OPTIONS, "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )

    return PrivateKernelManager
