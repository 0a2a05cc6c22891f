// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// hostileText is a small trace with something of everything, and names that
// want to get out: escapes, paths, markup, formulas, bytes that are no UTF-8.
const hostileText = `layerscope-trace 1
origin 1700000000000000000
wall 9000000
host "../../etc/passwd"
meta "key\x1b[2J" "<script>alert(1)</script>"
program "jit_f\n# x" 7
device /device:TPU:0 tpu type="TPU\x07" host="../../etc/passwd" flops=1e15 hbm=1e12 memory=1000
device cpu:0 cpu host="../../etc/passwd"
op dot name="=cmd|' /C calc'!A0" program=0 category="a|b" scope="jit(f)/layer_0/mlp/\x1b]0;t\x07dot" flops=10 bytes=20 hbm_read=7
op bad name="\xff\xfe\u202e" program=0 scope="jit(f)/layer_1/../../x/dot"
op c name="\"quoted\";semi" long="<img src=x onerror=y>"
exec 0 0 5 0 4000000
step 3 0 0 4000000 name="step 3"
step 9 -1 0 5000000 name="host\tstep"
compile 10 20 module="../m"
alloc 100 bytes=50 allocated=50 allocator=0 host="../../etc/passwd"
free 200 bytes=50 allocator=0 host="../../etc/passwd"
track ops device=0 name="XLA Ops" host="../../etc/passwd"
  0 1000000 dot run=5
  1000000 2000000 bad run=5
  1500001 10 c run=5 flops=3 bytes=4
track async device=0 name="Async XLA Ops"
  5 1000000 dot
  6 2000000 bad
track counter name="\x1b[31mmem"
  0 0 c value=1.5
track host name="../../../tmp/evil" host="../../etc/passwd"
  0 5000000 c
  10 20 bad
finding truncated error "cut\nhere" count=2 hint="\x1b[1m"
`

