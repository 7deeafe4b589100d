"""Seeded damage: what a slip of the hand makes of a parameters file, and a dying disk of any file."""

import random
import signal
from contextlib import contextmanager

import yaml

from lib.base.errors import BadInput

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FAST_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
SNIPPETS = (
    "seed: 1",
    "optim.lr: 1e-3",
    "  lr: 2e-3",
    "optim: {lr: 1e-3}",
    "study: other",
    "set: {seed: 3}",
    "axes: {seed: [1, 2]}",
    "a: &x [1, 2]",
    "b: *x",
    "<<: {seed: 4}",
    "<<: *x",
    "? [a, b]\n: 3",
    "? {a: b}",
    "---",
    "...",
    "%YAML 1.1",
    "%TAG ! tag:yaml.org,2002:",
    "# a comment",
    "\t",
    "- 3",
    ": ",
    "!!python/object/apply:os.system ['touch it_ran']",
    "x: !!python/name:os.system",
    "x: !mine 3",
    "\x00",
    "\ufeff",
    "\u2028",
    "é: ü",
    "a b: 3",
    "? |\n  two\n  lines\n: 3",
    '"two\\nlines": 3',
    '"\\ud800": 3',
    "k" * 5000 + ": 3",
    "x: " + "v" * 5000,
    "x: " + "[" * 60 + "]" * 60,
    "x: " + "[" * 3000,
    "{" * 200,
    "optim." * 200 + "lr: 3",
)
VALUES = (
    "", "null", "~", "true", "no", "0", "-1", "1", "2", "3.0", "-0.0", "1e-8", "1e400", "-1e-400", ".nan", ".inf",
    "-.inf", "1_000", "042", "0o17", "0x1F", "0b11", "1:30", "1:30.5", "9" * 30, "9" * 5000, "0x" + "f" * 5000,
    "999999999", "1000000000000", "2020-01-01", "2020-01-01 10:00:00", "2020-99-99", "fast", "'0.9'", '"1e-3"',
    "é", "'two words'", '"\\ud800"', '"\\0"', '"a\\nb"', "..", "a/b", "$(rm)", "[]", "[1]", "[[1]]", "[1, 1]",
    "[0.9, 0.9]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "[.nan]", "[null]", "{}", "{a: 1}", "{a: {b: {c: 3}}}",
    "{optim.lr: 1e-3}", "{snapshot: s, step: 3, digest: d}", "&a 3", "*a", "&a [*a]", "&a {b: *a}", "!!int 3",
    '!!int ""', "!!int x", '!!float ""', "!!bool x", "!!timestamp x", "!!timestamp 9999-12-31T23:59:59-23:59",
    "!!binary x", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!map 3", "!!map [1]",
    "!!seq 3", "!!str 3", "!!null x", "!!python/tuple [1]", "!!python/object/apply:os.getcwd []", "!!merge 3", "=",
    "<<", "|\n  text", ">\n  text", "'open", '"open', "[1, 2", "{a: 1", "@a", "`a", "%a", "x" * 300, "w" * 20000,
)  # fmt: skip


class TooSlow(BaseException):
    """Past its time; no handler of errors can take it for one."""


