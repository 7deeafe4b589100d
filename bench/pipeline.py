"""What surrounds training: notebooks, kernels, LaTeX, and what two runs at once cost each other."""

import ast
import json
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
from lib.params.study import Study, load_study
from lib.params.study_file import PARAMS_FOLDER
from lib.report.paper import compile_paper, prepare
from lib.report.reader import collect
from lib.report.site import build_report
from lib.train.records import read_record
from lib.workflow.finish import FIGURES
from lib.workflow.kernels import KERNEL
from lib.workflow.rules import STAGES, targets, write_rules
from lib.workflow.runner import execute_notebook, notebook_path

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


def short_study(home: Path) -> tuple[Study, str]:
    """The study at laptop size with few steps, and the name of its profile.

    Evaluations, snapshots and everything that a later stage looks at are as many as at full length.
    """
    values = yaml.safe_load((PARAMS_FOLDER / "profiles" / "laptop.yaml").read_text())
    profile = home / "short"
    text = yaml.safe_dump({**values, "profile": "short", "time_scale": SHORT})
    profile.with_suffix(".yaml").write_text(text)
    return load_study("beta2", str(profile)), str(profile)


def stages(home: Path, say: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Seconds of each stage of one run by the command that make runs, and the part of them that trained.

    `home` holds the corpora; the study is left in `home/short-study`, with figures.
    """
    study, profile = short_study(home)
    folder = home / "short-study"
    every = targets(study, folder)
    write_rules(study, folder, every)
    chosen = [t for t in every if t.run.params.optim.beta2 == RUN]
    found = {}
    for target in chosen:
        command = [sys.executable, "-m", "lib", "execute", target.stage, str(target.folder)]
        wall, done = seconds(lambda c=command: subprocess.run(c, cwd=ROOT, capture_output=True, text=True))
        if done.returncode:
            raise RuntimeError(f"{target.stage} failed: {(done.stderr or done.stdout)[-600:]}")
        found[target.stage] = {"seconds": wall, "training": training_seconds(target.stage, target.folder)}
        say(f"{target.stage}: {wall:.1f} s, of which {found[target.stage]['training']:.1f} s training")
    parameters = {"folder": str(folder), "study": "beta2", "profile": profile, "overrides": ""}
    wall, _ = seconds(lambda: execute_notebook(FIGURES, folder, parameters))
    found[FIGURES] = {"seconds": wall, "training": 0.0}
    say(f"{FIGURES}: {wall:.1f} s")
    return found


def training_seconds(stage: str, run: Path) -> float:
    """Seconds of a stage in the training loop, evaluations and snapshots included."""
    if stage == "01_train":
        return (read_record(run) or {}).get("seconds", 0.0)
    if stage == "04_reheat":
        return sum((read_record(path.parent) or {}).get("seconds", 0.0) for path in run.glob("reheat/*/run.json"))
    return 0.0


def overhead(found: dict[str, dict[str, float]], run: float, reheats: float) -> dict[str, Any]:
    """Seconds and share of everything but training, for runs of `run` seconds without and with reheats."""
    extra = {stage: s["seconds"] - s["training"] for stage, s in found.items() if stage != FIGURES}
    without = sum(s for stage, s in extra.items() if stage != "04_reheat")
    with_reheats = sum(extra.values())
    return {
        "by_stage": extra,
        "seconds": without,
        "share": without / (without + run),
        "seconds_with_reheats": with_reheats,
        "share_with_reheats": with_reheats / (with_reheats + run + reheats),
    }


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
    for name in [stage.name for stage in STAGES] + [FIGURES]:
        imports = notebook_imports(notebook_path(name))
        samples = [_kernel(imports) for _ in range(count)]
        found[name] = {"kernel": [s[0] for s in samples], "imports": [s[1] for s in samples]}
        say(f"{name}: kernel {samples[-1][0]:.1f} s, imports {samples[-1][1]:.1f} s")
    return found


def notebook_imports(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


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


def process_start(count: int) -> list[float]:
    """Seconds of what a stage's command imports before a kernel starts."""
    code = "import lib.workflow.runner, jupytext, nbformat, papermill"
    return [
        seconds(lambda: subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True))[0] for _ in range(count)
    ]


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