func hostileTrace(tb testing.TB) *trace.Trace {
	tb.Helper()
	tr, err := trace.Read(strings.NewReader(hostileText), "h.txt", trace.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// hostileFixtures is the same small trace in every format that is read, and
// small files of formats that others write.
func hostileFixtures(t *testing.T) map[string][]byte {
	t.Helper()
	tr := hostileTrace(t)
	out := map[string][]byte{"txt": []byte(hostileText), "kineto": []byte(kineto), "speedscope": []byte(speedscopeFile), "folded": []byte(foldedFile), "op-profile": []byte(opProfileFile), "memory-page": []byte(memoryPageFile), "overview": []byte(overviewFile)}
	out["chrome"] = chrome(t, tr, trace.ChromeOptions{})
	out["chrome-exact"] = chrome(t, tr, trace.ChromeOptions{Exact: true})
	out["xspace"] = xspaceOf(t, tr)
	var b bytes.Buffer
	if err := trace.WritePerfetto(&b, tr, trace.PerfettoOptions{}); err != nil {
		t.Fatal(err)
	}
	out["perfetto"] = bytes.Clone(b.Bytes())
	out["phases"] = []byte("[" + strings.Join(phasesOf(), ",") + "]")
	out["table"] = []byte(`[{"cols":[{"id":"operation"},{"id":"occurrences"},{"id":"total_time"},{"id":"total_self_time"},{"id":"host_or_device"}],"rows":[{"c":[{"v":"jit(f)/x"},{"v":3},{"v":1.5},{"v":1.5},{"v":"Device"}]},{"c":[{"v":"IDLE"},{"v":1},{"v":9},{"v":9},{"v":"Device"}]}]}]`)
	for _, name := range []string{"chrome", "xspace", "txt", "perfetto"} {
		out[name+".gz"] = gzipped(t, out[name])
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	out["chrome.zst"] = e.EncodeAll(out["chrome"], nil)
	return out
}

func phasesOf() []string {
	var out []string
	for _, c := range phases {
		out = append(out, c.events)
	}
	return out
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// damages are ways to spoil a file. Each yields variants; n bounds how many.
var damages = []struct {
	name string
	make func(b []byte, n int, yield func([]byte))
}{
	{"cut", func(b []byte, n int, yield func([]byte)) {
		for i := range n { // evenly, and at every byte of the last stretch
			yield(b[:len(b)*i/n])
		}
		for i := max(0, len(b)-64); i < len(b); i++ {
			yield(b[:i])
		}
	}},
	{"cut at a boundary", func(b []byte, n int, yield func([]byte)) {
		for i, k := 0, 0; i < len(b) && k < n; i++ {
			if strings.IndexByte("{}[],:\"\\\n ", b[i]) >= 0 {
				yield(b[:i])
				yield(b[:i+1])
				k++
			}
		}
	}},
	{"flip", func(b []byte, n int, yield func([]byte)) {
		rng := rand.New(rand.NewPCG(1, uint64(len(b))))
		for range n {
			c := bytes.Clone(b)
			for range 1 + rng.IntN(3) {
				c[rng.IntN(len(c))] ^= byte(1 << rng.IntN(8))
			}
			yield(c)
		}
	}},
	{"duplicate", func(b []byte, n int, yield func([]byte)) {
		yield(append(bytes.Clone(b), b...))
		for i := range n / 4 {
			at := len(b) * i / max(1, n/4)
			end := min(len(b), at+1+len(b)/7)
			yield(bytes.Join([][]byte{b[:end], b[at:end], b[end:]}, nil))
		}
	}},
	{"reorder", func(b []byte, n int, yield func([]byte)) {
		rng := rand.New(rand.NewPCG(2, uint64(len(b))))
		lines := bytes.SplitAfter(b, []byte("\n"))
		for range n / 4 {
			rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			yield(bytes.Join(lines, nil))
			i, j := rng.IntN(len(b)), rng.IntN(len(b))
			i, j = min(i, j), max(i, j)
			yield(bytes.Join([][]byte{b[:i], b[j:], b[i:j]}, nil))
		}
	}},
	{"length of 4 GiB", func(b []byte, n int, yield func([]byte)) {
		huge := binary.AppendUvarint(nil, 4<<30)
		for i := range n / 2 {
			at := len(b) * i / max(1, n/2)
			yield(bytes.Join([][]byte{b[:at], huge, b[at:]}, nil))
			yield(bytes.Join([][]byte{b[:at], []byte("4294967296"), b[at:]}, nil))
		}
	}},
	{"newlines", func(b []byte, _ int, yield func([]byte)) {
		yield(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
		yield(bytes.ReplaceAll(b, []byte("\n"), []byte("\r")))
		yield(bytes.ReplaceAll(b, []byte(","), []byte(",\r\n\n\t")))
		yield(append(bytes.Repeat([]byte(" \n\r\t"), 2500), b...))
		yield(append([]byte("\xef\xbb\xbf"), b...))
	}},
	{"bytes that are no UTF-8", func(b []byte, n int, yield func([]byte)) {
		for i := range n / 4 {
			at := len(b) * i / max(1, n/4)
			yield(bytes.Join([][]byte{b[:at], []byte("\xff\xc0\x80\xed\xa0\x80"), b[at:]}, nil))
		}
		yield(bytes.ReplaceAll(b, []byte("e"), []byte("\xfe")))
	}},
	{"control characters", func(b []byte, n int, yield func([]byte)) {
		for i := range n / 4 {
			at := len(b) * i / max(1, n/4)
			yield(bytes.Join([][]byte{b[:at], []byte("\x00\x01\x1b[2J\x7f\\u0000"), b[at:]}, nil))
		}
	}},
	{"large numbers", func(b []byte, _ int, yield func([]byte)) {
		for _, n := range []string{"9223372036854775807", "-9223372036854775808", "1e999", "NaN", "-1"} {
			yield(bytes.ReplaceAll(b, []byte("1"), []byte(n)))
			yield(bytes.ReplaceAll(b, []byte(":0"), []byte(":"+n)))
		}
	}},
}

// TestHostile spoils every fixture in every way. A reader may fail, with an
// error, or give a trace, which must then be fit to be analysed and written; it
// may not panic, hang, or take memory out of all proportion.
func TestHostile(t *testing.T) {
	n := 60
	if testing.Short() {
		n = 12
	}
	for name, good := range hostileFixtures(t) {
		t.Run(name, func(t *testing.T) {
			if err := survive(good); err != nil {
				t.Fatalf("the fixture itself: %v", err)
			}
			for _, d := range damages {
				d.make(good, n, func(b []byte) {
					defer func() {
						if p := recover(); p != nil {
							t.Fatalf("%s: panic: %v\n%s\n%.2000q", d.name, p, stack(), b)
						}
					}()
					start := time.Now()
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					_ = survive(b) // an error is as good as a trace
					runtime.ReadMemStats(&after)
					if used := after.TotalAlloc - before.TotalAlloc; used > hostileMemory(len(b)) {
						t.Errorf("%s: %d MB allocated for %d bytes, want at most %d", d.name, used>>20, len(b), hostileMemory(len(b))>>20)
					}
					if took := time.Since(start); took > 20*time.Second {
						t.Errorf("%s: %v for %d bytes", d.name, took, len(b))
					}
				})
			}
		})
	}
}

// hostileMemory is what reading, analysing and writing twice may allocate, all that
// was freed again included, for a file of n bytes that may expand to 16 MiB.
func hostileMemory(n int) uint64 { return uint64(200*n + 160<<20) }

func stack() []byte {
	b := make([]byte, 8<<10)
	return b[:runtime.Stack(b, false)]
}

// survive reads, analyses and writes.
func survive(b []byte) error {
	tr, err := trace.Read(bytes.NewReader(b), "hostile", trace.Options{MaxDecompressed: 1 << 24})
	if err != nil {
		if err.Error() == "" {
			return fmt.Errorf("an error without a text: %T", err)
		}
		return err
	}
	defer tr.Close()
	if _, err := analyze.Analyze(tr, analyze.Options{}); err != nil {
		return err
	}
	if err := trace.WriteText(io.Discard, tr); err != nil {
		return err
	}
	if err := trace.WriteChrome(io.Discard, tr, trace.ChromeOptions{}); err != nil {
		return err
	}
	return nil
}

// TestBombs: what expands beyond the limit is refused, in every compression and
// wherever a format compresses inside.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 32<<20)
	for i := range zeros {
		zeros[i] = ' '
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string]string{"json": `[{"ph":"X","ts":0,"dur":1,"name":"`, "txt": "layerscope-trace 1\nop a name=", "spaces": ""} {
		body := append([]byte(head), zeros...)
		for kind, packed := range map[string][]byte{"gzip": gzipped(t, body), "zstd": e.EncodeAll(body, nil)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := trace.Read(bytes.NewReader(packed), "bomb", trace.Options{MaxDecompressed: 1 << 20})
			runtime.ReadMemStats(&after)
			if err == nil || name != "spaces" && !strings.Contains(err.Error(), "expands to more than 1048576 bytes") {
				t.Errorf("%s as %s: error %v", name, kind, err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("%s as %s: %d bytes allocated", name, kind, grown)
			}
		}
	}
}

// TestHostileShared reads the malformed files of the shared library through the
// whole pipeline.
func TestHostileShared(t *testing.T) {
	b, err := os.ReadFile(tracetest.Shared(t, "data/malformed/utf8_mangled.xplane.pb"))
	if err != nil {
		t.Fatal(err)
	}
	if err := survive(b); err == nil || !strings.Contains(err.Error(), "EF BF BD") {
		t.Errorf("error %v, wanted one that names EF BF BD", err)
	}
}
