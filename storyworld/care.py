"""Plots of helping: animals in need, the sick, the grumpy and the busy."""

from storyworld.beats import aside, treat, trip, trip_with
from storyworld.world import World

_TROUBLES = (
    "had hurt its {limb}; put a soft cloth around it and carried it home; let it rest in a box with {#stuff}",
    "was stuck in a [net|fence|thorn bush]; pulled the [strings|branches] apart; gave it some water",
    "had lost its mother; looked for her behind every {#tree}; followed a small {#sound}",
    "was cold and wet; dried it with {his} {#cover}; kept it warm all night",
    "was very hungry; gave it some {#food}; brought more the next day",
    "could not get down from a {#tree}; [climbed up|found a ladder]; held out both {paws}",
    "had fallen into a hole; let down a [rope|long branch]; waited until it dared to climb",
)


def animal(w: World) -> None:
    trip(w, outdoors=True) if w.chance(0.6) else trip_with(w, "f", outdoors=True)
    w.name(a="pet", limb="limb")
    w.deal(_TROUBLES, "trouble", "help", "care")
    w.slots["s0"] = w.spots(1)[0]
    w.tell(
        "[There|Suddenly] {he} heard a [small|soft|sad] {#sound}. {S0} [sat|was] a {a}. It {trouble}.",
        "{S0}, {he} [saw|found] a {a}. It {trouble}.",
    )
    w.tell(
        ('"[Poor little thing|Oh, you poor {a}|Don\'t be afraid]," said {h}. "[I will help you|Let me help you]."'),
        "[The {a} looked at {him} with big eyes.|The {a} was {#scared}.] {h} [moved|spoke] very {#manner}.",
    )
    aside(w)
    w.para()
    w.tell("{h} {help}. {He} {care}.", "First {he} {help}. Then {he} {care}.", "So {h} {help}, and {he} {care}.")
    branch = w.rng.random()
    if branch < 0.35:
        w.tell(
            "[After a few days|The next morning|Soon] the {a} was [well|strong] again.",
            "[Soon|Before long] the {a} [made a happy {#sound}|was much better].",
        )
        w.tell(
            (
                '{h} wanted to keep it. "[It has a home|It belongs outside]," said {g} {#manner}. {h} '
                "knew it was true."
            ),
            "It was time to say goodbye. {h} was a little {#sad}, but {#glad}, too.",
        )
        w.tell("The {a} looked back once and [was gone|went home].", "It came [to visit|back] every spring.")
        w.moral = "if you love something, you can let it go"
    elif branch < 0.65:
        w.tell(
            "[A week later|Some days later|Later that year], {h} [got lost|fell into a hole|lost "
            "{his} {#wear}] {at}."
        )
        w.mood = "sad"
        w.tell("Who came? The {a}! It [showed {him} the way|ran for help|made a loud {#sound} until {g} came].")
        w.tell(
            '"[Now you have helped me|Now we are even]," said {h}.',
            "They were friends for the rest of their lives.",
        )
        w.moral = "if you are kind to others, they will be kind to you"
    else:
        w.tell(
            '"[Can we|May I] keep it[, {gv}|]?" asked {h}. {G} [thought about it|smiled]. "[Yes|If '
            'you take care of it]," {g_he} said.'
        )
        w.name(pet_name="beast_name")
        w.tell(
            "{h} [named|called] the {a} {pet_name}. {pet_name} [slept in a box|ate {#food}|followed "
            "{him} everywhere]."
        )
    w.mood = "happy"


