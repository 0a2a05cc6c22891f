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

// compareSessions looks for files that were not captured together, by the times they
// state: far apart, or one after the other of one device of one host. Devices of one
// name at one time are those of several processes. devices are the indices of the
// inputs' first ones.
func (t *Trace) compareSessions(devices []int) {
	const code = "different-sessions"
	const hint = "name one of them, or compare them: diff takes a directory for repeated captures"
	for _, a := range t.began {
		for _, b := range t.began {
			gap := b.start - a.stop
			if gap < 0 || a.input == b.input || a.input >= len(devices) || b.input >= len(devices) {
				continue
			}
			twice, msg := t.deviceOfBoth(devices, a.input, b.input), ""
			switch {
			case twice != nil:
				msg = fmt.Sprintf("%s of host %s is in %s and, %v later, in %s", twice.Name, twice.Host, t.Inputs[a.input].Path, time.Duration(gap).Round(time.Millisecond), t.Inputs[b.input].Path)
			case gap > apart:
				msg = fmt.Sprintf("%s began %v after %s had ended", t.Inputs[b.input].Path, time.Duration(gap).Round(time.Second), t.Inputs[a.input].Path)
			default:
				continue
			}
			t.find(Finding{Code: code, Severity: Error, Hint: hint, Message: msg + ": they were not captured together, and sums over them mean nothing"})
			return
		}
	}
}

// deviceOfBoth is a device that two inputs have, or nil.
func (t *Trace) deviceOfBoth(first []int, i, j int) *Device {
	of := func(i int) []Device {
		to := len(t.Devices)
		if i+1 < len(first) {
			to = first[i+1]
		}
		return t.Devices[first[i]:to]
	}
	for _, d := range of(i) {
		if slices.ContainsFunc(of(j), func(e Device) bool { return e.Name == d.Name && e.Host == d.Host }) {
			return &d
		}
	}
	return nil
}
