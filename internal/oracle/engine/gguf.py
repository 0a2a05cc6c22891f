# SPDX-License-Identifier: Apache-2.0
"""Writes the Qwen3 and Llama cases of cases.py as GGUF files for llama.cpp.

  python gguf.py CASES OUT
"""
import json
import os
import struct
import sys

import numpy as np

from cases import TYPES

U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
F32_TENSOR, BF16_TENSOR = 0, 30


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(v, kind=None):
    if isinstance(v, str):
        return struct.pack("<I", STRING) + text(v)
    if isinstance(v, float):
        return struct.pack("<If", F32, v)
    if isinstance(v, int):
        return struct.pack("<II", U32, v)
    if isinstance(v[0], str):
        return struct.pack("<IIQ", ARRAY, STRING, len(v)) + b"".join(text(s) for s in v)
    return struct.pack("<IIQ", ARRAY, I32, len(v)) + struct.pack(f"<{len(v)}i", *v)


def alphabet():
    """The characters that stand for bytes in byte-level BPE."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    out, n = [], 0
    for b in range(256):
        out.append(chr(b) if b in keep else chr(256 + n))
        n += b not in keep
    return out


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8:8 + n]), raw[8 + n:]
    return {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]], TYPES[v["dtype"]]).astype(np.float32).reshape(v["shape"])
            for k, v in header.items()}


def neighbours(w, heads):
    """Llama in llama.cpp turns neighbouring elements of a head together."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def convert(c, ts):
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    part = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
            "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
            "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for name, w in ts.items():
        stem = name.removesuffix(".weight")
        if stem in names:
            yield names[stem] + ".weight", w
            continue
        layer, rest = stem.removeprefix("model.layers.").split(".", 1)
        if c["model_type"] == "llama" and rest.endswith(("q_proj", "k_proj")):
            w = neighbours(w, c["num_attention_heads"] if rest.endswith("q_proj") else c["num_key_value_heads"])
        yield f"blk.{layer}.{part[rest]}.weight", w


def write(path, c, ts, narrow=False):
    """narrow stores matrices as bf16, which changes nothing if that is what they were."""
    arch = c["model_type"]
    tokens = alphabet()
    tokens += [f"<extra{i}>" for i in range(c["vocab_size"] - len(tokens))]
    meta = {
        "general.architecture": arch, "general.name": "random", "general.file_type": 0,
        f"{arch}.context_length": c["max_position_embeddings"], f"{arch}.embedding_length": c["hidden_size"],
        f"{arch}.block_count": c["num_hidden_layers"], f"{arch}.feed_forward_length": c["intermediate_size"],
        f"{arch}.attention.head_count": c["num_attention_heads"], f"{arch}.attention.head_count_kv": c["num_key_value_heads"],
        f"{arch}.attention.key_length": c["head_dim"], f"{arch}.attention.value_length": c["head_dim"],
        f"{arch}.rope.dimension_count": c["head_dim"], f"{arch}.attention.layer_norm_rms_epsilon": float(c["rms_norm_eps"]),
        f"{arch}.rope.freq_base": float(c["rope_theta"]), f"{arch}.vocab_size": c["vocab_size"],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * c["vocab_size"], "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 256, "tokenizer.ggml.eos_token_id": 257,
    }
    ts = [(name, w.astype(TYPES["BF16"]) if narrow and w.ndim > 1 else w) for name, w in convert(c, ts)]
    out = struct.pack("<IIQQ", 0x46554747, 3, len(ts), len(meta))
    for key, v in meta.items():
        out += text(key) + value(v)
    at = 0
    for name, w in ts:
        out += text(name) + struct.pack("<I", w.ndim) + struct.pack(f"<{w.ndim}Q", *reversed(w.shape)) + struct.pack("<IQ", F32_TENSOR if w.dtype == np.float32 else BF16_TENSOR, at)
        at += (w.nbytes + 31) // 32 * 32
    out += b"\0" * (-len(out) % 32)
    for _, w in ts:
        raw = np.ascontiguousarray(w).tobytes()
        out += raw + b"\0" * (-len(raw) % 32)
    with open(path, "wb") as f:
        f.write(out)


def main():
    for name in ("qwen3", "llama2", "qwen3_speed", "qwen3_speed_bf16"):
        folder = os.path.join(sys.argv[1], name)
        if not os.path.isdir(folder):
            continue
        c = json.load(open(os.path.join(folder, "config.json")))
        write(os.path.join(sys.argv[2], name + ".gguf"), c, read(os.path.join(folder, "model.safetensors")), name.endswith("bf16"))


if __name__ == "__main__":
    main()
