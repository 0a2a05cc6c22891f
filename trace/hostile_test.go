// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// The suite holds what a user runs, [trace.Read] and [analyze.Analyze], against
// files that were damaged or made to harm. LAYERSCOPE_HEAVY=1 (make hostile) gives
// large captures as many rounds as small ones, and runs hostile_heavy_test.go.

const rounds = 1000

// roundsFor is how many rounds an input of n bytes gets.
func roundsFor(n int) int {
	if n > 100<<10 && os.Getenv("LAYERSCOPE_HEAVY") == "" {
		return rounds / 20
	}
	return rounds
}

func packed(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return b
}

// victims are the captures that are damaged: small made ones and real ones.
func victims(t *testing.T) map[string][]byte {
	t.Helper()
	all := seeds(t)
	own := filepath.Join(tracetest.Root(t), "testdata", "captures")
	all["cpu xspace"] = unpacked(t, filepath.Join(own, "base_a.xplane.pb.gz"))
	all["cpu json"] = unpacked(t, filepath.Join(own, "base_a.trace.json.gz"))
	for name, file := range map[string]string{"cpu json.gz": "base_a.trace.json.gz", "cpu xspace.gz": "base_a.xplane.pb.gz"} {
		b, err := os.ReadFile(filepath.Join(own, file))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	return all
}

// placed is what an error holds that says where in the input it is, or what it is.
var placed = regexp.MustCompile(`offset|line \d|byte \d|event \d|0x[0-9a-f]|\d bytes|first key is|EF BF BD`)

// attempt reads and analyses b: in time, within memory (everything ever allocated;
// peaks are measured in hostile_heavy_test.go), and with a clear error if
// there is one. A hang ends the test binary, as nothing else can end it.
func attempt(t *testing.T, what string, b []byte) (*analyze.Analysis, error) {
	t.Helper()
	const limit = time.Minute
	watch := time.AfterFunc(limit, func() { panic(fmt.Sprintf("%s: not done after %v", what, limit)) })
	defer watch.Stop()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := readAndAnalyse(b)
	runtime.ReadMemStats(&after)
	if used, most := after.TotalAlloc-before.TotalAlloc, uint64(100*len(b)+100<<20); used > most {
		t.Errorf("%s: %d MB allocated for %d bytes, want at most %d MB", what, used>>20, len(b), most>>20)
	}
	if err != nil && !placed.MatchString(err.Error()) {
		t.Errorf("%s: error %q doesn't say where", what, err)
	}
	return a, err
}

func readAndAnalyse(b []byte) (*analyze.Analysis, error) {
	tr, err := trace.Read(bytes.NewReader(b), "hostile", trace.Options{MaxDecompressed: 1 << 30})
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	return analyze.Analyze(tr, analyze.Options{})
}

// ends says whether a report notices that its capture ends early.
func ends(a *analyze.Analysis) bool {
	for _, f := range a.Findings {
		switch f.Code {
		case "truncated", "damaged", "json-form":
			return true
		}
	}
	return false
}

// A capture cut anywhere gives an error or a finding, but for the places where what
// is left is a whole capture.
func TestHostileCuts(t *testing.T) {
	for name, b := range victims(t) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(len(b))))
			silent := 0
			for range roundsFor(len(b)) {
				n := rng.IntN(len(b))
				a, err := attempt(t, fmt.Sprintf("%d of %d bytes", n, len(b)), b[:n])
				if err == nil && !ends(a) {
					silent++
				}
			}
			// Text has no end mark; an XSpace of one plane is whole before its host's
			// name and at the plane's end, and its padding bytes are few.
			if limit := map[string]int{"text": rounds, "xspace": 2, "cpu xspace": 1}[name]; silent > limit {
				t.Errorf("%d cuts went unnoticed, want at most %d", silent, limit)
			}
		})
	}
}

// Flipped bits are read around, reported, or change a name or a number.
func TestHostileFlips(t *testing.T) {
	for name, b := range victims(t) {
		t.Run(name, func(t *testing.T) {
			c := slices.Clone(b)
			for seed := range roundsFor(len(b)) {
				rng := rand.New(rand.NewPCG(2, uint64(seed)))
				copy(c, b)
				for range 1 + rng.IntN(4) {
					c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
				}
				attempt(t, fmt.Sprintf("seed %d", seed), c)
			}
		})
	}
}

// Bytes that claim lengths, or numbers, without end.
func TestHostileLengths(t *testing.T) {
	huge := []byte("\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	for name, b := range victims(t) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, uint64(len(b))))
			for range roundsFor(len(b)) / 2 {
				at := rng.IntN(len(b))
				bomb := huge[rng.IntN(len(huge)):]
				if strings.Contains(name, "json") || name == "text" {
					bomb = []byte([]string{"99999999999999999999", "1e999999999", "-1e-999999999", "\"", "[[[[[[[[", "{\"a\":", "\\u0000"}[rng.IntN(7)])
				}
				attempt(t, fmt.Sprintf("%q at %d", bomb, at), slices.Concat(b[:at], bomb, b[at:]))
				attempt(t, fmt.Sprintf("%q over %d", bomb, at), slices.Concat(b[:at], bomb, b[min(len(b), at+len(bomb)):]))
			}
		})
	}
}

