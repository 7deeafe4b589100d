"""kill -9 of a run that is watched: its table, events and kept states are the same in the end."""

import signal
import time

from lib.params.run import dump_params
from lib.train.loop import train
from tests.faults.tools import start
from tests.train.test_watched import everything, params

MOMENTS = ("states/*.safetensors", "states/000013.safetensors", "watch.parquet", "snapshots/000040.safetensors")


def test_killed_equals_undisturbed(tmp_path):
    """Just as an event's state, a planned one, a table and a snapshot come to be, and the same command again."""
    whole, run, file = tmp_path / "study" / "whole", tmp_path / "study" / "killed", tmp_path / "params.yaml"
    train(params(), whole)
    file.write_text(dump_params(params()))
    killed = []
    for pattern in MOMENTS:
        process = start("train", str(file), str(run), str(tmp_path / "corpora"))
        while process.poll() is None and not list(run.glob(pattern)):
            time.sleep(0.001)
        process.kill()
        process.communicate()
        killed.append(process.returncode)
    assert killed[0] == killed[1] == -signal.SIGKILL
    train(params(), run)
    assert everything(run) == everything(whole)