def sickbed(w: World) -> None:
    w.go(w.somewhere(outdoors=False))
    ill = w.chance(0.5)
    who, name = ("f", "{f}") if ill else ("g", "{g}")
    w.tell("{Day}, " + name + " was sick [and had to stay in bed|in bed with a fever|and could not get up].")
    w.mood = "sad"
    w.tell(
        '{h} [felt|was] {#sad}. "[What can I do|How can I help]?" {he} [asked|thought].',
        "{h} wanted to help.",
    )
    w.para()
    w.tell(
        (
            "{He} [made|cooked] some {#food}. [It was too salty|It looked strange|It was a bit "
            "burned], but it was made with love."
        ),
        "{He} picked {#flower} and [put them next to the bed|tied them with a {#find}].",
        "{He} drew a picture of a {#beast} [riding a {#toy}|with a {#wear}].",
    )
    w.tell(
        "{He} [read stories about {#dream}|sang a song|told funny stories] until "
        + name
        + " [fell asleep|smiled].",
        "Then {he} began to {#chore}, all by {self}." if w.human else "Then {he} swept the floor, all by {self}.",
    )
    aside(w)
    w.tell('"[You are a good doctor|That helps more than medicine|Now I feel better]," said ' + name + ".")
    w.mood = "happy"
    w.tell(
        "[After three days|The next morning|Soon], {" + who + "_he} was well again.",
        "The next week, {h} was sick, and " + name + " came with {#food}. They both laughed.",
    )
    if w.more():
        treat(w)
    w.moral = "love is the best medicine"


def grump(w: World) -> None:
    """Someone unkind turns out to need a friend."""
    w.go(w.somewhere(outdoors=True))
    w.name(ogre="ogre")
    w.tell(
        (
            "Near {place} lived a [grumpy|mean|very grumpy] {ogre}. [Everyone|All the little ones] "
            "stayed away from the {ogre}."
        ),
        "There was [one thing|someone] everybody feared: the grumpy {ogre} near {place}.",
    )
    w.tell('"[Go away|Be quiet|Stop that noise]!" the {ogre} [always|often] shouted.')
    w.para()
    w.tell(
        "{Day}, {h} was playing {#game}, and {his} {#toy} landed right in front of the {ogre}'s door.",
        "{Day}, {h} [saw|heard] the {ogre} crying.",
    )
    w.mood = "scared"
    aside(w)
    w.tell('{h} [knocked|went closer]. "[Are you all right|Why are you so angry]?" {he} asked, {#manner}.')
    w.tell(
        (
            'The {ogre} [sighed|looked away]. "[Nobody ever visits me|I have no friends|My {#body} '
            'hurts|I cannot sleep]," the {ogre} said.'
        ),
    )
    w.tell(
        ("So {h} [sat down|came back the next day] and they [ate {#food}|played {#game}|talked for a long time]."),
        "{h} brought the {ogre} {#food} and a {#color} {#wear}.",
    )
    w.tell(
        "[For the first time in years|Slowly], the {ogre} smiled.",
        "The {ogre} showed {him} a garden full of {#flower}.",
    )
    w.mood = "happy"
    w.tell("From then on, the {ogre} was [never grumpy again|only grumpy on Mondays|a friend to all].")
    w.moral = "people are sometimes angry because they are lonely"


def helper(w: World) -> None:
    """A day of work with someone who has a trade."""
    w.mood = "calm"
    w.name(job="job" if w.human else "beast", tool="find")
    w.company = ()
    w.tell(
        "{Day}, {h} [helped|went to help] the old {job}. There was so much to do.",
        "{Day}, the {job} was [sick|tired|very busy] and needed help.",
    )
    w.tell(
        '"[What shall I do|Can I help]?" asked {h}. "You can {#chore}," said the {job}.',
        "First {he} had to {#chore}, then {#chore}.",
    )
    if w.chance(0.5):
        w.tell("It was [boring|hard]. {h} [wanted to stop|thought of {#game}], but {he} kept going.")
        aside(w)
    else:
        w.tell('{h} was too quick, and with a {#sound}, everything fell down. "[Slowly|No hurry]," said the {job}.')
        w.tell("So {he} did it again, [slowly|carefully|step by step] this time.")
    w.para()
    w.tell(
        'In the evening, the {job} gave {him} [a {tool}|{#food}|a coin|a {#wear}]. "[You earned '
        'it|Good work]," the {job} said.'
    )
    w.tell(
        '{h} showed it to {g}. "I [worked for|earned] it," {he} said {#manner}.',
        "{His} {paws} hurt, but {he} [felt big|was proud].",
    )
    w.tell("After that, {he} helped [every Saturday|whenever {he} could].")
    w.mood = "happy"
    w.moral = "[work can be fun|helping makes you strong]"


CARE = (
    animal,
    sickbed,
    grump,
    helper,
)
