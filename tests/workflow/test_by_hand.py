"""Notebooks opened by hand, without make: in another folder, in JupyterLab, over nothing that make made."""

import contextlib
import json
import shutil
import site
import socket
import subprocess
import sys
import urllib.request
import uuid
import venv
from pathlib import Path

import nbformat
import pytest
import websocket

from lib.base.files import ROOT
from tests.faults.tools import clean_environment, copied_package, wait_for

SMALL = """\
study: small
base: grokking
run_name: "small_s{seed}"
axes: {seed: [0]}
stages: {01_train: {}}
"""
OTHER_KERNEL = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which somebody once installed another kernel under the name that notebooks ask for."""
    home = tmp_path_factory.mktemp("home")
    place = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(OTHER_KERNEL))
    return home


@pytest.fixture(scope="module")
def project(tmp_path_factory, home):
    """A copy of the tree with a .venv as make leaves it, and a small study that make made."""
    project = copied_package(tmp_path_factory.mktemp("project"))
    shutil.copy(ROOT / "requirements.txt", project)
    environment_like_this(project / ".venv")
    shutil.copy(project / "requirements.txt", project / ".venv" / "ready")  # installed, as far as make can tell
    (project / "small.yaml").write_text(SMALL)
    said = subprocess.run(
        ["make", "grid", "PARAMS=small.yaml", "PROFILE=smoke"],
        cwd=project,
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return project


def environment_like_this(place: Path) -> None:
    """A virtual environment with the packages of this one, and with what they bring along for Jupyter."""
    venv.create(place, with_pip=False, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    ours = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))] + site.getsitepackages()
    # folders alone: a file in them that names this project's folder is not read
    (packages / "ours.pth").write_text("".join(f"{folder}\n" for folder in dict.fromkeys(ours)))
    for name in ("share", "etc"):
        (place / name).symlink_to(Path(sys.prefix) / name)


def environment(home: Path) -> dict[str, str]:
    """That of a person at a terminal: nothing in it says where the project is."""
    left_out = ("PYTHONPATH", "PYTHON", "BACKBONE_STAGE", "JUPYTER_PREFER_ENV_PATH")
    inherited = {name: value for name, value in clean_environment().items() if name not in left_out}
    return inherited | {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file that make made, with its time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "by_hand" not in path.parts and not path.name.endswith(".lock")
    }


def test_an_executed_notebook_runs_again_anywhere(project, home, tmp_path):
    """One that trains; notebooks that measure are run by hand below and in test_make.py."""
    (run,) = (project / "outputs" / "small-smoke").glob("small_s*")
    before = contents(run)
    page = tmp_path / "01_train.ipynb"
    shutil.copy(run / "notebooks" / page.name, page)
    python = project / ".venv" / "bin" / "python"
    command = [python, "-c", "from nbclient.cli import main; main()", "--inplace", page]
    said = subprocess.run(command, cwd=tmp_path, env=environment(home), capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    cells = [cell for cell in nbformat.read(page, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert list((run / "by_hand" / "figures").glob("01_train_*.png"))
    assert contents(run) == before


@pytest.fixture
def server(project, home):
    """The address of a JupyterLab that was started in the project's folder."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [project / ".venv" / "bin" / "python", "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    with (home / "lab.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=project, env=environment(home), stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/api"
    wait_for(lambda: reachable(address), process)
    yield address
    process.terminate()
    process.wait()


def reachable(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=1).status == 200
    except OSError:
        return False


def ask(address: str, data: dict | None = None) -> dict:
    body = None if data is None else json.dumps(data).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(address, body), timeout=30))


def executed(kernel: websocket.WebSocket, code: str) -> dict:
    """The kernel's answer to a cell, asked for as JupyterLab does."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.4"}
    header |= {"session": "by hand", "username": ""}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    kernel.send(json.dumps(message))
    while True:
        said = json.loads(kernel.recv())
        if said["msg_type"] == "execute_reply" and said["parent_header"]["msg_id"] == header["msg_id"]:
            return said["content"]


def test_a_notebook_of_the_project_runs_in_jupyterlab(project, home, server):
    notebook = ask(f"{server}/contents/notebooks/02_pca.py?type=notebook")["content"]
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5
    asked = {"path": "notebooks/02_pca.py", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
    kernel = ask(f"{server}/sessions", asked)["kernel"]["id"]
    place = f"{server.replace('http', 'ws')}/kernels/{kernel}/channels"
    with contextlib.closing(websocket.create_connection(place, timeout=120)) as socket_of_kernel:
        for cell in cells:
            answer = executed(socket_of_kernel, cell)
            assert answer["status"] == "ok", answer
    (run,) = (project / "outputs" / "playground").glob("pilot_*")
    assert list((run / "by_hand" / "figures").glob("02_pca_*.png"))


def test_make_writes_nothing_into_somebody_elses_python(project, home, tmp_path):
    own = tmp_path / "own"
    environment_like_this(own)
    words = ["make", f"PYTHON={own / 'bin' / 'python'}"]
    code = [own / "bin" / "python", "-c", "import lib"]
    named = {"cwd": project, "env": environment(home), "capture_output": True}
    assert subprocess.run([*words, "studies"], **named).returncode == 0
    assert not list(own.rglob("backbone.pth"))
    assert subprocess.run(code, **named | {"cwd": tmp_path}).returncode == 1
    assert subprocess.run([*words, "setup"], **named).returncode == 0
    assert subprocess.run(code, **named | {"cwd": tmp_path}).returncode == 0
