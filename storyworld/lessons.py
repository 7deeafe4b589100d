"""Plots in which wanting too much, or too soon, has its price: eating, wishing, growing, tidying."""

from storyworld.beats import aside
from storyworld.world import World

_WISHES = (
    "could fly; flew over the roofs; {he} was too high and [very cold|could not get down]",
    (
        "had all the {sweet} in the world; had {sweet} in the bed, in the bath, even in {his} "
        "shoes; {his} tummy hurt"
    ),
    "was as big as a {tall}; grew and grew until {he} could see the sea; {he} did not fit through the door",
    (
        "was as small as a {tiny}; got smaller and smaller; the grass was like a forest and [a "
        "beetle|a spider] growled"
    ),
    "never had to sleep; played and played all night; {he} was so tired that nothing was fun",
    "was invisible; looked in the mirror and saw nothing; nobody heard or saw {him}, and it was lonely",
    "could talk to the animals; heard the {tiny+} chatter; they all talked at once and {he} had no peace",
    "was grown up; looked down and saw [big shoes|long legs]; there was work to do and no time to play",
)
_PLANTS = (
    "bean; a tall green stalk; beans",
    "sunflower seed; a flower as yellow as the sun; seeds for the birds",
    "pumpkin seed; a fat orange pumpkin; pumpkin pie",
    "apple seed; a thin little tree; apples, many years later",
    "carrot seed; a bunch of green leaves; sweet carrots",
    "strange seed that a {#job} had dropped; a plant with {#color} spots; sweet berries",
    "tulip bulb; a {#color} tulip; bright petals",
    "tomato seed; a tall plant with yellow stars; round red tomatoes",
)


def too_much(w: World) -> None:
    w.go(w.somewhere(outdoors=False))
    w.name(dish="dish", other="game")
    w.tell(
        "{Day}, {g} made {dish}. The whole {home} smelled [good|wonderful|sweet].",
        (
            "{Day}, there was a big [bowl|plate] of {dish} on the table. [It was for the party.|It "
            "was for everyone.]"
        ),
    )
    w.tell(
        (
            '"[You may have some|Take a little]," said {g}, "but [not too much|leave some for '
            '{f_name}|not before dinner]."'
        ),
        '"[Please don\'t|Do not] touch it until {f_name} comes," said {g}.',
    )
    w.tell(
        (
            "But {h} was [so |very ]hungry. {He} took [one bite|a little], and then another, and "
            "then [another|more]."
        ),
        (
            '"[Just one bite|Only a little bit]," {h} [thought|whispered]. But it was so '
            "[good|tasty] that {he} ate and ate."
        ),
    )
    w.tell(
        "Soon [the plate was empty|it was all gone|there was nothing left].",
        "{He} ate until {he} could not move.",
    )
    w.mood = "sad"
    w.para()
    w.tell(
        'Then {his} tummy [began to hurt|hurt|made a funny {#sound}]. "[Ow|Ouch|Oh no]," said {h}.',
        "Then {f} came, and there was nothing left for {f_him}. {f} was {#sad}.",
    )
    aside(w)
    w.tell(
        ('"Did you eat [it all|all of it]?" asked {g}. {h} [looked down|nodded]. "Yes. I am sorry," {he} said.'),
        "{G} did not [shout|get angry]. {G_he} [gave {him} some tea|sat down with {him}] and waited.",
    )
    if w.chance(0.6):
        w.tell(
            "The next day, {h} [helped|got up early to help] {g} make new {dish}. This time {he} "
            "took only [one|a little]."
        )
        w.tell("{f} got the biggest piece.", "There was enough for all.")
        w.mood = "happy"
    else:
        w.tell("{h} had to stay in bed and could not go out to play {other}.")
    w.moral = "too much of a good thing is not good"


def wish(w: World) -> None:
    w.name(sweet="food", tall="tree", tiny="wild", color="color")
    w.deal(_WISHES, "wish", "granted", "bad")
    w.tell(
        "{Day}, {h} found a {#look} [lamp|bottle|stone|ring]. When {he} [rubbed|touched] it, a voice spoke.",
        ("{Day}, {h} [met|helped] a [tiny fairy|small wizard|old woman|talking fish] [by the well|in the woods]."),
        "One night, {h} saw a star [fall|fly over the sky].",
        "{Day}, {h} threw a coin into a [deep|dark|very old] well.",
    )
    w.tell(
        '"[You have|You may make] one wish," [it said|said a small voice].',
        "Now {he} had one wish.",
    )
    w.tell('"I wish I {wish}," said {h} [at once|{#manner}|and closed {his} eyes].')
    w.tell("[Whoosh|Poof|Zing|Pling]! {h} {granted}.", "And then it [happened|came true]! {h} {granted}.")
    w.tell(
        "[At first|In the beginning], it was [great|so much fun|wonderful].",
        '"[Hooray|Look at me|This is great]!" {he} shouted.',
    )
    aside(w)
    w.para()
    w.mood = "sad"
    w.tell("But [soon|after a while|then] {bad}.", "But there was a problem: {bad}.")
    w.tell(
        '"I don\'t [want|like] this anymore," said {h}. "[I want to be me again|Please make it stop]."',
        "{h} began to cry. {He} missed {g} and {f}.",
    )
    w.tell(
        "[Whoosh|Poof|Pling]! Everything was as before. {h} [hugged {g}|touched {his} nose|laughed].",
        "{He} [closed {his} eyes|counted to ten], and when {he} [opened them|was done], {he} was home again.",
        ("And then {he} woke up. It was only a dream! [Or was it? On the {#furniture} lay a {#color} {#find}.|]"),
    )
    w.mood = "happy"
    w.moral = "you should be careful what you wish for"