@contextmanager
def at_most(seconds: float):
    """A limit on the processor time of what is inside; a busy machine does not shorten it."""

    def stop(*_):
        raise TooSlow(f"more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refused(function, *arguments):
    """(what a reader returned, its one sentence when it refused); anything else it does is a failure."""
    try:
        with at_most(5.0):
            return function(*arguments), ""
    except BadInput as error:
        sentence = str(error)
        assert sentence.isprintable() and len(sentence) < 1000, sentence
        return None, sentence


# ------------------------------------------------------------------------------------------- parameters files


def mutated_yaml(text: str, rng: random.Random) -> bytes:
    """A YAML file after one to three slips, most in the text, some in the tree or the bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice((_lines, _lines, _value, _value, _value, _tree, _tree))(text, rng)
    data = text.encode("utf-8", "surrogatepass")
    return damaged(data, rng) if rng.random() < 0.15 else data


def _lines(text: str, rng: random.Random) -> str:
    """A line lost, doubled, moved, indented otherwise, or one put in."""
    lines = text.split("\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines[at] = " " * rng.choice((1, 2, 4)) + lines[at]
        case 4:
            lines[at] = lines[at].lstrip()
        case _:
            snippet = rng.choice(SNIPPETS)
            lines.insert(at, " " * rng.choice((0, 0, 2, 4)) + snippet)
    return "\n".join(lines)


def _value(text: str, rng: random.Random) -> str:
    """Another value behind one of the colons, or in place of one item."""
    ends = [i for i, c in enumerate(text) if c in ":,["]
    if not ends:
        return rng.choice(VALUES)
    start = rng.choice(ends) + 1
    stop = start
    while stop < len(text) and text[stop] not in ",]}\n#":
        stop += 1
    return f"{text[:start]} {rng.choice(VALUES)}{text[stop:]}"


def _tree(text: str, rng: random.Random) -> str:
    """The tree with one node exchanged for a value or for another node, renamed, or moved deeper."""
    try:
        root = yaml.load(text, FAST)
    except Exception:  # an earlier slip left no YAML, in one of the library's many ways
        return text
    places = list(_places(root))
    if not places:
        return text
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            holder[key] = rng.choice((None, True, -1, 10**400, 1e308, float("nan"), "text", [], {}, b"bytes"))
        case 1:
            other, name = rng.choice(places)
            holder[key] = other[name]
        case 2 if isinstance(holder, dict):
            name = str(key)
            wrong = (name + "s", name[:-1], name.upper(), f"optim.{name}", name.replace(".", ""), f" {name}", "")
            holder[rng.choice(wrong)] = holder.pop(key)
        case 3:
            holder[key] = {str(key): holder[key]}
        case 4:
            holder[key] = [holder[key]] * rng.choice((1, 2, 40))
        case _:
            grid = {
                name: list(range(1, rng.choice((3, 20, 300))))
                for name in ("seed", "task.corpus.seed", "batch.size")
            }
            root = {"study": "wide", "axes": grid} if isinstance(root, dict) else root
    try:
        return yaml.dump(root, Dumper=FAST_DUMPER, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, ValueError, RecursionError):  # what it holds now has no YAML
        return text


def _places(node, deep=0):
    if deep > 20:
        return
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value, deep + 1)


# -------------------------------------------------------------------------------------------------- any bytes


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with a bit turned, a block lost, cut, doubled, exchanged or appended; never `data` itself."""
    while True:
        found = _damaged(data, rng)
        if found != data:
            return found


def _damaged(data: bytes, rng: random.Random) -> bytes:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 8, 64, 512, 4096))
    end = min(len(data), at + size)
    match rng.randrange(9):
        case 0 | 1 | 2:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if at < len(data) else b""
        case 3:
            return data[:at]
        case 4:
            return data[:at] + bytes(end - at) + data[end:]
        case 5:
            return data + rng.randbytes(rng.choice((1, 8, 100)))
        case 6:
            return data[:at] + data[end:]
        case 7:
            return data[:at] + data[at:end] + data[at:]
        case _:
            return data[:at] + rng.randbytes(end - at) + data[end:]


def power_losses(data: bytes) -> dict[str, bytes]:
    """What file systems leave of a file that was being written when the power went."""
    half = len(data) // 2
    return {
        "of no length": b"",
        "cut": data[:half],
        "without its last byte": data[:-1],
        "of zeros": bytes(len(data)),
        "zeros from the middle on": data[:half] + bytes(len(data) - half),
        "of old blocks": (b"\x7fELF\xff\xfe" * (1 + len(data) // 6))[: len(data)],
    }
