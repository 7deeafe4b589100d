"""Plots of one hero against a task: fears, skills, warnings and contests."""

from storyworld.beats import aside, comfort, thanks
from storyworld.world import World

_FEARS = (
    "the dark; the light went out; the shadow in the corner was only a coat on a chair",
    "thunder; there was a loud boom outside; it was only the clouds bumping into each other",
    "deep water; {f} wanted to go swimming; the water held {him} up like a big soft bed",
    "high places; {his} {#toy} got stuck on a roof; up there {he} could see the whole world",
    "big dogs; a big brown dog sat in the middle of the path; the dog only wanted to lick {his} {paw}",
    "spiders; a spider sat on {his} pillow; the spider was more afraid than {he} was",
    "the wind; the windows began to shake; the wind only wanted someone to dance with",
    ("strangers; {g} sent {him} to the new neighbor with {#food}; the neighbor had a kind face and funny stories"),
    "loud noises; the drums began to play in the street; the drums sounded like a happy heart",
    "the old bridge; {h} had to cross it to get home; the bridge was strong and did not even shake",
)
_HUMAN_SKILLS = (
    (
        "ride a bike; the bike [wobbled and |]fell over; look ahead and not at your feet; rode "
        "all the way to the gate"
    ),
    "tie a bow; the knot came undone; make two bunny ears; made a perfect bow",
    "skate; {his} legs went in two directions; bend your knees a little; went round and round on the ice",
    (
        "bake bread; the bread was as hard as a stone; give the dough time to rest; took a "
        "golden loaf out of the oven"
    ),
    "play the {music}; it sounded like a sick {#beast}; play slowly at first; played a whole song",
    "read; the letters danced on the page; say the sounds one by one; read a whole page out loud",
    (
        "draw a horse; it looked like a {#furniture}; begin with the round parts; drew a horse "
        "that almost ran off the paper"
    ),
    (
        "throw a ball; the ball flew over the fence; look where you want it to go; threw the "
        "ball right into the basket"
    ),
    "write; the letters fell over; hold the pencil softly; wrote {his} name in big letters",
    "juggle; the balls fell on {his} head; begin with two; kept three balls in the air",
)
_SKILLS = (
    (
        "ride a bike; the bike [wobbled and |]fell over; look ahead and not at your feet; rode "
        "all the way to the gate"
    ),
    "tie a bow; the knot came undone; make two bunny ears; made a perfect bow",
    "skate; {his} legs went in two directions; bend your knees a little; went round and round on the ice",
    (
        "bake bread; the bread was as hard as a stone; give the dough time to rest; took a "
        "golden loaf out of the oven"
    ),
    "play the {music}; it sounded like a sick {#beast}; play slowly at first; played a whole song",
    "read; the letters danced on the page; say the sounds one by one; read a whole page out loud",
    (
        "draw a horse; it looked like a {#furniture}; begin with the round parts; drew a horse "
        "that almost ran off the paper"
    ),
    (
        "throw a ball; the ball flew over the fence; look where you want it to go; threw the "
        "ball right into the basket"
    ),
    "write; the letters fell over; hold the pencil softly; wrote {his} name in big letters",
    "juggle; the balls fell on {his} head; begin with two; kept three balls in the air",
)
_WARNINGS = (
    "do not go too near the [river|well]; leaned over the edge to see the fish; fell into the cold water",
    "do not touch the hot pot; wanted to smell the soup; burned {his} {paw}",
    "do not climb on the {#furniture}; wanted to reach the {#snack}; fell down with a big {#sound}",
    "do not eat the red berries; picked just three; got a very bad tummy",
    "do not run with a stick in your {paw}; wanted to be a {#job}; tripped over a stone",
    "do not go out without a coat; ran into the cold wind; began to sneeze and could not stop",
    "do not poke the bees' nest; only wanted to look inside; got a big sting on the {#body}",
    "do not open the old box; turned the key just a little; could not get out of a cloud of dust and moths",
    "stay on the path; followed a {#wild} into the thick trees; did not know the way back",
)
_CONTESTS = (
    "race; ran; fastest runner",
    "singing contest; sang; best singer",
    "baking contest; baked; best baker",
    "swimming race; swam; fastest swimmer",
    "dancing contest; danced; best dancer",
    "drawing contest; drew; best artist",
    "jumping contest; jumped; highest jumper",
    "kite contest; flew a {#color} kite; best flyer",
    "boat race; rowed; fastest boat",
    "story contest; told a story about {#dream}; best teller of tales",
)


