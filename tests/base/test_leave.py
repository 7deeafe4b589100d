"""A command ends with what it said written, with what asked to be called at exit called, and with its own code."""

import subprocess
import sys

import pytest

from lib.base.files import ROOT
from lib.base.leave import UNWRITTEN
from tests.faults.tools import clean_environment

CODE = """
import atexit, sys
from lib.base.leave import leave

class Slow:
    def __del__(self):
        print("taken apart", file=sys.stderr)

kept = Slow()
atexit.register(sys.stdout.write, "at exit\\n")
print("said")
leave(int(sys.argv[1]))
"""


def ended(code, **named):
    command = [sys.executable, "-c", CODE, str(code)]
    return subprocess.run(command, cwd=ROOT, env=clean_environment(), stderr=subprocess.PIPE, text=True, **named)


@pytest.mark.parametrize("code", [0, 2, 130])
def test_what_was_said_is_written(code):
    done = ended(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\nat exit\n", "")


@pytest.mark.parametrize(("code", "told"), [(0, UNWRITTEN), (2, 2)])
def test_what_cannot_be_written_is_no_success(code, told):
    with open("/dev/full", "w") as full:
        done = ended(code, stdout=full)
    assert done.returncode == told and "taken apart" not in done.stderr
