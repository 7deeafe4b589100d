"""A slice of a corpus: the stories that speak of something, for training to be moved to."""

import hashlib
import re
from dataclasses import replace

import numpy as np

from lib.base.errors import BadInput
from lib.tasks.stories.corpus import SPLITS, Corpus, Split


def stories_about(corpus: Corpus, words: str) -> Corpus:
    """The stories of both splits in which one of the words stands, whole and in any capitals; the same tokenizer.

    Raises: BadInput where no word is named, or no story of a split has one.
    """
    named = words.split()
    if not named:
        raise BadInput(f"task.about = {words!r}: expected words, as 'tree stone'")
    meant = re.compile(rf"\b({'|'.join(map(re.escape, named))})\b", re.IGNORECASE)
    found = {}
    for name in SPLITS:
        split: Split = getattr(corpus, name)
        texts = corpus.tokenizer.decode_batch([split.story(i).tolist() for i in range(len(split))])
        chosen = [split.story(i) for i, text in enumerate(texts) if meant.search(text)]
        if not chosen:
            raise BadInput(f"task.about = {words!r}: none of the {len(split)} {name} stories has such a word")
        found[name] = Split(np.concatenate(chosen), np.cumsum([0, *map(len, chosen)], dtype=np.int64))
    digest = hashlib.blake2b(corpus.fingerprint.encode(), digest_size=16)
    for split in found.values():
        digest.update(split.tokens.tobytes() + split.offsets.tobytes())
    return replace(corpus, **found, fingerprint=digest.hexdigest())
