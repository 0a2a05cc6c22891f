# SPDX-License-Identifier: Apache-2.0
"""Writes random models as Hugging Face directories, with the log-probabilities
that reference.py computes for them.

  python cases.py OUT [--small | --speed]

--speed writes one larger Qwen3 model in f32 and bf16, without expectations.
"""
import json
import os
import struct
import sys

import ml_dtypes
import numpy as np

import reference

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def families(small):
    d = dict(hidden_size=16, num_attention_heads=2, num_key_value_heads=1, head_dim=8, intermediate_size=24, vocab_size=40) if small else \
        dict(hidden_size=96, num_attention_heads=6, num_key_value_heads=2, head_dim=32, intermediate_size=176, vocab_size=300)
    base = d | dict(num_hidden_layers=2 if small else 4, rms_norm_eps=1e-6, max_position_embeddings=512, rope_theta=10000.0,
                    hidden_act="silu", tie_word_embeddings=True)
    gemma = base | dict(model_type="gemma3_text", hidden_activation="gelu_pytorch_tanh", sliding_window=6, sliding_window_pattern=2,
                        rope_theta=1e6, rope_local_base_freq=10000.0, query_pre_attn_scalar=24, num_hidden_layers=3 if small else 6)
    llama = base | dict(model_type="llama", tie_word_embeddings=False, rms_norm_eps=1e-5)
    yield "qwen3", base | dict(model_type="qwen3", rope_theta=1e6), "F32"
    yield "qwen2", base | dict(model_type="qwen2", rope_theta=1e6), "F32"
    yield "llama2", llama, "F32"
    yield "llama3", llama | dict(rope_theta=5e5, tie_word_embeddings=True, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24)), "F32"
    yield "gemma3", gemma, "F32"
    yield "qwen3_bf16", base | dict(model_type="qwen3", attention_bias=True), "BF16"
    if not small:
        yield "qwen3_window", base | dict(model_type="qwen3", use_sliding_window=True, sliding_window=9, max_window_layers=2), "F16"
        yield "llama_linear", llama | dict(attention_bias=True, mlp_bias=True, rope_scaling=dict(rope_type="linear", factor=4.0)), "F16"
        yield "gemma3_softcap", gemma | dict(final_logit_softcapping=30.0, attn_logit_softcapping=20.0, tie_word_embeddings=False,
                                             rope_scaling=dict(rope_type="linear", factor=8.0)), "BF16"


def tensors(c, rng, dtype):
    gemma = c["model_type"].startswith("gemma3")
    h, f, dim = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * dim, c["num_key_value_heads"] * dim
    out = {}

    def mat(name, rows, cols, bias=False):
        out[name + ".weight"] = rng.normal(0, cols ** -0.5, (rows, cols))
        if bias:
            out[name + ".bias"] = rng.normal(0, 0.3, rows)

    def norm(name, n):
        out[name + ".weight"] = rng.normal(0.0 if gemma else 1.0, 0.2, n)
    out["model.embed_tokens.weight"] = rng.normal(0, 1.5 * h ** -0.5, (c["vocab_size"], h))  # a tied head's logits have size 1.5
    some = c.get("attention_bias", False)
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        for name in ["input_layernorm", "post_attention_layernorm"] + (["pre_feedforward_layernorm", "post_feedforward_layernorm"] if gemma else []):
            norm(n + name, h)
        for name, rows in [("q_proj", q), ("k_proj", kv), ("v_proj", kv)]:
            mat(n + "self_attn." + name, rows, h, some or c["model_type"] == "qwen2")
        mat(n + "self_attn.o_proj", h, q, some)
        if gemma or c["model_type"] == "qwen3":
            norm(n + "self_attn.q_norm", dim)
            norm(n + "self_attn.k_norm", dim)
        for name, rows, cols in [("gate_proj", f, h), ("up_proj", f, h), ("down_proj", h, f)]:
            mat(n + "mlp." + name, rows, cols, c.get("mlp_bias", False))
    norm("model.norm", h)
    if not c["tie_word_embeddings"]:
        mat("lm_head", c["vocab_size"], h)
    return {k: v.astype(TYPES[dtype]) for k, v in out.items()}


def save(path, ts, dtype):
    header, at, blobs = {}, 0, []
    for name in sorted(ts):
        raw = ts[name].tobytes()
        header[name] = {"dtype": dtype, "shape": list(ts[name].shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        blobs.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def requests(c, rng, small):
    for n, items, first in [(5, 3, False), (11, 2, True)] if small else [(5, 3, False), (17, 2, True), (60, 6, False), (1, 4, True)]:
        pick = lambda k: [int(x) for x in rng.integers(0, c["vocab_size"], k)]
        yield pick(n), [pick(int(rng.integers(0, 9))) for _ in range(items)], first


def speed():
    c = dict(model_type="qwen3", hidden_size=1024, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
             intermediate_size=3072, vocab_size=8192, num_hidden_layers=6, rms_norm_eps=1e-6, max_position_embeddings=512,
             rope_theta=1e6, hidden_act="silu", tie_word_embeddings=True)
    yield "qwen3_speed", c, "F32"
    yield "qwen3_speed_bf16", c, "BF16"


def main():
    out, small = sys.argv[1], "--small" in sys.argv
    for k, (name, c, dtype) in enumerate(speed() if "--speed" in sys.argv else families(small)):
        rng = np.random.default_rng(100 + k)
        ts = tensors(c, rng, dtype)
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(c, f, indent=1)
            f.write("\n")
        save(os.path.join(folder, "model.safetensors"), ts, dtype)
        if "--speed" in sys.argv:
            continue
        wide = {n: t.astype(np.float64) for n, t in ts.items()}
        with open(os.path.join(folder, "expect.jsonl"), "w") as f:
            for query, items, first in requests(c, rng, small):
                rows = []
                for item in items:
                    ids = item + query if first else query + item
                    rows.append([float(f"{x:.9g}") for x in reference.log_probs(c, wide, ids)[-1]])
                f.write(json.dumps({"query": query, "items": items, "item_first": first, "log_probs": rows}) + "\n")


if __name__ == "__main__":
    main()
