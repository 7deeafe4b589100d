import os
import sys

from lib.base.leave import leave

try:
    from lib.workflow.kernels import ENVIRONMENT

    # Commands that fork kernels are themselves what kernels are: some of it is read when the interpreter starts.
    if sys.argv[1:2] in (["execute"], ["explore"]) and not ENVIRONMENT.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | ENVIRONMENT)

    from lib.workflow.cli import main

    code = main(sys.argv[1:])
except ModuleNotFoundError as error:
    if (error.name or "lib").split(".")[0] in ("lib", "paper", "storyworld"):
        raise
    print(
        f"error: {sys.executable} has no package {error.name}: install those of requirements.txt into it, or leave "
        "PYTHON= away, and make keeps an environment of its own",
        file=sys.stderr,
    )
    code = 2
leave(code)
