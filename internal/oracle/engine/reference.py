# SPDX-License-Identifier: Apache-2.0
"""A decoder in NumPy, float64, as plain as possible: one sequence, a full
[T, T] mask, every family of the engine from its config.json."""
import math

import numpy as np


def rms(x, w, eps, one_plus):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    return y * (1 + w if one_plus else w)


def frequencies(theta, dim, scaling):
    f = theta ** (-np.arange(0, dim, 2) / dim)
    kind = (scaling or {}).get("rope_type")
    if kind == "linear":
        return f / scaling["factor"]
    if kind == "llama3":
        wave = 2 * math.pi / f
        low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
        high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
        smooth = (scaling["original_max_position_embeddings"] / wave - scaling["low_freq_factor"]) / (
            scaling["high_freq_factor"] - scaling["low_freq_factor"])
        mid = (1 - smooth) * f / scaling["factor"] + smooth * f
        return np.where(wave > low, f / scaling["factor"], np.where(wave < high, f, mid))
    return f


def rotate(x, freq):
    """x is [T, heads, dim]; element p goes with element p + dim/2."""
    angle = np.arange(len(x))[:, None, None] * freq
    a, b = np.split(x, 2, -1)
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def activate(x, name):
    if name == "silu":
        return x / (1 + np.exp(-x))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def log_probs(c, w, ids):
    """Log-probabilities [T, vocab] of the token after each of ids."""
    gemma = c["model_type"].startswith("gemma3")
    eps, t = c["rms_norm_eps"], len(ids)
    heads, kv, dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
    scale = c["query_pre_attn_scalar"] ** -0.5 if gemma else dim ** -0.5
    act = c["hidden_activation"] if gemma else c["hidden_act"]

    def linear(x, name):
        y = x @ w[name + ".weight"].T
        return y + w[name + ".bias"] if name + ".bias" in w else y
    x = w["model.embed_tokens.weight"][ids]
    if gemma:
        x = x * math.sqrt(c["hidden_size"])
    i, j = np.arange(t)[:, None], np.arange(t)[None, :]
    for layer in range(c["num_hidden_layers"]):
        n = f"model.layers.{layer}."
        local = gemma and (layer + 1) % c["sliding_window_pattern"] != 0
        if c["model_type"] == "qwen3" and c.get("use_sliding_window"):
            local = layer >= c["max_window_layers"]
        theta = c["rope_local_base_freq"] if gemma and local else c["rope_theta"]
        freq = frequencies(theta, dim, None if gemma and local else c.get("rope_scaling"))
        sees = (j <= i) & (i - j < c["sliding_window"]) if local else j <= i
        y = rms(x, w[n + "input_layernorm.weight"], eps, gemma)
        q = linear(y, n + "self_attn.q_proj").reshape(t, heads, dim)
        k = linear(y, n + "self_attn.k_proj").reshape(t, kv, dim)
        v = linear(y, n + "self_attn.v_proj").reshape(t, kv, dim)
        if n + "self_attn.q_norm.weight" in w:
            q = rms(q, w[n + "self_attn.q_norm.weight"], eps, gemma)
            k = rms(k, w[n + "self_attn.k_norm.weight"], eps, gemma)
        q, k = rotate(q, freq), rotate(k, freq)
        mixed = np.zeros((t, heads, dim))
        for h in range(heads):
            s = scale * q[:, h] @ k[:, h * kv // heads].T
            if c.get("attn_logit_softcapping"):
                s = c["attn_logit_softcapping"] * np.tanh(s / c["attn_logit_softcapping"])
            s = np.where(sees, s, -np.inf)
            p = np.exp(s - s.max(-1, keepdims=True))
            mixed[:, h] = p / p.sum(-1, keepdims=True) @ v[:, h * kv // heads]
        y = linear(mixed.reshape(t, -1), n + "self_attn.o_proj")
        if gemma:
            y = rms(y, w[n + "post_attention_layernorm.weight"], eps, True)
        x = x + y
        before = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        y = rms(x, w[n + before + ".weight"], eps, gemma)
        y = linear(activate(linear(y, n + "mlp.gate_proj"), act) * linear(y, n + "mlp.up_proj"), n + "mlp.down_proj")
        if gemma:
            y = rms(y, w[n + "post_feedforward_layernorm.weight"], eps, True)
        x = x + y
    x = rms(x, w["model.norm.weight"], eps, gemma)
    head = "model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"
    logits = x @ w[head].T
    if c.get("final_logit_softcapping"):
        logits = c["final_logit_softcapping"] * np.tanh(logits / c["final_logit_softcapping"])
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
