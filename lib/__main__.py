import os
import sys

from lib.workflow.kernels import ENVIRONMENT

# Commands that fork kernels are themselves what kernels are: some of it is read when the interpreter starts.
if sys.argv[1:2] in (["execute"], ["explore"]) and not ENVIRONMENT.items() <= os.environ.items():
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | ENVIRONMENT)

from lib.workflow.cli import main

sys.exit(main(sys.argv[1:]))
