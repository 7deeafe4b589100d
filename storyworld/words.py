"""The words of the story world: tables in falling order of how often a story should use them."""

TABLES = {
    "girl": """Lily, Mia, Sue, Anna, Lucy, Sara, Emma, Amy, Jane, Molly, Daisy, Ella, Rose, Kate, Nina,
        Zoe, Ruby, Grace, Clara, Maya, Ivy, Bella, Lola, Penny, Nora, Alice, Polly, Hannah, Tina, Leah,
        Holly, Eva, Maggie, Jenny, Rita, Olive, Mary, Lena, Tara, Wendy, Dora, Fay, Gina, Hazel, Iris,
        June, Kim, Luna, Tess, Nell, Peggy, Sally, Vera, Willa, Yara, Ada, Betty, Cora, Edith, Flora,
        Greta, Heidi, Ingrid, Josie, Mabel, Noor, Amina, Priya, Keiko, Sofia, Elena, Carmen, Yuki, Fatima,
        Lotte, Marta""",
    "boy": """Tim, Tom, Ben, Max, Sam, Jack, Leo, Bob, Billy, Joe, Jake, Finn, Noah, Dan, Nick, Peter,
        Mark, Toby, Luke, Adam, Charlie, Henry, Oliver, Ethan, Alex, Eddie, George, Will, Harry, Oscar,
        Theo, Danny, Lucas, Jim, Johnny, Kevin, Matt, Mike, Nate, Owen, Paul, Ray, Simon, Teddy, Victor,
        Walter, Zack, Andy, Caleb, David, Eli, Felix, Gus, Hugo, Isaac, Jonah, Kai, Louis, Miles, Ned,
        Omar, Percy, Quinn, Rob, Stan, Tyler, Wes, Anton, Bruno, Carlos, Diego, Emil, Hassan, Ivan, Jamal,
        Kenji, Mateo, Nico, Ravi, Yusuf""",
    "beast_name": """Pip, Flop, Benny, Coco, Dot, Fluffy, Hoppy, Bobo, Nibbles, Pepper, Rusty, Bibi,
        Patch, Biscuit, Button, Fern, Ginger, Honey, Juniper, Kiki, Lulu, Mimi, Nutmeg, Otto, Pippa, Rolo,
        Snowy, Tilly, Waffles, Ziggy, Acorn, Bramble, Clover, Dusty, Ember, Fuzz, Hazelnut, Jingle, Maple,
        Moss, Olly, Pebble, Quill, Ripple, Sage, Thistle, Twig, Velvet, Whisk, Yoyo, Bonnie, Chester,
        Dandy, Elmer, Milo""",
    "beast": """rabbit, bear, fox, mouse, squirrel, duck, frog, cat, dog, turtle, owl, hedgehog, pig,
        bunny, lamb, otter, mole, beaver, raccoon, badger, goat, deer, chipmunk, elephant, monkey, lion,
        tiger, penguin, koala, panda, hamster, kitten, puppy, pony, goose, hen, robin, sparrow, toad,
        lizard, skunk, possum, giraffe, hippo, zebra, kangaroo, donkey, weasel, porcupine, seal, camel,
        llama, walrus, crocodile, rhino, cheetah, leopard, flamingo, ostrich, pelican, buffalo, gorilla,
        sloth, peacock, turkey, ferret, jackal, moose, antelope, lobster""",
    "pet": """puppy, kitten, bird, bunny, duckling, squirrel, turtle, hedgehog, baby owl, little goat,
        lamb, robin, frog, chick, butterfly, mouse, pigeon, baby fox, sparrow, hamster, gosling, baby
        deer, parrot, ladybug, lizard, baby seal, pony, snail, crab, bumblebee, swan, woodpecker, raccoon,
        mole, toad, starling""",
    "wild": """bird, squirrel, butterfly, rabbit, frog, ladybug, bee, dragonfly, snail, robin,
        caterpillar, duck, owl, beetle, grasshopper, ant, cricket, crow, worm, spider, turtle, lizard,
        hummingbird, moth, heron, mole, seagull, magpie, swallow, firefly, toad, centipede, woodpecker,
        hawk, chipmunk, swan, blackbird""",
    "color": """red, blue, yellow, green, pink, purple, white, brown, orange, black, golden, silver, gray,
        striped, spotted, turquoise, scarlet, violet, crimson, lavender, ivory, maroon""",
    "look": """big, little, shiny, small, old, soft, pretty, new, round, tiny, special, wooden, fluffy,
        huge, colorful, funny, beautiful, sparkly, fancy, bright, strange, heavy, smooth, lovely, dusty,
        plain, fuzzy, bumpy, curly, crooked, rusty, velvet, painted, glittery, wobbly, odd, enormous,
        delicate, woolen, ancient, polished, tattered, marvelous, peculiar""",
    "toy": """ball, doll, car, kite, teddy bear, truck, train, book, drum, robot, boat, puzzle, balloon,
        top, scooter, whistle, puppet, yo-yo, bucket, toy plane, rocket, wagon, jump rope, music box, toy
        horse, flashlight, trumpet, magnet, marble, rattle, spaceship, slingshot, toy dinosaur, toy
        castle, toy camera, telescope, dollhouse, stuffed rabbit, xylophone, kaleidoscope, tambourine,
        pinwheel, domino box, stuffed elephant, toy boat, hula hoop, toy crane, paint set, snow globe,
        tricycle, skateboard, sled, hobby horse, toy ambulance, chessboard, toy helicopter, popgun, toy
        submarine, bubble wand, abacus, clay tiger""",
    "wear": """hat, scarf, ring, bracelet, necklace, coat, mitten, cap, ribbon, sweater, button, watch,
        crown, shoe, glove, cape, boot, umbrella, key, bag, purse, blanket, pocketknife, locket, backpack,
        brooch, vest, slipper, bow tie, apron, hairpin, medal, badge, compass, handkerchief, lantern,
        notebook, pencil case, raincoat""",
    "find": """feather, shell, coin, leaf, stone, button, stick, acorn, marble, key, flower, pebble, bell,
        ribbon, pine cone, string, nut, bottle, bone, cork, map, paper boat, ring, letter, star sticker,
        spoon, candle, stamp, seashell, nail, crystal, bead, thimble, whistle, chestnut, fossil,
        horseshoe, postcard, clover, twig, walnut shell, bent fork, bottle cap, playing card, glass bead,
        snail shell, dice, teacup, old lock, arrowhead, pinecone, zipper, matchbox, bird egg, doorknob,
        buckle, chain, ticket, paintbrush, wishbone, fishhook""",
    "snack": """cookie, apple, cake, sandwich, banana, muffin, carrot, cupcake, pear, pie, lollipop,
        pancake, orange, peach, donut, pretzel, bun, plum, waffle, biscuit, tart, peanut, candy bar,
        cracker, melon, pizza, mango, pickle, turnip, dumpling, croissant, apricot, omelet, popsicle,
        brownie, radish, chestnut, burrito, walnut, coconut, cheese roll, meatball, marshmallow, tomato,
        caramel, pineapple, jelly bean, fig""",
    "drink": """juice, milk, lemonade, tea, water, cocoa, cider, soda, apple juice, hot chocolate, ginger
        tea""",
    "thief": """puppy, squirrel, crow, kitten, magpie, little fox, raccoon, mouse, monkey, goat, baby
        bear, seagull, raven, otter, weasel, hamster, dog, rat, chipmunk, jay, hedgehog""",
    "food": """soup, bread, cookies, cheese, berries, honey, cake, ice cream, apples, rice, pasta, jam,
        popcorn, pancakes, nuts, grapes, salad, noodles, corn, toast, butter, stew, carrots, cherries,
        yogurt, cereal, muffins, beans, potatoes, chocolate, strawberries, porridge, eggs, peas, raisins,
        pudding, mushrooms, biscuits, cucumbers, blueberries, pumpkin pie, waffles, gingerbread, spinach,
        broccoli, syrup, oatmeal, raspberries, custard, lentils, onions, garlic bread, sausages, peanut
        butter, applesauce, ravioli, fish sticks, sweet potatoes, chestnuts, hazelnuts, meatballs,
        pickles, lettuce, plums, figs, dates, radishes, dumplings, cornbread, granola, marzipan, cabbage,
        turnips, zucchini""",
    "flower": """flowers, roses, daisies, tulips, sunflowers, violets, lilies, poppies, dandelions,
        bluebells, pansies, buttercups, daffodils, marigolds, lilacs, snowdrops, petunias, irises,
        foxgloves, geraniums, orchids""",
    "tree": """oak, apple tree, pine, willow, cherry tree, maple, pear tree, birch, elm, fir, chestnut
        tree, palm, plum tree, beech, walnut tree, cedar, spruce, fig tree, hazel, poplar""",
    "job": """baker, farmer, teacher, doctor, mailman, gardener, painter, builder, policeman, shopkeeper,
        cook, fisherman, librarian, firefighter, nurse, clown, driver, singer, sailor, carpenter, dancer,
        pilot, tailor, king, queen, princess, wizard, knight, pirate, plumber, barber, dentist, captain,
        magician, shoemaker, blacksmith, miller, shepherd, clockmaker, postman, waiter, astronaut,
        beekeeper, musician, zookeeper, soldier, judge, lawyer, juggler, potter, weaver, goldsmith,
        conductor, inventor, explorer, scientist, bus driver, butcher, mayor, poet, acrobat, detective,
        cowboy, lifeguard""",
    "game": """tag, hide-and-seek, catch, hopscotch, pirates, soccer, cards, checkers, follow the leader,
        leapfrog, dress-up, marbles, school, charades, jump rope, baseball, house, basketball, tennis,
        dominoes, ping-pong, kings and queens, explorers, astronauts, shopkeepers, detectives,
        superheroes, cowboys, circus""",
    "chore": """sweep the floor, wash the dishes, water the plants, feed the hens, fold the clothes, rake
        the leaves, set the table, make the bed, pull the weeds, dust the shelves, carry the wood, pick
        the beans, peel the potatoes, clean the windows, stack the boxes, sort the socks, shell the peas,
        brush the dog, mend the fence, wipe the counter, empty the basket, shake out the rugs, knead the
        dough, polish the spoons, hang up the laundry""",
    "like": """draw pictures, climb trees, sing songs, read books, run fast, look at the stars, jump in
        puddles, collect stones, tell jokes, dance, bake bread, build towers, play outside, ask questions,
        ride a bike, swim, paint, watch birds, explore, help people, dig holes, play in the mud, catch
        bugs, chase butterflies, pick flowers, feed the ducks, roll down hills, make up stories, count
        things, play drums, hunt for treasure, wear funny hats, skip stones, whistle tunes, blow bubbles,
        fly kites, hop on one foot, watch the clouds, make paper planes, splash in the tub, collect
        shells, solve riddles, plant seeds, wear boots, juggle, spin in circles, march like a soldier,
        listen to the rain, do puzzles, learn new words""",
    "beast_like": """run in the grass, dig holes, look for berries, jump over logs, swim in the pond, roll
        in the leaves, nap in the sun, sing in the morning, explore the woods, chase butterflies, climb up
        high, splash in the mud, collect shiny things, listen to stories, race the wind, count the stars,
        hide in the tall grass, look for honey, eat sweet clover, ask questions, play tricks, watch the
        clouds, gather nuts, skip stones, tell jokes, dance in the rain, sniff the flowers, slide down the
        hill, hum little tunes, follow footprints, make mud pies, swing on branches, float on a leaf, peek
        into burrows, build little dams, whistle""",
    "kind_trait": """kind, nice, curious, happy, brave, smart, funny, friendly, gentle, helpful, clever,
        cheerful, playful, silly, polite, lively, thoughtful, quiet, careful, honest, adventurous,
        patient, generous, joyful, creative, dreamy, bold, hardworking, loving, jolly, independent,
        imaginative, energetic""",
    "glad": """happy, glad, excited, proud, cheerful, pleased, joyful, delighted, thrilled, surprised""",
    "garment": """hat, shirt, coat, scarf, sweater, jacket, cap, vest, bow, raincoat, backpack, belt,
        hood, apron, cloak, bonnet""",
    "sad": """sad, upset, disappointed, gloomy, miserable, unhappy, blue""",
    "scared": """scared, afraid, nervous, frightened, worried, anxious, terrified, shaky, uneasy""",
    "homely": """little, small, big, cozy, white, tiny, tall, red, old, yellow, crooked, warm, blue,
        wooden, brick, green, narrow""",
    "music": """piano, drum, guitar, flute, violin, trumpet, harp, recorder, banjo, accordion, trombone,
        ukulele, cello""",
    "limb": """wing, leg, foot, tail, paw, back, eye, ear""",
    "bloom": """rose, lily, daisy, tulip, violet, bluebell, sunflower, snowdrop, poppy, orchid, lilac,
        iris""",
    "ogre": """giant, troll, old man, witch, dragon, crocodile, wolf, bull, neighbor, crab, vulture,
        goblin, ogre, rooster""",
    "cover": """blanket, coat, towel, scarf, shawl, quilt, sweater, jacket, rug, cape""",
    "dish": """soup, apple pie, pudding, cake, stew, jam, pasta, ice cream, popcorn, gingerbread, custard,
        bread, porridge, chocolate cake, cherry pie, fudge, pumpkin soup, rice pudding, plum cake, honey
        cake, lasagna, toffee""",
    "manner": """softly, quietly, kindly, gently, slowly, carefully, calmly, politely, warmly,
        thoughtfully, sweetly, patiently, shyly, tenderly""",
    "sound": """thump, splash, bang, creak, squeak, crash, pop, rustle, whoosh, tap, hoot, buzz, rattle,
        clink, hiss, crunch, boom, scratch, gurgle, clatter, plop, jingle, thud, snap, whimper, groan,
        click""",
    "furniture": """table, bed, chair, couch, shelf, staircase, cupboard, box, rug, desk, stove, curtain,
        piano, drawer, basket, closet, sofa, lamp, wardrobe, bench, stool, dresser, trunk, fridge,
        bathtub, armchair, fireplace""",
    "stuff": """paper, string, tape, glue, paint, wood, cardboard, cloth, sticks, mud, stones, wire, yarn,
        leaves, clay, ribbon, sand, wool, bricks, feathers, straw, rope, felt, foil, beads, buttons,
        nails, bark, moss, chalk""",
    "body": """hand, nose, tail, ear, arm, leg, foot, back, head, cheek, finger, knee, toe, paw, elbow,
        chin, wing, shoulder, ankle, thumb, belly, wrist""",
    "dream": """flying over the sea, a castle made of candy, a friendly dragon, dancing bears, a ship in
        the sky, talking flowers, riding a whale, a garden of stars, a train to the moon, a singing river,
        a giant cupcake, tiny people in teacups, a tiger with a top hat, swimming with dolphins, a forest
        of lollipops, snow in summer, a polite dinosaur, climbing a rainbow, a parade of elephants, a
        house with a hundred doors, the warm sun, a lake of lemonade, snails that could run, a library
        under the sea, a band of hedgehogs, a cloud like a pillow, a bear who baked pies, a city of ants,
        racing on a comet, a kite as big as a house, a king made of snow""",
}

