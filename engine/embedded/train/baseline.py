# SPDX-License-Identifier: Apache-2.0
"""Bag-of-words baseline: logistic regression on which words the query has, which
the item has, and which both have (with the number of shared words)."""
import random
import re

import numpy as np

import facts


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def features(cases, index):
    rows = []
    for query, items in cases:
        q = set(words(query))
        for text, _ in items:
            t = set(words(text))
            row = [index.setdefault(("q", w), len(index)) for w in q] + [index.setdefault(("i", w), len(index)) for w in t]
            row += [index.setdefault(("both", w), len(index)) for w in q & t]
            row += [index.setdefault(("shared", len(q & t)), len(index)), index.setdefault(("missing", len(t - q)), len(index))]
            rows.append(row)
    return rows


def matrix(rows, n):
    x = np.zeros((len(rows), n), np.float32)
    for i, row in enumerate(rows):
        x[i, [j for j in row if j < n]] = 1
    return x


def figures(seed, cases, items, train=4000):
    """Accuracy on the unseen cases of that seed: those that the model is measured with."""
    rng = random.Random(11)
    seen = [facts.case(rng, items) for _ in range(train)]
    rng, unseen = random.Random(seed), []
    for _ in range(cases):
        unseen.append(facts.case(rng, items, "unseen"))
        facts.form(rng)  # words are the same in every form
    index = {}
    rows = features(seen, index)
    n = len(index)
    x, y = matrix(rows, n), np.array([a for _, items in seen for _, a in items], np.float32)
    w, b, m = np.zeros(n, np.float32), 0.0, np.zeros(n + 1, np.float32)
    for step in range(400):
        z = 1 / (1 + np.exp(-(x @ w + b)))
        g = np.append(x.T @ (z - y) / len(y) + 1e-5 * w, (z - y).mean())
        m = 0.9 * m + g
        w, b = w - 1.0 * m[:-1], b - 1.0 * m[-1]
    xt, yt = matrix(features(unseen, dict(index)), n), np.array([a for _, items in unseen for _, a in items], np.float32)
    return {"baseline_unseen": round(float((((xt @ w + b) > 0) == (yt > 0.5)).mean()), 4),
            "baseline_train": round(float((((x @ w + b) > 0) == (y > 0.5)).mean()), 4)}

