// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/layerscope/layerscope/analyze/internal/stats"
	"github.com/layerscope/layerscope/trace"
)

// A MemoryComparison is what two sides differ by in live buffers, allocators' peaks
// and programs' plans. A run is one state of memory: a profile, or what a capture
// says.
type MemoryComparison struct {
	Base, New         string // labels
	BaseRuns, NewRuns int
	Verdict           string // of all live buffers; without any, the worst of the peaks and plans
	Rows              []MemoryDiffRow
	Findings          []Finding
}

// A MemoryDiffRow compares bytes of one part, in the median run of each side.
type MemoryDiffRow struct {
	Level             string // "live", "kind", "device", "site", "peak", "plan"
	Key, Kind, Device string

	Base, New, Delta    int64 // bytes
	BaseCount, NewCount int64 // buffers of the median run

	// Exact: the runs of a side agree to the byte, so the change needs no
	// statistics. Else Lo and Hi are its interval, equal where a side has one run.
	Exact   bool
	Lo, Hi  int64
	Verdict string // as of a [DiffRow]

	// BaseValues and NewValues are the bytes by run.
	BaseValues, NewValues []int64
}

// memoryAbs is a change of memory that never matters.
const memoryAbs = 4 << 10

// DiffMemory compares the memory of two sides, run by run. A row whose runs agree
// on each side is decided by its numbers; else by Welch's interval of the means,
// with the chance of an error shared among such rows. Changes within MinEffect of
// the base, or 4 KiB, don't matter. Of the options Alpha and MinEffect apply.
func DiffMemory(baseLabel string, base []*MemoryUse, newLabel string, new []*MemoryUse, opts DiffOptions) *MemoryComparison {
	opts.Alpha, opts.MinEffect = cmp.Or(opts.Alpha, 0.05), cmp.Or(opts.MinEffect, 0.01)
	c := &MemoryComparison{Base: baseLabel, New: newLabel, BaseRuns: len(base), NewRuns: len(new), Rows: []MemoryDiffRow{}, Findings: []Finding{}}
	t := memoryTable{at: map[memoryKey]int{}, runs: [2]int{len(base), len(new)}}
	for side, runs := range [2][]*MemoryUse{base, new} {
		for run, u := range runs {
			t.use(side, run, u)
		}
	}
	varying := 0
	for i := range t.rows {
		if !t.rows[i].exact() {
			varying++
		}
	}
	for i := range t.rows {
		if t.drop(&t.rows[i]) {
			continue
		}
		c.Rows = append(c.Rows, t.rows[i].judge(opts, max(1, varying)))
	}
	slices.SortStableFunc(c.Rows, func(a, b MemoryDiffRow) int {
		return cmp.Or(cmp.Compare(memoryLevels[a.Level], memoryLevels[b.Level]), cmp.Compare(abs(b.Delta), abs(a.Delta)), cmp.Compare(b.New, a.New),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Device, b.Device))
	})
	c.conclude()
	return c
}

// seen says whether some run saw memory in use: plans alone are of the compiler.
func seen(runs []*MemoryUse) bool {
	return slices.ContainsFunc(runs, func(u *MemoryUse) bool { return len(u.Live) > 0 || len(u.Allocators) > 0 })
}

// memoryLevels is the order of the levels of rows.
var memoryLevels = map[string]int{"live": 0, "kind": 1, "device": 2, "site": 3, "peak": 4, "plan": 5}

type memoryKey struct{ level, key, kind, device string }

type memoryRow struct {
	memoryKey
	bytes, count [2][]int64 // by side and run
}

type memoryTable struct {
	at   map[memoryKey]int
	rows []memoryRow
	runs [2]int
	many [2]map[string]bool // kinds, devices
}

func (t *memoryTable) add(side, run int, k memoryKey, bytes, count int64) {
	i, ok := t.at[k]
	if !ok {
		i = len(t.rows)
		t.at[k] = i
		r := memoryRow{memoryKey: k}
		for s, n := range t.runs {
			r.bytes[s], r.count[s] = make([]int64, n), make([]int64, n)
		}
		t.rows = append(t.rows, r)
	}
	r := &t.rows[i]
	r.bytes[side][run], r.count[side][run] = addSat(r.bytes[side][run], bytes), addSat(r.count[side][run], count)
}

