"""A disk that fills up under each kind of writer: one sentence, nothing lost, and after room is made it goes on."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from tests.faults.tools import (
    PILOT,
    ROOT,
    clean_environment,
    copied_tree,
    execute,
    library,
    one_sentence,
    params,
    pilot,
    results,
)

FULL = "the disk is full"


def onto(disk, folder):
    """Move a folder onto the small disk, leaving a link; returns where it lies now."""
    target = disk / folder.name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, target)
    shutil.rmtree(folder)
    folder.symlink_to(target)
    return target


def fill(disk, spare=0):
    """Leave `spare` bytes of the disk; returns the file that takes the rest."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - spare))
    return ballast


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_room(disk, ballast):
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


def test_a_training_goes_on_after_it(small_disk, tmp_path):
    from lib.train.loop import train

    corpora = tmp_path / "corpora"
    train(params(), tmp_path / "other" / "run", corpora)
    (small_disk / "corpora").symlink_to(corpora)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    said = pilot(small_disk / "study")
    assert said.returncode == 2
    one_sentence(said, "error: ", FULL)
    assert said.stderr.count("\n") == 1
    make_room(small_disk, ballast)
    again = pilot(small_disk / "study")
    assert again.returncode == 0, again.stderr
    assert "resuming after step" in again.stdout
    run = next((small_disk / "study").glob("pilot_*"))
    assert results(run) == results(tmp_path / "other" / "run")


def test_a_corpus_is_built_after_it(small_disk, tmp_path):
    corpora = onto(small_disk, tmp_path / "corpora")
    (corpora / "another").write_text("kept")
    ballast = fill(small_disk, spare=40_000)
    said = pilot(tmp_path / "study", "--schedule.steps=80")
    one_sentence(said, FULL, "corpora")
    assert [path.name for path in corpora.iterdir() if not path.name.endswith(".lock")] == ["another"]
    make_room(small_disk, ballast)
    assert pilot(tmp_path / "study").returncode == 0


@pytest.mark.parametrize("place", ["analysis", "figures", "notebooks", ""])
def test_a_stage_is_executed_after_it(small_disk, tmp_path, measured, place):
    """`place` is the part of the run's folder that lies on the full disk; '' the whole, where the digest lies."""
    run = tmp_path / "study" / measured.name
    shutil.copytree(measured.parent, tmp_path / "study")
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    kept = onto(small_disk, run / place)
    (run / "02_pca.done").unlink()
    if not place:
        (run / "digest.npz").unlink()
    before = contents(kept)
    ballast = fill(small_disk, spare=4096 if place == "notebooks" else 0)
    said = execute("02_pca", run)
    one_sentence(said, FULL)
    assert not (run / "02_pca.done").exists()
    # What the failed stage itself measured is not to be relied on; everything else is untouched.
    after = contents(kept)
    lost = {n for n, content in before.items() if after.get(n) != content and not n.endswith(".lock")}
    assert all("backbone" in name or "update_alignment" in name for name in lost), lost
    make_room(small_disk, ballast)
    again = execute("02_pca", run)
    assert again.returncode == 0, again.stderr
    for name in ("analysis/backbone.json", "figures/02_pca_spectrum.png"):
        assert (run / name).read_bytes() == (measured / name).read_bytes()


def test_a_full_temporary_folder_is_left_for_another(small_disk, tmp_path, finished):
    shutil.copytree(finished.parent, tmp_path / "study")
    fill(small_disk)
    said = execute("02_pca", tmp_path / "study" / finished.name, TMPDIR=str(small_disk))
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("place", ["summary", "report", "build"])
def test_what_is_made_for_a_study_is_made_after_it(small_disk, tmp_path, measured, place):
    tree = copied_tree(tmp_path / "tree")
    shutil.copytree(measured.parents[2], tmp_path / "home")
    folder = tmp_path / "home" / "outputs" / measured.parent.name
    what = "paper" if place == "build" else "report"
    words = [what, "--profile", "smoke", "--study", str(tmp_path / "home" / "tiny.yaml")]
    words += ["--outputs", str(tmp_path / "home" / "outputs")]
    if place == "build" and not shutil.which("latexmk"):
        pytest.skip("there is no latexmk")
    if place == "summary":  # made anew each time, so its folder has to be a file system's own
        (small_disk / "summary").mkdir()
        (folder / "summary").mkdir()
        subprocess.run(["mount", "--bind", str(small_disk / "summary"), str(folder / "summary")], check=True)
    else:
        onto(small_disk, tree / "paper" / "build" if place == "build" else folder / "report")
    # Room for the paper's inputs, and not for what LaTeX makes of them.
    ballast = fill(small_disk, spare=300_000 if place == "build" else 8192)
    try:
        said = library(*words, root=tree)
        one_sentence(said, FULL)
        make_room(small_disk, ballast)
        again = library(*words, root=tree)
    finally:
        if place == "summary":
            subprocess.run(["umount", "-l", str(folder / "summary")], check=True)
    assert again.returncode == 0, again.stderr


def test_a_limit_on_file_sizes_is_named(tmp_path):
    """The same for who may mount nothing."""
    command = [sys.executable, "-m", "lib", "pilot", *PILOT, "--out_dir", str(tmp_path / "study")]
    said = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.RLIM_INFINITY)),
        capture_output=True,
        text=True,
    )
    one_sentence(said, "error: ", "the limit on the size of files (ulimit -f) is reached")
    assert not list(tmp_path.rglob(".*.safetensors.*"))
    again = pilot(tmp_path / "study")
    assert again.returncode == 0, again.stderr
    assert os.path.exists(tmp_path / "corpora")
