"""The files of a kernel: gone with it, also when its process was killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base.files import ROOT
from lib.workflow import kernels
from lib.workflow.kernels import kernel_manager, scratch_folder
from lib.workflow.runner import filled_notebook


@pytest.mark.parametrize("left", ["", "connection.json", "profile_default/history.sqlite"])
def test_what_a_killed_process_left_is_removed_by_the_next(left):
    code = (
        "import os, signal; from pathlib import Path; from lib.workflow.kernels import scratch_folder; "
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


# The thread that takes the request to end is slow to say so: the rest of the kernel must wait for it.
SLOW = """
import threading, time
from ipykernel.iostream import IOPubThread
pipe = IOPubThread._event_pipe.fget
def slow(self):
    if threading.current_thread().name == "Control":
        time.sleep(0.2)
    return pipe(self)
IOPubThread._event_pipe = property(slow)
"""


def test_a_kernel_that_is_asked_to_end_says_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "KERNEL", SLOW + kernels.KERNEL)
    scratch, held = scratch_folder()
    said = tmp_path / "stderr"

    async def start_and_end() -> None:
        manager = kernel_manager(scratch)()
        with said.open("w") as file:
            await manager.start_kernel(stderr=file, cwd=str(ROOT))
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        client.stop_channels()
        await manager.shutdown_kernel()

    try:
        asyncio.run(start_and_end())
    finally:
        shutil.rmtree(scratch)
        os.close(held)
    assert said.read_text() == ""


def test_a_notebook_that_names_no_kernel_runs_in_ours(tmp_path):
    """Somebody's own notebook may have no header, or a damaged one."""
    path = tmp_path / "01_own.py"
    path.write_text('# %% tags=["parameters"]\nrun_folder: str = ""\n\n# %%\nprint(run_folder)\n')
    notebook = filled_notebook(path, {"run_folder": "here"})
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert any('run_folder = "here"' in cell.source for cell in notebook.cells)
