# SPDX-License-Identifier: Apache-2.0
"""Trains one small tokenizer.json for each rule the Go package has.

The text is our own. Byte-fallback vocabularies are assembled by hand, since
the trainer does not make them.
"""
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import corpus

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TIKTOKEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def text():
    rng = random.Random(7)
    for _ in range(600):
        yield " ".join(rng.choices(corpus.WORDS, k=12)) + ". " + rng.choice(corpus.SHORTS) + " " + rng.choice(corpus.NUMBERS)[:12]
    for _ in range(40):
        yield from corpus.CODE
        yield corpus.CJK + " " + corpus.RTL + " " + corpus.INDIC + "".join(corpus.EMOJI)


def byte_level(pre, size=700, special=("<|endoftext|>",), **model):
    tok = Tokenizer(models.BPE(**model))
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(text(), trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tok


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def bytes_only(add_prefix_space=False, use_regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def gpt2():
    return byte_level(bytes_only(use_regex=True))


def gpt2_prefix():
    tok = byte_level(bytes_only(add_prefix_space=True, use_regex=True))
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return tok


def qwen():
    pre = pre_tokenizers.Sequence([split(TIKTOKEN % ""), bytes_only()])
    tok = byte_level(pre)
    tok.normalizer = normalizers.NFC()
    tok.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tok.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    return tok


def llama3():
    pre = pre_tokenizers.Sequence([split(TIKTOKEN % "{1,3}"), bytes_only()])
    tok = byte_level(pre, special=("<|begin_of_text|>", "<|end_of_text|>"), ignore_merges=True)
    # A word that is a token though its merges are gone: ignore_merges finds it.
    data = json.loads(tok.to_str())
    long = [t for t in data["model"]["vocab"] if len(t) > 4][:40]
    data["model"]["merges"] = [m for m in data["model"]["merges"] if "".join(m) not in long]
    data["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [0], "tokens": ["<|begin_of_text|>"]}}}]}
    return Tokenizer.from_str(json.dumps(data))


def removed_inverted():
    return byte_level(pre_tokenizers.Sequence([split(GPT2, "removed", True), bytes_only()]))


def digits_marks():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_only(use_regex=True)])
    tok = byte_level(pre)
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=True, right=True)])
    tok.add_tokens([
        AddedToken("[LEFT]", lstrip=True, normalized=False), AddedToken("[RIGHT]", rstrip=True, normalized=False),
        AddedToken("[BOTH]", lstrip=True, rstrip=True, normalized=False), AddedToken("cat", single_word=True, normalized=False),
        AddedToken("Ｗｉｄｅ", normalized=True), AddedToken("[N O R M]", normalized=True), AddedToken("@USER", single_word=True, normalized=True),
    ])
    return tok


def digit_runs():
    tok = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), bytes_only(add_prefix_space=True)]))
    tok.normalizer = normalizers.NFD()
    return tok


# SentencePiece style ------------------------------------------------------

def assemble(learned, merges, special, byte_tokens=range(256), **model):
    """Puts special tokens and byte tokens before the learned ones."""
    vocab = {}
    for t in list(special) + ["<0x%02X>" % b for b in byte_tokens] + learned:
        vocab.setdefault(t, len(vocab))
    return {"type": "BPE", "dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "vocab": vocab, "merges": merges, **model}


def learn(size):
    """Learns pieces over text whose spaces are marks."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tok.train_from_iterator(text(), trainers.BpeTrainer(vocab_size=size, show_progress=False, limit_alphabet=120, max_token_length=12))
    data = json.loads(tok.to_str())
    vocab = data["model"]["vocab"]
    return sorted(vocab, key=vocab.get), data["model"]["merges"]


def spm(normalizer, pre, decoder, template=True, added=(), pairs=True, **model):
    learned, merges = learn(500)
    special = ["<unk>", "<s>", "</s>"]
    model = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, **model}
    data = {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True} for i, t in enumerate(special)],
            "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": None, "decoder": decoder,
            "model": assemble(learned, merges if pairs else [" ".join(m) for m in merges], special, **model)}
    if template:
        data["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                               "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}
    tok = Tokenizer.from_str(json.dumps(data))
    tok.add_tokens(list(added))
    return tok


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def fallback_decoder(strip):
    steps = [replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if strip:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def metaspace(scheme, cut):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def llama2():
    norm = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")]}
    return spm(norm, None, fallback_decoder(True), pairs=False,
               added=[AddedToken("[INST]", normalized=True), AddedToken("[SEP]", normalized=False, rstrip=True)])


def llama2_first():
    return spm(None, metaspace("first", False), fallback_decoder(True))


def metaspace_always():
    return spm(None, metaspace("always", True), metaspace("always", True), template=False)


def metaspace_never():
    return spm(None, metaspace("never", True), metaspace("never", True), template=False)


def gemma():
    pre = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    return spm(replace(" ", "▁"), pre, fallback_decoder(False),
               added=[AddedToken("\n\n\n", normalized=False), AddedToken("\t\t", normalized=False), AddedToken("▁▁the", normalized=False)])


def no_bytes():
    return spm(None, metaspace("always", True), fallback_decoder(True), template=False, byte_tokens=[], fuse_unk=False)


def few_bytes():
    return spm(None, metaspace("always", True), fallback_decoder(True), template=False, byte_tokens=list(range(0x20, 0xD0)))


def drop_unknown():
    return spm(None, metaspace("always", True), None, template=False, byte_tokens=[], unk_token=None)


def literal(behavior, sep):
    def make():
        pre = {"type": "Split", "pattern": {"String": sep}, "behavior": behavior, "invert": False}
        return spm({"type": "NFKC"}, pre, {"type": "Fuse"}, template=False)
    return make


FAMILIES = {
    "gpt2": gpt2, "gpt2_prefix": gpt2_prefix, "qwen": qwen, "llama3": llama3, "removed_inverted": removed_inverted,
    "digits_flags": digits_marks, "digit_runs": digit_runs,
    "llama2": llama2, "llama2_first": llama2_first, "metaspace_always": metaspace_always, "metaspace_never": metaspace_never,
    "gemma": gemma, "no_bytes": no_bytes, "few_bytes": few_bytes, "drop_unknown": drop_unknown,
    "split_isolated": literal("Isolated", " "), "split_removed": literal("Removed", "e"), "split_contiguous": literal("Contiguous", " "),
    "split_previous": literal("MergedWithPrevious", "  "), "split_next": literal("MergedWithNext", " "),
}

if __name__ == "__main__":
    for name, make in FAMILIES.items():
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        make().save(os.path.join(folder, "tokenizer.json"), pretty=False)
