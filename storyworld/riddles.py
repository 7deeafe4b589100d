"""Plots with something to find out: a noise in the night, a map."""

from storyworld.beats import aside, meet
from storyworld.world import World

_NOISES = (
    "in the attic; an owl with two fluffy babies",
    "under the bed; a {#toy} that was still [turning|ringing]",
    "behind the door; {f} with a bucket on {f_his} head",
    "outside the window; a branch of the old {#tree} that knocked in the wind",
    "in the kitchen; {g}, who was eating {#food} in the dark",
    "behind the wall; a family of mice having a party",
    "in the bushes; a hedgehog with a {#wear} stuck on its spines",
    "in the chimney; a {#wild} that had lost its way",
    "near the gate; a {#pet} that wanted to come in",
)


def noise(w: World) -> None:
    w.go(w.somewhere(outdoors=False))
    w.deal(_NOISES, "spot", "truth")
    w.name(snd="sound")
    w.tell(
        "One [dark|windy|cold] night, {h} heard a noise {spot}. {Snd}! [{Snd}!|There it was again.]",
        "It was late, and {h} was in bed. Then there was a {snd} {spot}.",
    )
    w.night = True
    w.mood = "scared"
    w.tell(
        '"[What was that|Who is there|Is it a monster]?" {he} [whispered|asked]. [Nobody answered.|{Snd}!]',
        "{h} pulled the blanket over {his} head. [Was it a ghost? A {#beast}? A {#job}?|]",
    )
    aside(w)
    w.tell(
        "{He} took [a lamp|a {#toy}|a spoon] and [went|crept] [slowly|on {his} toes] to see.",
        "{He} [could not sleep|had to know]. {He} got up and went to look, one step at a time.",
    )
    w.para()
    w.tell(
        "{h} [counted to three|took a deep breath] and looked. It was {truth}!",
        "And what did {he} see? It was {truth}!",
    )
    w.mood = "happy"
    w.tell(
        '"[It is only you|So it was you]!" said {h} and [laughed|laughed until {his} tummy hurt].',
        "{h} had to laugh.",
    )
    if w.more() and w.slots["g"] not in w.slots["truth"]:
        w.tell(
            "{G} [came to see|woke up], too, and they [drank {#drink}|had some {#drink}] "
            "[together|in the middle of the night]."
        )
    w.moral = "most monsters are only noises"


def treasure(w: World) -> None:
    w.go(w.somewhere(outdoors=True))
    meet(w)
    w.slots["s0"], w.slots["s1"] = w.spots(2)
    w.name(box="find", gold="food")
    w.tell(
        'They [found|saw] an old [map|paper] in a {#wear}. There was a {#color} cross on it. "[A '
        'treasure|Pirates|A real treasure map|I knew it]!" said {h}.'
    )
    w.tell("[First|The map said:] [ten|five|seven] steps to the {#tree}. [Then|Then it was] left at the big stone.")
    aside(w)
    w.tell(
        'They [looked|dug] {s1}. [Nothing|Only a {#find}]! "[Maybe we held the map upside '
        "down|Let us count again|You take bigger steps than a {#job}|That was the wrong "
        '{#tree}]," said {f}.'
    )
    w.para()
    w.tell(
        "Then they [dug|looked] {s0}. [{#Sound}! There was a box!|The {#find} hit something "
        "hard. It was a {#look} box!|Out came a {#look} box with a {#color} lock.]"
    )
    branch = w.rng.random()
    if branch < 0.4:
        w.tell(
            'In the box [there was|they found] a {#look} {box} and a note: "The treasure is the friend beside you."'
        )
        w.tell("They looked at each other and [laughed|smiled].")
    elif branch < 0.7:
        w.tell(
            "It was full of {#toy+} and {#find+}. {G} had hidden it when {g_he} was [small|as old as they were]!"
        )
        w.tell("{G} told them stories about every [one|thing] until it was dark.")
    else:
        w.tell("It was full of {gold}! A {#beast} had kept it there for the winter. They closed the box {#manner}.")
        w.tell("They left a {#snack} [next to it|on the box], to say sorry.")
    w.mood = "happy"
    w.moral = "the best treasure is a friend"


RIDDLES = (
    noise,
    treasure,
)
