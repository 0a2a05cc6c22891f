// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// childEnv names the capture that a child process of the heavy tests reads, and
// totalsEnv says that op totals are enough.
const (
	childEnv  = "LAYERSCOPE_HOSTILE_CHILD"
	totalsEnv = "LAYERSCOPE_HOSTILE_TOTALS"
)

// TestHostileChild is the process whose memory the heavy tests measure.
func TestHostileChild(t *testing.T) {
	path := os.Getenv(childEnv)
	if path == "" {
		t.Skip("a part of TestHostileHeavy, in a process of its own")
	}
	tr, err := trace.Open(path, trace.Options{})
	if err == nil && os.Getenv(totalsEnv) != "" {
		_, err = analyze.Totals(tr)
		tr.Close()
	} else if err == nil {
		var a *analyze.Analysis
		if a, err = analyze.Analyze(tr, analyze.Options{}); err == nil {
			fmt.Printf("events %d ops %d findings %d\n", occurrences(a), len(a.Ops), len(a.Findings))
		}
		tr.Close()
	}
	fmt.Printf("error %v\npeak %d\n", err, peakMemory(t))
}

func occurrences(a *analyze.Analysis) (n int64) {
	for _, o := range a.Ops {
		n += o.Occurrences
	}
	return n
}

// peakMemory is the most memory this process ever had, in bytes.
func peakMemory(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("peak memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

const tenMillion = 10_000_000

// heavies write captures that are as bad as a file of their size can be.
var heavies = []struct {
	name  string
	write func(w *bufio.Writer)
}{
	{"ids.xplane.pb", func(w *bufio.Writer) { // distinct metadata ids, each of one event
		spaceOf(w, "/device:TPU:0", "XLA Ops", func(w io.Writer, i uint64) { w.Write(eventOf(i)) }, func(w io.Writer, i uint64) { w.Write(entryOf(i, fmt.Sprint("op.", i))) })
	}},
	{"nameless.xplane.pb", func(w *bufio.Writer) { // distinct ids without metadata
		spaceOf(w, "/device:TPU:0", "XLA Ops", func(w io.Writer, i uint64) { w.Write(eventOf(i * 1009)) }, nil)
	}},
	{"host.xplane.pb", func(w *bufio.Writer) { // the same on a host's line
		spaceOf(w, "/host:CPU", "python", func(w io.Writer, i uint64) { w.Write(eventOf(i)) }, func(w io.Writer, i uint64) { w.Write(entryOf(i, fmt.Sprint("f", i))) })
	}},
	{"gpu.xplane.pb", func(w *bufio.Writer) { // kernels of a stream
		spaceOf(w, "/device:GPU:0", "Stream #1(Kernel)", func(w io.Writer, i uint64) { w.Write(eventOf(i)) }, func(w io.Writer, i uint64) { w.Write(entryOf(i, fmt.Sprint("k", i))) })
	}},
	{"names.trace.json", func(w *bufio.Writer) { jsonOf(w, `{"ph":"X","pid":1,"tid":1,"ts":%d,"dur":1,"name":"op.%d"},`) }},
	{"lanes.trace.json", func(w *bufio.Writer) { jsonOf(w, `{"ph":"X","pid":%d,"tid":%d,"ts":1,"dur":1,"name":"a"},`) }},
	{"threads.trace.json", func(w *bufio.Writer) {
		jsonOf(w, `{"ph":"M","pid":%d,"tid":%d,"name":"thread_name","args":{"name":"a"}},`)
	}},
	{"cpu.trace.json", func(w *bufio.Writer) {
		jsonOf(w, `{"ph":"X","pid":1,"tid":1,"ts":%d,"dur":1,"name":"a","args":{"hlo_op":"a","hlo_module":"m%d"}},`)
	}},
}

// spaceOf writes one plane with one line of ten million events, and metadata.
func spaceOf(w *bufio.Writer, plane, line string, event, entry func(io.Writer, uint64)) {
	field := func(w io.Writer, num, n uint64) {
		w.Write(binary.AppendUvarint(binary.AppendUvarint(nil, num<<3|2), n))
	}
	text := func(w io.Writer, num uint64, s string) { field(w, num, uint64(len(s))); io.WriteString(w, s) }
	size := func(write func(io.Writer)) uint64 { var c counted; write(&c); return uint64(c) }
	events := func(w io.Writer) {
		text(w, 2, line)
		for i := range uint64(tenMillion) {
			event(w, i)
		}
	}
	body := func(w io.Writer) {
		text(w, 2, plane)
		field(w, 3, size(events))
		events(w)
		for i := range uint64(tenMillion) {
			if entry != nil {
				entry(w, i)
			}
		}
	}
	field(w, 1, size(body))
	body(w)
}

type counted uint64

func (c *counted) Write(p []byte) (int, error) { *c += counted(len(p)); return len(p), nil }

// eventOf is an event with the given metadata id.
func eventOf(id uint64) []byte {
	b := binary.AppendUvarint([]byte{0x22, 0, 0x08}, id)
	b = append(b, 0x10)
	b = binary.AppendUvarint(b, id*1000)
	b = append(b, 0x18, 100)
	b[1] = byte(len(b) - 2)
	return b
}

// entryOf is the metadata with that id and name.
func entryOf(id uint64, name string) []byte {
	val := append([]byte{0x12, byte(len(name))}, name...)
	b := binary.AppendUvarint([]byte{0x22, 0, 0x08}, id)
	b = append(append(b, 0x12, byte(len(val))), val...)
	b[1] = byte(len(b) - 2)
	return b
}

func jsonOf(w *bufio.Writer, event string) {
	fmt.Fprintf(w, `{"traceEvents":[{"ph":"M","pid":1,"name":"process_name","args":{"name":"/device:TPU:0"}},{"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"XLA Ops"}},`)
	for i := range tenMillion {
		fmt.Fprintf(w, event, i, i)
	}
	fmt.Fprint(w, "{}]}")
}

// TestHostileHeavy: ten million distinct things cost at most three times the file
// and 100 MB.
func TestHostileHeavy(t *testing.T) {
	if os.Getenv("LAYERSCOPE_HEAVY") == "" {
		t.Skip("takes minutes and gigabytes: make hostile")
	}
	for _, h := range heavies {
		t.Run(h.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), h.name)
			size := fileOf(t, path, h.write)
			peak, said := measured(t, path)
			limit := 3*size + 100<<20
			t.Logf("%d MB: peak %d MB, limit %d MB; %s", size>>20, peak>>20, limit>>20, said)
			if peak > limit {
				t.Errorf("peak %d MB for a file of %d MB, want at most %d MB", peak>>20, size>>20, limit>>20)
			}
		})
	}
}

