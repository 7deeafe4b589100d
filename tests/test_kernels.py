"""The files of a kernel: gone with it, also when its process was killed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.kernels import scratch_folder
from lib.provenance import ROOT


@pytest.mark.parametrize("left", ["", "connection.json", "profile_default/history.sqlite"])
def test_what_a_killed_process_left_is_removed_by_the_next(left):
    code = (
        "import os, signal; from pathlib import Path; from lib.kernels import scratch_folder; "
        "folder, _ = scratch_folder(); print(folder, flush=True); "
        f"file = folder / {left!r}; file.parent.mkdir(exist_ok=True); file == folder or file.touch(); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    folder = Path(killed.stdout.strip())
    assert (folder / left).exists()
    own, held = scratch_folder()
    os.close(held)
    shutil.rmtree(own)
    assert not folder.exists()


def test_a_folder_in_use_stays():
    first, held = scratch_folder()
    second, other = scratch_folder()
    assert first.is_dir()
    for folder, handle in ((first, held), (second, other)):
        shutil.rmtree(folder)
        os.close(handle)
