"""Running out of memory, told in one sentence: what happened, how much there was, and what to change."""

import contextlib
import re
import resource
import signal
import sys
from pathlib import Path

# How the libraries say it, besides the names of their exceptions.
KINDS = ("MemoryError", "_ArrayMemoryError", "OutOfMemoryError")
SIGNS = ("DefaultCPUAllocator: can't allocate", "DefaultCPUAllocator: not enough", "out of memory", "bad_alloc")
WAY_OUT = (
    "take a smaller batch.size with a batch.accumulate larger by the same factor, "
    "or fewer stages at a time (make -j1)"
)


def ran_out(kind: str, text: str) -> str:
    """The sentence for an error that means too little memory; empty for any other error."""
    if kind not in KINDS and not any(sign in text for sign in SIGNS):
        return ""
    device = "the GPU" if "CUDA" in text else "this process"
    asked = re.search(r"(?:tried to allocate|Unable to allocate) ([\d.]+ ?\w+)", text, re.IGNORECASE)
    size = f", asked for {_readable(asked[1])} more" if asked else ""
    return f"out of memory: {device}{size}{_had_reached()}; {WAY_OUT}"


def of_death(code: int | None, kills_before: int) -> str:
    """The sentence for a kernel that died with exit `code`; `kills_before` is the count before it began."""
    if code != -signal.SIGKILL:
        name = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return f"its kernel died ({name}{_had_reached()})"
    if out_of_memory_kills() > kills_before:
        return f"out of memory: the system killed its kernel{_had_reached()}; {WAY_OUT}"
    return (
        "its kernel was killed from outside (SIGKILL), most often by the system's out-of-memory killer"
        f"{_had_reached()}; if memory was short: {WAY_OUT}"
    )


def out_of_memory_kills() -> int:
    """How many processes were killed for want of memory, here or in this machine; 0 where nothing says so."""
    try:
        groups = [line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        groups = []
    # Our own control group first: elsewhere on the machine others may be killed for reasons of their own.
    places = [Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control") for kind, path in groups if kind == "memory"]
    places += [Path(f"/sys/fs/cgroup{path}/memory.events") for kind, path in groups if not kind]
    for place in [*places, Path("/proc/vmstat")]:
        with contextlib.suppress(OSError):
            if found := re.search(r"^oom_kill (\d+)$", place.read_text(), re.MULTILINE):
                return int(found[1])
    return 0


def _had_reached() -> str:
    """The peak of this process and of those it has waited for, and what the machine has."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    try:
        total = int(re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) * 1024
    except (OSError, TypeError):
        return f", memory had reached {peak / 1e9:.1f} GB"
    return f", memory had reached {peak / 1e9:.1f} GB of this machine's {total / 1e9:.1f}"


def _readable(asked: str) -> str:
    """Bytes as torch counts them in gigabytes; the units of others stand."""
    number, unit = re.fullmatch(r"([\d.]+) ?(\w+)", asked).groups()
    return f"{float(number) / 1e9:.1f} GB" if unit == "bytes" else f"{number} {unit}"
