"""kill -9 in the middle of every kind of write of a training: the same command ends with the same bytes."""

import random
import re
import shutil
import signal
import time
from collections import Counter

import pytest

from tests.faults.tools import forked_pilot, names, results

# A file as its writer opens it, under its own name or that of its temporary neighbour.
KINDS = {
    "snapshot": r"snapshots/\.?\d{6}\.safetensors",
    "checkpoint": r"/\.?checkpoint\.safetensors",
    "previous": r"checkpoint\.previous",
    "metrics": r"/\.?metrics\.jsonl",
    "evaluations": r"/\.?pilot_metrics\.json",
    "record": r"/\.?run\.json",
    "codewords": r"/\.?codewords\.json",
    "params": r"/\.?params\.yaml",
    "tokens": r"corpora/.*\.npy",
    "tokenizer": r"corpora/.*tokenizer\.json",
    "corpus": r"corpora/(.*/\.?corpus\.json|[0-9a-f]+$)",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(home, results, every file's name, what was written in order) of a pilot that nothing disturbed."""
    home = tmp_path_factory.mktemp("undisturbed")
    code = run(home, FAULT_PATH="/study/|/corpora/", FAULT_AT="lines", FAULT_NTH="0")
    assert code == 0, (home / "log.said").read_text()
    (folder,) = (home / "study").glob("pilot_*")
    written = [line.split(" ", 1) for line in (home / "log").read_text().splitlines()]
    return home, results(folder), names(home / "study") + names(home / "corpora"), written


def run(home, log="log", **fault):
    return forked_pilot(home / "study", home / log, **fault)


@pytest.mark.parametrize("kind", KINDS)
def test_kill_in_every_kind_of_write_changes_no_byte(tmp_path, undisturbed, kind):
    home, expected, files, written = undisturbed
    counts = Counter(operation for operation, path in written if re.search(KINDS[kind], path))
    counts["half"] = counts["open"]
    if "corpora" not in KINDS[kind]:
        shutil.copytree(home / "corpora", tmp_path / "corpora")
    rng = random.Random(time.time_ns())
    killed = []
    for operation in (o for o in ("open", "half", "sync", "rename") if counts[o]):
        # One of the first half: the kills before leave fewer to come.
        nth = rng.randint(1, max(1, counts[operation] // 2))
        fault = {"FAULT_PATH": KINDS[kind], "FAULT_AT": operation, "FAULT_NTH": str(nth)}
        killed.append((operation, nth, run(tmp_path, f"log-{operation}", **fault)))
    assert {code for *_, code in killed} <= {-signal.SIGKILL, -signal.SIGXFSZ, 0}, killed
    assert killed[0][-1], killed
    assert run(tmp_path) == 0, (tmp_path / "log.said").read_text()
    found = results(next((tmp_path / "study").glob("pilot_*")))
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == [], killed
    assert names(tmp_path / "study") + names(tmp_path / "corpora") == files, f"left behind after {killed}"
