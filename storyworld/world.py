"""The state of one story and the voice that tells it.

A World holds who is in the story, where they are, who is with the hero, how the hero feels and what
has been told so far. Plots change that state and tell of the change in templates:

    [a|b|c]    one of the alternatives, which may nest and may be empty
    {key}      a slot of this story, such as {h} for the hero's name; {Key} starts with a capital;
               {f} is the friend, introduced ("her friend Tom the fox") at the first mention
    {#table}   a word drawn from a table of storyworld_words, not drawn before in this story
    {...+}     the plural of that word

The indefinite article is always written "a" in templates; `finish` makes it "an" where it must be.
"""

import random
import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import TypeVar

from storyworld.words import ANIMAL_PLACES, PLACES, PLURALS, TABLES

T = TypeVar("T")
Part = str | tuple
Template = tuple[Part, ...]

# how much room a story has for what it could do without
SIZES = (0.25, 0.8, 1.1, 1.5)
_ARTICLE = re.compile(r"\b([Aa]) (?=(?!one\b|uni|use|eu)[aeiou]|hour|honest)")
_START = re.compile(r'(?:^|[.!?] |\." |\n\n)[a-z]')
_MARK = re.compile(r"([\[\]|{}])")


@dataclass(frozen=True)
class Table:
    """Words with weights that fall with their rank, so that a large sample has a long tail."""

    words: tuple[str, ...]
    sums: tuple[float, ...]

    def draw(self, rng: random.Random) -> str:
        return self.words[bisect(self.sums, rng.random() * self.sums[-1])]


def make_table(text: str) -> Table:
    words = tuple(" ".join(word.split()) for word in text.split(",") if word.strip())
    return Table(words, tuple(accumulate(1.0 / (rank + 6) for rank in range(len(words)))))


DRAWN = {name: make_table(text) for name, text in TABLES.items()}


@dataclass(frozen=True)
class Place:
    """A place: how one is in it, whether it is under the sky, and where a thing can lie in it."""

    name: str
    at: str
    outdoors: bool
    spots: tuple[str, ...]


def make_place(line: str) -> Place:
    prep, name, sky, spots = (part.strip() for part in line.split(";"))
    return Place(name, f"{prep} {name}", sky == "out", tuple(spot.strip() for spot in spots.split(",")))


HUMAN_PLACES = tuple(make_place(line) for line in PLACES.strip().splitlines())
BEAST_PLACES = tuple(make_place(line) for line in ANIMAL_PLACES.strip().splitlines())


@cache
def plural(word: str) -> str:
    for ending, instead in PLURALS:
        if word.endswith(ending):
            return word[: len(word) - len(ending)] + instead
    return word + "s"


@cache
def compile_template(text: str) -> Template:
    """Parse a template once into literal strings, slots and tuples of alternatives."""
    stack: list[list[list[Part]]] = [[[]]]
    tokens = iter(_MARK.split(text))
    for token in tokens:
        if token == "[":
            stack.append([[]])
        elif token == "|":
            stack[-1].append([])
        elif token == "]":
            alternatives = tuple(tuple(parts) for parts in stack.pop())
            stack[-1][-1].append(("any", alternatives))
        elif token == "{":
            name = next(tokens)
            next(tokens)
            kind = "table" if name[0] == "#" else "slot"
            key = name.strip("#+")
            stack[-1][-1].append((kind, key[0].lower() + key[1:], key[0].isupper(), name[-1] == "+"))
        elif token:
            stack[-1][-1].append(token)
    (parts,) = stack.pop()
    return tuple(parts)


def finish(paragraphs: list[list[str]]) -> str:
    text = "\n\n".join(" ".join(sentences) for sentences in paragraphs if sentences).replace("  ", " ")
    text = _START.sub(lambda match: match[0].upper(), text)
    return _ARTICLE.sub(r"\1n ", text)


@dataclass
class World:
    """Everything that is true at one moment of one story."""

    rng: random.Random
    human: bool = True
    place: Place = HUMAN_PLACES[0]
    company: tuple[str, ...] = ()
    mood: str = "happy"
    weather: str = "fair"
    night: bool = False
    room: float = 0.5
    moral: str = ""
    slots: dict[str, str] = field(default_factory=dict)
    told: list[list[str]] = field(default_factory=lambda: [[]])
    used: set[str] = field(default_factory=set)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.random() * len(options))]

    def more(self, probability: float = 0.6) -> bool:
        """Whether this story has room for something it could do without."""
        return self.rng.random() < probability * self.room * 1.5

    def draw(self, table: str) -> str:
        word = DRAWN[table].draw(self.rng)
        for _ in range(4):
            if word not in self.used:
                break
            word = DRAWN[table].draw(self.rng)
        self.used.add(word)
        return word

    def name(self, **tables: str) -> None:
        """Fix words for the rest of the story: each slot is drawn from its table."""
        for slot, table in tables.items():
            self.slots[slot] = self.draw(table)

    def choose(self, slot: str, *options: str) -> str:
        self.slots[slot] = self.expand(compile_template(self.pick(options)))
        return self.slots[slot]

    def deal(self, rows: tuple[str, ...], *slots: str) -> None:
        """Draw one row of a table of things that belong together, and fill a slot from each column."""
        row = self.pick(rows).split(";")
        for slot, text in zip(slots, row, strict=True):
            self.slots[slot] = self.expand(compile_template(text.strip()))

    def expand(self, template: Template) -> str:
        out = []
        for part in template:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "any":
                out.append(self.expand(part[1][int(self.rng.random() * len(part[1]))]))
            else:
                word = self.slots[part[1]] if part[0] == "slot" else self.draw(part[1])
                if part[1] == "f":
                    self.slots["f"] = self.slots["f_name"]
                if part[3]:
                    word = plural(word)
                out.append(word[0].upper() + word[1:] if part[2] else word)
        return "".join(out)

    def tell(self, *variants: str) -> None:
        """Tell one of the variants."""
        self.told[-1].append(self.expand(compile_template(self.pick(variants))).strip())

    def para(self) -> None:
        if self.told[-1]:
            self.told.append([])

    def go(self, place: Place) -> None:
        self.place = place
        self.slots["place"] = place.name
        self.slots["at"] = place.at

    def somewhere(self, outdoors: bool | None = None) -> Place:
        """A place other than the present one, under the sky or not if that matters."""
        places = HUMAN_PLACES if self.human else BEAST_PLACES
        while True:
            place = places[int(self.rng.random() * len(places))]
            if place != self.place and outdoors in (None, place.outdoors):
                return place

    def spots(self, count: int) -> tuple[str, ...]:
        """Different spots of the present place, in random order."""
        spots = list(self.place.spots)
        return tuple(spots.pop(int(self.rng.random() * len(spots))) for _ in range(count))

    def tags(self) -> frozenset[str]:
        """What is true now, for asides that need it to be."""
        return frozenset(
            (
                "human" if self.human else "beast",
                "out" if self.place.outdoors else "in",
                "night" if self.night else "day",
                self.weather,
                self.mood,
                *self.company,
            )
        )