func (t *memoryTable) use(side, run int, u *MemoryUse) {
	if t.many[0] == nil {
		t.many = [2]map[string]bool{{}, {}}
	}
	for i := range u.Live {
		l := &u.Live[i]
		t.add(side, run, memoryKey{level: "live", key: "live buffers"}, l.Bytes, l.Count)
		t.add(side, run, memoryKey{level: "kind", key: cmp.Or(l.Kind, "(no kind)")}, l.Bytes, l.Count)
		t.add(side, run, memoryKey{level: "device", key: cmp.Or(l.Device, "(no device)")}, l.Bytes, l.Count)
		t.add(side, run, memoryKey{"site", l.Site, l.Kind, l.Device}, l.Bytes, l.Count)
		t.many[0][l.Kind], t.many[1][l.Device] = true, true
	}
	for i := range u.Allocators {
		a := &u.Allocators[i]
		t.add(side, run, memoryKey{level: "peak", key: a.Name, device: a.Host}, a.Peak, 0)
	}
	for i := range u.Programs {
		p := &u.Programs[i]
		t.add(side, run, memoryKey{level: "plan", key: p.Name, kind: p.Space}, p.Peak, 0)
	}
}

// drop says that a row tells nothing that another doesn't: the only kind or device.
func (t *memoryTable) drop(r *memoryRow) bool {
	return r.level == "kind" && len(t.many[0]) < 2 || r.level == "device" && len(t.many[1]) < 2
}

// exact says whether the runs of each side agree.
func (r *memoryRow) exact() bool {
	for _, side := range r.bytes {
		for _, v := range side {
			if v != side[0] {
				return false
			}
		}
	}
	return true
}

func (r *memoryRow) judge(opts DiffOptions, varying int) MemoryDiffRow {
	out := MemoryDiffRow{
		Level: r.level, Key: r.key, Kind: r.kind, Device: r.device, Exact: r.exact(), BaseValues: r.bytes[0], NewValues: r.bytes[1],
		Base: middle(r.bytes[0]), New: middle(r.bytes[1]), BaseCount: middle(r.count[0]), NewCount: middle(r.count[1]),
	}
	out.Delta = addSat(out.New, -out.Base)
	out.Lo, out.Hi = out.Delta, out.Delta
	margin := max(int64(opts.MinEffect*math.Abs(float64(out.Base))), memoryAbs)
	several := len(r.bytes[0]) > 1 && len(r.bytes[1]) > 1
	if !out.Exact && several {
		_, lo, hi, _ := stats.MeanChange(floats(r.bytes[0]), floats(r.bytes[1]), opts.Alpha/float64(varying))
		out.Lo, out.Hi = clamped(math.Floor(lo)), clamped(math.Ceil(hi))
	}
	switch {
	case out.Exact && out.Delta >= -margin && out.Delta <= margin:
		out.Verdict = "EQUIVALENT"
	case !several && out.Exact:
		out.Verdict = "DIFFERS"
	case !several:
		out.Verdict = "INCONCLUSIVE"
	case out.Lo > margin:
		out.Verdict = "REGRESSION"
	case out.Hi < -margin:
		out.Verdict = "IMPROVEMENT"
	case out.Lo >= -margin && out.Hi <= margin:
		out.Verdict = "EQUIVALENT"
	default:
		out.Verdict = "INCONCLUSIVE"
	}
	return out
}

// middle is the median, the lower one of two.
func middle(values []int64) int64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	return s[(len(s)-1)/2]
}

func floats(v []int64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func clamped(f float64) int64 {
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// conclude gives the comparison its verdict, and says what it rests on.
func (c *MemoryComparison) conclude() {
	order := []string{"REGRESSION", "DIFFERS", "IMPROVEMENT", "INCONCLUSIVE", "EQUIVALENT"}
	worst := len(order) - 1
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Level == "live" {
			worst = slices.Index(order, r.Verdict)
			break
		}
		worst = min(worst, slices.Index(order, r.Verdict))
	}
	c.Verdict = order[worst]
	if c.BaseRuns < 2 || c.NewRuns < 2 {
		c.Findings = append(c.Findings, Finding{Code: "one-run", Severity: trace.Info, Count: 1,
			Message: fmt.Sprintf("%d and %d states of memory: with one on a side a change may be the moment, not the code", c.BaseRuns, c.NewRuns),
			Hint:    "two or more profiles a side, taken at the same point of the run"})
	}
}
