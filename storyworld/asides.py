"""What can happen on the side: each text with what must be true when it is told.

Asides change nothing that a plot relies on. The conditions are those of World.tags: human or beast, in
or out, day or night, fair or rain, the hero's mood, and f or g when the friend or the grown-up is there.
"""

ASIDES = (
    ("out day fair happy", "The [sun|sky] was bright and the [air|grass|wind] was [warm|soft|fresh|sweet]."),
    (
        "out day fair happy",
        "A {#wild} [went|hurried|came] by, and {h} [waved at it|watched it go|said hello to it].",
    ),
    ("out day fair happy", "[Nearby|Not far away], a {#wild} was [resting|busy] next to some {#flower}."),
    (
        "out day fair happy",
        "There were {#flower} [everywhere|all around], and they smelled [sweet|lovely|like honey].",
    ),
    ("out day fair", "A [soft|cool|gentle] [wind|breeze] [moved|shook|played with] the leaves of a {#tree}."),
    (
        "out day happy",
        "On the ground, {he} [saw|spotted] a {#look} {#find}, and {he} put it [by the path|on a rock].",
    ),
    ("out day happy f", '"Look, a {#wild}!" said {f}. {h} [looked|turned around], but it was already gone.'),
    (
        "out day happy",
        "{He} [looked up at|counted] the clouds. One looked like a {#beast}, and one looked like a {#toy}.",
    ),
    (
        "out day happy",
        "{h} [jumped over a log|rolled in the grass|ran in circles] until {he} was [out of breath|dizzy].",
    ),
    (
        "out day happy",
        "[Far away|Behind the trees], someone was [playing a {#music}|singing|calling a {#pet}].",
    ),
    ("in day", "[Somewhere|In the next room] a clock [ticked|went tick, tock]."),
    (
        "in day happy",
        "The {#furniture} made a soft {#sound}, as if to say [hello|good day|that all was well].",
    ),
    (
        "in human happy",
        "There was dust on the {#furniture}, and it made {h} sneeze. [Achoo!|Once, twice, three times!]",
    ),
    ("in happy", "It was [quiet|warm|nice and warm] inside, and it smelled of {#food}."),
    ("in", "From far away came a [soft|small|funny] {#sound}, but it was only the wind."),
    (
        "happy",
        (
            "{He} [hummed|sang|whistled] a [little|happy|silly] song [about a {#beast}|about "
            "{#food}|about a {#wild}]."
        ),
    ),
    ("happy", "{He} [smiled|laughed|grinned], because it was [such|really] a [good|fine|lovely] day."),
    ("happy", "{h} [made up|told {self}] a story about a {#beast} who wanted to be a {#job}."),
    (
        "happy f",
        '"What is your favorite color?" asked {f}. "I like {#color} best," said {h}. "And I like {#color}."',
    ),
    ("happy f", "{f} told a joke about a {#beast} and a {#beast}, and they both [laughed|giggled]."),
    ("happy f", "They shared some {#food} and [talked|laughed] [a lot|about {#beast+} and {#job+}]."),
    (
        "happy f day",
        '"Let\'s pretend we are on the moon," said {f}. They [jumped|walked] very [slowly|high].',
    ),
    (
        "happy f",
        ('"When I grow up, I [want to|will] be a {#job}," said {f}. "[Then|And] I will be a {#job}," said {h}.'),
    ),
    (
        "happy f",
        ('"Would you rather have a {#beast} or a {#toy}?" asked {f}. {h} had to think. "A {#beast}," {he} said.'),
    ),
    (
        "happy f",
        (
            '"Are you hungry?" asked {h}. "[Always|A little|Very]," said {f}, and they ate '
            "{#food}[|, and then {#food}]."
        ),
    ),
    (
        "happy f day",
        (
            'A {#wild} [came very close|sat down near them]. "Don\'t move," whispered {f}. They '
            "[smiled|kept very still]."
        ),
    ),
    ("happy f", "{f} wore a {#color} {#garment} that day. It made {h} [smile|think of a {#beast}|laugh]."),
    ("happy g", '"When I was little, I was a bit like you," said {g}. {h} [liked|loved] to hear that.'),
    (
        "happy g",
        '"Are you hungry?" asked {g}. They [stopped|sat down] and had some {#food} and some {#drink}.',
    ),
    (
        "happy g",
        '"Why do {#beast+} not wear shoes?" asked {h}. {G} laughed. "[Maybe|I think] they like the mud."',
    ),
    ("happy g", "{G} told {him} about [a {#job}|a {#beast}] who had [lived there|passed by] many years ago."),
    ("sad", "{h} [did not feel|was not] hungry at all, not even for {#food}."),
    ("sad", "A [tear|big tear] [ran|rolled] down {his} [cheek|nose]."),
    (
        "sad",
        "{He} [sighed|sniffed] and [looked|stared] at the ground. [Nothing was fun now.|What could {he} do?]",
    ),
    ("sad", "{His} [heart|head|tummy] felt heavy, like a [big|wet|cold] stone."),
    ("sad out day", "Even the birds in the {#tree} [were quiet|had stopped singing]."),
    ("sad f", '"[Don\'t|Please don\'t] be sad," said {f}. "[I am here|We will think of something]."'),
    ("sad g", "{G} [held|took] {his} {paw}, and that helped a little."),
    (
        "scared",
        ("{His} heart went [boom, boom|thump, thump|very fast]. {His} [knees were|voice was|{paws} were] shaking."),
    ),
    ("scared", '"[I must be|I have to be|Be] brave," {he} [whispered|said to {self}|told {self}].'),
    ("scared", "{He} thought of [{g}|{#dream}|warm {#food}], and that helped [a little|for a moment]."),
    ("night", "The [moon|stars] [looked down|shone] [softly|through the window|over the hills]."),
    ("night", "[Outside|Somewhere], a {#wild} [called|moved], and then it was [quiet|still] again."),
    ("human out day happy", "A {#job} [walked by|went past] and [waved|said good day|smiled at {him}]."),
    ("human out day happy", "A dog ran by with a {#wear} in its mouth. [How funny!|Somebody would miss it!]"),
    (
        "beast out day happy",
        "A [wise|slow|very old] {#beast} [nodded|waved] at {him} from [the shade|far away].",
    ),
    ("rain", "[Drip, drop|Plip, plop], went the rain."),
    ("rain", "The wind [howled|blew hard|made the trees bend], and a {#wear} flew by."),
)

