#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times how long XProf, xprof-rs and layerscope take from the same XSpace file to
the first op table, each in a fresh process with the file in the page cache.

Usage: xprof.py LAYERSCOPE FILE.xplane.pb RUNS

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


def best(what, runs, once):
    """Runs once() that often; returns its shortest run, or None with the reason."""
    results = []
    for _ in range(runs):
        try:
            results.append(once())
        except RuntimeError as e:
            print("%-34s no result: %s" % (what, " ".join(str(e).split())))
            return None
    r = min(results, key=lambda r: r["seconds"])
    r["median"] = statistics.median(x["seconds"] for x in results)
    extra = ", conversion alone %.3f s" % r["convert"] if "convert" in r else ""
    print("%-34s best %.3f s, median %.3f s, memory %.0f MB%s%s" % (
        what, r["seconds"], r["median"], r["rss"] / 1e6,
        ", %d ops" % r["rows"] if "rows" in r else "", extra))
    return r


def main():
    exe, path, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print("%.0f MB, %d processors, load %.1f" % (os.path.getsize(path) / 1e6, os.cpu_count(), os.getloadavg()[0]))
    with tempfile.TemporaryDirectory() as work:
        count = iter(range(10**6))
        folder = lambda: os.path.join(work, str(next(count)))

        def clean(once):
            """A run that leaves nothing in the way of the next."""
            def f():
                d = folder()
                try:
                    return once(d)
                finally:
                    shutil.rmtree(d, ignore_errors=True)
            return f

        ours = best("layerscope report --format json", runs, lambda: layerscope(exe, path))
        text = best("layerscope report", runs, lambda: plain(exe, path))
        rs = best("xprof-rs get_hlo_stats", runs, clean(lambda d: xprof_rs("get_hlo_stats", path, d)))
        xp = best("xprof hlo_stats", max(1, runs // 3), clean(lambda d: xprof(path, d)))
    for name, other in (("xprof, whole process", xp and xp["seconds"]), ("xprof, conversion alone", xp and xp["convert"]), ("xprof-rs", rs and rs["seconds"])):
        if other:
            print("%-34s %.1f x the time of report --format json, %.1f x that of report" % (name, other / ours["seconds"], other / text["seconds"]))


def plain(exe, path):
    s, mem, code, _, err = run([exe, "report", path])
    if code not in (0, 1):
        raise RuntimeError("layerscope: exit %d: %s" % (code, err.decode()[-300:]))
    return {"seconds": s, "rss": mem}


if __name__ == "__main__":
    main()
