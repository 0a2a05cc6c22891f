// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkSame says when a file was given twice. On one side the second copy is
// dropped.
func (d *differ) checkSame() {
	for _, v := range []*view{d.base, d.new} {
		for _, file := range v.twice {
			d.find("same-input", "warning", "a capture given twice is no further evidence",
				fmt.Sprintf("%s: %s was given twice and counts once", v.side.Label, file))
		}
	}
	for r := range d.base.side.Runs {
		id := runID(d.base.side, r)
		for k := range d.new.side.Runs {
			if id != "" && id == runID(d.new.side, k) {
				d.find("same-input", "warning", "give two captures to compare",
					fmt.Sprintf("both sides hold the same file: %s", runName(d.base.side, r)))
			}
		}
	}
}

// runID identifies a run by its files' content, or by their paths.
func runID(side *Side, r int) string {
	var ids []string
	for _, in := range side.Runs[r].Inputs {
		switch {
		case in.SHA256 != "":
			ids = append(ids, in.SHA256)
		case in.Path != "" && in.Path != "-":
			ids = append(ids, in.Path)
		}
	}
	return strings.Join(ids, " ")
}

// parityFields are the facts that both sides should share. void: a difference
// makes the comparison meaningless.
var parityFields = []struct {
	name string
	void bool
	of   func(a *Analysis) string
}{
	{"device kind", true, func(a *Analysis) string { return eachDevice(a, func(d *Device) string { return d.Kind }) }},
	{"device type", true, func(a *Analysis) string { return eachDevice(a, func(d *Device) string { return d.Type }) }},
	{"devices", true, func(a *Analysis) string { return fmt.Sprint(len(a.Devices)) }},
	{"layers", true, func(a *Analysis) string { return fmt.Sprint(a.Layers.Count) }},
	{"programs and shapes", true, signaturesOf},
	{"step source", true, stepSource},
	{"lossy", true, func(a *Analysis) string { return a.Lossy }},
	{"format", false, func(a *Analysis) string { return a.Format }},
	{"layer method", false, func(a *Analysis) string { return a.Layers.Method }},
	{"hosts", false, func(a *Analysis) string { return fmt.Sprint(len(a.Capture.Hosts)) }},
	{"tracks", false, trackCount},
	{"peak FLOP/s", false, func(a *Analysis) string { return eachDevice(a, func(d *Device) string { return known(d.PeakFLOPs) }) }},
}

func known(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.4g", v)
}

func eachDevice(a *Analysis, f func(*Device) string) string {
	var out []string
	for i := range a.Devices {
		if s := f(&a.Devices[i]); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func trackCount(a *Analysis) string {
	n := 0
	for i := range a.Devices {
		if a.Devices[i].Kind == "cpu" {
			return "" // threads of a pool come and go
		}
		n += a.Devices[i].Tracks
	}
	return fmt.Sprint(n)
}

// stepSource is the kind of step marks; program names are no part of it.
func stepSource(a *Analysis) string {
	s, _, _ := strings.Cut(a.Capture.StepSource, " of ")
	return s
}

// signaturesOf lists the kinds of steps that count and have shapes. Names alone
// say nothing: a program may be renamed.
func signaturesOf(a *Analysis) string {
	var out []string
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Excluded {
			continue
		}
		shapes := shapesIn(s.Signature)
		if shapes != "" && !slices.Contains(out, shapes) {
			out = append(out, shapes)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// shapesIn keeps what stands between parentheses.
func shapesIn(signature string) string {
	var out []string
	for signature != "" {
		_, rest, ok := strings.Cut(signature, "(")
		if !ok {
			break
		}
		shapes, after, _ := strings.Cut(rest, ")")
		if strings.Contains(shapes, "[") {
			out = append(out, shapes)
		}
		signature = after
	}
	return strings.Join(out, " + ")
}

// volatileMetadata are facts of a capture that always differ.
var volatileMetadata = []string{"time", "date", "process_id", "pid", "run_id", "session", "uuid", "commit", "capture", "path", "port", "highres-ticks", "trace-capture-datetime"}

// checkParity lists the fields in which the sides differ, void ones first, and
// those in which a side's own runs differ.
func (d *differ) checkParity() {
	for _, f := range parityFields {
		d.compareField(f.name, f.void, f.of)
	}
	keys := make(map[string]bool)
	for _, v := range []*view{d.base, d.new} {
		for _, a := range v.side.Runs {
			for k := range a.Capture.Metadata {
				keys[k] = true
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		low := strings.ToLower(k)
		if !slices.ContainsFunc(volatileMetadata, func(s string) bool { return strings.Contains(low, s) }) {
			d.compareField(k, false, func(a *Analysis) string { return a.Capture.Metadata[k] })
		}
	}
	slices.SortStableFunc(d.c.Parity, func(a, b Parity) int { return cmp.Compare(rankBool(b.Void), rankBool(a.Void)) })
}

func rankBool(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *differ) compareField(name string, void bool, of func(*Analysis) string) {
	base, mixedB := d.base.side.values(of)
	new, mixedN := d.new.side.values(of)
	if base != new {
		// What one side doesn't state can't be known to differ.
		void = void && (name == "lossy" || base != "" && new != "")
		d.c.Parity = append(d.c.Parity, Parity{Field: name, Base: base, New: new, Void: void})
	}
	for i, mixed := range []bool{mixedB, mixedN} {
		if side := []*Side{d.base.side, d.new.side}[i]; mixed && void {
			d.find("mixed-runs", "warning", "runs of one side must be repetitions", fmt.Sprintf("%s: its captures differ in %s: %s", side.Label, name, []string{base, new}[i]))
		}
	}
}

// values joins the distinct values of a side's runs.
func (s *Side) values(of func(*Analysis) string) (text string, mixed bool) {
	var out []string
	for _, a := range s.Runs {
		if v := of(a); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " | "), len(out) > 1
}

// refuse returns an error when the sides are not comparable.
func (d *differ) refuse() error {
	var why []string
	for _, p := range d.c.Parity {
		if p.Void {
			why = append(why, fmt.Sprintf("%s: base %s, new %s", p.Field, stated(shorten(p.Base, 80)), stated(shorten(p.New, 80))))
		}
	}
	if len(why) == 0 {
		return nil
	}
	text := strings.Join(why, "; ")
	if !d.c.Options.AllowMismatch {
		return fmt.Errorf("%w: %s", ErrMismatch, text)
	}
	d.find("mismatch", "warning", "differences below may come from there", "compared although the sides differ: "+text)
	return nil
}

// stated returns s, or says that nothing was.
func stated(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
