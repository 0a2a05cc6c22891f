#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times how long XProf, xprof-rs and layerscope take from the same XSpace file to
the first op table, each in a fresh process with the file in the page cache.

Usage: xprof.py LAYERSCOPE FILE.xplane.pb ROUNDS, with a Python that has xprof==2.24.2 and
xprof-rs==0.1.3 (bench/xprof.sh makes one); a peer that is missing or fails is skipped and
said to be.

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



def plain(exe, path):
    s, mem, code, _, err = run([exe, "report", path])
    if code not in (0, 1):
        raise RuntimeError("layerscope: exit %d: %s" % (code, err.decode()[-300:]))
    return {"seconds": s, "rss": mem}


def line(what, results):
    times = [r["seconds"] for r in results]
    extra = ", conversion alone %.3f s" % min(r["convert"] for r in results) if "convert" in results[0] else ""
    rows = ", %d ops" % results[0]["rows"] if "rows" in results[0] else ""
    print("%-34s best %.3f s, median %.3f s of %d, memory %.0f MB%s%s" % (
        what, min(times), statistics.median(times), len(times), max(r["rss"] for r in results) / 1e6, rows, extra))


def main(exe, path, rounds):
    print("%.0f MB, %d processors, load %.1f" % (os.path.getsize(path) / 1e6, os.cpu_count(), os.getloadavg()[0]))
    peers = {
        "layerscope report --format json": lambda folder: layerscope(exe, path),
        "layerscope report": lambda folder: plain(exe, path),
        "xprof-rs get_hlo_stats": lambda folder: xprof_rs("get_hlo_stats", path, os.path.join(folder, "rs")),
        "xprof hlo_stats": lambda folder: xprof(path, os.path.join(folder, "xprof")),
    }
    found = {name: [] for name in peers}
    for _ in range(rounds):  # in turn, so that a busy spell hits all
        for name, once in list(peers.items()):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found[name].append(once(folder))
                except (OSError, RuntimeError) as problem:
                    print("SKIP %s: %s" % (name, " ".join(str(problem).split())))
                    del peers[name]
    for name, results in found.items():
        if results:
            line(name, results)
    ours = found["layerscope report --format json"]
    for name in ("xprof hlo_stats", "xprof-rs get_hlo_stats"):
        if ours and found[name]:
            times = [statistics.median(r["seconds"] for r in x) for x in (found[name], ours)]
            least = [min(r["seconds"] for r in x) for x in (found[name], ours)]
            print("%-34s %.1f x the time of report --format json by medians, %.1f x by the best" % (name, times[0] / times[1], least[0] / least[1]))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
