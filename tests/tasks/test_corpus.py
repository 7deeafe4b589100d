"""The packed corpus: built once, the same bytes every time, checked whenever it is opened."""

import json
import lzma
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import storyworld
from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.params.run import dump_params, run_hash
from lib.tasks.stories.about import stories_about
from lib.tasks.stories.corpus import SPLITS, build_corpus, open_corpus
from lib.tasks.stories.task import prepare

# A process that waits for the others, builds, and says how often it began to build.
BUILDER = """
import os, sys, time
from pathlib import Path
from lib.tasks.stories.corpus import build_corpus
from lib.params.run import (load_params)
begun = []
def watch(event, args):
    if event == "os.mkdir" and str(args[0]).endswith(".part") and not os.path.exists(args[0]):
        begun.append(1)
sys.addaudithook(watch)
params, corpora, ready, go = (Path(word) for word in sys.argv[1:])
p = load_params(params)
ready.touch()
while not go.exists():
    time.sleep(0.001)
fingerprint = build_corpus(p, corpora).fingerprint
print(len(begun), fingerprint)
"""


@pytest.fixture(scope="module")
def tiny(smoke, changed):
    small = {"task__corpus__train_stories": 60, "task__corpus__validation_stories": 10, "task__probe__codewords": 8}
    return changed(smoke, task__tokenizer__vocab=400, **small)


def test_stories_come_back_as_they_were(corpus, smoke):
    for split, seed in ((corpus.train, smoke.task.corpus.seed), (corpus.validation, smoke.task.corpus.seed + 1)):
        texts = list(storyworld.stories(seed, 0, len(split)))
        assert [corpus.tokenizer.decode(split.story(i)) for i in range(len(split))] == texts
    assert (len(corpus.train), len(corpus.validation)) == (600, 60)
    assert corpus.train.tokens.dtype == np.uint16
    assert corpus.vocab == smoke.task.tokenizer.vocab


def test_several_processes_at_once_build_one_corpus(tiny, tmp_path):
    params, go = tmp_path / "params.yaml", tmp_path / "go"
    params.write_text(dump_params(tiny))
    ready = [tmp_path / f"ready{n}" for n in range(3)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", BUILDER, params, tmp_path / "corpora", flag, go],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for flag in ready
    ]
    deadline = time.monotonic() + 60
    while not all(flag.exists() for flag in ready) and time.monotonic() < deadline:
        time.sleep(0.005)
    go.touch()
    said = [child.communicate(timeout=60)[0].split() for child in children]
    assert sorted(begun for begun, _ in said) == ["0", "0", "1"]
    assert len({fingerprint for _, fingerprint in said}) == 1


def test_from_scratch_twice_is_the_same(tiny, tmp_path):
    one, two = (build_corpus(tiny, tmp_path / name) for name in "ab")
    assert one.fingerprint == two.fingerprint
    for path in one.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes(), path.name


def test_a_killed_build_is_begun_again(tiny, tmp_path):
    part = tmp_path / f"{tiny.task.data_key()}.part"
    part.mkdir()
    (part / "train.npy").write_bytes(b"half")
    assert len(build_corpus(tiny, tmp_path).train) == 60
    assert not part.exists()


def test_an_opened_corpus_is_not_built_again(tiny, tmp_path):
    folder = build_corpus(tiny, tmp_path).folder
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert build_corpus(tiny, tmp_path).folder == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["train.npy", "validation.npy", "train_offsets.npy", "tokenizer.json"])
def test_a_changed_byte_is_noticed(name, tiny, tmp_path):
    folder = build_corpus(tiny, tmp_path).folder
    data = bytearray((folder / name).read_bytes())
    data[-3] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BadInput, match="has changed since it was built"):
        open_corpus(folder)


def test_missing_and_unreadable_parts(tiny, tmp_path):
    folder = build_corpus(tiny, tmp_path).folder
    (folder / "corpus.json").write_text("{")
    with pytest.raises(BadInput, match="damaged"):
        open_corpus(folder)
    (folder / "train.npy").unlink()
    with pytest.raises(BadInput, match="damaged"):
        open_corpus(folder)


def test_the_key_names_everything_that_goes_in(tiny, changed):
    key = tiny.task.data_key()
    for name, value in {
        "task__corpus__seed": 8,
        "task__corpus__train_stories": 61,
        "task__corpus__min_chars": 41,
        "task__tokenizer__vocab": 401,
        "task__probe__codewords": 9,  # they are tokens of the trained vocabulary
    }.items():
        assert changed(tiny, **{name: value}).task.data_key() != key, name
    for name, value in {"optim__beta2": 0.8, "seed": 1, "task__probe__p": 0.5, "batch__size": 4}.items():
        assert changed(tiny, **{name: value}).task.data_key() == key, name


