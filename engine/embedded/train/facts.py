# SPDX-License-Identifier: Apache-2.0
"""Queries, items and right answers, made from templates.

A case is (query, [(item, answers)]). Half of the items answer their query. The
distractors use words of the query too, so counting words is not enough.

  recall     The query states who has what; the item names a person or a colour.
  match      The query asks for a thing with two attributes; the item describes one.
  category   The query asks for a colour and a class ("a red animal").

Some combinations of words never occur in training: held_out() says which. The
unseen sample asks about exactly those.
"""
import random
import zlib

NAMES = ["Anna", "Ben", "Cara", "Dan", "Emma", "Finn", "Gina", "Hugo", "Ida", "Jack", "Kim", "Leo",
         "Mia", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Vera"]
COLOURS = ["red", "blue", "green", "yellow", "black", "white", "brown", "grey", "pink", "orange"]
SIZES = ["small", "large", "tiny", "huge", "old", "new", "cheap", "heavy"]
THINGS = ["ball", "cup", "hat", "lamp", "book", "coat", "bag", "chair", "phone", "clock", "bike", "spoon"]
CLASSES = {
    "animal": ["dog", "cat", "horse", "bird", "fish", "rabbit", "mouse", "sheep"],
    "fruit": ["apple", "pear", "plum", "grape", "lemon", "peach", "melon", "cherry"],
    "tool": ["hammer", "saw", "drill", "knife", "shovel", "brush", "ladder", "wrench"],
    "vehicle": ["car", "bus", "truck", "train", "boat", "plane", "van", "tram"],
}


def held_out(*words):
    """One combination in eight is kept from training."""
    return zlib.crc32(" ".join(words).encode()) % 8 == 0


def wanted(unseen, *words):
    return held_out(*words) == unseen


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def recall(rng, unseen, facts):
    while True:
        names, things, colours = rng.sample(NAMES, facts), rng.sample(THINGS, facts), rng.sample(COLOURS, facts)
        asked = rng.randrange(facts)
        triples = list(zip(names, colours, things))
        if wanted(unseen, *triples[asked]) and (unseen or not any(held_out(*t) for t in triples)):
            break
    told = " ".join(rng.choice(["{0} has {3} {2}.", "{0} owns {3} {2}."]).format(n, c, t, article(c)) for n, c, t in triples)
    name, colour, thing = triples[asked]
    kind = rng.randrange(3)
    if kind == 0:
        query = f"{told} Who has the {thing}?"
        right, wrong = name, [n for n in names if n != name]
    elif kind == 1:
        query = f"{told} Which colour is the {thing}?"
        right, wrong = colour, [c for c in colours if c != colour]
    else:
        query = f"{told} What does {name} have?"
        right, wrong = f"the {thing}", [f"the {t}" for t in things if t != thing]
    return query, lambda yes: right if yes else rng.choice(wrong)


def match(rng, unseen):
    while True:
        size, colour, thing = rng.choice(SIZES), rng.choice(COLOURS), rng.choice(THINGS)
        if wanted(unseen, size, colour, thing):
            break
    query = rng.choice(["Find {2} {1} {0}.", "Show me {2} {1} {0}.", "Is there {2} {1} {0}?"]).format(thing, colour, article(size))

    def item(yes):
        s, c, t = size, colour, thing
        if not yes:
            change = rng.randrange(3)
            s = rng.choice([x for x in SIZES if x != size]) if change == 0 else s
            c = rng.choice([x for x in COLOURS if x != colour]) if change == 1 else c
            t = rng.choice([x for x in THINGS if x != thing]) if change == 2 else t
        return rng.choice([f"{article(s)} {c} {t}", f"The {t} is {s} and {c}.", f"This {c} {t} is {s}."])
    return query, item


def category(rng, unseen):
    while True:
        colour, cls = rng.choice(COLOURS), rng.choice(list(CLASSES))
        members = [m for m in CLASSES[cls] if wanted(unseen, colour, m)]
        if members:
            break
    query = rng.choice(["Which of these is {0} {1}?", "Name {0} {1}.", "Find {0} {1}."]).format(article(colour), cls)

    def item(yes):
        if yes:
            c, m = colour, rng.choice(members)
        elif rng.random() < 0.5:
            c, m = rng.choice([x for x in COLOURS if x != colour]), rng.choice(CLASSES[cls])
        else:
            other = rng.choice([x for x in CLASSES if x != cls])
            c, m = colour, rng.choice(CLASSES[other])
        return rng.choice([f"{article(c)} {m}", f"the {m} is {c}"])
    return query, item


def case(rng, items, unseen=False, facts=(2, 3, 4)):
    """One query with a balanced list of items."""
    kind = rng.random()
    if kind < 0.5:
        query, item = recall(rng, unseen, rng.choice(facts))
    elif kind < 0.75:
        query, item = match(rng, unseen)
    else:
        query, item = category(rng, unseen)
    answers = [i % 2 == 0 for i in range(items)]
    rng.shuffle(answers)
    return query, [(item(a), a) for a in answers]


def corpus(seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        query, items = case(rng, 4)
        yield query
        for text, answers in items:
            yield " " + text
            yield text
            yield " yes" if answers else " no"
            yield "yes" if answers else "no"
