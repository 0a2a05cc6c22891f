// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/layerscope/layerscope/trace"
)

// bombLimit is what the inputs of this test may expand to; they would to 16 times
// as much and more.
const bombLimit = 1 << 20

// limited reads under bombLimit and measures what that allocates.
func limited(t *testing.T, name string, read func(trace.Options) (*trace.Trace, error)) (*trace.Trace, error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tr, err := read(trace.Options{MaxDecompressed: bombLimit})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 48<<20 {
		t.Errorf("%s: %d MB allocated", name, grown>>20)
	}
	return tr, err
}

// TestBombPaths: whatever is decompressed on the way to a trace is bounded by one
// limit, in each format and each compression.
func TestBombPaths(t *testing.T) {
	const size = 16 << 20
	long := func(head, unit string) []byte {
		return append([]byte(head), bytes.Repeat([]byte(unit), 1+size/len(unit))...)
	}
	space := seeds(t)["xspace"]
	for format, body := range map[string][]byte{
		"xspace":     bytes.Repeat(space, 1+size/len(space)),
		"chrome":     long(`{"traceEvents":[`, `{"ph":"X","pid":1,"tid":1,"ts":1,"dur":1,"name":"a"},`),
		"perfetto":   bytes.Repeat(ptrace(pevent(1000, 3, 1, "a")), size/20),
		"txt":        long("layerscope-trace 1\nop a\ntrack host\n", "  1 1 a\n"),
		"speedscope": long(`{"$schema":"https://www.speedscope.app/file-format-schema.json","profiles":[`, "                "),
		"folded":     long("", "a;b;c 1\n"),
		"tables":     long(`[{"cols":[`, `{"id":"operation"},`),
	} {
		for pack, b := range packs(t, body) {
			name := format + " in " + pack
			_, err := limited(t, name, func(o trace.Options) (*trace.Trace, error) { return trace.Read(bytes.NewReader(b), "bomb", o) })
			var bad *trace.InputError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), "expands to more than 1048576 bytes") || !strings.Contains(bad.Hint, "--max-decompressed") {
				t.Errorf("%s: error %v, want that it expands too far", name, err)
			}
		}
	}
}

// TestBombsInside: what is compressed inside a file counts too, and so does HLO that
// is given beside it.
func TestBombsInside(t *testing.T) {
	zeros := make([]byte, 16<<20)
	proto := "layerscope-trace 1\nprogram f 1\nhlo-proto 0 " + base64.RawStdEncoding.EncodeToString(packed(t, zeros)) + "\n"
	for name, b := range map[string][]byte{"hlo-proto": []byte(proto), "hlo-proto in gzip": packed(t, []byte(proto))} {
		_, err := limited(t, name, func(o trace.Options) (*trace.Trace, error) { return trace.Read(bytes.NewReader(b), "bomb", o) })
		if err == nil || !strings.Contains(err.Error(), "expands to more than 1048576 bytes") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for pack, b := range packs(t, zeros) {
		path := filepath.Join(t.TempDir(), "m.hlo.pb."+pack)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := limited(t, "HLO in "+pack, func(o trace.Options) (*trace.Trace, error) {
			o.HLO = []string{path}
			return trace.Read(strings.NewReader("layerscope-trace 1\nprogram f 1\n"), "x.txt", o)
		})
		if err == nil || !strings.Contains(err.Error(), "expands to more than 1048576 bytes") {
			t.Errorf("HLO in %s: error %v", pack, err)
		}
	}
}

// TestBombPackets: compressed packets of Perfetto, and what our own writer keeps in
// such files, expand to no more than the limit; what came before is kept.
func TestBombPackets(t *testing.T) {
	inner := bytes.Repeat(ptrace(pevent(1000, 3, 1, "a")), (16<<20)/20)
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	if _, err := zw.Write(inner); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, field := range map[string]pbuf{
		"zlib": pbuf{}.msg(50, z.Bytes()), "zstd": pbuf{}.msg(133, e.EncodeAll(inner, nil)), "our own": pbuf{}.msg(1871, append([]byte("t"), z.Bytes()...)),
	} {
		tr, err := limited(t, name, func(o trace.Options) (*trace.Trace, error) {
			return trace.Read(bytes.NewReader(ptrace(pevent(500, 3, 2, "first"), field)), "bomb", o)
		})
		switch {
		case err != nil && !strings.Contains(err.Error(), "expands to more than"):
			t.Errorf("%s: error %v", name, err)
		case err == nil && !slices.ContainsFunc(codesOf(tr), func(c string) bool { return strings.HasPrefix(c, "damaged") || strings.HasPrefix(c, "truncated") }):
			t.Errorf("%s: nothing is said: %v", name, codesOf(tr))
		}
	}
}

// TestBombDictionary: an xz stream that wants a dictionary of 4 GiB gets none.
func TestBombDictionary(t *testing.T) {
	b := packs(t, make([]byte, 8<<20))["xz"]
	at := bytes.Index(b[:32], []byte{0x21, 1})
	if at < 0 {
		t.Fatalf("no filter in % x", b[:32])
	}
	b[at+2] = 40
	_, err := limited(t, "dictionary", func(o trace.Options) (*trace.Trace, error) { return trace.Read(bytes.NewReader(b), "bomb", o) })
	if err == nil || !strings.Contains(err.Error(), "dictionary of") {
		t.Errorf("error %v", err)
	}
}
