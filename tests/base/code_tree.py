"""A copy of the project whose own code tells there which stages are stale."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from lib.base.files import ROOT

# Imports once; each answer comes from a fork that has not read any file yet.
SERVER = """
import json, os, sys
import filelock, numpy, tokenizers  # slow, and none of ours
from pathlib import Path
from lib.base.code import definitions, reached
from lib.base.files import content_hash
from lib.params.members import ROOMS, module_paths
from lib.params.study import load_study
from lib.train.identity import training_definitions
from lib.workflow.plan import changed_code, targets

study = load_study("beta2", "smoke")

def answer(what):
    if what == "toy":
        return {n: d.hash for n, d in definitions("toy.py").items()}
    every = [t for t in targets(study, Path("outputs")) if t.run.name.endswith("b20.95_s42")]
    members = {
        "adamw": ("stories", "gpt", "adamw"),
        "sgd": ("stories", "gpt", "sgd"),
        "modular": ("modular", "mlp", "adamw"),
        "nested": ("nested", "gpt", "adamw"),
    }
    training = {}
    for name, chosen in members.items():
        paths = tuple(path for both in zip(ROOMS, chosen) for path in module_paths(*both))
        if all(path.is_file() for path in paths):
            training[name] = training_definitions(paths)
    return {
        "training": training,
        "stages": {t.name: content_hash(t.inputs) for t in every},
        "code": {t.name: t.code for t in every},
        "data": every[0].inputs["data"],
    }

for what in sys.stdin:
    reader, writer = os.pipe()
    if os.fork() == 0:
        with open(writer, "w") as out:
            out.write(json.dumps(answer(what.strip())))
        os._exit(0)
    os.close(writer)
    print(open(reader).read(), flush=True)
    os.wait()
"""


def stale(tree: "Tree", now: dict) -> set[str]:
    return {name for name, inputs in now["stages"].items() if inputs != tree.first["stages"][name]}


def retrained(tree: "Tree", now: dict) -> set[str]:
    return {name for name, table in now["training"].items() if table != tree.first["training"].get(name)}


class Tree:
    """A copy of the project, and what its code says of itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("lib", "notebooks", "params", "paper", "storyworld"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("build", "__pycache__"))
        command = [sys.executable, "-c", SERVER]
        # Python knows its compiled files by second and size, and edits here come faster.
        environment = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=root, env=environment, **pipes)
        self.before: dict[Path, str | None] = {}
        self.first = self.ask()

    def ask(self, what: str = "all") -> dict:
        print(what, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def edit(self, name: str, old: str, new: str, count: int = 1) -> dict:
        text = (self.root / name).read_text()
        assert old in text, (name, old)
        self.write(name, text.replace(old, new, count))
        return self.ask()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        self.before.setdefault(path, path.read_text() if path.is_file() else None)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def restore(self) -> None:
        for path, text in self.before.items():
            path.unlink() if text is None else path.write_text(text)
        self.before.clear()
