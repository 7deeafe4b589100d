"""Plots between people: quarrels, mistakes, promises and new neighbors."""

from storyworld.beats import aside, comfort, meet, treat
from storyworld.world import World

_QUARRELS = (
    "both wanted to go first",
    "both wanted to be the {#job} in the game",
    "could not agree which game to play. One wanted {#game}, and the other wanted {#game}",
    "both wanted the last {#snack}",
    "both wanted the {#color} {#toy}",
    "each said that the other had cheated at {#game}",
    "each wanted to sit [on the big stone|by the window]",
    "could not agree if the {#wild} was {#color} or {#color}",
)
_PROMISES = (
    "feed {f_pos} fish while {f_name} was away; the fish; was swimming around the empty bowl, very hungry",
    "water {g_pos} {#flower} every day; the flowers; let their heads hang down",
    "be home before dark; {g}; stood at the door with a lamp, very worried",
    "help {f_name} build a {thing}; {f_name}; sat alone with {#stuff} and {#stuff}, waiting",
    "close the gate of the hen house; the hens; were running all over the garden",
    "bring {g} some {#food} at noon; {g}; had waited all day and was very hungry",
    "look after {f_pos} {#pet}; the little animal; was hiding under the {#furniture}, all alone",
)
_MISTAKES = (
    "spilled {#color} paint all over {g_pos} {#wear}; wash it",
    "stepped on {g_pos} {#flower}; plant new ones",
    "left the door open, and {g_pos} hens ran out; catch them all",
    "dropped a whole basket of eggs; clean the floor",
    "cut a hole in {g_pos} {#wear} to make a {#toy}; sew it up again",
    "ate the {#food} that {g} had made for a {#job}; make some more",
    "put salt into the cake instead of sugar; bake it again",
    "kicked the ball right through {g_pos} window; sweep up the glass, {#manner} and with thick gloves",
)


def quarrel(w: World) -> None:
    meet(w)
    if w.more(0.5):
        aside(w, 0.9)
    w.deal(_QUARRELS, "why")
    w.tell("But then they {why}.", "[Everything was fine|It was fun], until they {why}.", "But they {why}.")
    w.tell(
        (
            '"[Me|I was first|It is my turn]!" [said|cried] {h}. "[No, me|You always say that|That is not '
            'fair]!" [said|cried] {f}.'
        ),
        "They [shouted|pushed and pulled] until {#stuff} and {#stuff} flew [everywhere|through the air].",
    )
    w.tell(
        '"[I don\'t want to play with you|You are not my friend] anymore!" [said|shouted] {f}.',
        "{f} [ran|walked] away.",
    )
    w.company = ()
    w.mood = "sad"
    w.para()
    w.tell(
        "{h} [went home|sat down alone|kicked a {#find}]. At first {he} was angry. Then {he} was {#sad}.",
        "{h} played {#game} alone, but [it was no fun|nobody answered].",
        "It was very [quiet|still] without {f}.",
    )
    aside(w)
    if w.chance(0.5):
        comfort(w)
        w.tell(
            (
                '"Friends [fight sometimes|do not always agree]," {g_he} said. "[But they make up '
                'again|Go and talk to {f_name}]."'
            ),
            '"What is more important, to be right or to have a friend?" {g_he} asked.',
        )
        w.para()
    branch = w.rng.random()
    if branch < 0.4:
        w.tell("{H} [made|drew] a {#look} card with a {#beast} on it and [took|brought] it to {f}.")
    elif branch < 0.7:
        w.tell("{h} took {his} best {#toy} and went to {f}. But {f} was already on the way to {him}!")
        w.tell('They met in the middle and both said "sorry" at the same time.')
    else:
        w.name(a="sound")
        w.tell(
            "Then {he} heard a {a}. {f} had fallen into [a ditch|the mud|a bush]! {h} ran and pulled {f_him} out."
        )
    w.company = ("f",)
    w.mood = "happy"
    w.tell(
        ('"I am sorry," said {h}. "[I was mean|You can have it|You can go first]." "I am sorry, too," said {f}.'),
        (
            '"[Can we be friends again|Do you want to be friends again]?" asked {h}. {f} '
            "[nodded|smiled|hugged {him}]."
        ),
    )
    w.tell(
        "[This time|Then] they took turns, and it was [much better|twice as much fun].",
        "They [laughed|talked] and played {#game} until [dark|dinner].",
    )
    if w.more(0.4):
        treat(w)
    w.moral = "[a friend is worth more than being right|it is good to say sorry]"


def mistake(w: World) -> None:
    w.deal(_MISTAKES, "oops", "repair")
    w.tell(
        "{Day}, {h} was [playing {#game}|in a hurry|not looking]. [Oops!|Crash!|Oh no!] {He} {oops}.",
        "{Day}, something bad happened. {h} {oops}.",
        "{Day}, {h} only wanted to help, but {he} {oops}.",
    )
    w.mood = "sad"
    w.tell(
        '{h} [looked|stared] at it with big eyes. "[What have I done|Oh dear]!" {he} [said|whispered].',
        "{h} felt [hot|cold] and {#scared}.",
    )
    if w.chance(0.5):
        w.tell("{He} wanted to run away and hide, but {his} feet did not move.")
        aside(w)
        w.para()
        w.tell(
            'Then {he} went to {g}. "[I have to tell you something|It was me]," {he} said. "[I am '
            'sorry|I am so sorry]."'
        )
    else:
        w.tell(
            "{He} hid [under the bed|in the garden|behind the {home}] and hoped that {g} would not [see it|notice]."
        )
        aside(w)
        w.para()
        w.tell(
            'But {g} did see it. "{h}, [do you know what happened|was this you]?" {h} [nodded|began to cry]. "Yes."'
        )
    w.tell(
        (
            '{G} [was quiet|looked at {him}] for a moment. "[Everybody makes mistakes|Thank you for '
            'telling me]," {g_he} said.'
        ),
        ('{G} was [angry|cross], but only a little. "[What can we do now|How can we fix it]?" {g_he} asked.'),
    )
    w.tell(
        '"[I can|I will|Let me] {repair}," said {h}.',
        "So {h} helped to {repair}.",
        "Together, they began to {repair}.",
    )
    w.tell(
        "It took all [day|morning|afternoon], and {h} [worked hard|did not stop once].",
        "{H} even gave {g} {his} best {#find}[.|, and {g} laughed.]",
        "When they were done, {g} [gave {him} a hug|smiled again].",
    )
    w.mood = "happy"
    w.moral = "[it is brave to say sorry|everyone makes mistakes, but you can make up for them]"


