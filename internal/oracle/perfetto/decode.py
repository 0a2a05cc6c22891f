# SPDX-License-Identifier: Apache-2.0
"""Decodes traces with Perfetto's generated messages and compares them with what
the model holds.

    python decode.py DIR

DIR has NAME.pftrace and NAME.json for each case. Sequence state, interning and
nesting are followed here, packet by packet, without any code of ours.
"""

import collections
import glob
import json
import sys

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb


def walk(trace):
    """Yields (op, start ns, end ns, duration ps) of each slice with an op."""
    names, defaults, stacks = {}, {}, collections.defaultdict(list)
    valid = set()
    for p in trace.packet:
        seq = p.trusted_packet_sequence_id
        if p.sequence_flags & 1:
            names[seq] = {}
            defaults.pop(seq, None)
            valid.add(seq)
        if p.HasField("trace_packet_defaults"):
            defaults[seq] = p.trace_packet_defaults
        for kind in ("event_names", "debug_annotation_names", "event_categories"):
            for e in getattr(p.interned_data, kind):
                assert (kind, e.iid) not in names[seq], "an id is defined twice"
                names[seq][kind, e.iid] = e.name
        for e in p.interned_data.debug_annotation_string_values:
            names[seq]["values", e.iid] = e.str.decode()
        if not p.HasField("track_event"):
            continue
        assert p.sequence_flags & 2 and seq in valid, "an event without state"
        ev = p.track_event
        track = ev.track_uuid
        if not ev.HasField("track_uuid"):
            track = defaults[seq].track_event_defaults.track_uuid
        if ev.type == pb.TrackEvent.TYPE_SLICE_BEGIN:
            args = {names[seq]["debug_annotation_names", a.name_iid]: a for a in ev.debug_annotations}
            stacks[track].append((names[seq]["event_names", ev.name_iid], p.timestamp, args))
        elif ev.type == pb.TrackEvent.TYPE_SLICE_END:
            name, start, args = stacks[track].pop()
            if "op" in args:
                ps = args["dur_ps"].uint_value if "dur_ps" in args else (p.timestamp - start) * 1000
                yield name, start, p.timestamp, ps
    assert not any(stacks.values()), "slices without an end"


def check(path):
    with open(path.removesuffix(".pftrace") + ".json") as f:
        want = json.load(f)
    trace = pb.Trace()
    with open(path, "rb") as f:
        trace.ParseFromString(f.read())
    unknown = sum(1 for p in trace.packet if not p.IsInitialized())
    ops = collections.defaultdict(lambda: [0, 0])
    for name, start, end, ps in walk(trace):
        ops[name][0] += 1
        ops[name][1] += ps
    got = {k: list(v) for k, v in ops.items()}
    bad = [k for k in got.keys() | want["ops"].keys() if got.get(k) != want["ops"].get(k)]
    for k in bad[:10]:
        print(f"  {k}: {got.get(k)}, want {want['ops'].get(k)}")
    attributes = {a.key: a.string_value for p in trace.packet for a in p.trace_attributes.attribute}
    missing = {k: v for k, v in want["attributes"].items() if attributes.get(k) != v}
    ok = not bad and not missing and not unknown
    print(f"{'ok  ' if ok else 'FAIL'} {path.rsplit('/', 1)[-1]}: {len(trace.packet)} packets, {sum(v[0] for v in got.values())} events, {len(got)} names by Perfetto's messages")
    return ok


if __name__ == "__main__":
    results = [check(p) for p in sorted(glob.glob(sys.argv[1] + "/*.pftrace"))]
    sys.exit(0 if results and all(results) else 1)
