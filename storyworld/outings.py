"""Plots that lead outside: rain, journeys, building and getting lost."""

from storyworld.beats import aside, treat, trip_with
from storyworld.world import World

_PLANS = (
    "have a picnic; a basket with {#food} and {#food}; under the table; ate on a blanket on the floor",
    "fly a kite; a {#color} kite; by the window; made tiny kites out of paper",
    "play {#game}; a {#color} ball; in the barn; played {#game} with buttons",
    "go swimming; a towel and a {#toy}; in the doorway; splashed in the puddles like ducks",
    "have a party in the garden; balloons and {#food}; in the kitchen; danced around the stove",
    "build a sandcastle; two buckets and a flag; on the porch; built a castle out of boxes",
    "go to the fair; some coins in a {#color} purse; under a bridge; made a little fair of their own",
    ("look for berries; two empty baskets; in a hollow tree; told stories until the baskets were full of laughter"),
)
_GOALS = (
    "bring {#food} to {kinfolk}, who lived far away; {Kinfolk} opened the door and cried with joy",
    "see the sea; there it was, big and blue, with a thousand lights on the water",
    "climb the highest hill; from the top {he} could see the {home}, as small as a {#toy}",
    "find the end of the rainbow; there was no gold, but a field full of {#flower}",
    "take a letter to the {lord}; the {lord} read it and laughed out loud",
    "find out where the river came from; {he} found it, a tiny spring under a {#tree}",
    "bring medicine to {kinfolk}, who was sick; {kinfolk} could drink it and sat up in bed",
    "find a {#bloom} for {g}; there it stood, all alone in the sun",
)
_OBSTACLES = (
    "a [wide|cold|wild] river; there was no bridge; {crossed}",
    "a dark [wood|tunnel|forest]; strange eyes shone between the trees; {lit}",
    "a high wall; it was too smooth to climb; {walled}",
    "a [big|grumpy] {guard} in the middle of the path; nobody could get past; {tricked}",
    "two paths; one went left and one went right; {signed}",
    "a muddy field; {his} feet [got stuck|sank in]; {muddied}",
)
_SOLVED = {
    "crossed": (
        "{he} laid a [log|board] over it",
        "a [turtle|swan|fisherman] carried {him} across",
        "{he} jumped from stone to stone",
    ),
    "lit": (
        "{he} sang so loudly that all the eyes went away",
        "the eyes were only [fireflies|owls]",
        "{he} followed a firefly",
    ),
    "walled": (
        "{he} found a [hole|small door] behind the {#flower}",
        "{he} made steps out of {#stuff}",
        "a {#beast} let {him} stand on its back",
    ),
    "tricked": (
        "{he} told it a riddle, and it thought so hard that it fell asleep",
        "{he} gave it {#food}, and it let {him} through",
        "{he} said please, and it stepped aside",
    ),
    "signed": (
        "{he} asked a {#wild}, who knew the way",
        "{he} looked at the sun and went left",
        "{he} found a {#color} {#find} that showed the way",
    ),
    "muddied": (
        "{he} took off {his} shoes and laughed",
        "{he} walked on [branches|boards]",
        "{he} crawled on {his} tummy like a lizard",
    ),
}
_BUILDS = (
    "tower; {#stuff} and boxes; a wide base",
    "tree house; wood and nails; a thicker branch",
    "boat; {#stuff} and {#stuff}; a flat bottom",
    "fort; blankets and chairs; a strong stick in the middle",
    "bridge; sticks and stones; a post on each side",
    "snowman; snow, a carrot and two {#find+}; a bigger ball at the bottom",
    "castle; {#stuff} and shells; wet sand",
    "little house for the birds; {#stuff} and wood; a roof that sloped",
    "cart; a box and four wheels; round wheels",
    "dam; mud and branches; big stones first",
    "rocket; {#stuff} and {#stuff}; three strong legs",
)


