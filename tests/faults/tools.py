"""What the fault tests share: small studies, the real commands, and an environment into which faults are put."""

import multiprocessing
import os
import shutil
import signal
import site
import subprocess
import sys
import time
import venv
from pathlib import Path

from lib.params.run import Params
from lib.params.study import load_study
from tests.faults import injection

ROOT = Path(__file__).resolve().parents[2]
# A checkpoint at nearly every step makes the moments that matter likely.
PILOT = ["--profile", "smoke", "--beta2", "0.95", "--machine.checkpoint_seconds", "0.001"]
TINY = """\
study: tiny
axes: {optim.beta2: [0.95]}
set: {schedule.steps: 40, schedule.warmup: 15, task.lambda_step: 40, snapshots.whole: [8, 20, 32, 40]}
"""
TRAINING_ALONE = "stages: {01_train: {}}\n"  # for what happens to a training: nothing is measured after it
RUN = "pilot_wd0.5_lr0.001_lp2.0_b20.95_s42"


def params(overrides: str = "") -> Params:
    return load_study("beta2", "smoke", f"machine.checkpoint_seconds=0.001 {overrides}", axes={}).runs[0].params


def results(run: Path) -> dict[str, bytes]:
    """Every byte that a run's result consists of."""
    names = ["pilot_metrics.json", "metrics.jsonl", "codewords.json", "params.yaml", "checkpoint.safetensors"]
    files = [*sorted(run.glob("snapshots/*.safetensors")), *(run / name for name in names)]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    """Every file below a folder, the hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def copied_package(home: Path) -> Path:
    """The package without its history and results, its code compiled as far as it is."""
    unfinished = ("*.pyc.*", ".*")  # of a process that compiles meanwhile
    for name in ("lib", "notebooks", "params", "paper", "storyworld"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("build", *unfinished))
    shutil.copy(ROOT / "Makefile", home)
    return home


def copied_tree(home: Path) -> Path:
    """Such a package, in which the tiny study has a paper of its own."""
    copied_package(home)
    shutil.copytree(home / "paper" / "beta2", home / "paper" / "tiny")
    return home


def trained_run(study: Path, outputs: Path) -> Path:
    """The one run of a study, trained here, with the files by which make's stages know it."""
    from lib.train.loop import train
    from lib.workflow.plan import targets
    from lib.workflow.rules import write_rules

    loaded = load_study(str(study), "smoke")
    folder = outputs / loaded.folder_name
    write_rules(loaded.folder_name, folder, targets(loaded, folder))
    train(loaded.runs[0].params, folder / loaded.runs[0].name, outputs / "corpora")
    return folder / loaded.runs[0].name


def execute(
    stage: str, run: Path, python: Path | None = None, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess:
    """One stage of one run, by the command that make runs."""
    command = [str(python or sys.executable), "-m", "lib", "execute", stage, str(run)]
    return _run(command, root, environment)


def start(*words: str) -> subprocess.Popen:
    """`python -m lib ...` under way."""
    command = [sys.executable, "-m", "lib", *words]
    pipe = subprocess.PIPE
    environment = clean_environment()
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def library(
    *words: str, python: Path | None = None, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess:
    return _run([str(python or sys.executable), "-m", "lib", *words], root, environment)


def _run(command: list[str], root: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    environment = clean_environment(**environment)
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=240)


def write_study(path: Path, changes: dict[str, str] | None = None, more: str = "") -> Path:
    text = TINY + more
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------- real commands


def clean_environment(**more: str) -> dict[str, str]:
    """This process's, without what a make around the tests put there, and with Python's usual buffers."""
    left_out = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONUNBUFFERED")
    inherited = {k: v for k, v in os.environ.items() if k not in left_out}
    return inherited | {"OMP_NUM_THREADS": "1"} | more


def start_make(
    *words: str, study: Path, outputs: Path, root: Path = ROOT, python: Path | None = None, **environment: str
) -> subprocess.Popen:
    places = [f"STUDY={study}", f"PARAMS={study}", "PROFILE=smoke", f"OUTPUTS={outputs}"]
    return subprocess.Popen(
        ["make", *places, f"PYTHON={python or sys.executable}", *words],
        cwd=root,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(*words: str, check: bool = True, **places) -> subprocess.CompletedProcess:
    process = start_make(*words, **places)
    out, err = process.communicate(timeout=240)
    assert not check or process.returncode == 0, out + err
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def pilot(out: Path, *words: str, python: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    return library("pilot", *PILOT, "--out_dir", str(out), *words, python=python, **environment)


def kill_when(process: subprocess.Popen, condition) -> None:
    """kill -9 of a process and what it started in its group, once `condition` holds."""
    wait_for(condition, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition, process: subprocess.Popen | None = None, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


def one_sentence(said: subprocess.CompletedProcess, *parts: str) -> None:
    """The command failed and said so in one clear line that has every part."""
    assert said.returncode not in (0, -signal.SIGKILL), said.stdout + said.stderr
    assert "Traceback" not in said.stderr + said.stdout, said.stderr
    lines = [line for line in said.stderr.splitlines() if all(part in line for part in parts)]
    assert len(lines) == 1, (parts, said.stderr)


def processes_with(mark: str) -> list[int]:
    """The processes that have `mark` in their command line or environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            about = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in about and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


# ------------------------------------------------------------------------------------------------------- faults


def faulty_python(home: Path) -> Path:
    """An interpreter with the packages of this one, whose every process reads FAULT_... at its start."""
    venv.create(home, with_pip=False, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    shutil.copy(injection.__file__, packages / "fault_injection.py")
    ours = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))] + site.getsitepackages()
    lines = [f"import site; site.addsitedir({place!r})" for place in dict.fromkeys(ours)]
    (packages / "faults.pth").write_text("\n".join([*lines, "import fault_injection"]) + "\n")
    return home / "bin" / "python"


def forked_pilot(out: Path, log: Path, **fault: str) -> int:
    """The exit code of the pilot command in a process forked after the imports, with a fault."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lib.train.loop", "lib.workflow.cli", "lib.params.study"])
    process = context.Process(target=_pilot_with, args=(out, log, fault))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def _pilot_with(out: Path, log: Path, fault: dict[str, str]) -> None:
    from lib.workflow.cli import main

    handle = os.open(log.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    injection.install({"FAULT_LOG": str(log), **fault})
    study = write_study(log.with_suffix(".yaml"))
    code = main(["pilot", *PILOT, "--study", str(study), "--out_dir", str(out)])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
