#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times how long XProf, xprof-rs and layerscope take from the same XSpace file to
the first op table, each in a fresh process with the file in the page cache.

Usage: xprof.py LAYERSCOPE FILE.xplane.pb RUNS, with a Python that has xprof==2.24.2 and
xprof-rs==0.1.3; a peer that is missing is skipped and said to be.

A run of XProf gets its own copy of the file, as XProf keeps caches beside its
input. Two times are taken of it: of the whole process, and of the conversion
alone, after its libraries are loaded. Memory is the peak of the process.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CHILD = """
import json, sys, time
begin = time.perf_counter()
from xprof.convert import raw_to_tool_data as rtd
loaded = time.perf_counter()
data, _ = rtd.xspace_to_tool_data([sys.argv[1]], "hlo_stats", {})
done = time.perf_counter()
text = data.decode() if isinstance(data, bytes) else data
rows = len(json.loads(text)["rows"]) if text else 0
print(json.dumps({"convert": done - loaded, "load": loaded - begin, "rows": rows}))
"""


def run(args, env=None):
    """Returns (seconds, peak bytes, exit code, stdout, stderr) of a process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        p = subprocess.Popen(args, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.perf_counter() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return seconds, usage.ru_maxrss * 1024, p.returncode, out.read(), err.read()


def fresh(path, folder):
    """Copies the capture into a folder of its own, and so into the page cache."""
    os.makedirs(folder)
    return shutil.copy(path, os.path.join(folder, "host.xplane.pb"))


def layerscope(exe, path):
    s, mem, code, out, err = run([exe, "report", "--format", "json", path])
    if code not in (0, 1):
        raise RuntimeError("layerscope: exit %d: %s" % (code, err.decode()[-300:]))
    return {"seconds": s, "rss": mem, "rows": len(json.loads(out)["ops"])}


def xprof(path, folder):
    s, mem, code, out, err = run([sys.executable, "-c", CHILD, fresh(path, folder)])
    if code != 0:
        raise RuntimeError("exit %d: %s" % (code, err.decode()[-300:]))
    child = json.loads(out.decode().strip().splitlines()[-1])
    return {"seconds": s, "rss": mem, "rows": child["rows"], "convert": child["convert"]}


def xprof_rs(command, path, folder):
    exe = os.path.join(os.path.dirname(sys.executable), "xprof-rs")
    env = dict(os.environ, TMPDIR=folder)
    s, mem, code, out, err = run([exe, command, os.path.dirname(fresh(path, folder))], env)
    text = (out + err).decode("utf-8", "replace")
    try:
        answer = json.loads(out)
        problem = answer.get("status") == "ERROR" and json.dumps(answer)[:300]
    except (ValueError, AttributeError):
        answer, problem = None, None
    if code != 0 or problem:
        raise RuntimeError("exit %d: %s" % (code, problem or text.strip()[-300:]))
    return {"seconds": s, "rss": mem, "bytes": len(out)}


def median(runs, key):
    return statistics.median(r[key] for r in runs)


def main(exe, path, rounds):
    peers = {
        "layerscope": lambda folder: layerscope(exe, path),
        "xprof": lambda folder: xprof(path, os.path.join(folder, "xprof")),
        "xprof-rs": lambda folder: xprof_rs("get_top_hlo_ops", path, os.path.join(folder, "rs")),
    }
    found = {name: [] for name in peers}
    for _ in range(rounds):  # in turn, so that a busy spell hits all
        for name, once in peers.items():
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found[name].append(once(folder))
                except (OSError, RuntimeError) as problem:
                    print("skipped %s: %s" % (name, problem), file=sys.stderr)
    print("%s, %d bytes, medians of %d rounds" % (os.path.basename(path), os.path.getsize(path), rounds))
    for name, runs in found.items():
        if runs:
            print("%-12s %9.3f s %8.1f MB   %.1f times layerscope's time" % (
                name, median(runs, "seconds"), median(runs, "rss") / 1e6, median(runs, "seconds") / median(found["layerscope"], "seconds")))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
