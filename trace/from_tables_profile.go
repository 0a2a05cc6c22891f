// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// looksLikeXProfPage tells XProf's other derived documents: op_profile and
// memory_profile.
func looksLikeXProfPage(text []byte) bool {
	for _, key := range []string{`"byProgram`, `"byCategory`, `"byProvenance`, `"memoryProfilePerAllocator"`, `"aggDvfsTimeScaleMultiplier"`, `"hloModules":[`, `"memoryIds"`} {
		if i := bytes.Index(text[:min(len(text), 200)], []byte(key)); i >= 0 && !bytes.Contains(text[:i], []byte(`"traceEvents"`)) {
			return true
		}
	}
	return false
}

// fromXProf adds what a derived document of XProf says: an op table, an
// overview, an op profile, a memory profile. All of them are lossy.
func fromXProf(t *Trace, b []byte, host string) error {
	var doc struct {
		Memory map[string]memoryPage `json:"memoryProfilePerAllocator"`
		Device string                `json:"deviceType"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) && json.Unmarshal(b, &doc) == nil {
		if doc.Memory != nil {
			return fromMemoryPage(t, doc.Memory, host)
		}
		if tree := profileTree(b); tree != nil {
			return fromOpProfile(t, tree, doc.Device, host)
		}
	}
	if page, ok := overviewPage(b); ok {
		return fromOverview(t, page, host)
	}
	return fromTable(t, b, host)
}

// A profileNode is one node of an op profile.
type profileNode struct {
	Name    string `json:"name"`
	Metrics struct {
		RawTime     float64   `json:"rawTime"` // ps
		Occurrences float64   `json:"occurrences"`
		RawFLOPs    float64   `json:"rawFlops"` // the model's
		BF16FLOPs   float64   `json:"bf16Flops"`
		Bytes       []float64 `json:"rawBytesAccessedArray"`
	} `json:"metrics"`
	XLA *struct {
		Category   string `json:"category"`
		Expression string `json:"expression"`
		Provenance string `json:"provenance"`
		ProgramID  string `json:"programId"`
	} `json:"xla"`
	Children []profileNode `json:"children"`
}

// profileTree returns the tree of a document that says most.
func profileTree(b []byte) *profileNode {
	var trees map[string]json.RawMessage
	if json.Unmarshal(b, &trees) != nil {
		return nil
	}
	for _, key := range []string{"byProgramExcludeIdle", "byProgram", "byProvenanceExcludeIdle", "byProvenance", "byCategoryExcludeIdle", "byCategory"} {
		var n profileNode
		if raw, ok := trees[key]; ok && json.Unmarshal(raw, &n) == nil {
			return &n
		}
	}
	return nil
}

// fromOpProfile adds the leaves of an op profile as aggregated events. Children
// beyond the first hundred, and the self time of ops with children, are not in
// the file.
func fromOpProfile(t *Trace, root *profileNode, device, host string) error {
	t.Lossy = "XProf's op profile: sums by op, cut to 100 children a node, without events, steps or program runs"
	col := &columns{}
	programs := map[string]int{}
	seen := int64(0)
	var walk func(n *profileNode, depth int)
	walk = func(n *profileNode, depth int) {
		for i := range n.Children {
			if depth < 64 {
				walk(&n.Children[i], depth+1)
			}
		}
		if len(n.Children) > 0 || n.XLA == nil || n.Name == "IDLE" {
			return
		}
		time := positive(n.Metrics.RawTime)
		count := max(1, min(positive(n.Metrics.Occurrences), math.MaxInt32))
		op := Op{Name: n.Name, Category: n.XLA.Category, Long: n.XLA.Expression, Scope: n.XLA.Provenance, Program: -1}
		op.FLOPs, op.ModelFLOPs = positive(n.Metrics.BF16FLOPs)/count, positive(n.Metrics.RawFLOPs)/count
		if len(n.Metrics.Bytes) > 0 {
			op.Bytes = positive(n.Metrics.Bytes[0]) / count
		}
		if id, err := strconv.ParseUint(n.XLA.ProgramID, 10, 64); err == nil && id != 0 {
			p, ok := programs[n.XLA.ProgramID]
			if !ok {
				p = len(t.Programs)
				programs[n.XLA.ProgramID] = p
				t.Programs = append(t.Programs, Program{Name: fmt.Sprintf("program %d", id), ID: id, Host: host})
			}
			op.Program = p
		}
		seen += time
		col.add(OpID(len(t.Ops)), 0, Duration(time))
		col.addFacts(false, [6]int64{0, count, time, time / count})
		t.Ops = append(t.Ops, op)
	}
	walk(root, 0)
	d := Device{Name: "device (all, from a table)", Host: host, Kind: "table", Type: device}
	t.tableDevice(d, "op profile", col, Duration(positive(root.Metrics.RawTime)))
	if total := positive(root.Metrics.RawTime); total > seen {
		t.find(Finding{Code: "lossy", Severity: Info, Message: fmt.Sprintf("%.3f µs of the profile's %.3f µs are in no leaf: idle time, ops beyond the first hundred, and ops that hold others", float64(total-seen)/1e6, float64(total)/1e6)})
	}
	return nil
}

// positive returns a number as an integer, 0 when it is none of use.
func positive(f float64) int64 {
	if !(f > 0) || f > 1<<62 {
		return 0
	}
	return int64(math.Round(f))
}

// tableDevice adds the one device that a table stands for.
func (t *Trace) tableDevice(d Device, track string, col *columns, wall Duration) {
	t.Devices = append(t.Devices, d)
	if !slices.Contains(t.Hosts, d.Host) {
		t.Hosts = append(t.Hosts, d.Host)
	}
	t.Tracks = append(t.Tracks, &Track{Name: track, Kind: Ops, Device: len(t.Devices) - 1, Host: d.Host, source: col})
	t.Wall = max(t.Wall, wall)
	t.find(Finding{Code: "lossy", Severity: Warning, Message: "read from " + t.Lossy, Hint: "keep the .xplane.pb; everything else can be computed from it"})
}

// memoryPage is one allocator of a memory profile. XProf writes 64-bit integers
// as strings.
type memoryPage struct {
	Snapshots []struct {
		Activity struct {
			Kind      string      `json:"memoryActivity"`
			Requested json.Number `json:"requestedBytes"`
			Bytes     json.Number `json:"allocationBytes"`
			Addr      json.Number `json:"address"`
			Op        string      `json:"tfOpName"`
			Step      json.Number `json:"stepId"`
			Region    string      `json:"regionType"`
			Shape     string      `json:"tensorShape"`
		} `json:"activityMetadata"`
		State struct {
			Stack         json.Number `json:"stackReservedBytes"`
			Heap          json.Number `json:"heapAllocatedBytes"`
			Free          json.Number `json:"freeMemoryBytes"`
			Peak          json.Number `json:"peakBytesInUse"`
			Fragmentation float64     `json:"fragmentation"`
		} `json:"aggregationStats"`
		Time json.Number `json:"timeOffsetPs"`
	} `json:"memoryProfileSnapshots"`
}

func fromMemoryPage(t *Trace, page map[string]memoryPage, host string) error {
	t.Lossy = "XProf's memory profile: at most 1,000 allocator events, and nothing else"
	names := make([]string, 0, len(page))
	for name := range page {
		names = append(names, name)
	}
	slices.Sort(names)
	n := func(v json.Number) int64 { i, _ := v.Int64(); return i }
	for _, name := range names {
		for i := range page[name].Snapshots {
			s := &page[name].Snapshots[i]
			addr, _ := strconv.ParseUint(string(s.Activity.Addr), 10, 64)
			t.Allocs = append(t.Allocs, Alloc{
				Allocator: name, Host: host, Time: Time(n(s.Time)), InLine: Duration(n(s.Time)), Free: strings.Contains(s.Activity.Kind, "DEALLOC"),
				Reserved: n(s.State.Stack), Allocated: n(s.State.Heap), Available: n(s.State.Free), Peak: n(s.State.Peak), Fragmentation: s.State.Fragmentation,
				Requested: n(s.Activity.Requested), Bytes: n(s.Activity.Bytes), Addr: addr, Scope: s.Activity.Op, Region: s.Activity.Region, Shape: s.Activity.Shape, Step: n(s.Activity.Step),
			})
		}
	}
	if !slices.Contains(t.Hosts, host) {
		t.Hosts = append(t.Hosts, host)
	}
	t.find(Finding{Code: "lossy", Severity: Warning, Message: "read from " + t.Lossy, Hint: "keep the .xplane.pb; everything else can be computed from it"})
	return nil
}

// overviewPage returns the properties of an overview page and whether b is one.
func overviewPage(b []byte) (map[string]string, bool) {
	var tables []struct {
		P map[string]any `json:"p"`
	}
	if json.Unmarshal(b, &tables) != nil || len(tables) < 2 {
		return nil, false
	}
	if _, ok := tables[0].P["device_duty_cycle_percent"]; !ok {
		return nil, false
	}
	out := make(map[string]string)
	for _, tb := range tables {
		for k, v := range tb.P {
			if s, ok := v.(string); ok && s != "" && len(s) < 200 {
				out[k] = s
			}
		}
	}
	return out, true
}

// fromOverview keeps an overview's numbers as metadata: its ops are shares
// without a whole.
func fromOverview(t *Trace, page map[string]string, host string) error {
	t.Lossy = "XProf's overview page: shares of ops without their times, no events"
	for k, v := range page {
		t.Metadata["overview."+k] = v
	}
	if !slices.Contains(t.Hosts, host) {
		t.Hosts = append(t.Hosts, host)
	}
	t.find(Finding{Code: "lossy", Severity: Warning, Message: "read from " + t.Lossy, Hint: "read hlo_stats or op_profile of the same session instead, or better the .xplane.pb"})
	return nil
}
