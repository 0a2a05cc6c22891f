// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The tables of XProf that have op rows, best first. They are sums: events,
// steps and layers are gone, and equal names are merged.
var tableNames = []string{"hlo_stats", "framework_op_stats"}

const formatTables = "xprof-tables"

// isTable says whether a file is an XProf table with op rows, by its name.
func isTable(name string) bool {
	if !strings.HasSuffix(name, ".json") {
		return false
	}
	for _, t := range tableNames {
		if strings.HasPrefix(name, t) {
			return true
		}
	}
	return false
}

// A table is one XProf data table, in the form of Google's chart library or of
// XProf's own JSON.
type table struct {
	columns map[string]int
	rows    [][]any
}

func (tb *table) number(row int, column string) float64 {
	f, _ := tb.at(row, column).(float64)
	return f
}

func (tb *table) text(row int, column string) string {
	s, _ := tb.at(row, column).(string)
	return s
}

func (tb *table) at(row int, column string) any {
	i, ok := tb.columns[column]
	if !ok || i >= len(tb.rows[row]) {
		return nil
	}
	return tb.rows[row][i]
}

// parseTable reads the first table of a file that has op rows.
func parseTable(b []byte) (*table, error) {
	type column struct {
		ID string `json:"id"`
	}
	var one struct {
		Cols    []column          `json:"cols"`
		Columns []column          `json:"columns"`
		Rows    []json.RawMessage `json:"rows"`
	}
	var list []json.RawMessage
	if json.Unmarshal(b, &list) == nil {
		if len(list) == 0 {
			return nil, fmt.Errorf("an empty list, wanted a table")
		}
		b = list[0]
	}
	if err := json.Unmarshal(b, &one); err != nil {
		return nil, err
	}
	tb := &table{columns: map[string]int{}}
	for i, c := range slices.Concat(one.Cols, one.Columns) {
		tb.columns[c.ID] = i
	}
	for i, raw := range one.Rows {
		var cells struct {
			C []struct {
				V any `json:"v"`
			} `json:"c"`
		}
		var row []any
		if json.Unmarshal(raw, &row) != nil {
			if err := json.Unmarshal(raw, &cells); err != nil {
				return nil, fmt.Errorf("row %d: %w", i, err)
			}
			for _, c := range cells.C {
				row = append(row, c.V)
			}
		}
		tb.rows = append(tb.rows, row)
	}
	for _, want := range []string{"occurrences", "total_time", "total_self_time"} {
		if _, ok := tb.columns[want]; !ok {
			return nil, fmt.Errorf("no column %q, wanted an op table of XProf", want)
		}
	}
	return tb, nil
}

// openTables reads the op table of a directory: that of a device before a
// host's, hlo_stats before framework_op_stats.
func (t *Trace) openTables(dir string, opts Options) error {
	best, rank := "", math.MaxInt
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "profile_config.json" {
			t.readProfileConfig(path)
		}
		if d.IsDir() || !isTable(d.Name()) {
			return nil
		}
		r := slices.IndexFunc(tableNames, func(n string) bool { return strings.HasPrefix(d.Name(), n) })
		if !strings.Contains(path, "device") {
			r += len(tableNames)
		}
		if r < rank {
			best, rank = path, r
		}
		return nil
	})
	if err != nil {
		return at(dir, err)
	}
	return t.openFile(best, opts)
}

// readProfileConfig keeps what a profiling session was asked for.
func (t *Trace) readProfileConfig(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	var config struct {
		NumSteps int `json:"num_steps"`
	}
	if json.Unmarshal(b, &config) == nil && config.NumSteps > 0 {
		t.Metadata["num_steps"] = fmt.Sprint(config.NumSteps)
	}
}

// fromTable adds the ops of an XProf table: one aggregated event a row, on one
// device that stands for all.
func fromTable(t *Trace, b []byte, host string) error {
	tb, err := parseTable(b)
	if err != nil {
		return &InputError{Msg: err.Error(), Hint: "wanted hlo_stats or framework_op_stats as XProf writes them", err: err}
	}
	t.Lossy = "XProf's derived table: sums by op name without events, steps or program runs"
	col := &columns{}
	sum := tableSums{}
	for i := range tb.rows {
		t.tableRow(tb, i, col, &sum)
	}
	t.Devices = append(t.Devices, Device{Name: "device (all, from a table)", Host: host, Kind: "table"})
	if !containsString(t.Hosts, host) {
		t.Hosts = append(t.Hosts, host)
	}
	t.Tracks = append(t.Tracks, &Track{Name: "op table", Kind: Ops, Device: len(t.Devices) - 1, Host: host, source: col})
	t.Wall = sum.self + sum.idle
	t.Metadata["window"] = "busy + device idle, from the table"
	t.tableFindings(&sum)
	return nil
}

