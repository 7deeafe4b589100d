"""Params files are read by libyaml, and whatever it does not take by the slower loader, which has words for it."""

import random

import pytest
import yaml

from lib.base import yaml_text
from lib.base.errors import BadInput
from lib.base.files import ROOT
from lib.base.yaml_text import READ_OTHERWISE, parse_yaml, read_yaml

FILES = sorted([*ROOT.glob("params/*.yaml"), *ROOT.glob("paper/*/*.yaml")])
CHARACTERS = " \n:-[]{},#&*|>'\"%@`0123456789abcexyz_.+?~\\/é\u2028\x85\x07"


def by_either(text):
    found = []
    for loader in (yaml_text._Loader, yaml_text._FastLoader):
        try:
            found.append(repr(yaml.load(text, Loader=loader)))
        except Exception:
            found.append(None)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_both_loaders_read_every_file_alike(path):
    slow, fast = by_either(path.read_text())
    assert slow == fast is not None
    assert repr(read_yaml(path, "file")) == slow


def test_what_both_take_is_the_same():
    random.seed(0)
    text, taken = (ROOT / "params/beta2.yaml").read_text(), 0
    for _ in range(1500):
        start = random.randrange(len(text) - 100)
        piece = list(text[start : start + random.randrange(1, 100)])
        for _ in range(random.randrange(5)):
            piece.insert(random.randrange(len(piece) + 1), random.choice(CHARACTERS))
        if not any(character in piece for character in READ_OTHERWISE):
            slow, fast = by_either("".join(piece))
            taken += slow is not None
            assert slow is None or fast is None or slow == fast, piece
    assert taken > 300


def test_what_libyaml_reads_otherwise_is_not_read_by_it():
    slow, fast = by_either("a\tb: 1")
    assert slow is None and fast is not None
    with pytest.raises(BadInput, match=r"mine, line 1, column 2: this is not readable YAML: found character"):
        parse_yaml("a\tb: 1", "mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2", "mine, line 2, column 9: .* expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2", "mine, line 2, column 1: .* the key 'a' is given twice"),
        ("a: &x 1\nb: *x", r"mine, line 2, column 4: .* references \(\*name\) are not taken"),
        ("a: 010", "mine, line 1, column 4: .* the number '010' reads differently"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, said):
    with pytest.raises(BadInput, match=said):
        parse_yaml(text, "mine")
