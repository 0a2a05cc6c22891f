# SPDX-License-Identifier: Apache-2.0
"""Strings that tokenizers get wrong, made from a seed.

Every string is bytes; most are UTF-8, some are not on purpose.
"""
import random
import sys
import unicodedata

WORDS = """the scoring service reads a query and many items returns one value for each label
layer trace memory kernel attention window token prefix suffix batch latency median Report
naïve café Übergröße façade Ærø smörgåsbord Łódź Çeşme İstanbul ſtraße ﬁnance œuvre
быстро читает запрос и отвечает Привет мир ёлка Ελληνικά λέξεις τελικός ΑΒΓ
""".split()
CJK = "模型读取查询并为每个标签返回一个值。日本語のテキストも読みます、カタカナとひらがな。한국어 문장도 있습니다. 𠀀𠮷野家"
RTL = "שָׁלוֹם עוֹלָם مرحبا بالعالم ١٢٣ اَلْعَرَبِيَّةُ"
INDIC = "नमस्ते दुनिया क्षत्रिय ภาษาไทยไม่มีช่องว่าง ๑๒๓ தமிழ் བོད་ཡིག မြန်မာ"
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇯🇵🇧🇷", "1️⃣#️⃣", "❤️‍🔥", "🧑🏿‍🚀", "☃️", "🫠", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\u00a0", "\u1680", "\u2003", "\u2009",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u0085", "\u200b", "\ufeff", "\u180e"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0327", "\u0338", "\u05b0", "\u0651", "\u3099", "\u20dd", "\u1ab0", "\u034f"]
CODE = ["def f(x):\n    return x**2  # square\n", "if (a != b && c->d[0] == 'x') {\n\tpanic(\"no\");\n}\n",
        "for i := range 10 {\r\n\t\tfmt.Println(i)\r\n}\r\n", "SELECT * FROM t WHERE a >= 1.5e-3;", "<div class=\"x\">&nbsp;</div>",
        "https://example.org/a/b?c=d&e=%20#f", "{\"k\": [1, 2.50, null, true]}", "\\frac{a}{b}^{2} $x_i$", "0xDEADBEEF 1_000_000"]
SHORTS = ["I'm", "you're", "HE'LL", "they'Ve", "it'S", "don't", "we'd", "'s", "''t", "'ſ", "I'ſs", "rock’n’roll", "o'clock", "'RE'", "x'lL'"]
NUMBERS = ["0", "7", "42", "123", "1234", "12345", "1234567890", "3.14159", "1,234,567.89", "½¾", "Ⅷ", "²³", "٣٤٥", "१२३४", "①②③", "𝟘𝟙𝟚", "1e10", "0" * 50, "9876543210" * 30]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>",
            "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<start_of_turn>", "[INST]", "[SEP]", "<mask>", "@USER", "Ｗｉｄｅ", "<|im_", "<s", "<unused12>",
            "[LEFT]", "[RIGHT]", "[BOTH]", "cat", "wildcat", "cat.", "[N O R M]", "<0x41>", "<0x0A>", "▁", "▁▁the", "Ġthe", "Ċ", "\n\n\n", "\t\t"]


# Modifier letters of Unicode 14 and 15, whose compatibility decompositions the
# reference library's tables (Unicode 9) lack.
LATER = set(range(0x10780, 0x107BB)) | set(range(0x1E030, 0x1E06E))


def scalar(rng):
    """Any code point that is not a surrogate; half of them from the first plane."""
    while True:
        c = rng.randrange(0x10000) if rng.random() < 0.5 else rng.randrange(0x110000)
        if not 0xD800 <= c < 0xE000 and c not in LATER:
            return chr(c)


def piece(rng):
    k = rng.randrange(20)
    if k < 5:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    if k == 5:
        s = rng.choice([CJK, RTL, INDIC])
        i = rng.randrange(len(s))
        return s[i:i + rng.randint(1, 20)]
    if k == 6:
        return "".join(rng.choices(EMOJI, k=rng.randint(1, 4)))
    if k == 7:
        return "".join(rng.choices(SPACES, k=rng.randint(1, 8)))
    if k == 8:
        return rng.choice(" \n\t") * rng.choice([2, 3, 4, 7, 16, 33, 90])
    if k == 9:
        return rng.choice(CODE)
    if k == 10:
        return rng.choice(SHORTS)
    if k == 11:
        return rng.choice(NUMBERS)
    if k == 12:
        return rng.choice("aeiouAEOUkn가") + "".join(rng.choices(MARKS, k=rng.choice([1, 1, 2, 3, 8, 35])))
    if k == 13:
        return rng.choice(SPECIALS)
    if k == 14:
        return rng.choice(["", " ", "  "]) + rng.choice(SPECIALS) + rng.choice(["", " ", "\n", "s"])
    if k == 15:
        return "".join(scalar(rng) for _ in range(rng.randint(1, 6)))
    if k == 16:
        return unicodedata.normalize(rng.choice(["NFD", "NFKD", "NFC"]), rng.choice(WORDS) + rng.choice(CJK))
    if k == 17:
        return rng.choice("!?.,;:-=_*#/\\'\"()[]{}<>|~`@$%^&+") * rng.choice([1, 1, 2, 3, 10, 80])
    if k == 18:
        return "".join(rng.choices("\r\n \t", k=rng.randint(1, 10)))
    return chr(rng.randrange(0x180)) * rng.choice([1, 2, 5])


def string(rng, i):
    k = i % 12
    if k == 10:  # any bytes
        return bytes(rng.randrange(256) for _ in range(rng.randint(1, 24)))
    s = "".join(piece(rng) for _ in range(rng.choice([1, 1, 2, 3, 5, 9])))
    b = s.encode("utf-8")
    if k == 11 and b:  # damaged UTF-8
        b = bytearray(b)
        for _ in range(rng.randint(1, 3)):
            b[rng.randrange(len(b))] = rng.randrange(256)
        b = bytes(b[rng.randrange(3):len(b) - rng.randrange(3)] if len(b) > 6 else b)
    return b


def fixed():
    """Strings that must be in the corpus whatever the seed."""
    yield b""
    for group in (SHORTS, NUMBERS, SPECIALS, CODE, EMOJI, SPACES, WORDS):
        for s in group:
            yield s.encode()
            yield (" " + s).encode()
    yield ("a" * 1000).encode()
    yield (" " * 1000).encode()
    yield ("x " * 300).encode()
    yield ("模" * 300).encode()
    yield ("e" + "\u0301" * 100 + "\u0323" * 50 + "z").encode()
    yield (" ".join(WORDS) * 20).encode()
    yield b"\xf0\x9f\x98 \xe2\x28\xa1 \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \x80\x80"


def corpus(n, seed=20261):
    rng = random.Random(seed)
    out = list(fixed())
    while len(out) < n:
        out.append(string(rng, len(out)))
    return out


if __name__ == "__main__":
    for s in corpus(int(sys.argv[1])):
        print(s)
