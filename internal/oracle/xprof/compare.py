# SPDX-License-Identifier: Apache-2.0
"""Compares XProf's tables of a recording with layerscope's JSON of it."""

import json
import os
import sys

TOLERANCE = 1e-6


def tool(path, name):
    from xprof.convert import raw_to_tool_data

    data, _ = raw_to_tool_data.xspace_to_tool_data([path], name, {})
    if isinstance(data, bytes):
        data = data.decode()
    return json.loads(data)


def rows(table):
    if isinstance(table, list):
        table = table[0]
    ids = [c["id"] for c in table["cols"]]
    return [dict(zip(ids, (c["v"] for c in r["c"]))) for r in table["rows"]]


def close(a, b):
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def op_totals(path, report, failures):
    theirs = {r["hlo_op_name"]: r for r in rows(tool(path, "hlo_stats"))}
    ours = {o["name"]: o for o in report["ops"]}
    if set(theirs) != set(ours) or not ours:
        failures.append(f"ops: XProf has {sorted(theirs)}, we have {sorted(ours)}")
        return
    worst = 0.0
    for name, o in ours.items():
        t = theirs[name]
        for what, a, b in (
            ("occurrences", t["occurrences"], o["occurrences"]),
            ("total time, us", t["total_time"], o["total_ps"] / 1e6),
            ("self time, us", t["total_self_time"], o["self_ps"] / 1e6),
        ):
            if not close(a, b):
                failures.append(f"{name}: {what}: XProf {a}, ours {b}")
            elif b:
                worst = max(worst, abs(a - b) / abs(b))
        flops = o["flops"] / o["total_ps"] * 1e3  # GFLOP/s
        if not close(t["model_flop_rate"], flops):
            failures.append(f"{name}: GFLOP/s: XProf {t['model_flop_rate']}, ours {flops}")
        if t["category"] != o["category"]:
            failures.append(f"{name}: category: XProf {t['category']}, ours {o['category']}")
    total_theirs = sum(r["total_self_time"] for r in theirs.values())
    total_ours = report["layers"]["op_time_ps"] / 1e6
    if not close(total_theirs, total_ours):
        failures.append(f"op time: XProf {total_theirs} us, ours {total_ours} us")
    print(f"hlo_stats: {len(ours)} ops, largest difference {worst:.2g} relative, op time {total_ours:.3f} us")


def scopes(path, report, failures):
    """XProf's framework ops are named by the scope path, layer and all."""
    names = {r["operation"] for r in rows(tool(path, "framework_op_stats")) if r["host_or_device"] == "Device"}
    missing = {o["scope"].rstrip(":") for o in report["ops"]} - {n.rstrip(":") for n in names}
    if missing:
        failures.append(f"framework_op_stats has no {sorted(missing)}")
    print(f"framework_op_stats: {len(names)} scopes on the device")


def memory(path, ours, failures):
    theirs = tool(path, "memory_profile")["memoryProfilePerAllocator"]
    for d in ours["devices"]:
        t = theirs.get(d["name"])
        if t is None:
            failures.append(f"memory_profile has no allocator {d['name']}")
            continue
        s = t["profileSummary"]
        for what, a, b in (
            ("peak", s["peakStats"]["peakBytesInUse"], d["peak_bytes"]),
            ("capacity", s["memoryCapacity"], d["capacity_bytes"]),
            ("lifetime", s["peakBytesUsageLifetime"], d["lifetime_heap_peak_bytes"]),
        ):
            if int(a) != b:
                failures.append(f"{d['name']}: {what}: XProf {a}, ours {b}")
        print(f"memory_profile: {d['name']} peak {d['peak_bytes']} B")
    if len(theirs) != len(ours["devices"]):
        failures.append(f"memory_profile has {sorted(theirs)}")


def lanes(path):
    events = tool(path, "trace_viewer")["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    count = {}
    for e in events:
        if e.get("ph") == "X":
            lane = names.get((e["pid"], e["tid"]), "?")
            count[lane] = count.get(lane, 0) + 1
    return count


def overview(path, report, failures):
    """The overview knows the device for what it is, and its idle time."""
    facts = {}
    for table in tool(path, "overview_page"):
        facts.update(table.get("p") or {})
    d = report["devices"][0]
    if facts.get("device_type") != d["type"] or d["type"] != "CPU (layerscope)":
        failures.append(f"device type: XProf {facts.get('device_type')}, ours {d['type']}")
    idle = float(facts["device_idle_time_percent"].rstrip("%"))
    ours = 100 * d["idle_ps"] / d["window_ps"]
    if abs(idle - ours) > 0.06:
        failures.append(f"idle: XProf {idle} %, ours {ours:.2f} %")
    print(f"overview_page: {facts['device_type']}, idle {idle} %, steps {facts['steptime_ms_minimum']} to {facts['steptime_ms_maximum']} ms")


def main():
    work = sys.argv[1]
    failures = []
    load = lambda name: json.load(open(os.path.join(work, name)))
    compat = os.path.join(work, "compat", "host.xplane.pb")
    native = os.path.join(work, "native", "host.xplane.pb")
    op_totals(compat, load("compat.report.json"), failures)
    scopes(compat, load("compat.report.json"), failures)
    memory(compat, load("compat.memory.json"), failures)
    overview(compat, load("compat.report.json"), failures)
    if [f for f in load("compat.report.json")["findings"] if f["code"] == "synthetic"] == []:
        failures.append("our report of the compatible file doesn't call it synthetic")
    both = lanes(native)
    print("native lanes in trace_viewer:", json.dumps(both))
    if both.get("scorer", 0) == 0:
        failures.append("trace_viewer shows no host spans of the native file")
    for f in failures:
        print("FAIL", f)
    sys.exit(1 if failures else 0)


main()
