"""The built-in training corpus: an unlimited, seeded generator of simple children's stories.

The world is small: a hero (a child or a young animal), a friend, a grown-up, animals, things that can
be owned, lost, broken, given or found, and places with spots where a thing can lie. A story is made by
drawing a cast, opening on it, running one plot, and ending in the mood the plot left behind. A plot is
a short program over the state of the world: it decides what happens, changes the state, and tells each
change in words; asides are told between its steps when their conditions hold. Every decision is a
draw of one random stream that depends on (seed, index) only.
"""

import random
from collections.abc import Iterator
from itertools import accumulate

from storyworld.beats import aftermath, ending, opening, prelude
from storyworld.bonds import BONDS, newcomer
from storyworld.care import CARE
from storyworld.giving import GIFTS, HUMAN_GIFTS
from storyworld.lessons import HUMAN_LESSONS, LESSONS
from storyworld.loss import LOSSES
from storyworld.outings import OUTINGS
from storyworld.riddles import RIDDLES
from storyworld.tasks import TASKS
from storyworld.world import BEAST_PLACES, HUMAN_PLACES, SIZES, World, finish

VERSION = "1"

_PRONOUNS = {
    "boy": ("he", "him", "his", "himself"),
    "girl": ("she", "her", "her", "herself"),
}
_HUMAN_ELDERS = (
    ("mom", "Mom", "girl", 8),
    ("dad", "Dad", "boy", 5),
    ("grandma", "Grandma", "girl", 3),
    ("grandpa", "Grandpa", "boy", 2),
    ("aunt", "Auntie", "girl", 1),
    ("uncle", "Uncle", "boy", 1),
)
_BEAST_ELDERS = (
    ("mother", "Mama", "girl", 6),
    ("father", "Papa", "boy", 3),
    ("grandmother", "Granny", "girl", 2),
    ("grandfather", "Grandpa", "boy", 1),
)
_HOMES = ("house", "cottage", "cabin", "house", "apartment", "tower", "farmhouse", "castle", "house")
_BEAST_HOMES = ("den", "nest", "burrow", "cave", "hut", "tree house", "hole", "cottage")
_WHERE = (
    "in a [small|little|quiet|busy] [town|village|city|valley]",
    "[near|by|not far from] the [sea|forest|river|big hill|lake]",
    "on a [small|big|quiet|green|busy|windy] [farm|hill|street|island]",
    "in a {#homely} {home}",
    "at the edge of a [small|big|dark|sleepy] [wood|town|forest|field]",
)
_BEAST_WHERE = (
    "in a [big|green|deep|quiet|dark] [forest|wood|jungle|valley]",
    "[near|by|not far from] a [pond|river|hill|farm|lake]",
    "in a {#homely} {home} under a {#tree}",
    "at the edge of a [small|big|dark|sleepy] [wood|meadow|swamp|field]",
)
_DAYS = (
    "one [day|day|day|morning|afternoon]",
    "one [sunny|warm|bright|fine|lovely|cool|quiet|hot] [day|morning|afternoon]",
    "on a [sunny|warm|bright|windy|lovely] [day|morning|afternoon|Sunday]",
    "one [Monday|Saturday|Sunday|Friday|Tuesday][| morning| afternoon]",
    "one day in [spring|summer|autumn|May|June|September]",
    "[early|late] one [morning|afternoon]",
)
_LATER_DAYS = (
    "[the next day|the day after|two days later|some days later]",
    "[a week|a month|a few weeks|three weeks] later",
    "not long [after that|afterwards]",
    "then, [one morning|one afternoon|one Sunday|the following week]",
    "in the [spring|summer|autumn]",
)
_NICE = "[little|little|small|young]"


def _being(w: World, role: str, sex: str) -> None:
    he, him, his, self = _PRONOUNS[sex]
    prefix = "" if role == "h" else role + "_"
    w.slots |= {prefix + "he": he, prefix + "him": him, prefix + "his": his, prefix + "self": self}


def _elder(w: World) -> None:
    elders = _HUMAN_ELDERS if w.human else _BEAST_ELDERS
    sums = tuple(accumulate(elder[3] for elder in elders))
    at = w.rng.random() * sums[-1]
    kin, call, sex, _ = next(elder for elder, end in zip(elders, sums, strict=True) if at < end)
    _being(w, "g", sex)
    by_name = call not in ("Auntie", "Uncle") and w.chance(0.3)
    name = call if by_name else f"{w.slots['his']} {kin}"
    w.slots |= {"g": name, "g_pos": f"{name}'s", "gv": call}


def _cast(w: World) -> None:
    sexes = tuple("girl" if w.chance(0.5) else "boy" for _ in range(2))
    for role, sex in zip(("h", "f"), sexes, strict=True):
        _being(w, role, sex)
        w.name(**{role: sex if w.human else "beast_name"})
        w.slots[role + "_kind"] = sex if w.human else w.draw("beast")
    if w.human:
        relation = w.pick(("friend",) * 6 + (("sister", "cousin") if sexes[1] == "girl" else ("brother", "cousin")))
        w.slots |= {"paw": "hand", "paws": "hands", "hair": "hair", "home": w.pick(_HOMES)}
    else:
        relation = "friend"
        w.slots |= {"paw": "paw", "paws": "paws", "hair": "fur", "home": w.pick(_BEAST_HOMES)}
    slots = w.slots
    slots |= {"rel": relation, "day": "", "age": w.pick(("three", "four", "five", "six", "seven"))}
    slots["f_name"] = slots["f"]
    slots["f_pos"] = f"{slots['f_name']}'s"
    if w.chance(0.9):
        slots["f"] = f"{slots['his']} {slots['rel']} {slots['f_name']}"
    if not w.human:
        slots["f"] += f" the {slots['f_kind']}"
    same = (relation != "friend" and sexes[0] == sexes[1]) or relation == "cousin"
    slots["kin"] = f"{relation}s" if same else "friends" if relation == "friend" else "children"
    w.choose("child", _NICE + " {h_kind}")
    w.choose("where", *(_WHERE if w.human else _BEAST_WHERE))
    w.choose("day", *_DAYS)
    w.name(like="like" if w.human else "beast_like")
    _elder(w)


_BEAST_PLOTS = LOSSES + GIFTS + LESSONS + BONDS + CARE + TASKS + OUTINGS + RIDDLES
_HUMAN_PLOTS = _BEAST_PLOTS + HUMAN_GIFTS + HUMAN_LESSONS


def _another_day(w: World) -> None:
    w.para()
    w.company, w.weather, w.night, w.moral = (), "fair", False, ""
    w.go(w.somewhere())
    w.choose("day", *_LATER_DAYS)


def story(seed: int, index: int) -> str:
    """The story with this index in the corpus of this seed."""
    rng = random.Random((seed << 40) + index)
    w = World(rng, human=rng.random() < 0.72)
    w.room = SIZES[int(rng.random() * len(SIZES))]
    _cast(w)
    w.go(w.pick(HUMAN_PLACES if w.human else BEAST_PLACES))
    opening(w)
    prelude(w)
    plots = _HUMAN_PLOTS if w.human else _BEAST_PLOTS
    plot = w.pick(plots)
    plot(w)
    if w.mood == "happy" and w.chance(0.22 * w.room):
        following = w.pick(plots)
        if following not in (plot, newcomer):
            _another_day(w)
            following(w)
    aftermath(w)
    ending(w)
    return finish(w.told)


def stories(seed: int, start: int, count: int) -> Iterator[str]:
    """The stories start, start + 1, ... of this seed."""
    return (story(seed, index) for index in range(start, start + count))
