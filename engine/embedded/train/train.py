# SPDX-License-Identifier: Apache-2.0
"""Trains the embedded scorer from scratch: tokenizer, model, sample, figures.

  python train.py OUT [--steps N]

writes config.json, model.safetensors (bf16), tokenizer.json, heldout.jsonl and
figures.json to OUT. 30 minutes of one core's time. The seed is fixed; another
number of threads or version of JAX rounds differently, so the weights are the
same only on the same machine.
"""
import argparse
import json
import math
import os
import random
import struct
import time

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import facts
import model

SEED = 20
ITEMS, LENGTH, BATCH = 8, 112, 48
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def train_tokenizer():
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(facts.corpus(SEED, 20000), trainers.BpeTrainer(
        vocab_size=model.CONFIG["vocab_size"], special_tokens=["<|endoftext|>", "<|sep|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return tok


class Packer:
    """Packs a query and its items as the engine's algorithm of that name does."""

    def __init__(self, tok):
        self.tok, self.sep = tok, tok.token_to_id("<|sep|>")
        self.yes, self.no = tok.token_to_id("Ġyes"), tok.token_to_id("Ġno")
        self.cache = {}

    def encode(self, text):
        if text not in self.cache:
            if len(self.cache) > 200000:
                self.cache.clear()
            self.cache[text] = self.tok.encode(text).ids
        return self.cache[text]

    def pack(self, rng, batch, facts_range, unseen=False):
        ids = np.zeros((batch, LENGTH), np.int32)
        pos = np.zeros((batch, LENGTH), np.int32)
        seg = np.full((batch, LENGTH), -1, np.int32)
        rows = np.zeros((batch, ITEMS), np.int32)
        want = np.zeros((batch, ITEMS), np.int32)
        for b in range(batch):
            query, items = facts.case(rng, ITEMS, unseen, facts_range)
            style = rng.random()
            q = list(self.encode(query))
            if style < 0.2:
                q.append(self.sep)
            lead = "" if style < 0.4 or style > 0.9 else " "
            at = len(q)
            ids[b, :at], pos[b, :at], seg[b, :at] = q, np.arange(at), 0
            for i, (text, answers) in enumerate(items):
                t = self.encode(lead + text)
                end = at + len(t)
                ids[b, at:end], pos[b, at:end], seg[b, at:end] = t, np.arange(len(q), len(q) + len(t)), i + 1
                rows[b, i], want[b, i] = end - 1, self.yes if answers else self.no
                at = end
        return ids, pos, seg, rows, want


def schedule(step, steps, peak=3e-3):
    warm = min(1.0, (step + 1) / 100)
    return peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def loss_fn(p, batch):
    ids, pos, seg, rows, want = batch
    logits = model.forward(p, ids, pos, seg, rows)
    logp = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(logp, want[..., None], -1))


@jax.jit
def update(p, m, v, batch, lr, t):
    loss, g = jax.value_and_grad(loss_fn)(p, batch)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
    g = jax.tree.map(lambda x: x / jnp.maximum(norm, 1.0), g)
    m = jax.tree.map(lambda a, x: 0.9 * a + 0.1 * x, m, g)
    v = jax.tree.map(lambda a, x: 0.98 * a + 0.02 * x * x, v, g)
    step = jax.tree.map(lambda a, b: (a / (1 - 0.9 ** t)) / (jnp.sqrt(b / (1 - 0.98 ** t)) + 1e-8), m, v)
    p = jax.tree.map(lambda x, s: x - lr * s - (lr * 0.02 * x if x.ndim > 1 else 0), p, step)
    return p, m, v, loss


@jax.jit
def predict(p, ids, pos, seg, rows):
    return model.forward(p, ids, pos, seg, rows)


def accuracy(p, packer, rng, batches, facts_range=(2, 3), **kind):
    right = n = 0
    for _ in range(batches):
        ids, pos, seg, rows, want = packer.pack(rng, BATCH, facts_range, **kind)
        logits = np.asarray(predict(p, ids, pos, seg, rows))
        guess = np.where(logits[..., packer.yes] > logits[..., packer.no], packer.yes, packer.no)
        right, n = right + int((guess == want).sum()), n + want.size
    return right / n


def save(path, tensors, note):
    header, at, blobs = {"__metadata__": {"format": "pt", "origin": note}}, 0, []
    for name in sorted(tensors):
        raw = np.asarray(tensors[name]).astype(ml_dtypes.bfloat16).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        blobs.append(raw)
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def sample(seed, n):
    """The unseen cases that Go's test scores: JSON objects, balanced."""
    rng = random.Random(seed)
    for _ in range(n):
        query, items = facts.case(rng, ITEMS, unseen=True, facts=(2, 3))
        yield {"query": query, "items": [t for t, _ in items], "answers": [a for _, a in items]}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("out")
    args.add_argument("--steps", type=int, default=2400)
    args.add_argument("--log", type=int, default=50)
    opt = args.parse_args()
    os.makedirs(opt.out, exist_ok=True)
    tok = train_tokenizer()
    tok.save(os.path.join(opt.out, "tokenizer.json"))
    packer = Packer(tok)
    assert packer.yes is not None and packer.no is not None and tok.get_vocab_size() <= model.CONFIG["vocab_size"]

    p = model.init(SEED)
    m = v = jax.tree.map(jnp.zeros_like, p)
    rng = random.Random(SEED)
    began = time.time()
    for step in range(opt.steps):
        limit = (2,) if step < opt.steps * 0.25 else (2, 3) if step < opt.steps * 0.5 else (2, 3, 4)
        p, m, v, loss = update(p, m, v, packer.pack(rng, BATCH, limit), schedule(step, opt.steps), step + 1.0)
        if step % opt.log == 0 or step == opt.steps - 1:
            acc = accuracy(p, packer, random.Random(1), 4, unseen=True)
            print(f"step {step} loss {float(loss):.4f} unseen {acc:.4f} {time.time() - began:.0f} s", flush=True)

    p = jax.tree.map(lambda x: jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32), p)
    config = {k: x for k, x in model.CONFIG.items() if x is not None}
    with open(os.path.join(opt.out, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    save(os.path.join(opt.out, "model.safetensors"), p, "trained by engine/embedded/train/train.py")
    with open(os.path.join(opt.out, "heldout.jsonl"), "w") as f:
        for case in sample(77, 250):
            f.write(json.dumps(case) + "\n")
    figures = {"steps": opt.steps, "seconds": round(time.time() - began), "parameters": sum(x.size for x in p.values()),
               "accuracy_unseen": round(accuracy(p, packer, random.Random(5), 40, unseen=True), 4),
               "accuracy_unseen_4_facts": round(accuracy(p, packer, random.Random(5), 40, (4,), unseen=True), 4),
               "accuracy_training": round(accuracy(p, packer, random.Random(6), 40), 4)}
    import baseline
    figures |= baseline.figures()
    with open(os.path.join(opt.out, "figures.json"), "w") as f:
        json.dump(figures, f, indent=1)
        f.write("\n")
    print(figures)


if __name__ == "__main__":
    main()
