"""Stories from outside: the TinyStories data set through `datasets`, and local files in the usual formats."""

import gzip
import io
import json
import lzma
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lib.base.errors import BadInput, nearest, plain_name
from lib.tasks.stories.params import CorpusParams

TINYSTORIES = "roneneldan/TinyStories"
LONGEST_STORY = 4_000_000  # characters; half a minute and a gigabyte of memory
HALF_A_PAIR = re.compile("[\ud800-\udfff]")
FORMATS = (".jsonl", ".json", ".txt", ".parquet")
PACKINGS = ("", ".xz", ".gz", ".zst")
# A few kilobytes can unpack to more than any memory holds; text is packed to a tenth, tables of it to a fiftieth.
MOST_TIMES, LARGEST_UNCHECKED = 200, 1 << 30  # times its size, bytes
PIECE, ZST_PIECE = 1 << 24, 1 << 12  # bytes unpacked, and bytes of a .zst given to be unpacked, at once


def hub_stories(split: str, limit: int) -> list[str]:
    """The first `limit` rows of a split of TinyStories, from the hub or its local cache."""
    import datasets  # slow to import, and needed by this source alone

    try:
        return datasets.load_dataset(TINYSTORIES, split=f"{split}[:{limit}]")["text"]
    except Exception as error:  # the hub client raises a dozen unrelated types when offline
        raise BadInput(
            f"task.corpus.source = tinystories: {TINYSTORIES} could not be fetched from the hub "
            f"({type(error).__name__}); either go online once, or use stories at hand: "
            "task.corpus.source=storyworld, or task.corpus.source=file with task.corpus.path=FILE"
        ) from None


def file_stories(c: CorpusParams) -> dict[str, Iterable[str]]:
    """Train and validation texts of local files.

    Validation is `validation_path` when given, else the rows that match `holdout` (field=value), else the
    last `validation_stories` rows of the one file.
    """
    if not c.path:
        raise BadInput("task.corpus.source = file needs task.corpus.path, the file with the stories")
    rows = list(_rows(Path(c.path), c.text_field))
    if not rows:
        raise BadInput(f"{c.path}: this corpus file is empty: it holds no story")
    if c.validation_path:
        train, validation = rows, list(_rows(Path(c.validation_path), c.text_field))
    elif c.holdout:
        train, validation = _split_by_field(rows, c)
    else:
        cut = max(1, len(rows) - c.validation_stories)
        train, validation = rows[:cut], rows[cut:]
    return {
        "train": _texts(train[: c.train_stories], c.text_field),
        "validation": _texts(validation[: c.validation_stories], c.text_field),
    }


def _split_by_field(rows: list[dict], c: CorpusParams) -> tuple[list[dict], list[dict]]:
    field, equals, value = c.holdout.partition("=")
    if not equals or field not in rows[0]:
        raise BadInput(
            f"task.corpus.holdout = {c.holdout!r}: expected field=value with a field of {c.path}, "
            f"which has {', '.join(rows[0])}{nearest(field, rows[0])}"
        )
    held = [str(row.get(field)) == value for row in rows]
    if not any(held):
        known = ", ".join(sorted({str(row.get(field)) for row in rows})[:5])
        raise BadInput(
            f"task.corpus.holdout = {c.holdout!r}: no row of {c.path} matches; {field} is one of {known}"
        )
    return [r for r, h in zip(rows, held, strict=True) if not h], [r for r, h in zip(rows, held, strict=True) if h]


def _texts(rows: Iterable[dict], field: str) -> list[str]:
    return [row[field] for row in rows]


def read_text(path: Path) -> str:
    """The text of a file, unpacked as its last suffix says."""
    return _read_bytes(path).decode("utf-8", errors="strict")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        packing = path.suffix.lower()
        if packing in PACKINGS[1:]:
            return _unpacked(data, packing, path)
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: this file cannot be read: {error.strerror or error}") from None
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise BadInput(f"{path}: this file is damaged: {error}") from None
    except Exception as error:  # zstandard's own error type, known only once it is imported
        raise BadInput(f"{path}: this file is damaged: {error}") from None
    return data


def _unpacked(data: bytes, packing: str, path: Path) -> bytes:
    """The content of a packed file, given up where it grows as no text does."""
    if packing == ".zst":
        pieces = _zst_pieces(data)
    else:
        stream = {".xz": lzma.open, ".gz": gzip.open}[packing](io.BytesIO(data))
        pieces = iter(lambda: stream.read(PIECE), b"")
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > max(LARGEST_UNCHECKED, MOST_TIMES * len(data)):
            raise BadInput(f"{path}: this file unpacks to more than {MOST_TIMES} times its size, as no text does")
    return b"".join(found)


def _zst_pieces(data: bytes) -> Iterator[bytes]:
    """Every frame of a .zst file; the library itself takes a frame that is cut off for a short one."""
    import zstandard

    at = 0
    while at < len(data):
        frame = zstandard.ZstdDecompressor().decompressobj()
        while at < len(data) and not frame.eof:
            packed = data[at : at + ZST_PIECE]
            at += len(packed)
            yield frame.decompress(packed)
        if not frame.eof:
            raise ValueError("the compressed data ended early")
        at -= len(frame.unused_data)


def _format(path: Path) -> str:
    name = path.name.lower()
    for packing in PACKINGS[1:]:
        name = name.removesuffix(packing)
    suffix = Path(name).suffix
    if suffix not in FORMATS:
        raise BadInput(
            f"{path}: a corpus file is one of {', '.join(FORMATS)}, each also with .xz, .gz or .zst"
            f"{nearest(suffix, FORMATS)}"
        )
    return suffix


def _rows(path: Path, field: str) -> Iterator[dict[str, Any]]:
    """Every row of a file, each checked to hold text in `field`."""
    suffix = _format(path)
    data = _read_bytes(path)
    if suffix == ".parquet":
        rows = enumerate(_parquet(data, path), 1)
    else:
        try:
            text = data.decode("utf-8-sig")  # without the mark that some editors put before the first letter
        except UnicodeDecodeError as error:
            raise BadInput(f"{path}: this is not UTF-8 text (byte {error.start})") from None
        if suffix == ".txt":
            rows = enumerate(({field: story} for story in text.split("<|endoftext|>")), 1)
        elif suffix == ".jsonl":
            rows = ((n, _json(line, path, n)) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        else:
            rows = enumerate(_json_array(text, path), 1)
    for number, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(field), str):
            names = [plain_name(name) for name in row] if isinstance(row, dict) else []
            raise BadInput(
                f"{path}, row {number}: no text in the field {field!r} (task.corpus.text_field); "
                f"the row has {', '.join(names[:6]) or 'no fields'}"
                f"{nearest(field, names) if field not in names else ''}"
            )
        if len(row[field]) > LONGEST_STORY:
            raise BadInput(
                f"{path}, row {number}: a story of {len(row[field])} characters, and at most {LONGEST_STORY} are "
                "taken; in a .txt file <|endoftext|> stands between stories, in a .jsonl file a line is one"
            )
        if HALF_A_PAIR.search(row[field]):
            raise BadInput(f"{path}, row {number}: its text has half a surrogate pair, which is no letter")
        yield row


def _json(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}, line {number}: this is not readable JSON: {error}") from None


def _json_array(text: str, path: Path) -> list[Any]:
    data = _json(text, path, 1)
    if not isinstance(data, list):
        raise BadInput(f"{path}: a .json corpus is an array of rows, this is a {type(data).__name__}")
    return [{"text": row} if isinstance(row, str) else row for row in data]


def _parquet(data: bytes, path: Path) -> list[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: this is not a readable parquet file: {error}") from None