def fear(w: World) -> None:
    w.deal(_FEARS, "fear", "event", "truth")
    w.tell(
        "There was only one [thing|problem]: {h} was afraid of {fear}.",
        "{h} was [brave|not afraid of much], but {he} was {#scared} when it came to {fear}.",
        "{h} did not like {fear}. [It made {him} shake.|Nobody knew about it.]",
    )
    w.tell("{Day}, {event}.")
    w.mood = "scared"
    aside(w, 0.7)
    w.tell(
        (
            '"[Help|Oh no|Oh]!" {h} [cried|whispered|squeaked]. {He} [hid|wanted to hide] [behind a '
            "{#furniture}|under a {#wear}]."
        ),
        "{h} [could not move|closed {his} eyes|held {his} breath]. {His} {paws} [shook|felt cold].",
        "\"I [can't|don't want to],\" said {h}. {His} voice was very small.",
    )
    w.para()
    helper = w.chance(0.6)
    if helper:
        w.tell(
            (
                '{G} [came|heard {him}] and [took {his} {paw}|sat down next to {him}]. "[I was afraid, '
                'too, once|You are not alone]."'
            ),
            (
                '"[Being brave|Courage] does not mean that you have no fear," said {g}. "It means that '
                'you [try|go on]."'
            ),
            '"[Let us look together|Count to three with me|Take a deep breath]," said {g}.',
        )
    else:
        w.tell(
            "{h} [thought of|remembered] a song that {g} always sang, and {he} began to [hum|sing] it.",
            "{h} held {his} {#toy} tight and [took one step|counted to {age}].",
            '"I am {h}, and I am [brave|strong|big]," {he} told {self} three times.',
        )
    w.tell(
        (
            "[One, two, three|Step by step|Slowly|{#Manner}], {he} [tried|went on|opened {his} "
            "eyes]. [And then|And look]: {truth}!"
        ),
        "{He} took a [deep|big] breath. And [then {he} saw it|it was not so bad]: {truth}.",
    )
    w.mood = "happy"
    w.tell(
        '{h} [laughed|began to laugh]. [How silly!|"Is that all?" {he} asked.]',
        '"[I did it|I am not afraid anymore]!" {he} [shouted|said {#manner}].',
    )
    if helper:
        thanks(w, "g")
    elif w.more():
        w.tell('{He} told {f} about it. "[Really?|Wow!|You?]" said {f}. "I am a bit afraid of {#beast+} myself."')
    if w.more(0.4):
        w.tell("After that, {h} was [never|not so] afraid of {fear} [again|anymore].")
    w.moral = "[being brave means trying even when you are afraid|things are often less scary than they seem]"


def skill(w: World) -> None:
    w.name(music="music")
    w.deal(_HUMAN_SKILLS + _SKILLS if w.human else _SKILLS, "skill", "fail", "tip", "win")
    w.tell(
        "{Day}, {h} wanted to learn to {skill}. [All the others could do it.|{f} could already do it.|]",
        '{h} [saw|watched] {f} {skill}. "[I want to do that, too!|Can I learn that?]" {he} said.',
        "There was one thing {h} could not do: {he} could not {skill}.",
    )
    w.tell("{He} tried[ at once|], but {fail}. [{He} tried again, but {fail} again.|Everybody laughed.|]")
    w.mood = "sad"
    w.tell(
        ('"[I will never learn it|It is too hard|I give up]!" {h} [said|cried] and [stamped {his} foot|sat down].'),
        "{h} [wanted to give up|was so angry that {he} kicked a stone|felt {#sad}].",
    )
    aside(w)
    w.para()
    who = w.pick(("f", "g"))
    w.company = (who,)
    w.tell(
        '"[Try again|Don\'t give up|Not so fast]," said {' + who + '}. "You must {tip}."',
        "{" + who.upper() + '} [watched|had an idea]. "[Here is a trick|I will tell you a secret]: {tip}."',
    )
    w.tell(
        (
            "[Every day|Every afternoon|Day after day], {h} [practiced|tried]. [Some days were good "
            "and some were bad.|]"
        ),
        "{h} tried once, twice, [ten|twenty|a hundred] times. [It got a little better each time.|]",
        "{He} fell, [rested|laughed] and tried again.",
    )
    if w.chance(0.15):
        w.tell('{h} still could not do it [well|very well], but {he} was not sad. "[Next year|Soon]!" {he} said.')
        w.tell("It was fun to try[.|, and that was enough.]")
        w.mood = "happy"
        w.moral = "trying is already something to be proud of"
        return
    w.mood = "happy"
    w.tell("[And then|And one day|At last|Then, one morning], {h} {win}!")
    w.tell(
        '"[Look|I can do it|Did you see that]!" {he} [shouted|cried]. [Everyone clapped.|{f} cheered.|]',
        "{h} could [hardly|not] believe it. {He} did it again, just to be sure.",
        '{G} [clapped|smiled|was so proud]. "[I knew it|Well done|Good job], {h}!" {g_he} said.',
    )
    if w.more(0.4):
        w.tell("The next [week|day], {h} [taught|showed] a [smaller|younger] {f_kind} how to {skill}.")
    w.moral = "you should never give up"


