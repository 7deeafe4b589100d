"""Stories from files: every format and packing, splits, and one clear sentence for what is wrong."""

import gzip
import json
import lzma

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from lib.base.errors import BadInput
from lib.tasks.stories.sources import file_stories, read_text

TEXTS = [f"Story {n}: the café was open, and a\nsecond line said “{n}”." for n in range(7)]
ROWS = [{"text": text, "version": "valid" if n % 3 == 0 else "train"} for n, text in enumerate(TEXTS)]


def parquet(rows):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


FORMATS = {
    ".jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    ".json": lambda rows: json.dumps(rows).encode(),
    ".txt": lambda rows: "<|endoftext|>".join(row["text"] for row in rows).encode(),
    ".parquet": parquet,
}
PACKINGS = {
    "": lambda data: data,
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.fixture
def settings(smoke, tmp_path):
    """CorpusParams of a file with the given bytes."""

    def make(name, data, **values):
        path = tmp_path / name
        path.write_bytes(data)
        values = {"train_stories": 100, "validation_stories": 2, **values}
        return smoke.task.corpus.model_copy(update={"source": "file", "path": str(path), **values})

    return make


def refusal(c):
    with pytest.raises(BadInput) as caught:
        file_stories(c)
    assert c.path in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_in_every_packing(form, packing, settings):
    found = file_stories(settings(f"s{form}{packing}", PACKINGS[packing](FORMATS[form](ROWS))))
    assert found == {"train": TEXTS[:5], "validation": TEXTS[5:]}


@pytest.mark.parametrize("packing", [".xz", ".gz", ".zst"])
def test_archives_of_several_parts_are_read_to_the_end(packing, settings):
    parts = [PACKINGS[packing](FORMATS[".jsonl"](rows)) for rows in (ROWS[:3], ROWS[3:])]
    found = file_stories(settings(f"s.jsonl{packing}", b"".join(parts)))
    assert found["train"] + found["validation"] == TEXTS


@pytest.mark.parametrize("packing", [".xz", ".gz", ".zst"])
def test_a_truncated_or_foreign_archive_is_refused(packing, settings):
    data = PACKINGS[packing](FORMATS[".jsonl"](ROWS * 50))
    for cut in (len(data) - 1, len(data) // 2, 5):
        assert "damaged" in refusal(settings(f"s.jsonl{packing}", data[:cut]))
    refusal(settings(f"s.jsonl{packing}", b"this is no archive at all"))


def test_suffixes_may_be_capitals(settings):
    assert file_stories(settings("S.JSONL.XZ", lzma.compress(FORMATS[".jsonl"](ROWS))))["train"] == TEXTS[:5]


def test_a_json_array_of_plain_texts(settings):
    assert file_stories(settings("s.json", json.dumps(TEXTS).encode()))["train"] == TEXTS[:5]


def test_blank_lines_of_jsonl_do_not_count(settings):
    data = b"\n" + FORMATS[".jsonl"](ROWS).replace(b"\n", b"\r\n\n")
    assert file_stories(settings("s.jsonl", data))["train"] == TEXTS[:5]


def test_a_missing_field_names_the_row_and_the_nearest(settings):
    rows = [*ROWS[:2], {"txt": "one", "id": 3}]
    text = refusal(settings("s.jsonl", FORMATS[".jsonl"](rows)))
    assert "row 3: no text in the field 'text'" in text
    assert "the row has txt, id (did you mean txt?)" in text
    for wrong in ([{"text": 3}], ["loose"], [{"text": None}], [3]):
        assert "row 1: no text" in refusal(settings("s.jsonl", FORMATS[".jsonl"](wrong)))
    assert "no text in the field 'story'" in refusal(settings("s.parquet", parquet(ROWS), text_field="story"))


def test_another_field_can_hold_the_text(settings):
    rows = [{"story": row["text"], "text": 0} for row in ROWS]
    assert file_stories(settings("s.json", json.dumps(rows).encode(), text_field="story"))["train"] == TEXTS[:5]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("s.jsonl", b"", "holds no story"),
        ("s.json", b"[]", "holds no story"),
        ("s.json", b'{"text": "a"}', "is an array of rows, this is a dict"),
        ("s.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: this is not readable JSON"),
        ("s.jsonl", b'{"text": "\xff"}', "not UTF-8 text (byte 10)"),
        ("s.parquet", b"PAR1 and nothing more", "not a readable parquet file"),
        ("s.csv", b"a,b", "a corpus file is one of .jsonl, .json, .txt, .parquet"),
        ("s.jsnl.gz", b"", "(did you mean .jsonl?)"),
    ],
)
def test_unreadable_files(name, data, expected, settings):
    assert expected in refusal(settings(name, data))


def test_no_path_and_no_file(settings, tmp_path):
    c = settings("s.jsonl", b"")
    with pytest.raises(BadInput, match=r"needs task\.corpus\.path"):
        file_stories(c.model_copy(update={"path": ""}))
    assert "there is no such file" in refusal(c.model_copy(update={"path": str(tmp_path / "none.jsonl")}))
    assert "cannot be read" in refusal(c.model_copy(update={"path": str(tmp_path / "s.jsonl" / "x.txt")}))


def test_validation_from_its_own_file(settings, tmp_path):
    other = tmp_path / "v.txt"
    other.write_text("one<|endoftext|>two<|endoftext|>three")
    found = file_stories(settings("s.jsonl", FORMATS[".jsonl"](ROWS), validation_path=str(other)))
    assert found == {"train": TEXTS, "validation": ["one", "two"]}


def test_validation_by_a_field(settings):
    data = FORMATS[".jsonl"](ROWS)
    found = file_stories(settings("s.jsonl", data, holdout="version=valid", validation_stories=100))
    assert found == {"train": [TEXTS[n] for n in (1, 2, 4, 5)], "validation": [TEXTS[n] for n in (0, 3, 6)]}
    found = file_stories(settings("s.jsonl", data, holdout="version=valid", train_stories=3))
    assert found == {"train": [TEXTS[n] for n in (1, 2, 4)], "validation": [TEXTS[n] for n in (0, 3)]}


def test_wrong_holdouts(settings):
    data = FORMATS[".jsonl"](ROWS)
    assert "no row of" in refusal(settings("s.jsonl", data, holdout="version=test"))
    assert "version is one of train, valid" in refusal(settings("s.jsonl", data, holdout="version=test"))
    assert "(did you mean version?)" in refusal(settings("s.jsonl", data, holdout="versoin=valid"))
    assert "expected field=value" in refusal(settings("s.jsonl", data, holdout="version"))


def test_limits_count_rows(settings):
    found = file_stories(settings("s.jsonl", FORMATS[".jsonl"](ROWS), train_stories=3, validation_stories=1))
    assert found == {"train": TEXTS[:3], "validation": TEXTS[6:]}


def test_read_text_unpacks(tmp_path):
    path = tmp_path / "t.json.xz"
    path.write_bytes(lzma.compress("é".encode()))
    assert read_text(path) == "é"


def test_real_stories_split_by_version(smoke, tinystories):
    c = smoke.task.corpus.model_copy(
        update={
            "source": "file",
            "path": str(tinystories),
            "holdout": "version=V2-GPT4-valid",
            "train_stories": 500,
            "validation_stories": 300,
        }
    )
    found = file_stories(c)
    assert (len(found["train"]), len(found["validation"])) == (500, 300)
    assert not set(found["train"]) & set(found["validation"])