def rain(w: World) -> None:
    w.go(w.somewhere(outdoors=True))
    w.deal(_PLANS, "plan", "gear", "shelter", "instead")
    w.tell(
        "{Day}, {h} and {f} wanted to {plan}. They [took|packed] {gear}.",
        "All week, {h} had [waited|hoped] to {plan} with {f}. {Day}, they [took|got] {gear}.",
    )
    w.company = ("f",)
    aside(w)
    w.tell(
        (
            "But [then|as soon as they got there], [dark|gray|big black] clouds came[.| over the "
            "hill.] [Drip, drop!|It began to rain.]"
        ),
        "[Plop!|Drip!] A drop fell on {h}'s {#body}. [Then another.|Soon it rained cats and dogs.]",
        "But the wind [took|blew] everything away, and it [rained|poured] like a river.",
    )
    w.weather = "rain"
    w.mood = "sad"
    w.tell(
        (
            '"[It is not fair|Now everything is spoiled|Stupid rain|We waited so long|I wish I were '
            'a {#wild}]!" said {h}.'
        ),
        (
            "They [ran home|hid under a {#tree}] and looked at the gray sky. [They were wet and "
            "{#sad}.|Nobody laughed now.]"
        ),
    )
    w.para()
    aside(w)
    w.tell(
        'Then {f} had an idea. "[We can still have fun|The rain can\'t stop us]!" {f_he} said.',
        '"[Wait|I know]," said {h}, "[who says that we need the sun|why not do it here]?"',
        '"[Come inside|Let us make our own sunshine|I have {#drink} and a plan]," said {g}.',
    )
    w.tell("So they {instead}. [It was the best idea ever.|{G} laughed and joined in.|They got very loud.]")
    w.mood = "happy"
    w.tell(
        (
            "When the rain stopped, [there was a rainbow over the {home}|the world smelled fresh and "
            "new|nobody noticed]."
        ),
        "[The rain sang on the roof|The thunder sounded like drums], and they [sang along|did not mind].",
    )
    if w.more():
        treat(w)
    w.moral = "you can have fun in any weather"


def journey(w: World) -> None:
    w.slots["kinfolk"] = f"{w.slots['his']} {w.pick(('great-aunt', 'old uncle', 'little cousin', 'godmother'))}"
    w.slots["lord"] = w.pick(("king", "queen", "mayor", "captain", "wizard of the hill"))
    w.name(guard="beast")
    for slot, solutions in _SOLVED.items():
        w.choose(slot, *solutions)
    w.deal(_GOALS, "goal", "arrival")
    w.tell(
        "{Day}, {h} [wanted|decided] to {goal}. {He} put {#food} and a {#wear} in a [bag|basket].",
        "{Day}, {g} asked {h} to {goal}."
        if "bring" in w.slots["goal"]
        else "{h} had always wanted to {goal}. {Day}, {he} [set off|left].",
    )
    if w.chance(0.4):
        w.tell(
            '"[May I come with you|Can I come, too|Do you need help]?" asked {f}. [So they went '
            "together.|{h} was {#glad}.]"
        )
        w.company = ("f",)
    w.slots["we"] = "they" if w.company else w.slots["he"]
    w.go(w.somewhere(outdoors=True))
    w.deal(_OBSTACLES, "block", "why", "how")
    first = w.slots["block"]
    w.para()
    w.tell(
        "[Soon|First|After a while], {we} came to {block}. {Why}. But {how}.",
        ("[Before long|Then] {we} [reached|stood before] {block}. {Why}. {h} thought for a while, and then {how}."),
    )
    aside(w, 0.6)
    if w.more(0.9):
        while w.slots["block"].split()[-1] == first.split()[-1]:
            w.deal(_OBSTACLES, "block", "why", "how")
        w.tell("[A little later|Behind the next hill], {we} came to {block}. {Why}. What now? Then {how}.")
        w.tell(
            "{His} [feet|legs] [hurt|were tired], but {he} went on.",
            "It got [late|cold], but {he} did not turn back.",
        )
    w.para()
    w.tell("[At last|Finally], {arrival}.", "And then, [when {he} was very tired|in the evening], {arrival}.")
    w.tell(
        '"[I did it|I made it|It was worth it]!" {he} [said|whispered].',
        "{h} [sat down and looked for a long time|forgot {his} tired feet].",
        "{He} stayed [until the moon came up|for an hour|the whole night], and then {he} went home.",
    )
    w.mood = "happy"
    w.moral = "[a long way is made of small steps|it is good not to give up]"


