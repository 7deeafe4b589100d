"""Plots about having and giving: sharing, finding what belongs to another, buying, surprising."""

from storyworld.beats import aside, comfort, trip
from storyworld.world import World


def sharing(w: World) -> None:
    food = w.chance(0.5)
    w.name(treat="snack" if food else "toy")
    w.tell(
        "{Day}, {g} gave {h} a {#look} {treat}." if not food else "{Day}, {g} gave {h} a {treat}.",
        ("{Day}, {h} [found a {treat} in {his} bag|found a {treat} on the {#furniture}|got a {treat} from {g}]."),
    )
    w.tell(
        "It [looked|smelled] so good that {h} wanted to [eat it all|keep it for later]."
        if food
        else "{h} [would not let anybody touch it|played with it all day].",
        '"[Wow|Oh]! [This is all for me|It is all mine]!" said {h}.',
    )
    w.tell(
        '{F} came by. "[May I have a bite|Can I have some|Will you share with me]?" {f_he} asked.'
        if food
        else '{F} came by. "[May I play with it|Can I have a turn|Can we play together]?" {f_he} asked.',
    )
    w.company = ("f",)
    if w.chance(0.4):
        w.tell(
            '"[Yes, of course|Sure|Here you are]," said {h}. [{He} {#manner} broke it in two.|]'
            if food
            else (
                '"[Yes, of course|Sure|Here you are]," said {h}. They took turns and [laughed a lot|made '
                "up new games]."
            ),
            "{h} thought about it. Then {he} [nodded|smiled] and [held it out|said yes].",
        )
        aside(w)
        w.para()
        w.tell(
            "The next day, {f} had {#food}, and {h} had nothing. So {f} shared, too.",
            "{f} was so {#glad} that {f_he} gave {h} a {#color} {#find}.",
            '"It [tastes better|is more fun] when we share," said {h}.'
            if food
            else '"It is more fun with two," said {h}.',
        )
    else:
        w.tell(
            '"No! It is mine," said {h}, and {he} [turned around|ran away|held it tight].',
            '{h} shook {his} head. "No. [You would take too much|I got it, not you|Go away]."',
        )
        w.tell("{f} [was sad and|looked down and|said nothing and] went away.", "{f} started to cry.")
        w.company = ()
        w.mood = "sad"
        w.para()
        w.tell(
            "{h} [ate|took a big bite], but [it did not taste good|{he} was not happy at all]."
            if food
            else "{h} played alone, but [it was no fun|it was boring|nobody laughed with {him}].",
            "{h} sat alone [under a {#tree}|behind the {home}]. It was [too |very ]quiet.",
        )
        aside(w)
        if w.chance(0.5):
            w.tell('"How would you feel if {f_name} did not share with you?" [asked {g}|{g} said].')
        w.tell(
            (
                '{h} [ran after|went to find] {f}. "I am sorry," {he} said. "[Let\'s share it|Here, this '
                'half is for you]."'
            )
            if food
            else (
                '{h} [ran after|went to find] {f}. "I am sorry," {he} said. "[Let\'s share it|You can '
                'have a turn]."'
            ),
        )
        w.company = ("f",)
        w.tell(
            "{f} [wiped {f_his} eyes and smiled|smiled at once|gave {him} a hug].",
            '"[Thank you|Really|I would like that]!" said {f}.',
        )
        w.moral = "sharing makes everything [better|more fun]"
    w.mood = "happy"
    if w.more():
        w.tell(
            "They [sat|stayed] together until [the sun went down|it was time for dinner].",
            "Then they played {#game} [until dinner|until they were tired|with {#job} hats on].",
        )


