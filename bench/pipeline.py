"""What surrounds training: notebooks, kernels, LaTeX, and what two runs at once cost each other."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from bench.measure import Pair, seconds
from lib.base.errors import BadInput
from lib.base.provenance import ROOT
from lib.params.arguments import keep_arguments
from lib.params.study import Study, load_study
from lib.params.study_file import PARAMS_FOLDER
from lib.report.paper import compile_paper, prepare
from lib.report.reader import collect
from lib.report.site import build_report
from lib.train.run_record import run_record
from lib.workflow.kernels import ENVIRONMENT, KERNEL
from lib.workflow.plan import targets
from lib.workflow.rules import jobs, write_rules
from lib.workflow.runner import execute_notebook, notebook_imports
from paper.beta2.fillers import fillers

FIGURES = "06_figures"  # made once for the study
STUDY = "beta2"
RUN = 0.95  # the run whose stages are timed: it has all of them
SHORT = 50  # published steps per step of the timed run: every later stage still finds all it looks for


# --------------------------------------------------------------------------------------------- two runs at once


def side_by_side(profile: str, corpora: Path, steps: int, count: int) -> Pair:
    """Steps per second, all runs together: one run (`plain`) against two at the same time (`ours`)."""
    command = [sys.executable, "-m", "bench.child", "training", profile, str(corpora)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    runs = [subprocess.Popen(command, **pipes) for _ in range(2)]

    def rates(some: list[subprocess.Popen]) -> float:
        for run in some:
            print(steps, file=run.stdin, flush=True)
        return sum(steps / float(run.stdout.readline()) for run in some)

    pair = Pair("steps a second, all runs", unit="1/s", note="one run against two at once, one thread each")
    try:
        for run in runs:
            if run.stdout.readline().strip() != "ready":
                raise RuntimeError("a training process ended before it began")
        rates(runs)
        for _ in range(count):
            pair.plain.append(rates(runs[:1]))
            pair.ours.append(rates(runs))
    finally:
        for run in runs:
            run.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                run.wait(20)
            run.kill()
    return pair


# ---------------------------------------------------------------------------------------------------- stages


def short_study(home: Path) -> tuple[Study, dict[str, str]]:
    """The study at laptop size with few steps, and how it is named: study, profile and overrides.

    Evaluations, snapshots and everything that a later stage looks at are as many as at full length. It has the
    name of the study, whose paper is built from it.
    """
    file = yaml.safe_load((PARAMS_FOLDER / f"{STUDY}.yaml").read_text())
    laptop = file["profiles"]["laptop"] | {"time_scale": SHORT}
    path = home / "short.yaml"
    path.write_text(
        yaml.safe_dump(
            {"study": STUDY, **{k: file[k] for k in ("axes", "branches")}, "profiles": {"laptop": laptop}}
        )
    )
    arguments = {"study": str(path), "profile": "laptop", "overrides": ""}
    return load_study(**arguments), arguments


def stages(home: Path, say: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Seconds of the commands that make one run, and of the study's own notebook; how many trained or evaluated.

    `home` holds the corpora; the study is left in `home`, with figures.
    """
    study, arguments = short_study(home)
    folder = home / study.folder_name
    every = targets(study, folder)
    write_rules(study.folder_name, folder, every)
    keep_arguments(folder, arguments)
    found = {}
    run = next(run for run in study.runs if run.params.optim.beta2 == RUN)
    for job in jobs([t for t in every if t.run == run]):
        names, place = [t.name for t in job], job[0].folder
        command = [sys.executable, "-m", "lib", "execute", *names, str(place)]
        wall, done = seconds(lambda c=command: subprocess.run(c, cwd=ROOT, capture_output=True, text=True))
        if done.returncode:
            raise RuntimeError(f"{names} failed: {(done.stderr or done.stdout)[-600:]}")
        title, training = " ".join(names), sum(training_seconds(name, place) for name in names)
        evaluation = seconds(lambda p=place: fillers(p))[0] if "01_train" in names else 0.0
        found[title] = {"seconds": wall, "training": training, "evaluation": evaluation}
        say(f"{title}: {wall:.1f} s, of which {training:.1f} s training and {evaluation:.1f} s evaluation after it")
    for stage in (s for s in study.stages if s.of_study):
        parameters = {"folder": str(folder), **arguments}
        wall, _ = seconds(lambda s=stage, p=parameters: execute_notebook(s.name, s.notebook, folder, p))
        found[stage.name] = {"seconds": wall, "training": 0.0, "evaluation": 0.0}
        say(f"{stage.name}: {wall:.1f} s")
    return found


def training_seconds(stage: str, run: Path) -> float:
    """Seconds of a stage in the training loop, its evaluations and snapshots included."""
    if stage == "01_train":
        return run_record(run).seconds or 0.0
    if stage == "04_reheat":
        return sum(run_record(path.parent).seconds or 0.0 for path in run.glob("branches/*/run.json"))
    return 0.0


