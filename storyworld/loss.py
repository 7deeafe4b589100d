"""Plots about what is lost or broken."""

from storyworld.beats import aside, comfort, meet, thanks, treat, trip, trip_with
from storyworld.world import World

_BREAKS = (
    "fell off the {#furniture}; tape",
    "hit a [stone|wall|tree]; glue",
    "fell down the stairs; glue",
    "got caught in a door; a needle and thread",
    "got stuck [|under a box] and {he} pulled too hard; string and glue",
    "rolled [into the street|down the hill] and [cracked|broke]; glue and a bit of wood",
    "landed in [a puddle|the soup]; soap and a lot of patience",
)


def own_thing(w: World) -> None:
    """Give the hero a thing and say how it came to be dear."""
    w.name(thing="toy" if w.chance(0.6) else "wear")
    w.slots["fine"] = f"{w.draw('color' if w.chance(0.5) else 'look')} {w.slots['thing']}"
    w.tell(
        "{h} had a {fine}[.|.| that {he} loved very much.| from {g}.]",
        "{His} favorite [thing|possession] in the [whole |]world was a {fine}.",
        "For {his} birthday, {h} [got|was given] a {fine}.",
        "{G} [gave|had given] {h} a {fine}.",
        "{h} [took|carried] {his} {fine} everywhere.",
    )
    if w.more():
        w.tell(
            "{He} [even slept with it|never went anywhere without it|showed it to everyone].",
            "It was not new, but {h} [loved it|thought it was perfect].",
            '"[Take good care of it|Be careful with it]," said {g}[.|, and {h} promised.]',
        )


def lost_thing(w: World) -> None:
    own_thing(w)
    w.para()
    with_friend = w.chance(0.5)
    if with_friend:
        trip_with(w, "f")
    else:
        trip(w)
    w.tell(
        "{h} took the {thing} along.",
        "The {thing} came too[, of course|].",
        "{h} [held|carried] the {thing} [tight|very carefully].",
    )
    aside(w)
    w.tell(
        (
            "[But when it was time to go home|Then, all of a sudden|After a while], the {thing} was "
            "[gone|not there]."
        ),
        "{h} put it down [to tie {his} shoe|to look at a {#wild}|just for a moment], and then {he} forgot it."
        if w.human
        else "{h} put it down [to look at a {#wild}|to drink|for a nap], and [then|after that] it was gone.",
        (
            "{h} was so busy [looking around|running and playing] that {he} [forgot|dropped] the "
            "{thing}. Soon it was gone."
        ),
        '"[Oh no|Oh dear]!" {h} [cried|said]. "Where is my {thing}?"',
    )
    w.mood = "sad"
    w.para()
    w.slots |= dict(zip(("s0", "s1", "s2", "s3"), w.spots(4), strict=True))
    w.tell(
        "{h} [looked|searched] {s1}, but [it was not there|there was only a {#find}].",
        "{He} looked {s1}. [No {thing}.|Nothing!|All {he} found was a {#find}.]",
        "First, {he} looked {s1}, [and then|and] {s2}. [Nothing!|It was not there.]",
        "Was it {s1}? No. [Was it {s2}? No.|]",
    )
    if with_friend:
        w.tell(
            '"[I will help you|Let\'s look together|We will find it]," said {f}.',
            (
                '{f} [thought hard|scratched {f_his} head]. "Where did you [last see it|have it last]?" '
                "{f_he} asked."
            ),
        )
        w.tell(
            "[{f} looked|Together they looked] {s3}, but [it was not there|they only found a {#find}].",
            "They [went back|walked back] the way they had come, step by step.",
            "They asked a {#job}, but [he|she] had not seen it." if w.human else "They asked a {#beast}, too.",
        )
    else:
        aside(w)
    who = w.rng.random()
    if who < 0.4:
        w.tell(
            "[Then|At last|Finally], {h} [saw|spotted] something {s0}. It was the {thing}!",
            ("{h} [stopped and thought|closed {his} eyes and thought]. Then {he} ran to look {s0}. There it was!"),
            "And there, {s0}, [lay|was] the {thing}!",
        )
        w.moral = "it is good to look after your things"
    elif who < 0.65:
        w.name(a="thief")
        w.tell(
            (
                "[Then|Just then] {he} heard a [funny |]{#sound}. A {a} was {s0}, and it [had|was "
                "playing with] the {thing}!"
            ),
            "A {a} had [carried|taken] the {thing} away. It was [asleep|sitting] {s0} with it.",
        )
        w.tell(
            ('"That is [mine|my {thing}]," said {h} [{#manner}|at once]. {He} gave the {a} a {#snack} instead.'),
            "{h} [laughed|smiled]. The {a} only wanted something [soft|shiny|nice] to play with. "
            "{He} found a {#find} for it and took the {thing} back.",
        )
    elif who < 0.85 and w.human:
        w.name(job="job")
        w.tell(
            (
                'Then a {job} came [along|by]. "Is this your {fine}?" [the {job} asked|asked the {job}]. '
                '"It was {s0}."'
            ),
            "A {job} had found the {thing} {s0} and [kept it safe|was looking for its owner].",
        )
        w.tell('"[Yes, yes|Yes, it is mine]! Thank you!" {h} [cried|said|shouted].', "{h} jumped for joy.")
        w.moral = "there are kind people everywhere"
    else:
        w.tell(
            "{He} looked until it was dark, but {he} did not find it.",
            "{h} looked [everywhere|all day], but the {thing} was gone for good.",
        )
        w.para()
        comfort(w)
        w.tell(
            '"[Maybe|Perhaps] [someone else|a {#thief}] is playing with it now." {h} liked that thought.',
            (
                "Together they made a new {thing} out of {#stuff} and {#stuff}. It was not the same, but "
                "it was [good|nice]."
            ),
            "{h} [nodded|sighed]. Next time {he} would [be more careful|hold on to {his} things].",
        )
        w.mood = "sad" if w.chance(0.5) else "happy"
        w.moral = "{he} should be careful with {his} things"
        return
    w.mood = "happy"
    if w.more():
        w.tell(
            "{h} [hugged|kissed|held] the {thing} and [laughed|promised never to lose it again].",
            '"I will never [lose|leave] you again," {he} [said|whispered].',
        )
    if with_friend and w.chance(0.6):
        thanks(w, "f")
    if with_friend and w.more(0.3):
        treat(w)


