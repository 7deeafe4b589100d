"""Every protection, and the test that fails without it: `python -m tests.faults.protections [pattern]`.

Each entry takes one protection out of a copy of the tree and runs one test there, which must fail by what it
asserts: a test that passes anyway guards nothing.
"""

import importlib
import importlib.util
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Each has a list PROTECTIONS; the one of a part that is not there counts for nothing.
LISTS = [
    f"tests.faults.protections_of_{part}" for part in ("parameters", "files", "processes", "cluster", "strangers")
]
MEMORY = 6 * 2**30  # bytes that a test without its protection may take before it is refused more
SECONDS = 300
# A replacement that breaks the code shows nothing of the test.
BROKEN = ("NameError", "SyntaxError", "ImportError", "ModuleNotFoundError", "IndentationError", "UnboundLocalError")


@dataclass(frozen=True)
class Protection:
    """`old` becomes `new` in `file`, once; then `test`, a pytest node, must fail."""

    what: str
    file: str
    old: str
    new: str
    test: str


def every_protection() -> list[Protection]:
    there = [importlib.import_module(name) for name in LISTS if importlib.util.find_spec(name)]
    return [protection for module in there for protection in module.PROTECTIONS]


def copy_tree(to: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def what_is_wrong(protection: Protection) -> str:
    """Why this protection is not shown to be tested; empty when its test fails as it should."""
    with tempfile.TemporaryDirectory(prefix="protection-") as name:
        tree = Path(name)
        copy_tree(tree)
        path = tree / protection.file
        text = path.read_text(encoding="utf-8")
        if text.count(protection.old) != 1:
            return f"its text is {text.count(protection.old)} times in {protection.file}"
        path.write_text(text.replace(protection.old, protection.new), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=short"]
        try:
            done = subprocess.run(
                [*command, f"--basetemp={tree / '.tmp'}", protection.test],
                cwd=tree,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
            )
        except subprocess.TimeoutExpired:
            return f"{protection.test} takes more than {SECONDS} s without it"
        said = done.stdout + done.stderr
        if done.returncode == 0:
            return f"{protection.test} passes without it"
        if done.returncode != 1 or not re.search(r"^FAILED ", said, re.MULTILINE):
            return f"{protection.test} cannot be run: {said[-400:]}"
        broken = re.search(rf"^E\s+({'|'.join(BROKEN)}):.*", said, re.MULTILINE)
        return f"the code is broken without it: {broken[0]}" if broken else ""


def main(arguments: list[str]) -> int:
    pattern = arguments[0] if arguments else ""
    wanted = [p for p in every_protection() if re.search(pattern, f"{p.what} {p.file} {p.test}")]
    wrong = 0
    for protection in wanted:
        problem = what_is_wrong(protection)
        wrong += bool(problem)
        print(
            f"{'NOT SHOWN' if problem else 'fails'}  {protection.what}{': ' + problem if problem else ''}",
            flush=True,
        )
    print(f"{len(wanted) - wrong} of {len(wanted)} tests fail without their protection")
    return 1 if wrong or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
