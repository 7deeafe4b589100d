"""Tokenizers: the small BPE's whole words, the same every time, and local files."""

import lzma

import pytest
from tokenizers import Tokenizer, models

import storyworld
from lib.base.errors import BadInput
from lib.tasks.stories.corpus import build_corpus
from lib.tasks.stories.params import TokenizerParams
from lib.tasks.stories.templates import TEMPLATES
from lib.tasks.stories.tokenizer import END_OF_TEXT, load_tokenizer, train_bpe


@pytest.fixture(scope="module")
def texts():
    return list(storyworld.stories(7, 0, 300))


@pytest.fixture(scope="module")
def small(texts):
    return train_bpe(texts, 700, 20)


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def test_size_and_end_of_text(small):
    assert small.get_vocab_size() == 700
    assert small.get_vocab_size(with_added_tokens=False) == 680
    assert small.token_to_id(END_OF_TEXT) is not None


def test_training_is_deterministic(small, texts):
    assert train_bpe(texts, 700, 20).to_str() == small.to_str()


def test_any_text_survives(small, texts):
    for text in [*texts[:20], "Zoë said: “naïve”\n\t\0 漢字 🙂", " two  spaces "]:
        assert small.decode(ids(small, text), skip_special_tokens=False) == text


def test_codewords_are_single_tokens_of_frequent_words(small, texts):
    added = [token.content for token in small.get_added_tokens_decoder().values() if token.content != END_OF_TEXT]
    assert len(added) == 20
    corpus = " ".join(texts).lower().split()
    for word in added:
        assert word == f" {word.strip().upper()}"
        assert len(ids(small, word)) == 1
        assert corpus.count(word.strip().lower()) > 20


def test_words_of_the_templates_are_whole_tokens(texts):
    small = train_bpe(texts, 1536, 128)  # the size of the laptop profile
    for pair in TEMPLATES:
        for sentence in pair:
            words = sentence.format("").replace("?", " ?").replace(".", " .").split()
            assert len(ids(small, sentence.format(""))) <= len(words) + 1, sentence


def settings(**values):
    return TokenizerParams(**{"kind": "bpe", "path": "", "vocab": 700, **values})


def test_a_local_file_plain_or_packed(small, tmp_path):
    plain, packed = tmp_path / "t.json", tmp_path / "t.json.xz"
    small.save(str(plain))
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    for path in (plain, packed):
        assert load_tokenizer(settings(path=str(path)), [], 0).to_str() == small.to_str()


def test_files_that_are_no_tokenizer(tmp_path):
    for text in ("{}", "not json", ""):
        path = tmp_path / "t.json"
        path.write_text(text)
        with pytest.raises(BadInput, match=r"t\.json: this is not a tokenizer\.json"):
            load_tokenizer(settings(path=str(path)), [], 0)
    with pytest.raises(BadInput, match="there is no such file"):
        load_tokenizer(settings(path=str(tmp_path / "none.json")), [], 0)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"t\.json"):
        load_tokenizer(settings(path=str(path)), [], 0)


def test_a_tokenizer_without_end_of_text_cannot_build_a_corpus(smoke, changed, tmp_path):
    path = tmp_path / "t.json"
    Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?")).save(str(path))
    with pytest.raises(BadInput, match=r"has no <\|endoftext\|> token"):
        build_corpus(changed(smoke, task__tokenizer__path=str(path)), tmp_path)


def test_gpt2_is_the_published_vocabulary(gpt2_corpus):
    assert gpt2_corpus.vocab == 50257
    assert gpt2_corpus.pad == 50256
    assert ids(gpt2_corpus.tokenizer, "Hello world") == [15496, 995]
