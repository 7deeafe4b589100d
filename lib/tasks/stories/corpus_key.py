"""Which corpus a run reads: the hash that names its folder.

Every command asks for it, of every run: numpy and the tokenizers, which make a corpus, are not imported.
"""

import functools
import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import storyworld
from lib.base.code import reached
from lib.base.errors import BadInput
from lib.base.files import content_hash

if TYPE_CHECKING:  # they ask for the key
    from lib.tasks.stories.params import Parameters


def corpus_key(t: "Parameters") -> str:
    """The hash of everything the packed arrays depend on."""
    key = {
        "corpus": t.corpus.model_dump(mode="json"),
        "tokenizer": t.tokenizer.model_dump(mode="json"),
        "code": _code("_build"),
    }
    if t.corpus.source == "storyworld":
        # The code too: an edited generator must not meet the stories of the one before it.
        key["storyworld"] = {"version": storyworld.VERSION, "code": _code("_generated")}
    for path in (t.corpus.path, t.corpus.validation_path, t.tokenizer.path):
        if path:
            key[f"content of {path}"] = _file_hash(Path(path))
    if t.tokenizer.kind == "bpe" and not t.tokenizer.path:
        key["codewords"] = t.probe.codewords
    return content_hash(key)


@functools.cache  # every stage of every run of a study asks for it
def _code(name: str) -> dict[str, str]:
    """What a function of the corpus runs; the generator counts where stories are generated."""
    without = () if name == "_generated" else ("storyworld/",)
    return reached([(Path(__file__).resolve().with_name("corpus.py"), name)], without=without)


def _file_hash(path: Path) -> str:
    try:
        now = path.stat()
        if not stat.S_ISREG(now.st_mode):  # reading a pipe or a device may never end
            raise BadInput(f"{path}: this is not a file, and a corpus or a tokenizer is one")
        return _content_hash(path, (now.st_ino, now.st_size, now.st_mtime_ns))
    except OSError as error:
        raise BadInput(f"{path}: this corpus file cannot be read: {error.strerror}") from None


@functools.cache  # every stage of every run of a study asks for the same file
def _content_hash(path: Path, version: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
