// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// NoLayer is the layer of a report that is about no layer. Layer 0 is a layer.
const NoLayer = -1

// A Report is the memory at one point of a model's run: at the border of a
// stage, of a layer. Bytes are bytes.
type Report struct {
	Type  string // of the request: "score", "prefill", …
	Stage string // "before", "after_attention", …
	Layer int    // NoLayer = none
	Time  int64  // Unix nanoseconds; 0 = not stated
	Step  int64  // number of the forward pass or request

	Device      string
	BytesInUse  int64
	PeakBytes   int64 // since the process began, or since the peak was reset
	BytesLimit  int64 // 0 = none
	LargestFree int64 // largest allocation that would fit; 0 = not known

	Profile *Profile // the live buffers
}

// Name is the report's file name without extension:
// memory_report_TYPE[_layer_N]_STAGE.
func (r *Report) Name() string {
	name := "memory_report_" + fileWord(r.Type)
	if r.Layer >= 0 {
		name += "_layer_" + strconv.Itoa(r.Layer)
	}
	return name + "_" + fileWord(r.Stage)
}

// fileWord makes a word that is safe in a file name.
func fileWord(s string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
	if strings.Trim(word, "._") == "" {
		return "none"
	}
	return word
}

// A Usage is what the buffers of one scope and kind, or of one kind, hold.
type Usage struct {
	Scope string `json:"scope,omitempty"`
	Kind  string `json:"kind"`
	Bytes int64  `json:"bytes"`
	Count int64  `json:"count"`
}

// jsonReport is the document of a report. Fields are only ever added.
type jsonReport struct {
	Schema      string  `json:"schema"`
	Name        string  `json:"name"`
	Type        string  `json:"type"`
	Stage       string  `json:"stage"`
	Layer       *int    `json:"layer"` // null = none; 0 is the first
	Step        int64   `json:"step"`
	TimeUnixNS  int64   `json:"time_unix_ns"`
	Device      string  `json:"device"`
	BytesInUse  int64   `json:"bytes_in_use"`
	PeakBytes   int64   `json:"peak_bytes_in_use"`
	BytesLimit  int64   `json:"bytes_limit"`
	LargestFree int64   `json:"largest_free_block_bytes"`
	LiveBytes   int64   `json:"live_bytes"`
	LiveCount   int64   `json:"live_count"`
	Kinds       []Usage `json:"kinds"`
	Scopes      []Usage `json:"scopes"`
}

const (
	reportSchema  = "layerscope.memory_report/v1"
	summarySchema = "layerscope.memory_summary/v1"
)

// JSON writes the report as one document.
func (r *Report) JSON(w io.Writer) error { return writeJSON(w, r.document()) }

func (r *Report) document() *jsonReport {
	d := &jsonReport{
		Schema: reportSchema, Name: r.Name(), Type: r.Type, Stage: r.Stage, Step: r.Step, TimeUnixNS: r.Time, Device: r.Device,
		BytesInUse: r.BytesInUse, PeakBytes: r.PeakBytes, BytesLimit: r.BytesLimit, LargestFree: r.LargestFree,
		Kinds: []Usage{}, Scopes: []Usage{},
	}
	if r.Layer >= 0 {
		layer := r.Layer
		d.Layer = &layer
	}
	if r.Profile != nil {
		d.LiveBytes, d.LiveCount = r.Profile.Total()
		d.Kinds, d.Scopes = usages(r.Profile.Buffers, false), usages(r.Profile.Buffers, true)
	}
	return d
}

// usages adds buffers up, the largest first.
func usages(buffers []Buffer, scopes bool) []Usage {
	type key struct{ scope, kind string }
	at := make(map[key]int)
	out := []Usage{}
	for i := range buffers {
		b := &buffers[i]
		k := key{kind: b.Kind}
		if scopes {
			k.scope = b.Path()
		}
		j, ok := at[k]
		if !ok {
			j = len(out)
			at[k] = j
			out = append(out, Usage{Scope: k.scope, Kind: k.kind})
		}
		out[j].Bytes, out[j].Count = add(out[j].Bytes, b.Bytes), add(out[j].Count, b.Count)
	}
	slices.SortFunc(out, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	d := r.document()
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n", d.Name)
	fmt.Fprintf(&s, "device %s: %d bytes in use, peak %d, limit %d\n", d.Device, d.BytesInUse, d.PeakBytes, d.BytesLimit)
	fmt.Fprintf(&s, "live: %d buffers, %d bytes\n\n", d.LiveCount, d.LiveBytes)
	for _, u := range d.Scopes {
		fmt.Fprintf(&s, "%14d  %6d  %-12s  %s\n", u.Bytes, u.Count, u.Kind, u.Scope)
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// A jsonSummary is the document of a run.
type jsonSummary struct {
	Schema     string        `json:"schema"`
	Device     string        `json:"device"`
	BytesLimit int64         `json:"bytes_limit"`
	PeakBytes  int64         `json:"peak_bytes_in_use"`
	PeakReport string        `json:"peak_report"` // the first with that peak
	Reports    []summaryLine `json:"reports"`
	Growth     []Usage       `json:"growth"` // by scope and kind, from the first report to the last
}

type summaryLine struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Stage      string `json:"stage"`
	Layer      *int   `json:"layer"`
	Step       int64  `json:"step"`
	BytesInUse int64  `json:"bytes_in_use"`
	DeltaBytes int64  `json:"delta_bytes"` // to the report before
	PeakBytes  int64  `json:"peak_bytes_in_use"`
}

// Summary writes memory_summary.json of a run's reports, in their order.
func Summary(w io.Writer, reports []*Report) error {
	s := jsonSummary{Schema: summarySchema, Reports: []summaryLine{}, Growth: []Usage{}}
	for i, r := range reports {
		d := r.document()
		line := summaryLine{Name: d.Name, Type: d.Type, Stage: d.Stage, Layer: d.Layer, Step: d.Step, BytesInUse: d.BytesInUse, PeakBytes: d.PeakBytes}
		if i > 0 {
			line.DeltaBytes = d.BytesInUse - reports[i-1].BytesInUse
		}
		if d.PeakBytes > s.PeakBytes || i == 0 {
			s.PeakBytes, s.PeakReport = d.PeakBytes, d.Name
		}
		s.Device, s.BytesLimit = d.Device, d.BytesLimit
		s.Reports = append(s.Reports, line)
	}
	if n := len(reports); n > 1 && reports[0].Profile != nil && reports[n-1].Profile != nil {
		s.Growth = growth(reports[0].Profile, reports[n-1].Profile)
	}
	return writeJSON(w, s)
}

// growth returns what changed between two profiles, by scope and kind.
func growth(before, after *Profile) []Usage {
	var both []Buffer
	for _, b := range before.Buffers {
		b.Bytes, b.Count = -b.Bytes, -b.Count
		both = append(both, b)
	}
	all := usages(append(both, after.Buffers...), true)
	return slices.DeleteFunc(all, func(u Usage) bool { return u.Bytes == 0 && u.Count == 0 })
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