// TestMemoryIndependentOfSize: op totals of a large XSpace need the same memory as
// those of a small one. The whole analysis also has each layer's time in each step.
func TestMemoryIndependentOfSize(t *testing.T) {
	if os.Getenv("LAYERSCOPE_HEAVY") == "" {
		t.Skip("writes a file of 5 GB: make hostile")
	}
	for _, size := range []int64{64 << 20, 5 << 30} {
		path := filepath.Join(t.TempDir(), "big.xplane.pb")
		n := fileOf(t, path, func(w *bufio.Writer) {
			if _, err := xspacegen.Write(w, xspacegen.Config{Seed: 1, Bytes: size}); err != nil {
				t.Fatal(err)
			}
		})
		whole, said := measured(t, path)
		t.Setenv(totalsEnv, "1")
		totals, more := measured(t, path)
		os.Unsetenv(totalsEnv)
		t.Logf("%d MB: peak %d MB for op totals, %d MB for all; %s%s", n>>20, totals>>20, whole>>20, said, more)
		if totals > 64<<20 || whole > 512<<20 {
			t.Errorf("peak %d and %d MB for %d MB, want at most 64 and 512", totals>>20, whole>>20, n>>20)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func fileOf(t *testing.T, path string, write func(w *bufio.Writer)) (size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	write(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// measured reads a capture in a process of its own.
func measured(t *testing.T, path string) (peak int64, said string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHostileChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "peak":
			if peak, err = strconv.ParseInt(rest, 10, 64); err != nil {
				t.Fatal(err)
			}
		case "events", "error":
			said += line + " "
		}
	}
	return peak, said
}
