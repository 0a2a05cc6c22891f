// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A window is when the profiler of one input ran, in Unix nanoseconds.
type window struct {
	input       int // index in Trace.Inputs
	start, stop int64
}

// apart is from what distance on two windows are not those of one session, whose
// hosts start within seconds.
const apart = int64(time.Minute)

// openSession has the files of one session opened. Those that cannot be read are
// findings as long as there are others.
func (t *Trace) openSession(files []string, open func(file string) error) error {
	var bad []Finding
	var first error
	devices := make([]int, 0, len(files)) // where those of an input begin
	for _, f := range files {
		before := t.mark()
		from := len(t.Devices)
		if err := open(f); err != nil {
			t.reset(before)
			bad = append(bad, unreadable(f, err))
			if first == nil {
				first = err
			}
			continue
		}
		devices = append(devices, from)
	}
	if len(bad) == len(files) {
		return first
	}
	for _, f := range bad {
		t.find(f)
	}
	t.compareSessions(devices)
	return nil
}

func unreadable(file string, err error) Finding {
	f := Finding{Code: "unreadable", Severity: Error, Message: err.Error(), Hint: "the report is of the directory's other captures; move the file away if that is meant"}
	if _, ok := err.(*InputError); !ok {
		f.Message = file + ": " + f.Message
	}
	return f
}

// mark keeps what a trace holds, and reset takes away what was added since; files
// that were opened stay until the trace is closed.
func (t *Trace) mark() Trace {
	m := *t
	m.Metadata, m.found, m.alike = maps.Clone(t.Metadata), maps.Clone(t.found), maps.Clone(t.alike)
	m.Findings = slices.Clone(t.Findings) // whose counts change
	return m
}

func (t *Trace) reset(m Trace) {
	m.closers = t.closers
	*t = m
}

// compareSessions looks for files that were not captured together: of one device of
// one host, or at other times. devices are the indices of the inputs' first ones.
func (t *Trace) compareSessions(devices []int) {
	const code = "different-sessions"
	const hint = "name one of them, or compare them: diff takes a directory for repeated captures"
	type place struct{ host, device string }
	seen := make(map[place]int)
	for i, from := range devices {
		to := len(t.Devices)
		if i+1 < len(devices) {
			to = devices[i+1]
		}
		for _, d := range t.Devices[from:to] {
			at := place{d.Host, d.Name}
			if j, ok := seen[at]; ok && j != i {
				t.find(Finding{Code: code, Severity: Error, Hint: hint, Message: fmt.Sprintf(
					"%s and %s are both of %s of host %s: they were not captured together, and sums over them mean nothing", t.Inputs[j].Path, t.Inputs[i].Path, d.Name, d.Host)})
				return
			}
			seen[at] = i
		}
	}
	for _, a := range t.began {
		for _, b := range t.began {
			if gap := b.start - a.stop; gap > apart {
				t.find(Finding{Code: code, Severity: Error, Hint: hint, Message: fmt.Sprintf(
					"%s began %v after %s had ended: they were not captured together", t.Inputs[b.input].Path, time.Duration(gap).Round(time.Second), t.Inputs[a.input].Path)})
				return
			}
		}
	}
}
