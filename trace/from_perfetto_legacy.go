// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// legacy gives the type of an event made from a Trace Event JSON event by its
// phase. Phases that are no slices and no flows are left out.
func (x *perfettoReader) legacy(ev *perfetto.Event) (typ uint32, dur int64, ok bool) {
	switch ev.Legacy.Phase {
	case 0, 'B', 'E', 'i', 'I', 'R':
		return uint32(ev.Type), 0, true
	case 'X':
		return whatComplete, ev.Legacy.DurNs, true
	case 'b', 'S':
		return whatBegin, 0, true
	case 'e', 'F':
		return whatEnd, 0, true
	case 'n', 'T', 'p':
		return whatInstant, 0, true
	case 'M':
		x.legacyName(ev)
	case 's', 't', 'f':
		return whatArrow, 0, true
	default:
		x.phases++
	}
	return 0, 0, false
}

// legacyName takes a metadata event that names a process or thread.
func (x *perfettoReader) legacyName(ev *perfetto.Event) {
	what := x.rd.Text(ev.Name)
	for a := range x.rd.Annotations {
		for key, v := range a.Flatten {
			if key != "name" {
				continue
			}
			switch pid, tid := owner(ev); what {
			case "process_name":
				x.named(pid, 0, v.String())
			case "thread_name":
				x.named(pid, tid, v.String())
			}
		}
	}
}

// owner is the process and thread of a legacy event.
func owner(ev *perfetto.Event) (pid int32, tid int64) {
	pid, tid = ev.Pid, ev.Tid
	if ev.Legacy.HasPid {
		pid, tid = ev.Legacy.Pid, 0
	}
	if ev.Legacy.HasTid {
		tid = int64(ev.Legacy.Tid)
	}
	return pid, tid
}

// legacyKey names the lane of a legacy event that is not on its track: one that
// pairs by id, or that is of another process or thread.
func legacyKey(ev *perfetto.Event) (perfettoKey, bool) {
	lg := &ev.Legacy
	pid, tid := owner(ev)
	switch lg.Phase {
	case 'b', 'e', 'n', 'S', 'F', 'T', 'p':
		k := perfettoKey{kind: 'a', id: lg.ID, scope: ev.Category}
		if lg.Scope != 0 {
			k.scope = lg.Scope
		}
		if lg.IDKind == perfetto.LocalID {
			k.pid, k.tid = pid, 1
		}
		return k, true
	}
	if lg.HasPid || lg.HasTid {
		return perfettoKey{kind: 't', pid: pid, tid: tid}, true
	}
	return perfettoKey{}, false
}

// gpuCounter adds a sample of a GPU's counter.
func (x *perfettoReader) gpuCounter(c *perfetto.GPUCounter) {
	ln := x.other(perfettoKey{kind: 'c', pid: c.GPU, id: uint64(c.ID)})
	if ln.title == "" {
		ln.title = "GPU " + strconv.Itoa(int(c.GPU)) + " " + firstOf(x.rd.Text(c.Name), "counter "+strconv.Itoa(int(c.ID)))
	}
	x.sample(&perfetto.Event{Ns: c.Ns}, ln, c.Value)
}

// gpuStage adds work of a GPU's queue.
func (x *perfettoReader) gpuStage(s *perfetto.Stage) {
	x.stages++
	ln := x.other(perfettoKey{kind: 'q', pid: s.GPU, id: s.QueueID})
	if ln.title == "" {
		ln.title = "GPU " + strconv.Itoa(int(s.GPU)) + " " + firstOf(x.rd.Text(s.Queue), "queue "+strconv.FormatUint(s.QueueID, 10))
	}
	x.add(ln, &perfetto.Event{Ns: s.Ns}, whatComplete, x.plainOp(s.Name, 0)+1, max(0, s.DurNs), 0)
}