def test_a_file_with_other_content_is_another_corpus(tiny, changed, tmp_path):
    path = tmp_path / "s.jsonl"
    texts = list(storyworld.stories(1, 0, 30))
    p = changed(tiny, task__corpus__source="file", task__corpus__path=str(path))
    keys = []
    for chosen in (texts[:20], texts[:21], texts[:20]):
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in chosen))
        keys.append(p.task.data_key())
    assert keys[0] == keys[2] != keys[1]
    path.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        p.task.data_key()


def test_short_and_blank_stories_are_dropped_after_counting_rows(tiny, changed, tmp_path):
    path = tmp_path / "s.txt"
    long = [f"{n} " + "word " * 9 + "w" for n in range(6)]  # 48 characters
    path.write_text("<|endoftext|>".join([long[0], " \n ", "too short", *long[1:]]))
    p = changed(
        tiny,
        task__corpus__source="file",
        task__corpus__path=str(path),
        task__corpus__train_stories=4,
        task__corpus__validation_stories=2,
        task__probe__codewords=1,
        task__tokenizer__vocab=300,
    )
    corpus = build_corpus(p, tmp_path / "corpora")
    read = [[corpus.tokenizer.decode(s.story(i)) for i in range(len(s))] for s in (corpus.train, corpus.validation)]
    assert read == [[text.strip() for text in long[:2]], [text.strip() for text in long[4:]]]
    assert len(build_corpus(changed(p, task__corpus__min_chars=48), tmp_path / "corpora").train) == 2
    with pytest.raises(
        BadInput, match=r"s\.txt: no usable train story: none of its texts has task\.corpus\.min_chars"
    ):
        build_corpus(changed(p, task__corpus__min_chars=49), tmp_path / "corpora")


def test_real_stories_with_the_real_tokenizer(gpt2_params, changed, tinystories, tmp_path):
    p = changed(
        gpt2_params,
        task__corpus__source="file",
        task__corpus__path=str(tinystories),
        task__corpus__holdout="version=V2-GPT4-valid",
        task__corpus__train_stories=300,
        task__corpus__validation_stories=50,
    )
    corpus = build_corpus(p, tmp_path)
    with lzma.open(tinystories, "rt") as file:
        rows = [json.loads(next(file)) for _ in range(400)]
    first = next(row["text"].strip() for row in rows if row["version"] != "V2-GPT4-valid")
    lengths = np.diff(corpus.train.offsets)
    assert corpus.tokenizer.decode(corpus.train.story(0)) == first
    assert 120 < lengths.mean() < 350  # real stories are around 200 tokens


class TestSlices:
    """Only the stories that speak of something, by the tokenizer of all."""

    def test_the_stories_with_one_of_the_words_and_no_others(self, corpus):
        found = stories_about(corpus, "tree Stone")
        for split in SPLITS:
            all_of_them, kept = getattr(corpus, split), getattr(found, split)
            texts = [corpus.tokenizer.decode(all_of_them.story(i)) for i in range(len(all_of_them))]
            meant = [text for text in texts if set(re.findall(r"[a-z]+", text.lower())) & {"tree", "stone"}]
            assert [corpus.tokenizer.decode(kept.story(i)) for i in range(len(kept))] == meant
            assert 0 < len(meant) < len(texts)
        assert found.tokenizer is corpus.tokenizer and found.pad == corpus.pad
        assert len({c.fingerprint for c in (corpus, found, stories_about(corpus, "tree"))}) == 3

    @pytest.mark.parametrize(
        ("words", "said"), [(" ", "expected words"), ("xyzzy", "none of the 600 train stories has such a word")]
    )
    def test_what_names_no_story_is_refused(self, corpus, words, said):
        with pytest.raises(BadInput, match=said):
            stories_about(corpus, words)

    def test_a_word_is_taken_as_it_stands(self, corpus):
        with pytest.raises(BadInput, match="has such a word"):
            stories_about(corpus, "t.ee")

    def test_a_run_reads_its_slice_and_is_another_run(self, smoke, changed, corpora, corpus):
        sliced = changed(smoke, task__about="tree")
        assert run_hash(sliced) != run_hash(smoke)
        assert prepare(sliced, corpora).corpus.fingerprint == stories_about(corpus, "tree").fingerprint
        assert prepare(smoke, corpora).corpus.fingerprint == corpus.fingerprint