def broken_thing(w: World) -> None:
    mine = w.chance(0.4)
    w.deal(_BREAKS, "fate", "fix")
    if mine:
        own_thing(w)
        w.para()
        w.tell("{Day}, [{he} played with it too hard|{h} was in a hurry]. The {thing} {fate}.")
        w.tell("[Crack|Crash|Snap|Bang|Oh no]! [It was broken.|Now it did not work anymore.|A part came off.]")
    else:
        w.name(thing="toy")
        w.slots["fine"] = f"{w.draw('look')} {w.slots['thing']}"
        meet(w)
        w.tell(
            (
                "{f} had a {fine}. {h} [wanted|asked] to [try|hold] it. \"[Be careful|Please don't break "
                'it]," said {f}.'
            ),
            (
                '{f} [brought|showed {h}] a {fine}. "[It is from my grandpa|My aunt made it]," {f_he} '
                "said {#manner}."
            ),
        )
        w.tell(
            "{h} [promised|nodded]. But [then|soon|after a minute] the {thing} {fate}. [{#Sound}! It broke.|Oh no!]"
        )
    w.mood = "sad"
    aside(w)
    w.para()
    if mine or w.chance(0.6):
        if not mine:
            w.tell(
                (
                    '"I am so sorry," said {h}[ {#manner}|]. "[I broke it.|It was my fault.|I did not mean '
                    'to. I will help you fix it.]"'
                ),
                ('{h} [could have run away|wanted to hide it], but {he} told the truth. "I broke it," {he} said.'),
            )
            w.tell("{f} [was upset, but then {f_he} nodded|looked at the pieces|tried not to cry]. ")
        w.tell(
            'They [took|brought] it to {g}. "[Hmm|Let me see]. [We need|This needs] {fix}," {g_he} said.'
            if not mine
            else '{h} took it to {g}. "[Hmm|Let me see]. [We need|This needs] {fix}," {g_he} said.',
        )
        w.tell(
            ("It took [a long time|all afternoon|an hour], but [at last|in the end] the {thing} was whole again."),
            (
                "They worked [slowly|carefully|without a word]. [Soon|After a while] the {thing} looked "
                "almost like new."
            ),
            (
                "It could not be fixed. So they made [a lamp|a bird house|a flower pot|a hat for a "
                "{#toy}] out of it instead!"
            ),
        )
        w.mood = "happy"
        w.moral = "it is better to tell the truth" if not mine else "broken things can be mended"
        thanks(w, "g")
        if not mine:
            w.tell('"You are a good friend, because you told me," said {f}.', "{f} was not angry anymore.")
        return
    w.tell(
        "{h} was {#scared}. {He} [hid|pushed] the {thing} under the {#furniture} and said nothing.",
        '"It was not me," said {h}. "It was [the wind|the cat|a {#pet}]." But that was not true.',
    )
    w.tell(
        "All night {he} could not sleep. {His} tummy felt [funny|heavy|tight].",
        "But the secret [felt like a stone|got heavier and heavier]. {He} could not [play|eat] at all.",
    )
    w.tell('The next [day|morning], {he} went to {f} and said, "It was me. I broke it."')
    w.tell(
        '"I was angry about the {thing}, but now I am {#glad} that you told me," said {f}.',
        '{f} was quiet for a [long time|moment]. "Thank you for telling me," {f_he} said at last.',
        '"I know," said {f}. "I was waiting for you to say it."',
    )
    w.tell(
        "{h} gave {f} {his} [own|best] {#toy}, and they were friends again.",
        "{h} felt as light as a feather.",
    )
    w.mood = "happy"
    w.moral = "the truth makes you feel light again"


LOSSES = (
    lost_thing,
    broken_thing,
)