# how one is there; name; under the sky or not; where a thing can lie there
PLACES = """
in; the park; out; under the bench, behind the slide, next to the pond, in the tall grass, near the fountain
at; the beach; out; under a towel, behind a rock, in the sand, next to a pile of seaweed, near the pier
in; the garden; out; under the rose bush, behind the shed, in the flower bed, next to the gate
in; the forest; out; under a fern, behind a fallen log, in a hollow tree, next to a stream, on a mossy stump
in; the yard; out; under the swing, behind the doghouse, in the sandbox, next to the fence, in the bushes
at; the playground; out; under the slide, behind the seesaw, in the sandbox, next to the swings
at; the farm; out; under the tractor, behind the barn, in the haystack, next to the pigpen, in the henhouse
by; the lake; out; under an old boat, behind the reeds, in the shallow water, next to the dock
at; the zoo; out; under a bench, behind the monkey house, in a bush, next to the penguin pool
in; the meadow; out; under the daisies, behind a stone wall, in the clover, next to a beehive
at; the market; out; under the fruit stand, behind a barrel, in a basket of onions, next to the cheese
at; school; in; under the desk, behind the door, in the art corner, next to the blackboard, in the coat room
in; the library; in; under a chair, behind a tall shelf, in the story corner, next to the globe
in; the kitchen; in; under the sink, behind the stove, in the bread box, next to the fridge, in a mixing bowl
in; the attic; in; under a dusty blanket, behind a mirror, in an old trunk, next to the chimney
in; the living room; in; under the couch, behind the curtain, in the toy box, next to the piano
in; the barn; in; under the ladder, behind a bale of hay, in a feed bucket, next to the cow, up in the loft
in; the toy shop; in; under the counter, behind the teddy bears, in the train tunnel, next to the puppets
in; the museum; in; under a bench, behind a suit of armor, in the coat room, next to the dinosaur bones
at; the bakery; in; under the counter, behind a sack of flour, in the oven glove, next to the scales
"""

