# SPDX-License-Identifier: Apache-2.0
"""The Qwen3 decoder in JAX, for training: packed items, no KV cache."""
import math

import jax
import jax.numpy as jnp

CONFIG = dict(
    architectures=["Qwen3ForCausalLM"], model_type="qwen3", vocab_size=1024, hidden_size=128, num_hidden_layers=5,
    num_attention_heads=4, num_key_value_heads=2, head_dim=32, intermediate_size=320, max_position_embeddings=1024,
    rms_norm_eps=1e-6, rope_theta=10000.0, hidden_act="silu", tie_word_embeddings=True, attention_bias=False,
    torch_dtype="bfloat16", bos_token_id=None, eos_token_id=0)


def init(seed, c=CONFIG):
    keys = iter(jax.random.split(jax.random.PRNGKey(seed), 16 * c["num_hidden_layers"] + 2))
    h, f, d = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d

    def mat(out, inp, scale=1.0):
        return jax.random.normal(next(keys), (out, inp), jnp.float32) * scale / math.sqrt(inp)
    p = {"model.embed_tokens.weight": jax.random.normal(next(keys), (c["vocab_size"], h), jnp.float32) * 0.05,
         "model.norm.weight": jnp.ones(h)}
    small = 1 / math.sqrt(2 * c["num_hidden_layers"])
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        wq, wk, wv, wo = mat(q, h), mat(kv, h), mat(kv, h), mat(h, q, small)
        # Heads of the first key-value group begin by attending to their own token's
        # like, and copy what they see: recall needs that, and learns it late.
        group = q // (kv // d)
        for at in range(0, group, d):
            wq, wo = wq.at[at:at + d].set(wk[:d]), wo.at[:, at:at + d].set(wv[:d].T * small)
        p |= {n + "input_layernorm.weight": jnp.ones(h), n + "post_attention_layernorm.weight": jnp.ones(h),
              n + "self_attn.q_proj.weight": wq, n + "self_attn.k_proj.weight": wk,
              n + "self_attn.v_proj.weight": wv, n + "self_attn.o_proj.weight": wo,
              n + "self_attn.q_norm.weight": jnp.ones(d), n + "self_attn.k_norm.weight": jnp.ones(d),
              n + "mlp.gate_proj.weight": mat(f, h), n + "mlp.up_proj.weight": mat(f, h),
              n + "mlp.down_proj.weight": mat(h, f, small)}
    return p


def rms(x, w, eps):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + eps) * w


def rope(x, cos, sin):
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def forward(p, ids, positions, segments, rows, c=CONFIG):
    """Logits [B, rows, vocab] at the given rows. ids, positions and segments are
    [B, T]; segment 0 is the query, -1 padding."""
    eps, d = c["rms_norm_eps"], c["head_dim"]
    heads, kvh = c["num_attention_heads"], c["num_key_value_heads"]
    b, t = ids.shape
    freq = c["rope_theta"] ** (-jnp.arange(0, d, 2) / d)
    angle = positions[..., None, None] * freq
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    s = segments
    sees = (jnp.arange(t)[:, None] >= jnp.arange(t)) & ((s[:, None, :] == 0) | (s[:, None, :] == s[:, :, None])) & (s[:, None, :] >= 0)
    bias = jnp.where(sees, 0.0, -1e9)[:, None, None]
    x = p["model.embed_tokens.weight"][ids]
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        y = rms(x, p[n + "input_layernorm.weight"], eps)
        q = (y @ p[n + "self_attn.q_proj.weight"].T).reshape(b, t, heads, d)
        k = (y @ p[n + "self_attn.k_proj.weight"].T).reshape(b, t, kvh, d)
        v = (y @ p[n + "self_attn.v_proj.weight"].T).reshape(b, t, kvh, d)
        q = rope(rms(q, p[n + "self_attn.q_norm.weight"], eps), cos, sin).reshape(b, t, kvh, heads // kvh, d)
        k = rope(rms(k, p[n + "self_attn.k_norm.weight"], eps), cos, sin)
        a = jax.nn.softmax(jnp.einsum("btkgd,bskd->bkgts", q, k) / math.sqrt(d) + bias, -1)
        a = jnp.einsum("bkgts,bskd->btkgd", a, v).reshape(b, t, heads * d)
        x = x + a @ p[n + "self_attn.o_proj.weight"].T
        y = rms(x, p[n + "post_attention_layernorm.weight"], eps)
        x = x + (jax.nn.silu(y @ p[n + "mlp.gate_proj.weight"].T) * (y @ p[n + "mlp.up_proj.weight"].T)) @ p[n + "mlp.down_proj.weight"].T
    x = jnp.take_along_axis(x, rows[..., None], 1)
    return rms(x, p["model.norm.weight"], eps) @ p["model.embed_tokens.weight"].T
