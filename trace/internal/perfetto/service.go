// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// An Attribute is one entry of TraceAttributes: what the trace is about.
type Attribute struct {
	Key, Text string
	Int       int64
	IsInt     bool
}

func (rd *Reader) attributes() Kind {
	b, bad := rd.win.b, false
	rd.Attributes = rd.Attributes[:0]
	s := rd.packet.payload
	for f := (field{}); s.next(b, &f, &bad); {
		if f.num != 1 || f.wire != wireBytes {
			continue
		}
		var a Attribute
		in := f.span
		for g := (field{}); in.next(b, &g, &bad); {
			switch {
			case g.num == 1 && g.wire == wireBytes:
				a.Key = string(g.span.bytes(b))
			case g.num == 2 && g.wire == wireVarint:
				a.Int, a.IsInt = int64(g.val), true
			case g.num == 3 && g.wire == wireBytes:
				a.Text = string(g.span.bytes(b))
			}
		}
		rd.Attributes = append(rd.Attributes, a)
	}
	if bad {
		rd.complain(DamagedPacket, "trace attributes that cannot be decoded to their end")
	}
	return AttributesRecord
}

// ServiceStats is what the recording service says it lost.
type ServiceStats struct {
	Overwritten uint64 // chunks, by newer ones in a ring buffer
	Discarded   uint64 // chunks that had no room
	PacketLoss  uint64 // packets that writers could not commit
	Invalid     uint64 // packets the service could not read
	FlushFailed bool
}

// Lossy says whether anything was lost.
func (st ServiceStats) Lossy() bool { return st != ServiceStats{} }

func (rd *Reader) serviceStats() Kind {
	b, bad := rd.win.b, false
	st := &rd.Stats
	*st = ServiceStats{}
	s := rd.packet.payload
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.num == 1 && f.wire == wireBytes:
			in := f.span
			for g := (field{}); in.next(b, &g, &bad); {
				switch g.num {
				case 3:
					st.Overwritten += g.val
				case 18:
					st.Discarded += g.val
				case 19:
					st.PacketLoss += g.val
				}
			}
		case f.num == 8:
			st.Discarded += f.val
		case f.num == 10:
			st.Invalid += f.val
		case f.num == 15:
			st.FlushFailed = f.val == 2
		}
	}
	if bad {
		rd.complain(DamagedPacket, "statistics of the recording that cannot be decoded to their end")
	}
	return StatsRecord
}

type gpuKey struct {
	gpu     int32
	counter uint32
}

// A GPUCounter is one sample of a GPU's counter.
type GPUCounter struct {
	GPU   int32
	ID    uint32
	Name  StringID // 0 = not stated
	Ns    int64
	Value float64
}

// gpuCounters reads a GpuCounterEvent: a list of counters, samples, or both.
func (rd *Reader) gpuCounters(sq *sequence) Kind {
	b, bad := rd.win.b, false
	rd.GPUCounters = rd.GPUCounters[:0]
	gpu := int32(0)
	s := rd.packet.payload
	for f := (field{}); s.next(b, &f, &bad); {
		if f.num == 3 && f.wire == wireVarint {
			gpu = int32(f.val)
		}
	}
	st, ok := rd.time(sq)
	s = rd.packet.payload
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.num == 1 && f.wire == wireBytes:
			rd.counterSpecs(f.span, gpu, &bad)
		case f.num == 2 && f.wire == wireBytes && ok && !st.pending:
			c := GPUCounter{GPU: gpu, Ns: st.ns}
			in := f.span
			for g := (field{}); in.next(b, &g, &bad); {
				switch g.num {
				case 1:
					c.ID = uint32(g.val)
				case 2:
					c.Value = float64(int64(g.val))
				case 3:
					c.Value = math.Float64frombits(g.val)
				}
			}
			c.Name = rd.gpuNames[gpuKey{gpu, c.ID}]
			rd.GPUCounters = append(rd.GPUCounters, c)
		}
	}
	if bad {
		rd.complain(DamagedPacket, "GPU counters that cannot be decoded to their end")
	}
	if len(rd.GPUCounters) == 0 {
		return None
	}
	return GPUCountersRecord
}

// counterSpecs reads the names of a GPU's counters.
func (rd *Reader) counterSpecs(s span, gpu int32, bad *bool) {
	b := rd.win.b
	for f := (field{}); s.next(b, &f, bad); {
		if f.num != 1 || f.wire != wireBytes || len(rd.gpuNames) >= rd.opts.MaxStrings {
			continue
		}
		id, name := rd.entry(f.span, bad)
		rd.gpuNames[gpuKey{gpu, uint32(id)}] = rd.intern(name)
	}
}

// A Stage is one GpuRenderStageEvent: work of a GPU queue.
type Stage struct {
	GPU   int32
	Ns    int64
	DurNs int64
	Queue StringID // 0 = known by QueueID only
	Name  StringID // 0 = not stated

	QueueID uint64
}

func (rd *Reader) gpuStage(sq *sequence) Kind {
	b, bad, sg := rd.win.b, false, &rd.Stage
	*sg = Stage{}
	st, ok := rd.time(sq)
	s := rd.packet.payload
	for f := (field{}); s.next(b, &f, &bad); {
		switch f.num {
		case 2:
			sg.DurNs = int64(min(f.val, math.MaxInt64))
		case 3:
			sg.QueueID = f.val
		case 11:
			sg.GPU = int32(f.val)
		case 13:
			sg.QueueID, sg.Queue = f.val, sq.specs[f.val]
		case 14:
			sg.Name = sq.specs[f.val]
		case 17:
			if f.wire == wireBytes {
				sg.Name = rd.intern(f.span.bytes(b))
			}
		case 20:
			if id := sq.names.get(f.val); id != interned && id != 0 {
				sg.Name = id
			}
		}
	}
	if bad || !ok || st.pending {
		rd.complain(DamagedPacket, "a GPU render stage that cannot be decoded, or has no time")
		return None
	}
	sg.Ns = st.ns
	if sg.DurNs == 0 && sg.Name == 0 {
		return None // specifications only
	}
	return GPUStageRecord
}
