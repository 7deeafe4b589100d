"""Beats that any plot may use: how stories open and end, and what can happen on the side."""

from functools import cache

from storyworld.asides import AFTERMATHS, ASIDES, PRELUDES
from storyworld.world import World


@cache
def fitting(asides: tuple[tuple[str, str], ...], tags: frozenset[str]) -> tuple[str, ...]:
    return tuple(text for needs, text in asides if set(needs.split()) <= tags)


def aside(w: World, probability: float = 0.6) -> None:
    """Perhaps tell of one or two things on the side that fit the moment."""
    for _ in range(2):
        text = w.pick(fitting(ASIDES, w.tags()))
        if w.more(probability) and text not in w.used:
            w.used.add(text)
            w.tell(text)
        probability /= 2


def prelude(w: World) -> None:
    """A paragraph on the hero's life before anything happens."""
    if w.told[0] and w.more(0.3):
        w.tell(w.pick(fitting(PRELUDES, w.tags())))
        w.para()


def aftermath(w: World) -> None:
    """What the hero still does or says after it has all turned out well."""
    if w.mood == "happy" and w.more(0.5):
        if w.chance(0.5):
            w.para()
        w.tell(w.pick(fitting(AFTERMATHS, w.tags())))


def trip(w: World, outdoors: bool | None = None) -> None:
    """The day begins: the hero goes to a place."""
    w.go(w.somewhere(outdoors))
    w.tell(
        "{Day}, {h} [went to {place}|was {at}].",
        "{Day}, {h} was [playing|walking around] {at}.",
        "{Day}, {h} [decided|wanted] to [go to|visit] {place}. {He} [ran|walked|skipped] all the way.",
    )


def trip_with(w: World, role: str, outdoors: bool | None = None) -> None:
    """The day begins: the hero goes to a place with the friend or the grown-up."""
    w.go(w.somewhere(outdoors))
    who = "{" + role + "}"
    w.company = (*w.company, role)
    w.tell(
        "{Day}, {h} and " + who + " [went to {place}|were {at}|walked to {place}].",
        "{Day}, {h} [went to {place}|was {at}] with " + who + ".",
        "{Day}, {h} was [playing|spending the day] with " + who + " {at}.",
    )


def meet(w: World) -> None:
    """The day begins: the friend comes, or is there."""
    w.company = (*w.company, "f")
    w.tell(
        "{Day}, {f} came [to visit|over to play].",
        "{Day}, {h} [met|saw|ran into] {f} {at}.",
        "{Day}, {h} [went|walked] to {place}. {F} was [already there|waiting there].",
        "{Day}, {h} was playing {#game} with {f}.",
        "{Day}, {h} and {f} were [{at}|playing {#game} {at}].",
    )


def comfort(w: World) -> None:
    w.tell(
        "{G} [saw|noticed] that something was wrong. [{G_he} sat down next to {him}.|]",
        "{G} gave {him} a [big|long|warm] hug.",
        "{G} [came over|came to {him}] and [wiped away {his} tears|stroked {his} {hair}].",
    )
    w.tell(
        "\"[It's okay|It is all right|Don't worry], {h},\" {g_he} said.",
        '"[What is wrong|What is the matter|Why are you so {#sad}], [{h}|my dear|sweetie]?" {g_he} asked.'
        " {h} told {g_him} everything.",
    )


def thanks(w: World, role: str) -> None:
    name = {"f": "{f_name}", "g": "{gv}"}[role]
    w.tell(
        '"Thank you, ' + name + '!" said {h}.',
        '"[Oh, thank|Thank] you so much!" {h} said [{#manner}|with a big smile].',
        "{h} said thank you [and gave {" + role + "} a hug|with a [big|happy|wide] smile].",
        '"You are the best, ' + name + '!" {h} [cried|said|shouted].',
    )


def treat(w: World) -> None:
    w.tell(
        "[Then|After that|Afterwards], they [all |]had some {#food}[| and some {#food}].",
        "[Later|Back home], everyone got {#food}[.| and {#drink}.| and some {#food}.]",
        "To celebrate, they [made|ate|shared] {#food}[| with {#food}| and talked until it was late].",
        (
            "They sat down [together|side by side] and ate {#food}. [Yummy!|How good it "
            "tasted!|Nothing had ever tasted better.]"
        ),
    )


def evening(w: World) -> None:
    """The close of the day, at home."""
    w.night = True
    w.tell(
        "[That night|At bedtime], {h} [told {g} all about it|could not stop smiling|thought about the day].",
        "When {h} went to bed that night, {he} [dreamed of|had a dream about] {#dream}.",
        "[That evening|At home], {h} [told {g} the whole story|was so tired that {he} fell asleep at once].",
        "{h} [closed {his} eyes|yawned] and [dreamed of|thought of] {#dream}.",
        '"What a day!" [said|thought] {h}, and {he} [fell asleep|yawned].',
        "[The sun went down|It got dark|The moon came up], and it was time to [go to bed|sleep].",
        '"Good night, {h}," said {g}. "Good night, {gv}," said {h}. [{He} slept well.|]',
    )