def building(w: World) -> None:
    w.go(w.somewhere(outdoors=True))
    w.deal(_BUILDS, "work", "parts", "cure")
    w.tell(
        "{Day}, {h} and {f} [decided|wanted] to build a {work}. They [found|used|collected] {parts}.",
        '{Day}, {h} had an idea. "[Let\'s|We could] build a {work}!" {he} said to {f}. They got {parts}.',
    )
    w.company = ("f",)
    w.tell("They worked [all morning|hard|until noon]. [{h} held and {f} tied.|{f} sang and {h} measured.|]")
    aside(w)
    w.tell(
        "But [then|suddenly] there was a {#sound}, and the {work} [fell apart|came down|broke in two].",
        "But when a {#wild} [sat down|landed] on it, the {work} fell over.",
    )
    w.mood = "sad"
    w.tell(
        '"[You did it wrong|It was your idea]!" said {f}. "[No, you|Me? You]!" said {h}.',
        '"[All that work|Oh no]!" said {h}. {f} [sat down|sighed].',
    )
    w.para()
    if w.chance(0.5):
        w.tell('{G} came by and looked at it. "[What you need is|Have you thought of] {cure}," {g_he} said.')
    else:
        w.tell(
            '{h} looked at it for a long time. "It needs {cure}," {he} said.',
            '"[Look|Wait]," said {f}. "It needs {cure}."',
        )
    w.tell(
        "So they started again. [This time they took their time.|This time they were more careful.]",
        "They tried again, with {cure}.",
    )
    w.mood = "happy"
    w.tell(
        "And it [held|stood|stayed up]! It was the [best|most beautiful|finest] {work} in the [world|whole valley]."
    )
    w.tell(
        "They [put a {#color} flag on it|named it {#Beast_name}|sat in front of it and ate {#food}].",
        "Even the {#job} came to see it." if w.human else "Even the old {#beast} came to see it.",
    )
    w.moral = "if something fails, you can try another way"


def lost_child(w: World) -> None:
    trip_with(w, "g", outdoors=True)
    w.tell(
        "{h} saw a [tiny|shiny|strange] {#wild} and [ran after it|followed it], on and on.",
        ('"Stay close," said {g}. But {h} [saw a {#toy} in the distance|wanted to see a {#beast}] and ran off.'),
    )
    w.company = ()
    w.mood = "scared"
    w.tell(
        "When {he} [turned around|stopped], {g} was [gone|nowhere to be seen].",
        "Soon {he} did not know where {he} was.",
    )
    w.tell('"{gv}! [{gv}!|Where are you?]" {he} [called|cried]. [No one answered.|Only a {#wild} answered.]')
    aside(w)
    w.para()
    if w.chance(0.5):
        w.name(helper="job" if w.human else "beast")
        w.tell(
            (
                'A {helper} [stopped|came by]. "[Are you lost|Are you alone|Can I help you], little '
                'one?" {h} nodded.'
            ),
            (
                'A {helper} [stopped|came by]. "[Why are you crying|What is wrong], little one?" "I lost '
                'my {gv}," said {h}.'
            ),
        )
        w.tell("The {helper} [took {his} {paw}|stayed with {him}] and they [looked|called] together.")
    else:
        w.slots["s0"] = w.spots(1)[0]
        w.tell(
            '{h} remembered what {g} always said: "If you are lost, stay where you are." So {he} '
            "[sat down|waited] {s0}."
        )
        w.tell("{He} [sang a song|counted the {#wild+}|held {his} {#find} tight] and waited.")
    w.tell('[Then|At last] {he} heard a voice. "{h}!" It was {g}! {h} ran into {g_pos} arms.')
    w.mood = "happy"
    w.tell('"I was so [worried|afraid]," said {g}. "[Me too|I will stay with you now]," said {h}.')
    w.moral = "[it is better to stay close|when you are lost, it is best to stay calm]"


OUTINGS = (
    rain,
    journey,
    building,
    lost_child,
)