def finders(w: World) -> None:
    """Something is found that belongs to someone."""
    trip(w)
    w.name(thing="wear")
    w.slots["s0"] = w.spots(1)[0]
    w.slots["fine"] = f"{w.draw('look')} {w.slots['thing']}"
    w.tell(
        "[There, {s0}|{S0}], {he} [saw|found|spotted] a {fine}.",
        "Something [lay|was] {s0}. It was a {fine}!",
        "{He} looked {s0} and [found|saw] a {fine}. [Whose was it?|Nobody was there.]",
    )
    w.tell(
        '"[Finders keepers|I want to keep it|How nice]," {he} [said|thought].',
        "{h} put it on {his} {#body} and [felt like a {#job}|laughed].",
        "{He} wanted to [keep|have] it very much.",
    )
    aside(w)
    w.para()
    w.name(owner="job" if w.human else "beast")
    w.tell(
        "[Then|Soon|A little later] {he} [saw|met] a {owner} who was looking everywhere.",
        "[Then|Just then] a {owner} came by. The {owner} was {#sad}.",
    )
    w.tell(
        (
            '"I lost my {thing}," said the {owner}. "[My mother gave it to me|I have had it for '
            'years|I need it for work]."'
        ),
        '"[Have you seen|Did you find] a {fine}?" asked the {owner}.',
    )
    if w.chance(0.6):
        w.tell(
            (
                '{h} [thought for a moment|swallowed]. Then {he} [held it out|gave it back]. "[Is this '
                'yours|Here it is]."'
            ),
            '"[Here|Look], I found it," said {h} at once.',
        )
        w.tell(
            ('The {owner} [danced with joy|laughed|was so {#glad}]. "[Thank you, little one|How honest you are]!"'),
            "The {owner} gave {h} {#food} as a thank you.",
            "The {owner} [showed|taught] {him} how to {#like}."
            if w.human
            else "From then on, the {owner} was {his} friend.",
        )
        w.moral = "it feels good to be honest"
        w.mood = "happy"
        return
    w.tell('"No," said {h}, and {he} [hid|held] the {thing} behind {his} back.', "{h} said nothing and ran home.")
    w.mood = "sad"
    w.tell("But now the {thing} did not [feel nice|look pretty] anymore.", "All day {he} thought of the {owner}.")
    comfort(w)
    w.tell(
        'They [went|walked] back together. "I am sorry," said {h}, and {he} gave the {thing} back.',
        "{h} knew what to do. {He} ran [all the way|as fast as {he} could] and gave the {thing} back.",
    )
    w.tell("The {owner} [smiled|was not angry].", '"Thank you," said the {owner}. "That was not easy, was it?"')
    w.mood = "happy"
    w.moral = "you should give back what is not yours"


def market(w: World) -> None:
    w.company = ("g",)
    w.name(want="toy", gift="wear", other="snack")
    w.tell(
        "{Day}, {h} had [one coin|three coins|a little money] [in {his} pocket|from {g}].",
        (
            "{h} had saved [five|seven|ten] coins in a {#look} jar. {Day}, {he} [went to the "
            "market|went shopping] with {g}."
        ),
    )
    w.tell(
        (
            "In [the shop|the market|a shop window] {he} saw a {#color} {want}. [{He} wanted it so "
            "much!|It was so {#look}!]"
        ),
        '"[Look|Oh, look], {gv}! A {want}!" said {h}. "[I want to buy it!|Can I have it?|I need it!]"',
    )
    if w.more():
        w.tell(
            "People sold {#food}, {#food} and {#flower}, and a {#job} was singing.",
            "A man [sold|shouted about] {#food}, and a woman [sold|was weighing] {#food}.",
        )
    w.para()
    branch = w.rng.random()
    if branch < 0.4:
        w.tell(
            "But next to it {he} saw a {gift}. {H} [remembered|thought of] {f}, who had lost {f_his} {gift}.",
            ("But then {h} remembered that it was the birthday of {f} [soon|the next day]. {f} wanted a {gift}."),
        )
        w.tell(
            "{He} [thought|looked at the {want}] for a long time. [Then {he} bought|In the end {he} "
            "took] the {gift}."
        )
        w.tell(
            '{f} was so {#glad}! "[How did you know|For me]?" {f_he} [asked|cried].',
            "When {f} saw it, {f_he} [jumped up and down|put it on at once|gave {h} a big hug].",
        )
        w.moral = "giving is as nice as getting"
    elif branch < 0.7:
        w.tell('"[That costs|It costs] [ten|twelve|twenty] coins," said the {#job}. {h} did not have enough.')
        w.mood = "sad"
        w.tell('"You could [work for|earn] it," said {g}. So {h} began to {#chore}, and to {#chore}.')
        aside(w)
        w.tell(
            (
                "[After a week|After many days|Coin by coin] {he} had enough. {h} was so {#glad} when "
                "{he} held the {want}!"
            ),
            (
                "When {he} came back, the {want} was gone! But {g} had [bought|kept] it for {him}. {h} "
                "[cheered|laughed]."
            ),
        )
        w.moral = "it is worth waiting for good things"
    else:
        w.tell(
            "{h} bought it at once. On the way home, {he} saw a {other}, but [now there was|{he} "
            "had] no money left."
        )
        w.tell("And at home, the {want} [broke after a day|was boring after an hour].")
        w.mood = "sad"
        w.tell('"[Next time|One day] you will think a bit longer," said {g}, and {g_he} gave {him} a {other}.')
        w.moral = "you should think before you buy"
        return
    w.mood = "happy"