PRELUDES = (
    (
        "human",
        (
            "{H} had a room full of {#toy+} and {#find+}. {His} favorite was a {#color} {#toy} from "
            "{his} [aunt|uncle]."
        ),
    ),
    (
        "human",
        (
            "In the morning, {he} always had {#food} and {#drink}. Then {he} put on {his} {#color} "
            "{#garment} and ran out."
        ),
    ),
    (
        "human",
        "{h} knew everyone on the street: the {#job}, the {#job}, and even the old {#job} with the {#pet}.",
    ),
    (
        "human",
        (
            "{His} {home} was [small|warm|old], with a {#tree} in front and {#flower} behind it. "
            "There {h} felt safe."
        ),
    ),
    (
        "human",
        (
            '"What do you want to be one day?" people asked. "A {#job}!" {h} said on Mondays. On '
            'Fridays {he} said, "A {#job}!"'
        ),
    ),
    (
        "human",
        (
            "{h} had a {#pet}, too. It [slept in a {#wear}|ate {#food}|liked to sit on the "
            "{#furniture}], and {he} loved it."
        ),
    ),
    (
        "human",
        (
            "On Sundays, {g} [read to {him} from|told {him} stories out of] a thick book. {h} liked "
            "the one about {#dream} best."
        ),
    ),
    (
        "beast",
        (
            "{His} {home} was [small|warm|dry], under a big {#tree}. In the morning, {he} ate "
            "{#food} and listened to the birds."
        ),
    ),
    (
        "beast",
        (
            "{h} knew all the others: the {#beast} by the stream, the {#beast} under the roots and "
            "the old {#beast} on the hill."
        ),
    ),
    (
        "beast",
        "In a corner of {his} {home}, {he} kept {his} treasures: a {#find}, a {#find} and a {#look} {#find}.",
    ),
    (
        "beast",
        (
            "{G} was a good cook. {G_he} made {#food} in the summer and {#food} in the winter, and "
            "{h} was never hungry."
        ),
    ),
    (
        "beast",
        (
            "Every evening, {g} told a story about {#dream}. {h} [always fell asleep before the "
            "end|knew it by heart]."
        ),
    ),
    (
        "",
        (
            "[Some days|On rainy days], {h} stayed at home and played {#game}. [On other days|When "
            "the sun was out], {he} liked to explore."
        ),
    ),
    (
        "",
        (
            '{h} was not [big|strong] yet, but {he} had [good ideas|a big heart|quick feet]. "[One '
            'day|Soon] I will be [big|tall]," {he} said.'
        ),
    ),
)

