"""kill -9 in every kind of write of a measuring stage and of what is made for a whole study."""

import shutil
import signal
from functools import partial

import pytest

from tests.faults.tools import copied_tree, execute, library, names, processes_with, wait_for

STAGE = "02_pca"
OF_A_STAGE = {
    "digest": (r"/\.?digest\.npz", "sync"),
    "measurements": (r"analysis/\.?backbone", "rename"),
    "half a figure": (r"figures/\.?02_pca", "half"),
    "notebook under way": (r"\.02_pca\.part\.ipynb", "open"),
    "half a notebook": (r"\.02_pca\.part\.ipynb", "half"),
    "notebook": (r"/02_pca\.ipynb", "rename"),
    "done": (r"/\.?02_pca\.done", "sync"),
}
OF_A_STUDY = {
    "report": {
        "summary": (r"summary/\.?\w+\.json", "sync"),
        "its figures": (r"summary/figures/", "half"),
        "its notebook": (r"/06_figures\.ipynb", "rename"),
        "report": (r"report/.*html", "sync"),
        "report done": (r"/\.?report\.done", "sync"),
    },
    "paper": {
        "numbers": (r"build/tiny/\.?numbers\.tex", "sync"),
        "tables": (r"build/tiny/tables/", "rename"),
        "half a source": (r"build/tiny/\.?paper\.tex", "half"),
        "paper": (r"build/tiny/\.?built_for", "sync"),
    },
}
KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)


def fault(log, pattern, at, nth):
    return {"FAULT_PATH": pattern, "FAULT_AT": at, "FAULT_NTH": str(nth), "FAULT_LOG": str(log)}


def measurements(run):
    paths = [run / "digest.npz", *run.glob("analysis/*.json"), *run.glob("figures/*")]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def kill(command, log, kind, pattern, at):
    said = command(**fault(log, pattern, at, nth=1))
    if not log.exists() or said.returncode == 0:  # there was no second one
        assert said.returncode == 0, said.stderr
        return False
    # A kernel that dies alone is reported; the tree dies in silence.
    assert said.returncode in KILLED or "SIGXFSZ" in said.stderr, (kind, said.stderr)
    wait_for(lambda: not processes_with(str(log)))
    return True


def test_kill_in_every_kind_of_write_of_a_stage(tmp_path, finished, measured, faulty):
    run, killed = shutil.copytree(finished.parent, tmp_path / "study") / finished.name, []
    for number, (kind, (pattern, at)) in enumerate(OF_A_STAGE.items()):
        log = tmp_path / f"log{number}"
        if kill(partial(execute, STAGE, run, faulty), log, kind, pattern, at):
            killed.append(kind)
        assert kind in killed or (run / f"{STAGE}.done").exists()
        (run / f"{STAGE}.done").unlink(missing_ok=True)
        if kind != "digest":
            (run / "digest.npz").unlink(missing_ok=True)
    assert len(killed) >= 5, killed
    said = execute(STAGE, run)
    assert said.returncode == 0, said.stderr
    assert measurements(run) == measurements(measured)
    assert names(run) == names(measured)


@pytest.mark.parametrize("what", ["paper", "report"])
def test_kill_in_every_kind_of_write_of_a_study(tmp_path, measured, faulty, what):
    if what == "paper" and not shutil.which("latexmk"):
        pytest.skip("there is no latexmk")
    tree = copied_tree(tmp_path / "tree")
    shutil.copytree(measured.parents[2], tmp_path / "home")
    words = [
        what,
        "--profile",
        "smoke",
        "--study",
        str(tmp_path / "home/tiny.yaml"),
        "--outputs",
        str(tmp_path / "home/outputs"),
    ]
    folder = tmp_path / "home" / "outputs" / measured.parent.name
    killed, kinds = [], OF_A_STUDY[what]
    for number, (kind, (pattern, at)) in enumerate(kinds.items()):
        log = tmp_path / f"log{number}"
        if kill(partial(library, *words, python=faulty, root=tree), log, kind, pattern, at):
            killed.append(kind)
    assert len(killed) >= len(kinds) - 2, killed
    said = library(*words, root=tree)
    assert said.returncode == 0, said.stderr
    after, made = made_files(tree, folder, what), names(folder) + names(tree / "paper")
    for path in (tree / "paper" / "build", folder / "summary", folder / "report"):
        shutil.rmtree(path, ignore_errors=True)
    assert library(*words, root=tree).returncode == 0
    assert after == made_files(tree, folder, what)
    assert made == names(folder) + names(tree / "paper")


def made_files(tree, folder, what):
    """The bytes that do not speak of the time at which they were made."""
    places = [folder / "summary"] + ([tree / "paper" / "build"] if what == "paper" else [])
    suffixes = (".json", ".csv", ".pdf", ".tex")
    return {
        str(path): path.read_bytes()
        for place in places
        for path in sorted(place.rglob("*"))
        if path.suffix in suffixes
    }
