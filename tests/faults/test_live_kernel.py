"""A notebook that is open in a live Jupyter kernel while make runs the same stage: both end well."""

import json
import shutil

import pytest
from jupyter_client.manager import start_new_kernel

from lib.workflow.runner import filled_notebook
from tests.faults.tools import ROOT, clean_environment, execute

ASK = "print('seen', len(result['steps']), round(result['observed']['G2.pc1'], 6))"


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(ROOT), env=clean_environment(PYTHONPATH=str(ROOT))
    )
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_cells(client, cells):
    """Execute code in the kernel; everything it printed."""
    said = []

    def hear(message):
        content = message["content"]
        assert message["msg_type"] != "error", content
        said.append(content.get("text", ""))

    for cell in cells:
        client.execute_interactive(cell, timeout=120, output_hook=hear)
    return "".join(said)


def test_make_and_a_live_kernel_share_a_run(tmp_path, measured, kernel):
    shutil.copytree(measured.parent, tmp_path / "study")
    run = tmp_path / "study" / measured.name
    parameters = json.loads((measured.parent / ".make" / run.name / "02_pca.inputs").read_text())["parameters"]
    notebook = filled_notebook(ROOT / "notebooks" / "02_pca.py", {"run_folder": str(run)} | parameters)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    run_cells(kernel, cells)
    before = run_cells(kernel, [ASK])
    assert before.startswith("seen ")

    (run / "02_pca.done").unlink()
    # The kernel holds the run's arrays and figures, and works on while make executes the same stage.
    kernel.execute("while True:\n    geometry(folder)")
    said = execute("02_pca", run)
    assert said.returncode == 0, said.stderr
    interrupt(kernel)
    assert run_cells(kernel, [ASK]) == before
    run_cells(kernel, cells)

    on_disk = json.loads((run / "notebooks" / "02_pca.ipynb").read_text())
    assert on_disk["metadata"]["provenance"]["run"] == run.name
    assert all(cell.get("execution_count") for cell in on_disk["cells"] if cell["cell_type"] == "code")
    theirs = (measured / "analysis" / "backbone.json").read_bytes()
    assert (run / "analysis" / "backbone.json").read_bytes() == theirs
    assert (run / "by_hand" / "analysis" / "backbone.json").read_bytes() == theirs
    assert not [path for path in run.rglob(".*") if path.is_file() and not path.name.endswith(".lock")]


def interrupt(client):
    message = client.session.msg("interrupt_request", content={})
    client.control_channel.send(message)
    client.wait_for_ready(timeout=30)
