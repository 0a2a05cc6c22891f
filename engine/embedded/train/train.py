# SPDX-License-Identifier: Apache-2.0
"""Trains the embedded scorer from scratch: tokenizer, model, sample, figures.

  python train.py OUT [--steps N] [--resume]

writes config.json, model.safetensors (bf16), tokenizer.json, heldout.jsonl and
figures.json to OUT: half an hour of one core's time. --resume goes on from the
last checkpoint in OUT with the cases that an uninterrupted run would see. The
seed is fixed; another number of threads or version of JAX rounds differently,
so the weights are the same only on the same kind of machine.

XLA's CPU allocator gives large buffers back after each step, and a third of the
time goes into page faults. With glibc this avoids it:

  MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
"""
import argparse
import functools
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

import baseline
import facts
import model

SEED = 20
ITEMS, LENGTH, BATCH = 8, 88, 48
PEAK = 2e-3
DECAY = 350  # last steps, in which the learning rate falls to nothing
# From that step on: facts of a story, what is asked about it, whether owners are hints, share of stories in training, the
# other kinds, and the weight of a hint beside that of an item. Whatever is learned last gets more room.
ALL, WHAT = facts.QUESTIONS, ("who", "colour", "what", "what", "what", "what")
PHASES = {0: ((2,), ALL, False, 0.75, ("match", "category"), 0.5),
          300: ((2, 3), ALL, False, 0.75, ("match", "category"), 0.5),
          750: ((2, 3, 4), ALL, False, 0.75, ("match", "category"), 0.5),
          1901: ((2, 3, 4), ALL, False, 0.5, ("match", "match", "match", "category"), 0.25),
          2251: ((2, 3, 4), WHAT, False, 0.7, ("match", "match", "match", "category"), 0.5),
          2701: ((2, 3, 4), WHAT, True, 0.7, ("match", "match", "match", "category"), 0.5)}
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

    def pack(self, sequences, hint=0.0):
        """sequences: (query ids, [(ids, answers, hints as (row, token, names))]). Of the
        rows that are scored, the first ITEMS are items, the others hints, up to three an
        item; names says that a hint is one of the names, and no other token counts."""
        shape = (len(sequences), LENGTH)
        ids, pos, seg = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.full(shape, -1, np.int32)
        rows, want = np.zeros((shape[0], 4 * ITEMS), np.int32), np.zeros((shape[0], 4 * ITEMS), np.int32)
        weight, named = np.zeros((shape[0], 4 * ITEMS), np.float32), np.zeros((shape[0], 4 * ITEMS), bool)
        for b, (q, items) in enumerate(sequences):
            at = len(q)
            ids[b, :at], pos[b, :at], seg[b, :at] = q, np.arange(at), 0
            for i, (t, answers, hints) in enumerate(items):
                end = at + len(t)
                ids[b, at:end], pos[b, at:end], seg[b, at:end] = t, np.arange(len(q), len(q) + len(t)), i + 1
                rows[b, i], want[b, i], weight[b, i] = end - 1, self.yes if answers else self.no, 1
                for j, (row, word, names) in enumerate(hints, 1):
                    k = j * ITEMS + i
                    rows[b, k], want[b, k], weight[b, k], named[b, k] = at + row, word, hint, names
                at = end
        return ids, pos, seg, rows, want, weight, named

    def case(self, rng, which, facts_range=(2, 3, 4), kinds=facts.KINDS):
        """One query with its items, as the engine gets them."""
        query, items = facts.case(rng, ITEMS, which, facts_range, kinds)
        lead, sep = facts.form(rng)
        return self.encode(query) + [self.sep] * sep, [(self.encode(lead + t), a, ()) for t, a in items]

    def exam(self, rng, facts_range, questions, owners):
        """One story with a question in front of each item. To each item this is the
        same sequence as a query of its own. The hints are the answer's word, wanted at the
        word that is asked about and where the question ends; or, where things are asked
        for and owners is set, the owner of the item's thing, wanted at its end."""
        text, asked = facts.exam(rng, ITEMS, rng.choice(facts_range), questions)
        out = []
        for query, item, answers, word, about, owner in asked:
            lead, sep = facts.form(rng)
            q = self.encode(" " + query) + [self.sep] * sep
            ids, word = q + self.encode(lead + item), self.encode(" " + word)[0]
            hints = ((q.index(self.encode(" " + about)[0]), word, False), (len(q) - 1, word, False))
            if owners and owner:
                hints = ((len(ids) - 1, self.encode(" " + owner)[0], True),)
            out.append((ids, answers, hints))
        return self.encode(text), out

    def training(self, rng, step):
        facts_range, questions, owners, stories, others, hint = PHASES[max(s for s in PHASES if s <= step)]
        return self.pack([self.exam(rng, facts_range, questions, owners) if rng.random() < stories else
                          self.case(rng, "train", kinds=others) for _ in range(BATCH)], hint)

    def test(self, rng, which, facts_range=(2, 3, 4), kinds=facts.KINDS):
        return self.pack([self.case(rng, which, facts_range, kinds) for _ in range(BATCH)])


