# SPDX-License-Identifier: Apache-2.0
"""Compares pprof's and XProf's tables of converted captures with the reports."""

import json
import os
import re
import sys
from collections import defaultdict

failures = []


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def top(path):
    """Flat ns by name of `go tool pprof -top -unit=ns`."""
    out = defaultdict(int)
    for line in open(path, encoding="utf-8"):
        m = re.match(r"\s*(-?[0-9.]+)(ns)?\s+\S+%\s+\S+%\s+\S+\s+\S+%\s+(.*)$", line)
        if m and not line.startswith(("Showing", "      flat")):
            out[re.sub(r" \(inline\)$", "", m.group(3)).split(" ", 1)[0]] += int(round(float(m.group(1))))
    return out


def report_ns(path):
    out = defaultdict(int)
    for o in load(path)["ops"]:
        out[o["name"].split(" ", 1)[0]] += (o["self_ps"] + 500) // 1000
    return out


def pprof(cases):
    for name in ("base_a", "slow_a", "tp4", "modules_flat", "scan"):
        want = report_ns(os.path.join(cases, name + ".report.json"))
        got = top(os.path.join(cases, name + ".top"))
        wrong = [k for k, v in want.items() if v and got.get(k) != v]
        if wrong or not want:
            failures.append(f"{name}: pprof -top: {len(wrong)} of {len(want)} ops differ, such as {wrong[:3]}: {[(got.get(k), want[k]) for k in wrong[:3]]}")
        print(f"pprof -top: {name}: {len(want)} ops, {sum(want.values())} ns")
    base, new = (report_ns(os.path.join(cases, n + ".report.json")) for n in ("base_a", "slow_a"))
    diff = top(os.path.join(cases, "diff.top"))
    off = [k for k in set(base) | set(new) if diff.get(k, 0) != new.get(k, 0) - base.get(k, 0)]
    if off:
        failures.append(f"pprof -diff_base: {len(off)} ops differ, such as {off[:3]}: {[(diff.get(k), new.get(k), base.get(k)) for k in off[:3]]}")
    print(f"pprof -diff_base: {len(diff)} rows")


def table(path):
    from xprof.convert import raw_to_tool_data

    data, _ = raw_to_tool_data.xspace_to_tool_data([path], "hlo_stats", {})
    t = json.loads(data.decode() if isinstance(data, bytes) else data)
    t = t[0] if isinstance(t, list) else t
    ids = [c["id"] for c in t["cols"]]
    return [dict(zip(ids, (c["v"] for c in r["c"]))) for r in t["rows"]]


def close(a, b, tolerance=1e-6):
    return abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-9)


def xprof(cases):
    for name in ("base_a", "tp4"):
        rows = table(os.path.join(cases, name, "host.xplane.pb"))
        theirs = defaultdict(lambda: [0, 0.0])
        for r in rows:
            theirs[r["hlo_op_name"]][0] += r["occurrences"]
            theirs[r["hlo_op_name"]][1] += r["total_self_time"]
        ours = defaultdict(lambda: [0, 0.0])
        for o in load(os.path.join(cases, name, "report.json"))["ops"]:
            if o["program"]:
                ours[o["name"]][0] += o["occurrences"]
                ours[o["name"]][1] += o["self_ps"] / 1e6
        off = [k for k in set(ours) | set(theirs) if ours[k][0] != theirs[k][0] or not close(ours[k][1], theirs[k][1])]
        if off or not ours:
            failures.append(f"{name}: XProf: {len(off)} of {len(ours)} ops differ, such as {[(k, theirs[k], ours[k]) for k in off[:3]]}")
        print(f"hlo_stats: {name}: {len(ours)} ops, {sum(v[1] for v in ours.values()):.3f} us")
    original = os.path.join(cases, "original", "host.xplane.pb")
    if not os.path.exists(original):
        return
    a = {(r["program_id"], r["hlo_op_name"]): r for r in table(original)}
    b = {(r["program_id"], r["hlo_op_name"]): r for r in table(os.path.join(cases, "copy", "host.xplane.pb"))}
    if set(a) != set(b) or not a:
        failures.append(f"TPU copy: XProf has {len(b)} ops, of the original {len(a)}")
        return
    for key in ("occurrences", "total_time", "total_self_time", "model_flop_rate", "measured_memory_bw", "category", "hlo_op_expression"):
        off = [k for k in a if not (close(a[k][key], b[k][key]) if isinstance(a[k][key], (int, float)) else a[k][key] == b[k][key])]
        if off:
            failures.append(f"TPU copy: {key} differs for {len(off)} ops, such as {[(k, a[k][key], b[k][key]) for k in off[:2]]}")
    print(f"hlo_stats: a TPU capture and our copy of it: {len(a)} ops, 7 columns")


{"pprof": pprof, "xprof": xprof}[sys.argv[1]](sys.argv[2])
for f in failures:
    print("FAIL", f)
sys.exit(1 if failures else 0)