ANIMAL_PLACES = """
in; the forest; out; under a fern, behind a fallen log, in a hollow tree, next to a stream, on a mossy stump
in; the meadow; out; under the daisies, behind a stone wall, in the clover, next to a beehive, in an old boot
by; the pond; out; under a lily pad, behind the reeds, in the mud, next to a smooth rock, among the cattails
by; the river; out; under the bridge, behind a willow, in a bed of reeds, next to the waterfall
on; the hill; out; under a thorn bush, behind a boulder, in a rabbit hole, next to a crooked pine
in; the orchard; out; under a ladder, behind a barrel, in a pile of leaves, next to the gate
in; the jungle; out; under a banana leaf, behind a vine, in a nest of twigs, next to a termite mound
in; the valley; out; under a flat stone, behind a hedge, in a patch of thistles, next to a spring, in a ditch
in; the cave; in; under a ledge, behind a pile of rocks, in a crack in the wall, next to a puddle
in; the old barn; in; under the ladder, behind a bale of hay, in a feed bucket, next to the cart
in; the burrow; in; under the leaf bed, behind the roots, in the nut store, next to the door, in a dark corner
"""

# endings of nouns and what they become in the plural, tried in this order; all others take an s
PLURALS = (
    ("mouse", "mice"),
    ("goose", "geese"),
    ("moose", "moose"),
    ("deer", "deer"),
    ("foot", "feet"),
    ("wolf", "wolves"),
    ("leaf", "leaves"),
    ("fisherman", "fishermen"),
    ("policeman", "policemen"),
    ("mailman", "mailmen"),
    ("postman", "postmen"),
    ("dice", "dice"),
    ("ay", "ays"),
    ("ey", "eys"),
    ("oy", "oys"),
    ("y", "ies"),
    ("ss", "sses"),
    ("us", "uses"),
    ("x", "xes"),
    ("ch", "ches"),
    ("sh", "shes"),
)
