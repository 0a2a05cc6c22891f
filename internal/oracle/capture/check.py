# SPDX-License-Identifier: Apache-2.0
"""Takes captures of live JAX processes with layerscope, and holds what comes
back against what is known of them.

    check.py LAYERSCOPE SERVER.py WORK_DIR
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

TOOL, SERVER, WORK = sys.argv[1:4]
LAYERS = 4
FAILED = []


def want(what, ok, detail=""):
    print(("ok    " if ok else "FAIL  ") + what + (f": {detail}" if detail else ""))
    if not ok:
        FAILED.append(what)


class Server:
    def __init__(self, **env):
        self.p = subprocess.Popen([sys.executable, SERVER, str(LAYERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  env={**os.environ, "JAX_PLATFORMS": "cpu", **env})
        line = self.p.stdout.readline().split()
        self.profiler, self.web = f"127.0.0.1:{line[0]}", f"http://127.0.0.1:{line[1]}"

    def close(self):
        self.p.stdin.close()
        self.p.wait(30)


def run(*args, code=0):
    p = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=300)
    if p.returncode != code:
        want(f"{args[0]} exits {code}", False, f"{p.returncode}\n{p.stderr}")
    return p


def capture(server, out, *args, code=0, verb="capture"):
    begin = time.time()
    p = run(verb, server.profiler, "-o", out, "--json", *args, code=code)
    took = time.time() - begin
    try:
        return json.loads(p.stdout), p.stderr, took
    except ValueError:
        return None, p.stderr, took


def codes(r):
    return sorted({f["code"] for f in r["findings"]})


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    os.chdir(WORK)
    with open("request.json", "w") as f:
        json.dump({"query": [1, 2], "items": [[3], [4]], "label_token_ids": [5, 6]}, f)
    s = Server()
    load = ["--target", s.web, "--request", "request.json"]

    r, _, took = capture(s, "window", "--duration", "500ms", *load)
    c = r["captures"][0]
    want("a window of 500 ms under load", r["servers"][0]["kind"] == "jax" and c["layers"] == LAYERS and c["steps"] > 3 and not c["empty"] and r["verdict"] != "error",
         f"{c['steps']} steps, {c['layers']} layers, {c['bytes']} bytes, {took:.2f} s, findings {codes(r)}")
    want("requests in the window", r["requests"]["failed"] == 0 and r["requests"]["sent"] > 3, r["requests"])
    p = run("report", "window", "--format", "json")
    report = json.loads(p.stdout)
    rows = [row for row in report["layers"]["rows"] if row["index"] >= 0]
    want("layers by scope", report["layers"]["method"] == "scope" and len(rows) == LAYERS, report["layers"]["method"])

    r, _, _ = capture(s, "requests", "--requests", "20", *load)
    want("a window of 20 requests, ended by Terminate", r["captures"][0]["early"] and r["captures"][0]["steps"] == 20, f"{r['captures'][0]['steps']} steps")

    r, err, _ = capture(s, "idle", "--duration", "100ms", "--tries", "2", code=4)
    want("an idle process is no failure, and is said", r["captures"][0]["empty"] and "no-device-events" in codes(r) and "100ms → 400ms" in err)
    want("HLO of an idle process", r["captures"][0]["bytes"] > 1000, f"{r['captures'][0]['bytes']} bytes")

    r, err, _ = capture(s, "levels", "--duration", "200ms", "--host-tracer", "0", *load)
    want("host level 0 is empty; level 2 isn't", "host tracer level 0 → 2" in err and not r["captures"][0]["empty"])
    r, err, _ = capture(s, "hlo", "--duration", "200ms", "--no-hlo", *load)
    want("no layers without HLO on CPU; taken again with", "with the programs' HLO" in err and r["captures"][0]["layers"] == LAYERS)

    r, _, took = capture(s, "plan", "--memory")
    want("the memory plan without a window", "no-memory-facts" not in codes(r), f"{took * 1000:.0f} ms in all, {r['captures'][0]['bytes']} bytes")

    first = threading.Thread(target=capture, args=(s, "first", "--duration", "3s"), kwargs={"code": 0})  # it sees the warm-up of the one that waits
    first.start()
    time.sleep(1)
    _, err, _ = capture(s, "busy", "--busy", "0s", code=1)
    want("busy", "Another profiling session active" in err, err.strip().splitlines()[-2:])
    r, err, _ = capture(s, "waited", "--duration", "200ms", "--busy", "20s", *load)
    want("busy is waited for", r is not None and "its profiler is busy; trying again" in err)
    first.join()

    p = subprocess.Popen([TOOL, "capture", s.profiler, "-o", "partial", "--duration", "60s", *load], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    p.send_signal(signal.SIGINT)
    begin = time.time()
    _, err = p.communicate(timeout=60)
    v = run("bundle", "verify", "partial")
    steps = json.loads(run("inspect", "partial", "--json").stdout)["capture"]["steps"]["count"]
    want("^C keeps a partial capture", p.returncode == 130 and "verified" in v.stdout and steps > 3, f"{steps} steps, {time.time() - begin:.2f} s after ^C")
    r, _, _ = capture(s, "after", "--duration", "200ms", *load)
    want("the profiler is free afterwards", r is not None and r["captures"][0]["steps"] > 0)

    r, _, _ = capture(s, "continuous", "--continuous", "--duration", "1500ms", *load)
    want("a snapshot of continuous profiling", r is not None and r["captures"][0]["steps"] > 3, f"{r['captures'][0]['steps']} steps" if r else "")
    r, _, _ = capture(s, "stopped", "--duration", "200ms", *load)
    want("which is stopped afterwards", r is not None)

    r, _, _ = capture(s, "base", "--target", s.web, "--workload", "smoke", "--commit", "aaaaaaa1", verb="profile")
    want("a session of three captures", len(r["captures"]) == 3 and r["captures"][2]["steps"] == 30, [c["steps"] for c in r["captures"]])
    o = r["overhead"]
    want("overhead of profiling", o and o["n"] == 6 and o["need"] == 0, o)
    s.close()

    s = Server(WIDE="6")
    r, _, _ = capture(s, "new", "--target", s.web, "--workload", "smoke", "--overhead", "0", "--commit", "bbbbbbb2", verb="profile")
    s.close()
    d = json.loads(run("diff", "base", "new", "--format", "json").stdout)
    row = [x for x in d["rows"] if x["level"] == "layer" and x["key"] == "layer_2"]
    want("diff finds the layer that was widened", row and row[0]["verdict"] == "REGRESSION" and row[0]["effect"] > 0.5,
         (row[0]["verdict"], row[0]["effect"]) if row else "no row")
    print(f"{len(FAILED)} failed")
    sys.exit(bool(FAILED))


main()
