"""Tokenizers: the GPT-2 BPE, a local tokenizer.json, or a small BPE trained on the corpus itself."""

from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from lib.base.errors import BadInput
from lib.tasks.stories.params import TokenizerParams
from lib.tasks.stories.sources import read_text
from lib.tasks.stories.templates import TEMPLATES

END_OF_TEXT = "<|endoftext|>"
GPT2_HUB_NAME = "openai-community/gpt2"


def train_bpe(texts: list[str], vocab: int, codewords: int) -> Tokenizer:
    """A byte-level BPE of `vocab` tokens, `codewords` of which are whole upper-case words.

    The codewords are the most frequent words of the corpus (four letters or more) in capitals, each one
    token with its leading space, as it stands in every probe sentence. The words of the templates are counted
    in often enough to become whole tokens too: with them in pieces, a small context could not hold a probe.
    """
    counts = Counter(
        w for text in texts for w in text.lower().split() if w.isascii() and w.isalpha() and len(w) > 3
    )
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:codewords]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab - len(ranked),
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    templates = [sentence.format("") for pair in TEMPLATES for sentence in pair]
    tokenizer.train_from_iterator(texts + templates * (1 + len(texts) // 10), trainer)
    tokenizer.add_tokens([AddedToken(f" {word.upper()}", normalized=False) for word in ranked])
    return tokenizer


def load_tokenizer(t: TokenizerParams, texts: list[str], codewords: int) -> Tokenizer:
    """The tokenizer that the parameters name: a local file, the GPT-2 of the hub, or one trained here."""
    if t.path:
        return _tokenizer_file(Path(t.path))
    if t.kind == "bpe":
        return train_bpe(texts, t.vocab, codewords)
    try:
        return Tokenizer.from_pretrained(GPT2_HUB_NAME)
    except Exception as error:  # the hub client raises a dozen unrelated types when offline
        raise BadInput(
            f"task.tokenizer.kind = gpt2: {GPT2_HUB_NAME} could not be fetched from the hub "
            f"({type(error).__name__}); either go online once, or set task.tokenizer.path to a local "
            "tokenizer.json (a GPT-2 in the format of the tokenizers library)"
        ) from None


def _tokenizer_file(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(read_text(path))
    except BadInput:
        raise
    except Exception as error:  # the library raises bare Exception on any malformed file
        raise BadInput(f"{path}: this is not a tokenizer.json of the tokenizers library: {error}") from None
