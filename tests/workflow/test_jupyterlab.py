"""JupyterLab in a real browser: change the window of notebook 02 on a finished run, run it, see a new figure.

Kept out of the fast suite: run it with `make test TESTS='tests/workflow/test_jupyterlab.py -m slow'`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from lib.params.study import load_study
from lib.train.loop import train
from lib.workflow.cli import find_run, lab_page
from tests.browser import Browser

pytestmark = pytest.mark.slow
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
IMAGES = f"{NOTEBOOK}.content.widgets.at(-1).node.querySelectorAll('.jp-OutputArea-output img').length"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """(address, run folder) of a JupyterLab that serves notebook 02 filled in with a finished run."""
    run = load_study("beta2", "smoke", axes={}).runs[0]
    folder = tmp_path / "outputs" / "study" / run.name
    train(run.params, folder, tmp_path / "outputs" / "corpora")
    assert find_run("b20.95", tmp_path / "outputs") == folder
    shutil.copy(lab_page(folder, "02_pca"), tmp_path)
    port = free_port()
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    log = (tmp_path / "lab.log").open("wb")
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    wait_for(lambda: reachable(address), 60, lambda: (tmp_path / "lab.log").read_text()[-2000:])
    yield address, folder
    server.terminate()
    server.wait()


def reachable(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/api", timeout=1).status == 200
    except OSError:
        return False


def wait_for(condition, seconds: float, explain=lambda: "") -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, explain()
        time.sleep(0.02)
    return time.monotonic() - started


def test_a_new_window_gives_a_new_figure_in_under_two_seconds(lab, tmp_path):
    address, _ = lab
    with Browser(tmp_path) as browser:
        browser.open(f"{address}/lab/tree/02_pca.ipynb")
        ready = f"!!(window.jupyterapp && {NOTEBOOK} && {NOTEBOOK}.content && {NOTEBOOK}.sessionContext.isReady)"
        wait_for(lambda: browser.evaluate(ready), 60)
        browser.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        wait_for(lambda: browser.evaluate(IMAGES) == 1, 90, lambda: str(browser.evaluate("document.title")))
        text = f"{NOTEBOOK}.content.widgets.at(-1).model.sharedModel"
        before = browser.evaluate(f"{NOTEBOOK}.content.widgets.at(-1).node.querySelector('img').src")
        assert "Window(0, None)" in browser.evaluate(f"{text}.getSource()")
        changed = "s.setSource(s.getSource().replace('Window(0, None)', 'Window(12, 40)'))"
        browser.evaluate(f"(() => {{ const s = {text}; {changed}; }})()")
        browser.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")

        def redrawn() -> bool:
            image = f"{NOTEBOOK}.content.widgets.at(-1).node.querySelector('.jp-OutputArea-output img')?.src"
            now = browser.evaluate(image)
            return bool(now) and now != before

        seconds = wait_for(redrawn, 60)
        browser.picture(tmp_path / "lab.png", whole=False)
        print(f"all cells again with another window: {seconds:.2f} s")
        assert seconds < 2