// Nests far deeper than programs make them.
func TestHostileDepth(t *testing.T) {
	const n = 200_000
	deep := strings.Repeat
	var slices strings.Builder
	slices.WriteString("layerscope-trace 1\ndevice d tpu\nop a\ntrack ops device=0\n")
	for i := range 2 * n {
		fmt.Fprintf(&slices, "  %d %d a\n", i, 4*n-2*i)
	}
	event := `{"traceEvents":[{"ph":"M","pid":1,"name":"process_name","args":{"name":"/device:TPU:0"}},{"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"XLA Ops"}},{"ph":"X","pid":1,"tid":1,"ts":1,"dur":1,"name":"a","args":{%s}}]}`
	scope := "layerscope-trace 1\ndevice d tpu\nop a scope=%q\ntrack ops device=0\n  0 5 a\n"
	for name, in := range map[string]string{
		"arrays in args":  fmt.Sprintf(event, `"x":`+deep("[", n)+deep("]", n)),
		"objects in args": fmt.Sprintf(event, `"x":`+deep(`{"a":`, n)+"1"+deep("}", n)),
		"arrays, open":    deep("[", n),
		"objects, open":   deep(`{"a":`, n),
		"events":          slices.String(),
		"scope":           fmt.Sprintf(scope, deep("a/", n)),
		"scope of calls":  fmt.Sprintf(scope, deep("jit(", n)+"a"+deep(")", n)),
		"scope of layers": fmt.Sprintf(scope, deep("layers.1/", n)),
		"HLO braces":      "layerscope-trace 1\nprogram f 1\nhlo 0\nHloModule f\nENTRY e {\n ROOT a = " + deep("(", n) + "\n}\n.\n",
		"HLO proto":       "\x0a" + string(nested(n)),
	} {
		t.Run(name, func(t *testing.T) { attempt(t, name, []byte(in)) })
	}
}

// nested is a message in a message in a message, n deep or so.
func nested(n int) []byte {
	b := []byte{0}
	for range n / 20 { // the length bytes make it quadratic
		size := len(b)
		b = append([]byte{0x0a, byte(size&0x7f | 0x80), byte(size>>7&0x7f | 0x80), byte(size >> 14 & 0x7f)}, b...)
	}
	return b[1:]
}

// Planes twice, in another order, or in between each other give what they hold.
func TestHostileChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	xs := victims(t)["cpu xspace"]
	planes := fields(t, xs)
	for i := range 40 {
		var b []byte
		for _, k := range rng.Perm(len(planes) * 2) {
			b = append(b, planes[k%len(planes)]...)
		}
		if _, err := attempt(t, fmt.Sprintf("planes %d", i), b); err != nil {
			t.Errorf("planes in some order: %v", err)
		}
	}
	js := string(seeds(t)["json"])
	head, rest, _ := strings.Cut(js, `"traceEvents":[`)
	events := strings.Split(strings.TrimSuffix(rest, ",{}]}"), "},{\"ph\"")
	for i := 1; i < len(events); i++ {
		events[i] = "{\"ph\"" + events[i]
	}
	for i := range events[:len(events)-1] {
		events[i] += "}"
	}
	want, err := attempt(t, "JSON", []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		a, err := attempt(t, "JSON events in another order", []byte(head+`"traceEvents":[`+strings.Join(events, ",")+"]}"))
		if err != nil || a.Layers.OpTime != want.Layers.OpTime || len(a.Ops) != len(want.Ops) {
			t.Fatalf("events in another order: op time %d of %d ops, want %d of %d; %v", a.Layers.OpTime, len(a.Ops), want.Layers.OpTime, len(want.Ops), err)
		}
	}
}

// fields cuts a message into its outermost fields.
func fields(t *testing.T, b []byte) (out [][]byte) {
	t.Helper()
	for at := 0; at < len(b); {
		n, shift, p := 0, 0, at+1
		for ; ; p++ {
			n |= int(b[p]&0x7f) << shift
			if shift += 7; b[p] < 0x80 {
				break
			}
		}
		out = append(out, b[at:p+1+n])
		at = p + 1 + n
	}
	return out
}

// What expands beyond the limit is refused, in whatever way it is packed.
func TestHostileBombs(t *testing.T) {
	const size = 64 << 20
	for kind, content := range map[string][]byte{
		"xspace":      bytes.Repeat(seeds(t)["xspace"], 1+size/len(seeds(t)["xspace"])),
		"json spaces": append([]byte(`{"traceEvents":[`), bytes.Repeat([]byte{' '}, size)...),
		"json events": append([]byte(`{"traceEvents":[`), bytes.Repeat([]byte(`{"ph":"X","pid":1,"tid":1,"ts":1,"dur":1,"name":"a"},`), size/50)...),
	} {
		for pack, b := range packs(t, content) {
			_, err := trace.Read(bytes.NewReader(b), "bomb", trace.Options{MaxDecompressed: 1 << 20})
			if err == nil || !strings.Contains(err.Error(), "expands to more than 1048576 bytes") {
				t.Errorf("%s in %s: error %v, want that it expands too far", kind, pack, err)
			}
		}
	}
}

func packs(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	var z, x bytes.Buffer
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	xw, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{zw, xw} {
		if _, err := w.Write(b[:8<<20]); err != nil { // xz is slow
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return map[string][]byte{"gzip": packed(t, b), "zstd": z.Bytes(), "xz": x.Bytes()}
}

// Inputs of the shared library that were found broken in the wild.
func TestHostileFound(t *testing.T) {
	for name, want := range map[string]string{"data/malformed/utf8_mangled.xplane.pb": "EF BF BD"} {
		b, err := os.ReadFile(tracetest.Shared(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attempt(t, name, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
		rng := rand.New(rand.NewPCG(5, 5))
		for range 100 {
			n := rng.IntN(len(b))
			attempt(t, fmt.Sprintf("%s, %d bytes", name, n), b[:n])
		}
	}
}
