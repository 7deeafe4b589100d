"""How the stages are run: by make on this machine, or behind LAUNCH by whatever queues them elsewhere."""

import os
import re
import shlex
import shutil
from pathlib import Path

from lib.base import provenance
from lib.base.errors import BadInput, nearest
from lib.workflow.processes import run_to_its_end

SBATCH = "cluster/sbatch-wait.sh"


def launch_command() -> str:
    """LAUNCH as given, once its command is known to be there."""
    given = os.environ.get("LAUNCH", "").strip()
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise BadInput(f"LAUNCH={given}: not a command line ({str(error).lower()})") from None
    while words and re.match(r"\w+=", words[0]):  # the shell's NAME=value before a command
        words.pop(0)
    if not words:
        return given
    if Path(words[0]).name == "sbatch":
        raise BadInput(
            f"LAUNCH={given}: sbatch takes a script and returns before it ran; use LAUNCH='{SBATCH} ...', which "
            "takes its options as --name=value"
        )
    if shutil.which(words[0]) is None:
        hint = nearest(words[0], ("srun", SBATCH))
        raise BadInput(f"LAUNCH={given}: there is no command {words[0]} here{hint}")
    return given


def asked_of_make() -> str:
    """'n', 'q' or 't' where the make above was told not to make anything (-n, -q, -t); else empty.

    make runs our command all the same, for its own make inside, and leaves it to us to heed.
    """
    words = os.environ.get("MAKEFLAGS", "").split()
    flags = words[0] if words and not words[0].startswith("-") and "=" not in words[0] else ""
    return next((letter for letter in "qnt" if letter in flags), "")


def job_count(runs: int, launch: str) -> tuple[int, bool]:
    """(jobs, given): the N of `make -jN`, else what fits on this machine: one a core, one where there is a GPU.

    Behind LAUNCH this machine's cores and GPUs say nothing: every run is submitted, and the queue decides.
    """
    match = re.search(r"(?:^|\s)-j\s*(\d+)", os.environ.get("MAKEFLAGS", ""))
    if match:
        return int(match[1]), True
    if launch:
        return max(1, runs), False
    if shutil.which("nvidia-smi"):
        return 1, False
    return max(1, min(provenance.machine()["cores"], runs)), False


def run_rules(rules: Path, launch: str, jobs: int | None, lock: int) -> int:
    """Let make run what is stale; returns its exit code, when the last of its stages is gone."""
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", "-k", "-f", str(rules), "all"]
    command += [f"LAUNCH={launch}"] + ([] if jobs is None else [f"-j{jobs}"])
    # The lock goes down to make and its stages: it stays held until the last of them is gone.
    os.set_inheritable(lock, True)
    code, interrupted = run_to_its_end(command)
    if interrupted:
        raise KeyboardInterrupt
    return code