def surprise(w: World) -> None:
    """A secret, told from the side of the one it is kept from or of the one who keeps it."""
    w.name(gift="wear", dish="snack")
    if w.chance(0.5):
        w.tell("{Day} it was {h}'s birthday, but [nobody said anything|no one seemed to know].")
        w.tell(
            '{H} went to {f}. "I have no time," said {f}[, and {f_he} closed the door|]. "[Maybe|Come back] later."'
        )
        w.tell(
            "{G} was [busy|in a hurry], too[, and hid something behind {g_his} back|].",
            'Even {g} only said, "[Go and play|Not now], {h}."',
        )
        w.mood = "sad"
        aside(w, 0.6)
        w.tell(
            "{h} thought that [everyone had forgotten|nobody liked {him}|there would be no {#snack} "
            "this year]. {He} [sat down under a {#tree}|walked home slowly]."
        )
        w.para()
        w.tell(
            (
                'When {he} opened the door, it was dark. Then the light came on. "Surprise!" [shouted '
                "everyone|they all cried]."
            ),
            'Suddenly {he} heard a {#sound}. {f}, {g} and all the others jumped out. "Happy birthday!"',
        )
        w.tell(
            "There was a {dish} with candles, and {f} had made {him} a {#color} {gift}.",
            "There were balloons and {#food}, and they played {#game} and {#game}.",
        )
        w.tell(
            '"[You did not forget|I thought you forgot]!" said {h}.',
            "{h} [laughed|cried a little, because {he} was so {#glad}].",
        )
    else:
        w.tell(
            (
                "{Day}, {h} had a secret. [Soon|Tomorrow] it would be {g_pos} birthday, and {he} wanted "
                "to make a {gift}."
            ),
            "{h} wanted to surprise {g}. {Day}, {he} began to make a {gift} out of {#stuff} and {#stuff}.",
        )
        w.tell(
            (
                "{He} worked [in secret|behind the {home}|under the {#furniture}] [every day|until {his} "
                "{paws} hurt]."
            ),
            "[First it looked funny|It was hard work], but {f} helped {him}.",
        )
        w.tell(
            '"What are you doing?" asked {g}. "[Oh, nothing|It is a secret]," said {h} and [hid|covered] it.',
            ("{G} [asked|wondered] why {h} [was so quiet|had paint on {his} {#body}]. {h} only [smiled|giggled]."),
        )
        aside(w)
        if w.chance(0.4):
            w.tell(
                "Then {f} [almost|nearly] told the secret! {h} [coughed|sang] very loudly, and {g} heard nothing."
            )
        w.para()
        w.tell('At last the day came. "[Happy birthday|This is for you|Close your eyes], {gv}!" said {h}.')
        w.tell(
            "{G} [opened {g_his} eyes|looked at it] and [had to sit down|smiled the biggest smile].",
            ('"You made this [all by yourself|for me]?" {g_he} asked. "It is [wonderful|the best gift of all]."'),
        )
        w.tell("{G} [wore|used] the {gift} every day.", "They ate {#food} and danced around the {#furniture}.")
    w.mood = "happy"


GIFTS = (
    sharing,
    finders,
    surprise,
)
HUMAN_GIFTS = (market,)
