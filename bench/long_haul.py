"""A grid of very many tiny runs: what the scheduler takes, what is left behind, how fast `status` still answers.

    python -m bench.long_haul --runs 200 --jobs 2

Only the training stage of each run is executed, by the rules and the commands of every study.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lib.params.study import load_study
from lib.workflow.kernels import SCRATCH
from lib.workflow.plan import targets
from lib.workflow.rules import write_rules

ROOT = Path(__file__).resolve().parents[1]
STUDY = """\
study: haul
axes: {{seed: [{seeds}]}}
set: {{schedule.steps: 20, schedule.warmup: 8, task.lambda_step: 20, snapshots.whole: [8, 20]}}
"""


def haul(home: Path, runs: int, jobs: int) -> dict[str, float]:
    """Train `runs` runs below `home`; the figures by name."""
    # A short name of its own: sockets lie there, and other studies are at work on this machine.
    with tempfile.TemporaryDirectory(prefix="haul-") as scratch:
        return _haul(home, Path(scratch), runs, jobs)


def _haul(home: Path, scratch: Path, runs: int, jobs: int) -> dict[str, float]:
    file = home / "haul.yaml"
    file.write_text(STUDY.format(seeds=", ".join(map(str, range(runs)))))
    study = load_study(str(file), "smoke")
    folder = home / "outputs" / study.folder_name
    training = [target for target in targets(study, folder) if target.stage.trains]
    rules = write_rules(study.folder_name, folder, training)
    environment = os.environ | {"LONG_HAUL": str(home), "TMPDIR": str(scratch)}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(home / "compiled")  # of torch, one for all processes
    started = time.monotonic()
    command = ["make", "--no-print-directory", "-k", f"-j{jobs}", "-f", str(rules), "all"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    watch = Watch(process.pid, home)
    code = process.wait()
    seconds = time.monotonic() - started
    watch.stop()
    time.sleep(2)  # for kernels that are on their way out
    words = ["--study", str(file), "--profile", "smoke", "--outputs", str(home / "outputs")]
    done = sum(target.done.is_file() for target in training)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "exit code": code,
        "runs done": done,
        "seconds a run": seconds / runs,
        "scheduler, first MB": watch.first,
        "scheduler, last MB": watch.last,
        "scheduler, most handles": watch.handles,
        **left_behind(home, scratch, watch.kernels),
        "MB a run": size / 1e6 / runs,
        "status, seconds": timed("status", *words),
        "why, seconds": timed("why", *words),
    }


class Watch:
    """Memory and open handles of a make, and the folders of the kernels below it, sampled while it runs."""

    def __init__(self, pid: int, home: Path) -> None:
        self.pid, self.home, self.first, self.last, self.handles = pid, home, 0.0, 0.0, 0
        self.kernels: set[Path] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(0.5):
            try:
                pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
                self.handles = max(self.handles, len(os.listdir(f"/proc/{self.pid}/fd")))
            except (OSError, IndexError):
                return
            self.last = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
            self.first = self.first or self.last
            self.kernels |= {Path(held) for pid in processes(self.home) for held in held_folders(pid)}

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def processes(home: Path) -> list[Path]:
    """Every process of the grid below `home`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"LONG_HAUL={home}" in (place / "environ").read_text(errors="replace").split("\0"):
                found.append(place)
    return found


def held_folders(process: Path) -> list[str]:
    """The folders of kernels that a process holds: each command has that of the kernel which it answers for."""
    with contextlib.suppress(OSError):
        links = [os.readlink(handle) for handle in (process / "fd").iterdir()]
        return [link for link in links if Path(link).name.startswith(SCRATCH)]
    return []


def left_behind(home: Path, scratch: Path, kernels: set[Path]) -> dict[str, int]:
    """What a study could leave on the machine: processes, temporary folders, sockets, half-written files."""
    files = sorted(str(path.relative_to(scratch)) for path in scratch.rglob("*"))
    if files:
        print("left in the folder for temporary files:", *files, file=sys.stderr)
    return {
        "processes left": len(processes(home)),
        "kernels seen": len(kernels),
        "folders of kernels left": sum(folder.exists() for folder in kernels),  # with their sockets
        "temporary files left": len(files),
        "half-written files left": sum(
            path.is_file() and not path.name.endswith(".lock") for path in home.glob("outputs/haul-*/**/.[!m]*")
        ),
    }


def timed(command: str, *words: str) -> float:
    started = time.monotonic()
    line = [sys.executable, "-m", "lib", command, *words]
    subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        for name, value in haul(Path(home), options.runs, options.jobs).items():
            print(f"{name:26} {value:10.2f}" if isinstance(value, float) else f"{name:26} {value:7}")


if __name__ == "__main__":
    main()
