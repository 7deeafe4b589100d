"""Text to tokens: stories from the built-in world, the data set hub or local files, packed once for all runs.

A corpus lives in `<corpora>/<hash>/`: `train.npy` and `validation.npy` (all stories, one after another),
`train_offsets.npy` and `validation_offsets.npy` (where each begins), `tokenizer.json` and `corpus.json`.
The hash names what went in, so every run of every study shares what it can. Stories are never joined to
each other: one story is one example.
"""

import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import storyworld
from lib.base.errors import BadInput
from lib.base.files import write_atomically
from lib.base.locks import take
from lib.params.run import Params
from lib.tasks.stories.corpus_key import corpus_key
from lib.tasks.stories.params import CorpusParams
from lib.tasks.stories.sources import file_stories, hub_stories
from lib.tasks.stories.tokenizer import END_OF_TEXT, load_tokenizer

SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Split:
    """Stories of one split: story i is tokens[offsets[i] : offsets[i + 1]]."""

    tokens: np.ndarray  # (total,) uint16
    offsets: np.ndarray  # (stories + 1,) int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def story(self, index: int) -> np.ndarray:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class Corpus:
    train: Split
    validation: Split
    tokenizer: Tokenizer
    pad: int  # the end-of-text token, which also pads
    fingerprint: str  # of the packed arrays and the tokenizer
    folder: Path

    @property
    def vocab(self) -> int:
        return self.tokenizer.get_vocab_size()


# ----------------------------------------------------------------------------------------- text and tokens


def _stories(c: CorpusParams) -> dict[str, Iterable[str]]:
    """The raw texts of both splits; the story limits count raw rows."""
    if c.source == "storyworld":
        return _generated(c)
    if c.source == "tinystories":
        return {
            "train": hub_stories("train", c.train_stories),
            "validation": hub_stories("validation", c.validation_stories),
        }
    return file_stories(c)


def _generated(c: CorpusParams) -> dict[str, Iterable[str]]:
    return {
        "train": storyworld.stories(c.seed, 0, c.train_stories),
        # Another seed: no training run, however long, reaches the validation stories.
        "validation": storyworld.stories(c.seed + 1, 0, c.validation_stories),
    }


def _usable(texts: Iterable[str], min_chars: int) -> list[str]:
    stripped = (text.strip() for text in texts)
    return [text for text in stripped if text and len(text) >= min_chars]


def _pack(tokenizer: Tokenizer, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    pieces, lengths = [], [0]
    for start in range(0, len(texts), 4096):
        for encoding in tokenizer.encode_batch(texts[start : start + 4096], add_special_tokens=False):
            pieces.append(np.asarray(encoding.ids, dtype=np.uint16))
            lengths.append(len(encoding.ids))
    return np.concatenate(pieces), np.cumsum(lengths, dtype=np.int64)


# ---------------------------------------------------------------------------------------- the packed folder


def build_corpus(p: Params, corpora: Path) -> Corpus:
    """Open the corpus of `p`, building it first if nobody has; one process builds, the others wait."""
    key = corpus_key(p.task)
    folder = corpora / key
    if not folder.is_dir():
        corpora.mkdir(parents=True, exist_ok=True)
        lock_file = os.open(corpora / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with os.fdopen(lock_file) as lock:
            take(lock.fileno(), math.inf)
            if not folder.is_dir():
                part = folder.with_name(folder.name + ".part")
                shutil.rmtree(part, ignore_errors=True)  # left by a build that was killed
                try:
                    _build(p, part)
                    os.replace(part, folder)
                finally:
                    shutil.rmtree(part, ignore_errors=True)
    return open_corpus(folder)


def _build(p: Params, part: Path) -> None:
    part.mkdir()
    texts = {split: _usable(raw, p.task.corpus.min_chars) for split, raw in _stories(p.task.corpus).items()}
    for split in SPLITS:
        if not texts[split]:
            raise BadInput(
                f"{p.task.corpus.path or p.task.corpus.source}: no usable {split} story: none of its texts has "
                f"task.corpus.min_chars = {p.task.corpus.min_chars} characters"
            )
    tokenizer = load_tokenizer(p.task.tokenizer, texts["train"], p.task.probe.codewords)
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        raise BadInput(
            f"{p.task.tokenizer.path}: this tokenizer has no {END_OF_TEXT} token, which pads short stories"
        )
    if tokenizer.get_vocab_size() > 2**16:
        raise BadInput(
            f"{p.task.tokenizer.path}: this tokenizer has {tokenizer.get_vocab_size()} tokens, "
            "and packed corpora hold at most 65536"
        )
    largest = max(tokenizer.get_vocab().values())
    if largest >= tokenizer.get_vocab_size():
        raise BadInput(
            f"{p.task.tokenizer.path}: this tokenizer has {tokenizer.get_vocab_size()} tokens, and one with the "
            f"number {largest}; they must be numbered without gaps"
        )
    stories = {}
    for split in SPLITS:
        tokens, offsets = _pack(tokenizer, texts[split])
        write_atomically(part / f"{split}.npy", _npy(tokens))
        write_atomically(part / f"{split}_offsets.npy", _npy(offsets))
        stories[split] = {"stories": len(texts[split]), "tokens": len(tokens)}
    write_atomically(part / "tokenizer.json", tokenizer.to_str(pretty=True))
    meta = {
        "corpus": p.task.corpus.model_dump(mode="json"),
        "tokenizer": p.task.tokenizer.model_dump(mode="json"),
        "vocab": tokenizer.get_vocab_size(),
        "splits": stories,
        "fingerprint": _fingerprint(_packed_bytes(part)),
    }
    write_atomically(part / "corpus.json", json.dumps(meta, indent=1))


def _npy(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


def _packed_bytes(folder: Path) -> dict[str, bytes]:
    names = [f"{s}{kind}.npy" for s in SPLITS for kind in ("", "_offsets")] + ["tokenizer.json"]
    return {name: (folder / name).read_bytes() for name in names}


def _fingerprint(packed: dict[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for content in packed.values():
        digest.update(hashlib.blake2b(content).digest())
    return digest.hexdigest()


def open_corpus(folder: Path) -> Corpus:
    """Read a packed corpus, and check that its bytes are those that were built.

    It is read, not mapped: a file that changes under a running training must not reach it.
    """
    try:
        built = json.loads((folder / "corpus.json").read_bytes())["fingerprint"]
        packed = _packed_bytes(folder)
        actual = _fingerprint(packed)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadInput(
            f"{folder}: this packed corpus is damaged ({error}); delete the folder to rebuild it"
        ) from None
    if actual != built:
        raise BadInput(
            f"{folder}: this packed corpus has changed since it was built (fingerprint {actual[:8]}, "
            f"built as {str(built)[:8]}); delete the folder to rebuild it"
        )
    splits = {
        s: Split(*(np.load(io.BytesIO(packed[f"{s}{kind}.npy"])) for kind in ("", "_offsets"))) for s in SPLITS
    }
    tokenizer = Tokenizer.from_str(packed["tokenizer.json"].decode())
    return Corpus(
        **splits,
        tokenizer=tokenizer,
        pad=tokenizer.token_to_id(END_OF_TEXT),
        fingerprint=actual,
        folder=folder,
    )
