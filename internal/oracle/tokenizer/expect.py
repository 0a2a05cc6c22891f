# SPDX-License-Identifier: Apache-2.0
"""Writes what the tokenizers library says of every string of the corpus.

    expect.py CASES [VOCABULARIES]      12,000 strings for each tokenizer
    expect.py --sample CASES TESTDATA   a few dozen, with the tokenizer, for the
                                        Go test suite (trained ones only)

One JSON line a string: t (base64 of the bytes), ids, special (with the
template), plain (special tokens as text), text (decoded), bare (decoded
without special tokens).
"""
import base64
import json
import os
import random
import shutil
import sys

from tokenizers import Regex, Tokenizer, pre_tokenizers

import corpus

STRINGS = 12000
SAMPLE = 60
REAL = ["qwen3", "llama3", "llama2", "gemma3"]


def rows(tok, strings):
    def encode(texts, **how):
        return [e.ids for e in tok.encode_batch(texts, **how)]

    # bytes.decode replaces each maximal invalid part by one U+FFFD.
    texts = [s.decode("utf-8", "replace") for s in strings]
    ids = encode(texts, add_special_tokens=False)
    special = encode(texts, add_special_tokens=True)
    tok.encode_special_tokens = True
    plain = encode(texts, add_special_tokens=False)
    tok.encode_special_tokens = False
    for s, i, sp, pl in zip(strings, ids, special, plain):
        yield {"t": base64.b64encode(s).decode(), "ids": i, "special": sp, "plain": pl,
               "text": tok.decode(i, skip_special_tokens=False), "bare": tok.decode(i, skip_special_tokens=True)}


def write(path, tok, strings):
    with open(path, "w", encoding="utf-8") as f:
        for row in rows(tok, strings):
            f.write(json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n")


def classes(path):
    """Writes the runs of code points that the reference takes as letters (L),
    numbers (N) and white space (S), found by what the GPT-2 pattern joins."""
    gpt2 = pre_tokenizers.Split(Regex(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), "isolated", False)
    runs = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        kind = next((k for first, k in (("a", "L"), ("1", "N"), ("!", "O"))
                     if len(gpt2.pre_tokenize_str(first + chr(c))) == 1), "S")
        if runs and runs[-1][2] == kind and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c, kind])
    with open(path, "w") as f:
        json.dump([r for r in runs if r[2] != "O"], f)


def sample(cases, testdata):
    strings = [s for s in corpus.corpus(STRINGS) if len(s) < 64]
    shutil.rmtree(testdata, ignore_errors=True)
    for k, name in enumerate(sorted(os.listdir(cases))):
        folder = os.path.join(testdata, name)
        os.makedirs(folder)
        source = os.path.join(cases, name, "tokenizer.json")
        shutil.copy(source, folder)
        chosen = random.Random(k).sample(strings[:400], SAMPLE // 2) + random.Random(k).sample(strings[400:], SAMPLE // 2)
        write(os.path.join(folder, "expect.jsonl"), Tokenizer.from_file(source), chosen)


def main():
    if sys.argv[1] == "--sample":
        return sample(sys.argv[2], sys.argv[3])
    cases, real = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    real = os.path.abspath(real) if real else ""
    classes(os.path.join(cases, "classes.json"))
    strings = corpus.corpus(STRINGS)
    if real:
        for name in REAL:
            folder = os.path.join(cases, "real_" + name)
            os.makedirs(folder, exist_ok=True)
            for file in os.listdir(os.path.join(real, "tokenizer-" + name, "models")):
                link = os.path.join(folder, file)
                if not os.path.lexists(link):
                    os.symlink(os.path.join(real, "tokenizer-" + name, "models", file), link)
    for name in sorted(os.listdir(cases)):
        folder = os.path.join(cases, name)
        if not os.path.isdir(folder):
            continue
        write(os.path.join(folder, "expect.jsonl"), Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), strings)


main()
