"""Where a result comes from: versions, machine, commit. What code made it is told by `lib.base.code`."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from lib.base.files import ROOT

OTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")


def versions() -> dict[str, str]:
    names = ("torch", "numpy", "tokenizers", "safetensors")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def commit() -> tuple[str, bool]:
    """(commit, dirty) of the checkout; ('unknown', True) outside one."""
    try:
        head = git("rev-parse", "HEAD")
        return head, bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def commit_date() -> str:
    """The day of the checkout's commit, 2026-11-21; empty outside one."""
    try:
        return git("show", "--no-patch", "--format=%cs", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""


def git(*arguments: str) -> str:
    """What git says of this checkout, whatever repository the environment names (that of a hook, say)."""
    command = ["git", "-C", str(ROOT), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def machine() -> dict[str, str | int]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
