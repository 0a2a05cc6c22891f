# SPDX-License-Identifier: Apache-2.0
"""Queries, items and right answers, made from templates.

A case is (query, [(item, answers)]). Half of the items answer their query. The
distractors use words of the query too, so counting words is not enough.

  recall     The query states who has what; the item names a person, a colour or a thing.
  match      The query asks for a thing with two attributes; the item describes one.
  category   The query asks for a colour and a class ("a red animal").

Some combinations of words never occur in training: part() says which. The
validation and the unseen sets ask about exactly those.
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


PARTS = ("unseen", "validation") + ("train",) * 6


def part(*words):
    """Of the combinations, one in eight is for the last evaluation only, and one
    in eight for looking at while training. Training sees neither."""
    return PARTS[zlib.crc32(" ".join(words).encode()) % 8]


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def told(rng, which, facts):
    """Who has what: the triples, the one to ask about, and the text."""
    while True:
        triples = list(zip(rng.sample(NAMES, facts), rng.sample(COLOURS, facts), rng.sample(THINGS, facts)))
        asked = rng.randrange(facts)
        if part(*triples[asked]) == which and (which != "train" or all(part(*t) == "train" for t in triples)):
            break
    text = " ".join(rng.choice(["{0} has {3} {2}.", "{0} owns {3} {2}."]).format(n, c, t, article(c)) for n, c, t in triples)
    return triples, asked, text


QUESTIONS = ("who", "colour", "what")


def question(rng, triples, asked, questions=QUESTIONS):
    """Question, right item, wrong items, the word that the right one turns on, and
    the word that is asked about."""
    name, colour, thing = triples[asked]
    kind = rng.choice(questions)
    if kind == "who":
        return f"Who has the {thing}?", name, [n for n, _, _ in triples if n != name], name, thing
    if kind == "colour":
        return f"Which colour is the {thing}?", colour, [c for _, c, _ in triples if c != colour], colour, thing
    return f"What does {name} have?", f"the {thing}", [f"the {t}" for _, _, t in triples if t != thing], thing, name


def recall(rng, which, facts):
    triples, asked, text = told(rng, which, facts)
    query, right, wrong, _, _ = question(rng, triples, asked)
    return f"{text} {query}", lambda yes: right if yes else rng.choice(wrong)


def exam(rng, items, facts, questions=QUESTIONS):
    """One story and a list of (question, item, answers, word, word asked about), for training."""
    triples, _, text = told(rng, "train", facts)
    answers = [i % 2 == 0 for i in range(items)]
    rng.shuffle(answers)
    asked, owners = [], {f"the {t}": n for n, _, t in triples}
    for yes in answers:
        query, right, wrong, word, about = question(rng, triples, rng.randrange(facts), questions)
        item = right if yes else rng.choice(wrong)
        asked.append((query, item, yes, word, about, owners.get(item)))
    return text, asked


def match(rng, which):
    while True:
        size, colour, thing = rng.choice(SIZES), rng.choice(COLOURS), rng.choice(THINGS)
        if part(size, colour, thing) == which:
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


def category(rng, which):
    while True:
        colour, cls = rng.choice(COLOURS), rng.choice(list(CLASSES))
        members = [m for m in CLASSES[cls] if part(colour, m) == which]
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


KINDS = ("recall", "recall", "match", "category")


def case(rng, items, which="train", facts=(2, 3, 4), kinds=KINDS):
    """One query with a balanced list of items."""
    kind = rng.choice(kinds)
    if kind == "recall":
        query, item = recall(rng, which, rng.choice(facts))
    else:
        query, item = {"match": match, "category": category}[kind](rng, which)
    answers = [i % 2 == 0 for i in range(items)]
    rng.shuffle(answers)
    return query, [(item(a), a) for a in answers]


def form(rng):
    """What stands before an item, and whether a separator ends the query."""
    return rng.choice(("", " ")), rng.random() < 0.2


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