AFTERMATHS = (
    (
        "f",
        (
            '"[What shall|What should] we do tomorrow?" asked {f}. "[Let\'s|We could] play {#game}," '
            'said {h}, "or look for {#find+}."'
        ),
    ),
    (
        "f",
        (
            '"You know what?" said {f}. "You are my best friend." {h} [turned red|smiled|did not '
            'know what to say]. "You are mine, too."'
        ),
    ),
    ("f", "They sat down under a {#tree} and ate {#food}. A {#wild} came and [got a crumb|listened], too."),
    (
        "f",
        ("{h} gave {f} a {#look} {#find} [to keep|as a present]. {f} kept it for years."),
    ),
    (
        "",
        (
            "[At dinner|In the evening], they ate {#food}. {h} told the story three times, and each "
            "time it got [a little longer|better]."
        ),
    ),
    (
        "",
        (
            'When {g} heard about it, {g_he} [smiled|nodded]. "[You have grown today|What a '
            '{#kind_trait} child you are|I could not have done it better|That makes me happy]," '
            "{g_he} said. {h} [stood up tall|felt warm inside]."
        ),
    ),
    (
        "",
        (
            '"Tell me everything," said {g}. So {h} sat down with {#drink} and {#food} and '
            "[began|told {g_him} all of it]."
        ),
    ),
    (
        "",
        (
            "{h} drew a picture of it[ all|], with a {#color} sun and a {#color} {#tree}. {G} "
            "[put|hung] it on the wall."
        ),
    ),
    (
        "",
        (
            '"[I am proud of you|You did well]," said {g} at bedtime. "[Sleep well|Sweet dreams], my '
            '[brave|clever|dear] {h}."'
        ),
    ),
    (
        "",
        (
            "{h} [put|kept] a {#color} {#find} [on the shelf|under {his} pillow|in a box], to remember "
            "that day [forever|for a long time]."
        ),
    ),
    (
        "",
        (
            "[Many years later|When {h} was old], {he} still [told people about it|thought of that "
            "day], and {he} always smiled."
        ),
    ),
    (
        "",
        ("That evening, the sky turned {#color} and {#color}. {h} looked at it for a long time and felt {#glad}."),
    ),
    (
        "g",
        ('"Can we do it again tomorrow?" asked {h}. "[Tomorrow|Maybe next week]," said {g} and [yawned|laughed].'),
    ),
    (
        "f",
        ('[Before they said goodbye|At the gate], {f} gave {h} a {#snack}. "[For the way|For you]," {f_he} said.'),
    ),
    (
        "out day",
        (
            "On the way home, {he} [hopped over every stone|skipped|sang] and [waved at a "
            "{#wild}|said hello to every {#tree}]."
        ),
    ),
    (
        "human",
        (
            'The next day at school, {he} told the others about it. "[Really|Is that true]?" they '
            'asked. "[Every word|It is]," said {h}.'
        ),
    ),
    (
        "human",
        (
            "{h} wrote it all down in a {#color} notebook. [It was {his} first story.|The letters "
            "were big and crooked.]"
        ),
    ),
    ("beast", "Soon the whole place had heard about it, from the smallest {#beast} to the oldest {#beast}."),
)