def promise(w: World) -> None:
    w.name(thing="toy")
    w.deal(_PROMISES, "deed", "who", "waiting")
    to_friend = w.slots["f_name"] in w.slots["deed"]
    w.slots["to"] = w.slots["f_name" if to_friend else "g"]
    if to_friend:
        meet(w)
        w.tell("{h} promised to {deed}.", '"You can count on me," said {h}. {He} promised to {deed}.')
        w.company = ()
    else:
        w.tell(
            '{Day}, {h} promised to {deed}. "[You can count on me|I will not forget|Really]!" {he} said.',
            "{Day}, {h} made a promise. {He} said {he} would {deed}.",
        )
    w.tell(
        (
            "But then {he} [saw|met] a {#job} [with a {#beast}|who was singing|with a bag full of "
            "{#toy+}] and [stayed|forgot the time]."
        )
        if w.human
        else (
            "But then {he} [saw|met] a {#beast} [who was singing|with a basket of {#food}] and "
            "[stayed|forgot the time]."
        ),
        "But it was such a [nice|warm] day, and there was so much to [see|do].",
        "But {he} began to play {#game}, and [then {#game}|it was so much fun].",
    )
    aside(w)
    w.para()
    if w.chance(0.5):
        w.tell(
            'Suddenly {he} [stopped|remembered]. "[My promise|Oh, I promised]!" {he} [cried|said].',
            'Then a little voice inside {him} said, "[What about your promise|You promised]."',
        )
        w.tell(
            "It was hard to leave, but {h} ran [all the way back|as fast as the wind].",
            "{He} said goodbye at once and [ran|hurried] off.",
        )
        w.tell("{He} was just in time[.|, and {he} did what {he} had promised.]")
        w.tell(
            '"I knew I could [trust you|count on you]," said {to}.',
            "{h} was tired, but {he} felt [good|proud].",
        )
        w.mood = "happy"
        w.moral = "you should keep your promises"
        return
    w.tell("When {he} [remembered|came back], it was [late|dark|too late]. {Who} {waiting}.")
    w.mood = "sad"
    w.tell(
        '"[I forgot|I am sorry|I am so sorry]," said {h}, but [sorry was not enough|that did not help much].',
        "{h} [felt|was] {#sad}. {He} had broken {his} promise.",
    )
    if w.chance(0.6):
        w.tell("[The next day|For a whole week], {h} got up early and [worked hard to make it good|did it twice].")
        w.tell('{To} saw it and [nodded|smiled]. "[That is better|Now I trust you again]," said {to}.')
        w.mood = "happy"
    w.moral = "a promise is important"


def newcomer(w: World) -> None:
    w.go(w.somewhere(outdoors=True))
    w.name(shared="game", f=w.slots["f_kind"] if w.human else "beast_name")
    w.slots["f_name"] = w.slots["f"]
    if w.human:
        w.tell(
            "{Day}, a new {f_kind} came to [school|the street]. {F_his} name was {f_name}, and "
            "{f_he} [said nothing|was very shy]."
        )
    else:
        w.tell(
            "{Day}, a new {f_kind} came to [the woods|live nearby]. {F_his} name was {f_name}, and "
            "{f_he} was very shy."
        )
    w.tell(
        ("{f} [sat|stood] alone [under a {#tree}|in a corner] and [looked at {f_his} feet|held a {#toy} tight]."),
        (
            "The others [laughed at|did not talk to] {f}, because {f_he} [had a funny {#wear}|spoke "
            "in a strange way]."
        ),
    )
    aside(w)
    w.tell("{h} [remembered|knew] how it was to be alone.", "At first, {h} did not [dare|know what to say].")
    w.para()
    w.tell(
        'Then {he} [went|walked] over. "[Hello|Hi], I am {h}. Do you want to play {shared}?"',
        '{h} held out a {#snack}. "[Do you like this|Would you like half]?" {he} asked.',
    )
    w.company = ("f",)
    w.tell(
        '{f} [looked up|smiled a little]. "[Yes|Yes, please]," {f_he} [whispered|said {#manner}].',
        '{f} [said nothing, but {f_he} nodded|looked surprised]. ["For me?" {f_he} asked.|]',
    )
    w.tell(
        "It turned out that {f} could [{#like}|play {#game}] better than anyone."
        if w.human
        else "It turned out that {f} could {#beast_like} all day.",
        "{f} told {him} about {f_his} old home, where there were {#beast+} and {#flower} everywhere.",
    )
    w.mood = "happy"
    w.tell(
        "[Soon|The next day|After a week], everyone wanted to play with {f}.",
        "From then on, they [walked home|played] together every day.",
    )
    w.moral = "[a kind word can make a friend|it is good to be friendly to new people]"


BONDS = (
    quarrel,
    mistake,
    promise,
    newcomer,
)