def opening(w: World) -> None:
    """Who the story is about; and whether the friend is known or the day has begun."""
    kind = w.rng.random()
    if kind < 0.42:
        w.tell(
            "[Once upon a time,|Once upon a time,|Once upon a time,|Once|Long ago,|One time,] there was a "
            "[|{#kind_trait} ]{child} named {h}.",
            "[Once upon a time,|Once upon a time,|Once,|Long, long ago,] [in a {#homely} {home}|{where}], "
            "there lived a {child} named {h}.",
            ("There [once |]was a [|{#kind_trait} |very {#kind_trait} ]{child} [named|whose name was|called] {h}."),
            "{Where}, there [was|lived] a {child} named {h}.",
        )
        about(w)
    elif kind < 0.6:
        w.tell(
            "{h} was a [|very |{#kind_trait}, ]{#kind_trait} {child}.",
            "{h} was a {child} who [loved|liked] to {like}.",
            "{h} [lived in a {#homely} {home}|lived {where}] with {g}.",
            "{h} was [{age}|only {age}|almost {age}] years old.",
            "Everyone {where} knew {h}, the {#kind_trait} {child}.",
        )
        about(w)
    elif kind < 0.76:
        w.tell(
            "{h} and {f_name} were [best friends|good friends|{kin}].",
            "Once upon a time, there were two {kin} named {h} and {f_name}.",
            "{h} had a {rel} named {f_name}.",
            "{h} [liked|loved] {his} {rel} {f_name} very much.",
        )
        w.slots["f"] = w.slots["f_name"]
        w.tell(
            "They [loved|liked] to {like} together.",
            "They [did everything together|played together every day|often played {#game}].",
            "[Every day|Every morning|After breakfast|On Sundays] they would {like} or play {#game}.",
            "{h} was {#kind_trait}, and {f} was {#kind_trait}.",
            "{f} [always|often] made {h} laugh.",
        )
    elif kind < 0.88:
        w.tell(
            ('"Wake up, {h}!" [called|said] {g}. "[The sun is shining|It is a beautiful day|Breakfast is ready]!"'),
            "{h} woke up [early|late] and [stretched|yawned|jumped out of bed|looked out of the window].",
            (
                "It was a [sunny|warm|lovely|fine|quiet|bright] [morning|day], and {h} [was in a good "
                "mood|felt {#glad}]."
            ),
            ("The [sun|birds] woke {h} up. {He} [had some {#food} for breakfast|washed {his} face and {paws}]."),
            '"What shall we do today, {gv}?" asked {h}. "Whatever you like," said {g}.',
        )
        w.choose("day", "[That day|That morning|After breakfast|A little later|Soon|Before lunch|That afternoon]")
        if w.more():
            about(w)
    else:
        w.tell(
            "{h} was a [|very ]{#kind_trait} {child}.",
            "This is [a|the] story [of|about] {h}, a {#kind_trait} {child}.",
            "{h} [had an idea|was full of plans|was waiting for something to happen|was always in a hurry].",
            "[Do you know {h}? {He}|Have you met {h}? {He}] was a {child} who [liked|loved] to {like}.",
        )
        return
    w.para()


def about(w: World) -> None:
    told = w.told[-1][0]
    if w.more(0.9) and w.slots["like"] not in told:
        w.tell(
            "{He} [loved|liked] to {like}[.|.|.|. It was {his} favorite thing to do.| all day long.]",
            ("[Every day|Most of all|More than anything], {he} [loved|liked] to {like}[.| and to eat {#food}.]"),
            "{His} favorite thing was to {like}.",
        )
    if w.more(0.2) and "lived" not in told:
        w.tell("{He} lived with {g} [near a big {#tree}|next door to a {#job}|and a {#pet}].")
    elif w.more(0.5):
        w.tell(
            "{He} was [very|always|so] {#kind_trait}[.|, and everybody liked {him}.| and {#kind_trait}.]",
            (
                "{He} [always|often] wore a {#color} {#garment}[| with a {#beast} on it| that was too big "
                "for {him}]."
            ),
            "{He} [liked|loved] {#food}, but {he} did not like {#food}.",
            "When {he} grew up, {he} wanted to be a {#job}, or maybe a {#job}.",
        )


def ending(w: World) -> None:
    """What remains of the story, in the mood in which the plot left the hero."""
    if w.moral and w.chance(0.3):
        w.para()
        w.tell(
            "{h} learned that " + w.moral + ".",
            "From that day on, {h} [knew|always remembered] that " + w.moral + ".",
            "And [so|that is how] {h} [learned|found out] that " + w.moral + ".",
            '"[I know now|Now I know|Today I learned] that ' + w.moral + '," said {h}.',
        )
        return
    if w.mood == "happy":
        if w.chance(0.4):
            w.para()
        if w.chance(0.4):
            evening(w)
        elif w.chance(0.75):
            w.tell(
                "[They were|{h} was] very {#glad}.",
                "And they [all |]lived happily ever after.",
                "It was [the best day ever|a day to remember|a very good day].",
                "{h} [smiled|laughed|felt warm inside] [all the way home|for the rest of the day].",
                "{h} was {#glad}, and so was {g}.",
                "After that, {h} [told everyone about it|never forgot that day].",
                "[What a [day|wonderful day] it was!|The end.]",
                (
                    "{h} could not wait [for the next day|to tell the {#beast+} about it|to play {#game} the "
                    "next day]."
                ),
            )
    elif w.mood == "sad":
        w.tell(
            ("{h} was [still |]a little {#sad}, but {he} [knew what to do next time|felt better the next day]."),
            "{h} went to bed [early|without a word]. [Tomorrow would be better.|It had been a hard day.]",
            "{h} [felt bad|was sorry] for a long time.",
            ("It was too late, and {h} [wished|only wished] {he} had [thought first|been more careful|listened]."),
        )
