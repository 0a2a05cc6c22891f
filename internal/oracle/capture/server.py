# SPDX-License-Identifier: Apache-2.0
"""A JAX process to take captures of: jax.profiler.start_server, and a scoring
endpoint whose requests run a model of four layers.

    server.py HLO_LAYERS

It prints one line, PROFILER_PORT HTTP_PORT, and ends with its standard input.
The environment variable WIDE widens layer 2's MLP so many times.
"""

import http.server
import json
import os
import socket
import sys
import threading

import jax
import jax.numpy as jnp

DIM, FFN, VOCAB, ROWS = 128, 512, 256, 256
LAYERS = int(sys.argv[1])
WIDE = int(os.environ.get("WIDE", "1"))


def params():
    key = jax.random.PRNGKey(0)
    out = []
    for i in range(LAYERS):
        ffn = FFN * (WIDE if i == 2 else 1)
        key, a, b, c = jax.random.split(key, 4)
        out.append({"q": jax.random.normal(a, (DIM, DIM)) / 11, "up": jax.random.normal(b, (DIM, ffn)) / 11, "down": jax.random.normal(c, (ffn, DIM)) / 22})
    return out, jax.random.normal(key, (DIM, VOCAB)) / 11


@jax.jit
def score(layers, head, x):
    for i, p in enumerate(layers):
        with jax.named_scope(f"layer_{i}"):
            with jax.named_scope("attention"):
                x = x + jax.nn.softmax(x @ p["q"] @ x.T / 11) @ x
            with jax.named_scope("mlp"):
                x = x + jax.nn.silu(x @ p["up"]) @ p["down"]
    with jax.named_scope("lm_head"):
        return jax.nn.log_softmax(x[-1] @ head)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200, {"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        labels = body["label_token_ids"]
        scores = []
        with LOCK, jax.profiler.StepTraceAnnotation("score", step_num=next(STEPS)):
            logs = jax.block_until_ready(score(LAYER_PARAMS, HEAD, X))
        for _ in body["items"]:
            scores.append([float(jnp.exp(logs[i % VOCAB])) for i in labels])
        self.answer(200, {"scores": scores, "model": body["model"], "object": "scoring"})


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


LOCK = threading.Lock()
STEPS = iter(range(1 << 30))
LAYER_PARAMS, HEAD = params()
X = jax.random.normal(jax.random.PRNGKey(1), (ROWS, DIM))
jax.block_until_ready(score(LAYER_PARAMS, HEAD, X))
port = free_port()
profiler = jax.profiler.start_server(port)
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=web.serve_forever, daemon=True).start()
print(port, web.server_address[1], flush=True)
sys.stdin.read()