def warning(w: World) -> None:
    w.deal(_WARNINGS, "rule", "urge", "harm")
    w.tell(
        (
            '{Day}, {h} was [ready to go|going out to play]. "Please {rule}," said {g}. [{h} '
            'nodded.|"Yes, {gv}," said {h}.]'
        ),
        '"Remember, {h}: {rule}," said {g} every day.',
    )
    w.tell(
        "But {h} was [so |very ]curious. When nobody was looking, {he} {urge}.",
        '"Just once," {h} [thought|whispered], and {he} {urge}.',
        "But as soon as {g} was gone, {he} {urge}.",
    )
    w.mood = "scared"
    w.tell("[Then|And then] it happened. {He} {harm}.", "[Oh no|Oh dear|Oh]! {He} {harm}.")
    aside(w)
    w.para()
    w.tell(
        '"[Help|Help me|{gv}, help]!" {he} [cried|called|shouted].',
        "{h} [began to cry|called for {g}|was very {#scared}].",
    )
    if w.chance(0.3):
        w.tell(
            "A {#job} heard {him} and [helped {him}|came at once]."
            if w.human
            else "A {#beast} heard {him} and came at once."
        )
        w.tell("{G} came, too, out of breath.")
    else:
        w.tell("{G} [heard|found] {him} and [came running|came at once|took {him} home].")
    w.tell(
        (
            "{G_he} [put a warm {#cover} around {him}|cleaned {him} up|gave {him} some {#food}] and "
            "[held {him} tight|sat with {him}]."
        ),
        '"[I was so worried|Now you know why I said it]," said {g}.',
    )
    w.tell('"I am sorry, {gv}. I [should have listened|will listen next time]," said {h}.')
    w.mood = "happy" if w.chance(0.7) else "sad"
    w.moral = "[it is important to listen|rules are there to keep us safe]"


def contest(w: World) -> None:
    w.go(w.somewhere(outdoors=True))
    w.deal(_CONTESTS, "race", "did", "title")
    w.name(prize="snack", rival="beast_name" if not w.human else w.slots["f_kind"])
    w.tell(
        "{Day}, there was a {race}. The prize was a [big|golden|huge] {prize}.",
        '{Day}, {h} heard of a {race}. [Everybody could come.|"I want to win," {he} said.]',
    )
    w.tell(
        "{h} [practiced|got ready] for [days|weeks]. [{G} helped {him}.|{f} watched and cheered.|]",
        '"I will win[, of course|]," said {rival}, who was very proud. "You are too [slow|small|silly]."',
        "{h} was [nervous|excited]. {His} {#body} would not keep still.",
    )
    w.company = ()
    w.para()
    w.tell(
        '"[Ready, set, go|One, two, three, go|Begin]!" [called|cried] the {#job}.'
        if w.human
        else '"[Ready, set, go|Begin]!" cried the old {#beast}.'
    )
    branch = w.rng.random()
    if branch < 0.35:
        w.tell("{h} {did} as well as {he} could. [{rival} was good, but {h} was better.|It was very close.]")
        w.tell("{h} won! [Everyone cheered.|{He} was the {title} of all.]")
        w.tell("{He} [cut|broke] the {prize} into pieces and shared it with [everyone|{rival}, too].")
        w.moral = "practice helps"
    elif branch < 0.7:
        w.tell("{h} was doing well. But then {rival} [fell|got stuck|began to cry].")
        w.tell("{h} could [win now|have won]. But {he} stopped and [helped|went back to] {rival}.")
        w.tell("So someone else won. But everyone had seen what {h} did, and they cheered for {him} the most.")
        w.tell('"Thank you," said {rival}. "I was not nice to you[, and you helped me|]."')
        w.moral = "helping is better than winning"
    else:
        w.tell("{h} {did} as well as {he} could, but {rival} was better. {rival} won.")
        w.mood = "sad"
        w.tell("{h} [wanted to cry|looked at {his} feet|was {#sad}].")
        comfort(w)
        w.tell(
            (
                'Then {h} went to {rival}. "[You were great|Well done]," {he} said. {rival} '
                "[smiled|shared the {prize} with {him}]."
            ),
            (
                '"Did you have fun?" {g_he} asked. {h} thought about it. "Yes," {he} said. "[A lot|And I '
                'will try again]!"'
            ),
        )
        w.moral = "it is all right to lose"
    w.mood = "happy"


TASKS = (
    fear,
    skill,
    warning,
    contest,
)