def growing(w: World) -> None:
    w.deal(_PLANTS, "seed", "plant", "fruit")
    w.tell(
        '{Day}, {h} [found a {seed}|got a {seed} from {g}]. "What [is this|can I do with it]?" {he} asked.',
        '{Day}, {g} gave {h} a {seed}. "[Put it in the ground|Plant it] and [wait|see]," {g_he} said.',
    )
    w.tell("{h} [dug|made] a [small |deep |]hole, put the {seed} in and gave it some water.")
    w.tell(
        "The next [day|morning], {he} [ran|went] to look. [Nothing!|There was only mud.]",
        "[Every day|Day after day] {he} looked, but [nothing happened|there was only brown earth].",
    )
    if w.chance(0.5):
        w.tell('"It is [broken|sleeping|too slow]," said {h}. "[No|Wait], it needs time," said {g}.')
    if w.chance(0.5):
        w.tell('{F} laughed. "[Nothing will grow|You are watering mud]," {f_he} said.')
    aside(w)
    w.para()
    w.tell(
        (
            "[It rained|The sun shone], and then [it rained|the sun shone] again. [A week went "
            "by.|The days got warmer.]"
        ),
        "{h} [sang to it|told it stories|pulled the weeds] and kept the {#thief+} away.",
    )
    w.tell(
        "Then, one morning, there was [a tiny green tip|something green|one small leaf]!",
        "[At last|One day], something [pushed up|looked out] from the earth.",
    )
    w.tell("It [grew|got bigger] [and grew|every day] until it was {plant}.")
    w.tell("In the end, there were {fruit}." if w.slots["fruit"][-1] == "s" else "In the end, there was {fruit}.")
    w.tell(
        "{h} gave [some to {g} and some to {f}|a little to everyone].",
        '"I [waited and waited|did it]," said {h}. "[And look|It was worth it]!"',
        "{H} [kept|saved] one seed for the next year.",
    )
    w.mood = "happy"
    w.moral = "some things need time"


def cleaning(w: World) -> None:
    w.mood = "calm"
    w.go(w.somewhere(outdoors=False))
    w.name(found="toy", second="wear")
    w.tell(
        (
            "{H}'s room was [a mess|very messy]. There were {#toy+} [on the floor|under the bed] and "
            "a {#wear} on the lamp."
        ),
        (
            '{Day}, {g} [looked into|came to] {h}\'s room. "[What a mess|Oh dear]!" {g_he} said. '
            '"[Please clean it up|Tidy up]."'
        ),
    )
    w.tell(
        '"[But I want to play|It is too much|I am tired]," [said {h}|{h} complained].',
        "{h} [groaned|sighed]. {He} did not want to.",
    )
    if w.chance(0.5):
        w.tell('{h} [pushed|put] everything under the bed. "[Done|Finished]!" {he} said.')
        w.tell(
            "But [at night|then] the pile went {#sound}, and a {#toy} rolled out. {G} [laughed|raised an eyebrow]."
        )
        w.tell('"[Now try again|Let us do it right]," said {g}.')
    else:
        w.tell(
            '"[Make it a game|Let us play a game]," said {g}. "You are a {#job}, and [these are your '
            'things|I am the {#job}]."'
        )
    aside(w)
    w.para()
    w.tell(
        "{h} put the {#toy} in the box and the {#wear} on the shelf.",
        (
            "First {he} picked up the {#wear+}, then the {#toy+}. {He} found a {#snack}, too, [but "
            "it was green|very old]."
        ),
    )
    w.tell(
        (
            "And there, at the [bottom|back], {he} found {his} {found}! {He} had [missed it|looked "
            "for it] for weeks."
        ),
        "Behind the {#furniture} {he} found a {found} that {f} had lost [long ago|in the spring].",
    )
    w.tell(
        "{h} [was so {#glad}|jumped up and down]. [Now there was room to dance.|The room looked big and {#look}.]"
    )
    w.tell(
        '"[See|You see]?" said {g}. "[A tidy room|Cleaning] is full of surprises."',
        "They [danced|had {#food}] on the clean floor.",
    )
    w.mood = "happy"
    w.moral = "it is easier to find things in a tidy room"


def sleepless(w: World) -> None:
    w.mood = "calm"
    w.go(w.somewhere(outdoors=False))
    w.night = True
    w.tell(
        "One night, {h} could not [sleep|fall asleep]. {He} [turned left and right|counted to a "
        "hundred|looked at the wall]."
    )
    w.tell(
        '"[I need some {#drink}|I am too hot|I am not tired]," {he} [said to {g}|called].',
        "{He} asked for [some {#drink}|a story|one more kiss].",
    )
    aside(w)
    w.tell(
        '"[Count|Try to count] the {#beast+}," said {g}. {h} counted [ten|twenty|fifty]. [Then '
        "they all began to dance.|It did not work.]"
    )
    w.para()
    w.tell(
        (
            "Then {he} [heard|saw] that {his} {#toy} was [lying on the cold floor|all alone]. It "
            "could not sleep, either!"
        ),
        "{He} [looked|listened] out of the window. A {#wild} was awake, too.",
    )
    w.tell("{h} told it a story about {#dream}, very {#manner}.")
    w.tell(
        (
            "[And in the middle of the story|Just when the {#beast} met the {#job}], somebody fell "
            "asleep. It was {h}."
        ),
        "{H} never heard the end of it, because {his} [eyes|ears] were already asleep.",
        "{He} yawned once, twice, and then {he} slept.",
    )


LESSONS = (
    too_much,
    wish,
    growing,
    sleepless,
)
HUMAN_LESSONS = (cleaning,)