def overhead(found: dict[str, dict[str, float]], run: float, reheats: float) -> dict[str, Any]:
    """Seconds and share of everything but training and evaluation, of a run without and with its reheats.

    Args:
        found: what `stages` found.
        run: seconds of a whole run's training loop; the evaluation after it is added.
        reheats: seconds of the training loops of all its reheats.
    """
    extra = {t: s["seconds"] - s["training"] - s["evaluation"] for t, s in found.items() if t != FIGURES}
    run += sum(s["evaluation"] for s in found.values())
    without = sum(s for title, s in extra.items() if title != "04_reheat")
    with_reheats = sum(extra.values())
    return {
        "by_stage": extra,
        "run": run,
        "seconds": without,
        "share": without / (without + run),
        "seconds_with_reheats": with_reheats,
        "share_with_reheats": with_reheats / (with_reheats + run + reheats),
    }


def study_share(around: dict[str, Any], reheats: float, counts: tuple[int, int, int], once: float) -> float:
    """The share of everything but training and evaluation in a whole study.

    Args:
        around: what `overhead` found.
        counts: runs, those that train to their end, those that are reheated.
        once: seconds of what is made once: figures, paper and report.
    """
    runs, whole, reheated = counts
    outside = runs * around["seconds"] + once
    outside += reheated * (around["seconds_with_reheats"] - around["seconds"])
    return outside / (outside + whole * around["run"] + reheated * reheats)


def study_on_disk(outputs: Path) -> dict[str, Any] | None:
    """Shares of a finished laptop study's stages, as its own notebooks and runs recorded them."""
    runs, total, trained = 0, 0.0, 0.0
    for notebook in sorted(outputs.glob("*-laptop/*/notebooks/0[1-5]_*.ipynb")):
        if notebook.parents[1].parent.name == "superseded" or ".failed" in notebook.name:
            continue
        metadata = json.loads(notebook.read_text())["metadata"]
        total += metadata.get("papermill", {}).get("duration") or 0.0
        trained += training_seconds(notebook.stem, notebook.parents[1])
        runs += notebook.stem == "01_train"
    if not runs:
        return None
    return {"runs": runs, "seconds": total, "training": trained, "share": 1 - trained / total}


# --------------------------------------------------------------------------------------- notebooks and LaTeX


def notebook_starts(count: int, say: Callable[[str], None]) -> dict[str, dict[str, list[float]]]:
    """For each notebook, `count` times: seconds until its kernel answers, and of its imports."""
    found = {}
    for stage in load_study(STUDY, "laptop").stages:
        name, imports = stage.name, "\n".join(notebook_imports(stage.notebook))
        samples = [_kernel(imports) for _ in range(count)]
        found[name] = {"kernel": [s[0] for s in samples], "imports": [s[1] for s in samples]}
        say(f"{name}: kernel {samples[-1][0]:.1f} s, imports {samples[-1][1]:.1f} s")
    return found


FORK = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
from lib.workflow.kernels import waiting_kernels
from lib.workflow.runner import notebook_imports
imports = dict.fromkeys(line for path in sys.argv[1:] for line in notebook_imports(Path(path)))
with waiting_kernels(len(sys.argv) - 1, imports) as kernels:
    print(json.dumps({"seconds": time.perf_counter() - start, "forked": len(kernels)}))
"""


def forked_start(count: int) -> list[float]:
    """Seconds in which a run's command imports everything and forks a kernel a notebook; none without fork."""
    stages = load_study("beta2", "laptop").stages
    notebooks = [str(stage.notebook) for stage in stages if not (stage.of_study or stage.alone)]
    found = []
    for _ in range(count):
        done = subprocess.run(
            [sys.executable, "-c", FORK, *notebooks],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = json.loads(done.stdout)
        found += [said["seconds"]] if said["forked"] == len(notebooks) else []
    return found


def _kernel(code: str) -> tuple[float, float]:
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpec

    class OurKernel(KernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-c", KERNEL, "--log-level=50", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    manager = OurKernel(transport="ipc", ip=str(scratch / "ipc"), connection_file=str(scratch / "connection.json"))
    client = None
    try:

        def start() -> Any:
            manager.start_kernel(cwd=str(ROOT))
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=120)
            return client

        up, client = seconds(start)
        took, reply = seconds(lambda: client.execute_interactive(code, timeout=120, output_hook=lambda _: None))
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"a notebook's imports failed: {reply['content'].get('evalue')}")
        return up, took
    finally:
        if client is not None:
            client.stop_channels()
        manager.shutdown_kernel(now=True)
        shutil.rmtree(scratch, ignore_errors=True)


def finished_study(outputs: Path) -> tuple[Study, Path] | None:
    """A study under `outputs` that has its figures, the largest profile first."""
    for profile in ("paper", "laptop", "smoke"):
        for folder in sorted(outputs.glob(f"*-{profile}")):
            if (folder / "summary" / "figures").is_dir():
                with suppress(BadInput):
                    return load_study(re.sub(f"-{profile}$", "", folder.name), profile), folder
    return None


def paper(study: Study, folder: Path) -> dict[str, float]:
    """Seconds of the paper's numbers and tables, of LaTeX, and of the report."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        build = Path(home) / "build"
        found = {"paper's inputs": seconds(lambda: prepare(collect(study, folder), build))[0]}
        with suppress(BadInput):  # no LaTeX here, which `make all` does without too
            found["LaTeX"] = seconds(lambda: compile_paper(build))[0]
        copy = Path(home) / folder.name  # the report is written into the study, and this one is not ours
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("snapshots", "*.safetensors", "superseded"))
        found["report"] = seconds(lambda: build_report(collect(study, copy)))[0]
    return found