type tableSums struct {
	total, self, idle, hostIdle Duration
	rows, merged                int
}

func (t *Trace) tableRow(tb *table, i int, col *columns, sum *tableSums) {
	us := func(column string) Duration { return Duration(math.Round(tb.number(i, column) * 1e6)) }
	name := firstOf(tb.text(i, "operation"), tb.text(i, "hlo_op_name"))
	self, total := us("total_self_time"), us("total_time")
	host := tb.text(i, "host_or_device") == "Host"
	switch {
	case name == "IDLE" && host:
		sum.hostIdle += self
		return
	case name == "IDLE":
		sum.idle += self
		return
	case host || name == "":
		return
	}
	count := max(1, int32(min(tb.number(i, "occurrences"), math.MaxInt32)))
	op := Op{Name: name, Scope: tb.text(i, "tf_op_name"), Category: firstOf(tb.text(i, "category"), tb.text(i, "type")), Long: tb.text(i, "hlo_op_expression"), Program: -1}
	if _, framework := tb.columns["operation"]; framework && strings.Contains(name, "/") {
		op.Scope = name
		sum.merged++
	}
	seconds := float64(total) / 1e12 / float64(count)
	op.FLOPs = int64(tb.number(i, "measured_flop_rate") * 1e9 * seconds)
	op.ModelFLOPs = int64(tb.number(i, "model_flop_rate") * 1e9 * seconds)
	op.Bytes = int64(tb.number(i, "measured_memory_bw") * (1 << 30) * seconds)
	if head, _, ok := strings.Cut(op.Scope, "/"); ok && strings.HasPrefix(head, "jit(") {
		op.Program = t.tableProgram("jit_" + strings.TrimSuffix(head[4:], ")"))
	}
	sum.rows++
	sum.total += total
	sum.self += self
	col.add(OpID(len(t.Ops)), 0, total)
	t.Ops = append(t.Ops, op)
	col.count, col.self, col.min = append(col.count, count), append(col.self, self), append(col.min, total/Duration(count))
}

func (t *Trace) tableProgram(name string) int {
	for i := range t.Programs {
		if t.Programs[i].Name == name {
			return i
		}
	}
	t.Programs = append(t.Programs, Program{Name: name})
	return len(t.Programs) - 1
}

// tableFindings says what readers of such tables get wrong.
func (t *Trace) tableFindings(sum *tableSums) {
	t.find(Finding{Code: "lossy", Severity: Warning, Message: "read from an XProf table: no events, no steps, no layers, no per-step samples", Hint: "keep the .xplane.pb; everything else can be computed from it"})
	us := func(d Duration) float64 { return float64(d) / 1e6 }
	if sum.total > sum.self {
		t.find(Finding{Code: "inclusive-time", Severity: Info,
			Message: fmt.Sprintf("total times add up to %.3f µs, self times to %.3f µs: ops inside while and conditional are in both; busy time is the sum of self times", us(sum.total), us(sum.self)),
			Hint:    "a breakdown by total_time counts nested ops twice"})
	}
	if sum.idle > 0 && sum.hostIdle > 0 {
		t.find(Finding{Code: "host-idle", Severity: Info,
			Message: fmt.Sprintf("the table has an IDLE row for the device (%.3f µs) and one for the host (%.3f µs); the window is %.3f µs, not %.3f µs", us(sum.idle), us(sum.hostIdle), us(sum.self+sum.idle), us(sum.total+sum.idle+sum.hostIdle)),
			Hint:    "adding both doubles the window"})
	}
	if sum.merged > 0 {
		t.find(Finding{Code: "merged-names", Severity: Info, Count: int64(sum.merged),
			Message: "framework_op_stats merges ops of one name, all layers of a model among them, and shows the largest count of any: occurrences and averages are not per call",
			Hint:    "use hlo_stats, or better the .xplane.pb, for counts"})
	}
}