def schedule(step, steps, peak=PEAK):
    """Warm up, stay, and fall."""
    return peak * min(1.0, (step + 1) / 100, (steps - step) / DECAY)


def loss_fn(p, batch, names):
    ids, pos, seg, rows, want, weight, named = batch
    logits = model.forward(p, ids, pos, seg, rows)
    logp = jax.nn.log_softmax(jnp.where(named[..., None] & ~names, -1e9, logits))
    return -jnp.sum(jnp.take_along_axis(logp, want[..., None], -1)[..., 0] * weight) / jnp.sum(weight)


@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def update(p, m, v, batch, names, lr, t):
    loss, g = jax.value_and_grad(loss_fn)(p, batch, names)
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


def accuracy(p, packer, seed, batches, *kind):
    rng, right, n = random.Random(seed), 0, 0
    for _ in range(batches):
        ids, pos, seg, rows, want, *_ = packer.test(rng, *kind)
        rows, want = rows[:, :ITEMS], want[:, :ITEMS]
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


def load(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    at = 8 + n
    return {k: jnp.asarray(np.frombuffer(raw, ml_dtypes.bfloat16, math.prod(x["shape"]), at + x["data_offsets"][0])
                           .reshape(x["shape"]).astype(np.float32))
            for k, x in json.loads(raw[8:at]).items() if k != "__metadata__"}


def sample(seed, n):
    """The unseen cases that Go's test scores: JSON objects, balanced, of every kind and form."""
    rng = random.Random(seed)
    for _ in range(n):
        query, items = facts.case(rng, ITEMS, "unseen")
        lead, sep = facts.form(rng)
        yield {"query": query, "separator": sep, "items": [lead + t for t, _ in items], "answers": [a for _, a in items]}


def evaluate(out, packer):
    """What the card states, of the weights as stored; the first look at unseen combinations."""
    p = load(os.path.join(out, "model.safetensors"))
    with open(os.path.join(out, "heldout.jsonl"), "w") as f:
        for case in sample(77, 400):
            f.write(json.dumps(case) + "\n")
    figures = {"parameters": sum(x.size for x in p.values()), "items": 40 * BATCH * ITEMS}
    for name, *kind in [("unseen", "unseen"), ("validation", "validation"), ("train", "train")] + [
            (f"unseen_recall_{n}", "unseen", (n,), ("recall",)) for n in (2, 3, 4)] + [
            (f"unseen_{k}", "unseen", (4,), (k,)) for k in ("match", "category")]:
        figures[name] = round(accuracy(p, packer, 5, 40, *kind), 4)
    figures |= baseline.figures(5, 40 * BATCH, ITEMS)
    with open(os.path.join(out, "figures.json"), "w") as f:
        json.dump(figures, f, indent=1)
        f.write("\n")
    print(figures)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("out")
    args.add_argument("--steps", type=int, default=3500)
    args.add_argument("--log", type=int, default=50)
    args.add_argument("--resume", action="store_true", help="go on from OUT's checkpoint")
    opt = args.parse_args()
    os.makedirs(opt.out, exist_ok=True)
    tok = train_tokenizer()
    tok.save(os.path.join(opt.out, "tokenizer.json"))
    packer = Packer(tok)
    assert packer.yes is not None and packer.no is not None and tok.get_vocab_size() <= model.CONFIG["vocab_size"]

    p = model.init(SEED)
    m, v = jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)
    checkpoint, done = os.path.join(opt.out, "checkpoint.npz"), -1
    if opt.resume:
        z = np.load(checkpoint)
        done, p, m, v = int(z["step"]), *({k[2:]: jnp.asarray(z[k]) for k in z if k.startswith(x)} for x in ("p:", "m:", "v:"))
    names = np.zeros(model.CONFIG["vocab_size"], bool)
    names[[packer.encode(" " + n)[0] for n in facts.NAMES]] = True
    rng = random.Random(SEED)
    began = time.time()
    for step in range(opt.steps):
        batch = packer.training(rng, step)
        if step <= done:
            continue  # a resumed run sees the cases that it would have seen
        p, m, v, loss = update(p, m, v, batch, names, schedule(step, opt.steps), step + 1.0)
        if step % opt.log == 0 or step == opt.steps - 1:
            by = [accuracy(p, packer, 1, 1, "validation", (k,), ("recall",)) for k in (2, 3, 4)]
            by.append(accuracy(p, packer, 1, 1, "validation", (4,), ("match", "category")))
            print(f"step {step} loss {float(loss):.4f} validation: recall of 2, 3, 4 and others",
                  *(f"{x:.3f}" for x in by), f"{time.time() - began:.0f} s", flush=True)
            np.savez(checkpoint, step=step, **{k + n: x for k, t in (("p:", p), ("m:", m), ("v:", v)) for n, x in t.items()})

    config = {k: x for k, x in model.CONFIG.items() if x is not None}
    with open(os.path.join(opt.out, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    save(os.path.join(opt.out, "model.safetensors"), p, "trained by engine/embedded/train/train.py")
    evaluate(opt.out, packer)


if __name__ == "__main__":
    main()
